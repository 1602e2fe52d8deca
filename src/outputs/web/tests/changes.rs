//! What is asked for on the page, and who is refused.

use tokio::sync::mpsc;

use super::*;
use crate::config::Config;
use crate::control::{Asker, Kept, SwitchPosition};
use crate::mood::Sensitivity;
use crate::mood::lesson::Command;

fn control(config: &Config) -> (Control, mpsc::Receiver<Command>) {
    let (commands, received) = mpsc::channel(1);
    (Control::new(config, &Kept::Nothing, Some(commands)), received)
}

#[tokio::test]
async fn the_page_pauses_and_resumes_and_answers_with_the_device_as_it_is() {
    let (control, _lessons) = control(&Config::default());
    let site = site_of(samples::live(), Some(control.clone()), None).await;
    let (head, device) = site.send("POST", "/api/v1/pause", "", r#"{"paused": true}"#).await;
    assert!(head.starts_with("HTTP/1.1 200") && device["paused"] == true, "{head} {device}");
    assert!(*control.paused().borrow());
    let (_, device) = site.send("POST", "/api/v1/pause", "", r#"{"paused": false}"#).await;
    assert!(device["paused"] == false && !*control.paused().borrow());
}

#[tokio::test]
async fn a_closed_switch_is_told_and_nothing_is_remembered_for_later() {
    let mut config = Config::default();
    config.privacy.switch.enabled = true;
    let (control, _lessons) = control(&config);
    let site = site_of(samples::paused(), Some(control.clone()), None).await;
    let (head, told) = site.send("POST", "/api/v1/pause", "", r#"{"paused": false}"#).await;
    assert!(head.starts_with("HTTP/1.1 409") && told["error"] == "switch_closed", "{head} {told}");
    let (_, body) = site.get("/api/v1/device").await;
    let device: Value = serde_json::from_slice(&body).unwrap();
    assert!(device["switch_closed"] == true && device["paused"] == true, "{device}");
    control.pause(Asker::Button);
    control.set_switch(SwitchPosition::Open);
    assert!(*control.paused().borrow());
}

#[tokio::test]
async fn a_lesson_is_begun_with_its_name_and_ended_and_night_comes_and_goes() {
    let (control, mut lessons) = control(&Config::default());
    let site = site_of(samples::live(), Some(control.clone()), None).await;
    let begin = r#"{"action": "begin", "title": " भौतिकी 7a "}"#;
    assert!(site.send("POST", "/api/v1/lesson", "", begin).await.0.starts_with("HTTP/1.1 202"));
    let (head, told) = site.send("POST", "/api/v1/lesson", "", begin).await;
    assert!(head.starts_with("HTTP/1.1 503") && told["error"] == "busy", "{head} {told}");
    assert_eq!(lessons.try_recv(), Ok(Command::Begin { title: "भौतिकी 7a".into() }));
    site.send("POST", "/api/v1/lesson", "", r#"{"action": "end"}"#).await;
    assert_eq!(lessons.try_recv(), Ok(Command::End));
    let (_, device) = site.send("POST", "/api/v1/night", "", r#"{"dim": true}"#).await;
    assert!(device["dimmed"] == true && control.dimmed().borrow().is_some());
    let (_, device) = site.send("POST", "/api/v1/night", "", r#"{"dim": false}"#).await;
    assert!(device["dimmed"] == false && control.dimmed().borrow().is_none());
    let (_, device) = site.send("POST", "/api/v1/sensitivity", "", r#"{"sensitivity": "quick"}"#).await;
    assert!(device["sensitivity"] == "quick" && *control.sensitivity().borrow() == Sensitivity::Quick);
}

#[tokio::test]
async fn listeners_hear_of_the_device_at_once_and_whenever_another_hand_changes_it() {
    let (control, _lessons) = control(&Config::default());
    let site = site_of(samples::live(), Some(control.clone()), None).await;
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let first = read_until(&mut events, "event: mood").await;
    assert!(first.contains("event: device") && first.contains("\"paused\":false"), "{first}");
    control.pause(Asker::Button);
    read_until(&mut events, "\"paused\":true").await;
    let lesson = crate::mood::lesson::UnderWay { title: "Physics".into(), begun_at: samples::live().at };
    control.lesson_now().send_replace(Some(lesson));
    read_until(&mut events, "\"title\":\"Physics\"").await;
    control.set_sensitivity(Sensitivity::Calm, Asker::Mqtt);
    read_until(&mut events, "\"sensitivity\":\"calm\"").await;
    control.dim(Some(Instant::now() + Duration::from_millis(300)), Asker::Mqtt);
    read_until(&mut events, "\"dimmed\":true").await;
    read_until(&mut events, "\"dimmed\":false").await;
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let (control, mut lessons) = control(&Config::default());
    let site = site_of(samples::live(), Some(control.clone()), None).await;
    let long = format!(r#"{{"action": "begin", "title": "{}"}}"#, "x".repeat(101));
    let huge = format!(r#"{{"action": "begin", "title": "{}"}}"#, "x".repeat(2 * guard::MOST_BODY_BYTES));
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
    assert!(!*control.paused().borrow() && lessons.try_recv().is_err());
}

#[tokio::test]
async fn other_pages_and_other_names_change_nothing() {
    let (control, _lessons) = control(&Config::default());
    let site = site_of(samples::live(), Some(control.clone()), None).await;
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
    assert!(!*control.paused().borrow());
    let own = "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n";
    assert!(
        site.send("POST", "/api/v1/pause", own, r#"{"paused": true}"#).await.0.starts_with("HTTP/1.1 200")
    );
    assert!(*control.paused().borrow());
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let (control, _lessons) = control(&Config::default());
    let site = site_of(samples::live(), Some(control), None).await;
    let head = "POST /api/v1/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    let mut stream = site.request(head).await;
    tokio::time::pause();
    read_until(&mut stream, "HTTP/1.1 408").await;
}

#[tokio::test]
async fn without_a_control_there_is_nothing_to_ask() {
    let site = site(samples::live()).await;
    assert!(site.send("POST", "/api/v1/pause", "", "{}").await.0.starts_with("HTTP/1.1 404"));
}
