//! Lessons on the page: the list, exports, notes, deletion, and malicious paths.

use std::path::Path;

use jiff::tz::TimeZone;

use super::*;
use moodring_contract::Mode;
use moodring_contract::lesson::Cause;
use moodring_lessons::{Batch, Beginning, Store, Write};

/// Stores two lessons of 45 minutes without recorded minutes, and a third that is in progress.
fn record(directory: &Path) {
    let begin = |minute: i64, title: &str| Write::Begin {
        site: "school".into(),
        room: "room-1".into(),
        mode: Mode::Mood,
        beginning: Beginning {
            at: jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minute),
            title: title.into(),
            cause: Cause::Command,
        },
    };
    let end = |minute: i64| Write::End {
        at: jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minute),
        cause: Cause::Command,
    };
    let writes =
        vec![begin(150, "Physics"), end(105), begin(100, "<b>History</b>"), end(55), begin(10, "now")];
    Store::open(directory).unwrap().commit(&Batch { writes, delete_before: None }).unwrap();
}

async fn archive(directory: &Path) -> Site {
    let archive = Archive { directory: directory.into(), zone: TimeZone::UTC };
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    serve(Web { archive: Some(archive), ..web }, moods).await
}

async fn listed(site: &Site) -> Value {
    serde_json::from_slice(&site.get("/api/v1/lessons").await.1).unwrap()
}

#[tokio::test]
async fn before_the_first_recording_the_list_is_empty_and_no_file_is_created() {
    let directory = tempfile::tempdir().unwrap();
    let site = archive(directory.path()).await;
    assert_eq!(listed(&site).await, Value::Array(Vec::new()));
    assert!(site.send("DELETE", "/api/v1/lessons/1", "", "").await.0.starts_with("HTTP/1.1 404"));
    let note = site.send("PUT", "/api/v1/lessons/1/note", "", r#"{"note": "x"}"#).await;
    assert!(note.0.starts_with("HTTP/1.1 404"), "{}", note.0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn lessons_are_listed_exported_annotated_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path());
    let site = archive(directory.path()).await;
    let all = listed(&site).await;
    let titles: Vec<&str> =
        all.as_array().unwrap().iter().map(|entry| entry["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["now", "<b>History</b>", "Physics"]);

    let (head, body) = site.get("/api/v1/lessons/2.html").await;
    let page = String::from_utf8(body).unwrap();
    assert!(head.contains("style-src 'sha256-") && !head.contains("unsafe-inline"), "{head}");
    assert!(page.contains("&lt;b&gt;History") && !page.contains("<b>History"));
    let (head, _) = site.get("/api/v1/lessons/1.csv").await;
    assert!(head.contains("text/csv") && head.contains("filename=\"lesson-1.csv\""), "{head}");

    let put = r#"{"note": "less text\nnext time"}"#;
    assert!(site.send("PUT", "/api/v1/lessons/1/note", "", put).await.0.starts_with("HTTP/1.1 204"));
    assert_eq!(listed(&site).await[2]["note"], "less text\nnext time");
    let (_, report) = site.get("/api/v1/lessons/1.json").await;
    assert!(!String::from_utf8(report).unwrap().contains("less text"), "a note is in no export");

    let (head, body) = site.send("DELETE", "/api/v1/lessons/3", "", "").await;
    assert!(head.starts_with("HTTP/1.1 409") && body["error"] == "lesson_under_way", "{head}");
    let foreign = site.send("DELETE", "/api/v1/lessons/1", "Origin: http://example.org\r\n", "").await;
    assert!(foreign.0.starts_with("HTTP/1.1 403"), "{}", foreign.0);
    assert!(site.send("DELETE", "/api/v1/lessons/1", "", "").await.0.starts_with("HTTP/1.1 204"));
    assert_eq!(listed(&site).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn no_path_leaves_the_lessons() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path());
    let site = archive(directory.path()).await;
    for path in [
        "/api/v1/lessons/../../../etc/passwd",
        "/api/v1/lessons/..%2f..%2fetc%2fpasswd",
        "/api/v1/lessons/%2e%2e/device",
        "/api/v1/lessons/1.json%00.html",
        "/api/v1/lessons/-1.json",
        "/api/v1/lessons/99999999999999999999.json",
        "/api/v1/lessons/1",
        "/messages/..%2flive.js",
        "//etc/passwd",
    ] {
        let (head, body) = site.get(path).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
        assert!(!String::from_utf8_lossy(&body).contains("root:"), "{path}");
    }
    let long = format!(r#"{{"note": "{}"}}"#, "x".repeat(2001));
    assert!(site.send("PUT", "/api/v1/lessons/1/note", "", &long).await.0.starts_with("HTTP/1.1 422"));
}

#[tokio::test]
async fn a_broken_store_is_reported_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(moodring_lessons::FILE_NAME);
    std::fs::write(&file, "this is no database, but it is as long as the header of one").unwrap();
    let site = archive(directory.path()).await;
    let (head, body) = site.get("/api/v1/lessons").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("\"store\"") && !text.contains(directory.path().to_str().unwrap()), "{text}");
    assert!(std::fs::read_to_string(file).unwrap().starts_with("this is no database"));
}
