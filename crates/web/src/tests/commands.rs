//! Commands from the page, and requests that are refused.

use super::*;
use moodring_contract::lesson::LessonInProgress;
use moodring_contract::{Command, CommandSource, LessonCommand, Sensitivity, SwitchPosition};

#[tokio::test]
async fn the_page_pauses_and_resumes_and_answers_with_the_new_status() {
    let (executor, _lessons) = Executor::start();
    let site = site_with_commands(samples::live(), &executor).await;
    let (head, device) = site.send("POST", "/api/v1/pause", "", r#"{"paused": true}"#).await;
    assert!(head.starts_with("HTTP/1.1 200") && device["paused"] == true, "{head} {device}");
    assert!(executor.is_paused());
    let (_, device) = site.send("POST", "/api/v1/pause", "", r#"{"paused": false}"#).await;
    assert!(device["paused"] == false && !executor.is_paused());
    assert_eq!(executor.executed(), [Command::Pause, Command::Resume]);
}

#[tokio::test]
async fn a_closed_switch_refuses_to_resume_and_the_command_is_not_queued() {
    let (executor, _lessons) = Executor::start();
    executor.board.update(|status| status.switch = SwitchPosition::Closed);
    let site = site_with_commands(samples::paused(), &executor).await;
    let (head, body) = site.send("POST", "/api/v1/pause", "", r#"{"paused": false}"#).await;
    assert!(head.starts_with("HTTP/1.1 409") && body["error"] == "switch_closed", "{head} {body}");
    let (_, body) = site.get("/api/v1/device").await;
    let device: Value = serde_json::from_slice(&body).unwrap();
    assert!(device["switch_closed"] == true && device["paused"] == true, "{device}");
    executor.execute(Command::Pause, CommandSource::Button).unwrap();
    executor.board.update(|status| status.switch = SwitchPosition::Open);
    assert!(executor.is_paused() && executor.executed() == [Command::Pause]);
}

#[tokio::test]
async fn lessons_night_mode_and_sensitivity_are_set_from_the_page() {
    let (executor, mut lessons) = Executor::start();
    let site = site_with_commands(samples::live(), &executor).await;
    let begin = r#"{"action": "begin", "title": " भौतिकी 7a "}"#;
    assert!(site.send("POST", "/api/v1/lesson", "", begin).await.0.starts_with("HTTP/1.1 202"));
    let (head, body) = site.send("POST", "/api/v1/lesson", "", begin).await;
    assert!(head.starts_with("HTTP/1.1 503") && body["error"] == "busy", "{head} {body}");
    assert_eq!(lessons.try_recv(), Ok(LessonCommand::Begin { title: "भौतिकी 7a".into() }));
    site.send("POST", "/api/v1/lesson", "", r#"{"action": "end"}"#).await;
    assert_eq!(lessons.try_recv(), Ok(LessonCommand::End));
    let (_, device) = site.send("POST", "/api/v1/night", "", r#"{"dim": true}"#).await;
    assert!(device["dimmed"] == true && executor.board.now().dim_until.is_some());
    let (_, device) = site.send("POST", "/api/v1/night", "", r#"{"dim": false}"#).await;
    assert!(device["dimmed"] == false && executor.board.now().dim_until.is_none());
    let (_, device) = site.send("POST", "/api/v1/sensitivity", "", r#"{"sensitivity": "quick"}"#).await;
    assert!(device["sensitivity"] == "quick" && executor.board.now().sensitivity == Sensitivity::Quick);
}

#[tokio::test]
async fn listeners_receive_the_status_at_once_and_after_changes_by_other_sources() {
    let (executor, _lessons) = Executor::start();
    let site = site_with_commands(samples::live(), &executor).await;
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let first = read_until(&mut events, "event: mood").await;
    assert!(first.contains("event: device") && first.contains("\"paused\":false"), "{first}");
    executor.execute(Command::Pause, CommandSource::Button).unwrap();
    read_until(&mut events, "\"paused\":true").await;
    let lesson = LessonInProgress { title: "Physics".into(), begun_at: samples::live().at };
    executor.board.update(|status| status.lesson = Some(lesson));
    read_until(&mut events, "\"title\":\"Physics\"").await;
    executor.execute(Command::SetSensitivity(Sensitivity::Calm), CommandSource::Mqtt).unwrap();
    read_until(&mut events, "\"sensitivity\":\"calm\"").await;
    let dim_until = Some(Instant::now() + Duration::from_millis(300));
    executor.board.update(|status| status.dim_until = dim_until);
    read_until(&mut events, "\"dimmed\":true").await;
    read_until(&mut events, "\"dimmed\":false").await;
}

#[tokio::test]
async fn invalid_requests_change_nothing() {
    let (executor, mut lessons) = Executor::start();
    let site = site_with_commands(samples::live(), &executor).await;
    let long = format!(r#"{{"action": "begin", "title": "{}"}}"#, "x".repeat(101));
    let huge = format!(r#"{{"action": "begin", "title": "{}"}}"#, "x".repeat(2 * guard::MAX_BODY_BYTES));
    for (path, body, status) in [
        ("/api/v1/pause", "", "400"),
        ("/api/v1/pause", "{", "400"),
        ("/api/v1/pause", "true", "422"),
        ("/api/v1/pause", r#"{"paused": "yes"}"#, "422"),
        ("/api/v1/pause", r#"{"paused": true, "for": 1}"#, "422"),
        ("/api/v1/lesson", r#"{"action": "toggle"}"#, "422"),
        ("/api/v1/lesson", "{\"action\": \"begin\", \"title\": \"\\u001b[2J\"}", "422"),
        ("/api/v1/lesson", &long, "422"),
        ("/api/v1/lesson", &huge, "413"),
        ("/api/v1/sensitivity", r#"{"sensitivity": "wild"}"#, "422"),
        ("/api/v1/reboot", "{}", "404"),
    ] {
        let (head, _) = site.send("POST", path, "", body).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path} {body:.40}: {head}");
    }
    let get = site.get("/api/v1/pause").await.0;
    assert!(get.starts_with("HTTP/1.1 405"), "{get}");
    assert!(executor.executed().is_empty() && lessons.try_recv().is_err());
}

#[tokio::test]
async fn requests_from_foreign_pages_and_names_change_nothing() {
    let (executor, _lessons) = Executor::start();
    let site = site_with_commands(samples::live(), &executor).await;
    for lines in [
        "Origin: http://example.org\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost:1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: http://localhost\r\nSec-Fetch-Site: same-site\r\n",
    ] {
        let (head, _) = site.send("POST", "/api/v1/pause", lines, r#"{"paused": true}"#).await;
        assert!(head.starts_with("HTTP/1.1 403"), "{lines}: {head}");
    }
    let form = "POST /api/v1/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                Content-Length: 16\r\n\r\n{\"paused\": true}";
    read_until(&mut site.request(form).await, "HTTP/1.1 415").await;
    let rebound = "POST /api/v1/pause HTTP/1.1\r\nHost: rebound.example\r\nOrigin: http://rebound.example\r\n\
                   Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"paused\": true}";
    read_until(&mut site.request(rebound).await, "HTTP/1.1 403").await;
    assert!(!executor.is_paused());
    let own = "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n";
    assert!(
        site.send("POST", "/api/v1/pause", own, r#"{"paused": true}"#).await.0.starts_with("HTTP/1.1 200")
    );
    assert!(executor.is_paused());
}

#[tokio::test]
async fn an_incomplete_body_times_out() {
    let (executor, _lessons) = Executor::start();
    let site = site_with_commands(samples::live(), &executor).await;
    let head = "POST /api/v1/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    let mut stream = site.request(head).await;
    tokio::time::pause();
    read_until(&mut stream, "HTTP/1.1 408").await;
}

#[tokio::test]
async fn without_an_executor_there_are_no_command_routes() {
    let site = site(samples::live()).await;
    assert!(site.send("POST", "/api/v1/pause", "", "{}").await.0.starts_with("HTTP/1.1 404"));
}
