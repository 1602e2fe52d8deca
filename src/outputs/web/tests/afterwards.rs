//! Lessons on the page: the list, exports, notes, deletion, and paths that lead elsewhere.

use std::path::Path;

use jiff::tz::TimeZone;

use super::*;
use crate::mood::Mode;
use crate::mood::lesson::{Batch, Beginning, Cause, Store, Write};

/// Two lessons of three quarters of an hour without a minute in them, and a third under way.
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
    let archive = lessons::Archive { directory: directory.into(), zone: TimeZone::UTC };
    site_of(samples::live(), None, Some(archive)).await
}

async fn listed(site: &Site) -> Value {
    serde_json::from_slice(&site.get("/api/v1/lessons").await.1).unwrap()
}

#[tokio::test]
async fn nothing_recorded_is_an_empty_list_and_makes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let site = archive(directory.path()).await;
    assert_eq!(listed(&site).await, Value::Array(Vec::new()));
    assert!(site.send("DELETE", "/api/v1/lessons/1", "", "").await.0.starts_with("HTTP/1.1 404"));
    let note = site.send("PUT", "/api/v1/lessons/1/note", "", r#"{"note": "x"}"#).await;
    assert!(note.0.starts_with("HTTP/1.1 404"), "{}", note.0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn lessons_are_listed_exported_noted_and_deleted() {
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

    let (head, told) = site.send("DELETE", "/api/v1/lessons/3", "", "").await;
    assert!(head.starts_with("HTTP/1.1 409") && told["error"] == "lesson_under_way", "{head}");
    let foreign = site.send("DELETE", "/api/v1/lessons/1", "Origin: http://example.org\r\n", "").await;
    assert!(foreign.0.starts_with("HTTP/1.1 403"), "{}", foreign.0);
    assert!(site.send("DELETE", "/api/v1/lessons/1", "", "").await.0.starts_with("HTTP/1.1 204"));
    assert_eq!(listed(&site).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn no_path_leads_out_of_the_lessons() {
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
async fn a_broken_store_is_said_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(crate::mood::lesson::FILE_NAME);
    std::fs::write(&file, "this is no database, but it is long enough to be taken for one at first sight")
        .unwrap();
    let site = archive(directory.path()).await;
    let (head, body) = site.get("/api/v1/lessons").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let told = String::from_utf8(body).unwrap();
    assert!(told.contains("\"store\"") && !told.contains(directory.path().to_str().unwrap()), "{told}");
    assert!(std::fs::read_to_string(file).unwrap().starts_with("this is no database"));
}
