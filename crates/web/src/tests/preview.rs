//! The camera preview: only after an offer at the device, and only until its end.

use super::*;
use moodring_config::{Config, ZoneKind};
use moodring_contract::{Command, CommandSource};
use moodring_runtime::{PreviewHead, PreviewImage};

const PREVIEW: &str = "/api/v1/aim?viewer=a1&after=0";
const JPEG: &[u8] = b"\xff\xd8 a picture \xff\xd9";

async fn site_of(executor: &Executor) -> Site {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    let desk = Zone {
        name: "desk".into(),
        kind: ZoneKind::Ignore,
        points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]],
    };
    serve(Web { zones: vec![desk], ..executor.connect(web) }, moods).await
}

/// Shows a preview whenever one is wanted, as vision does.
async fn show_previews(preview: CameraPreview) {
    for sequence in 1.. {
        if preview.wants_image(Instant::now()) {
            let head = PreviewHead { x: 0.1, y: 0.2, width: 0.05, height: 0.1, face: true, px: 15.0 };
            let heads = vec![head, PreviewHead { px: 16.0, ..head }];
            let image = PreviewImage { sequence, frame: (1280, 720), jpeg: JPEG.into(), heads };
            preview.show(image, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn has_picture(body: &[u8]) -> bool {
    use base64::Engine as _;
    let picture = base64::prelude::BASE64_STANDARD.encode(JPEG);
    String::from_utf8_lossy(body).contains(&picture)
}

#[tokio::test]
async fn a_preview_requires_an_offer_at_the_device() {
    let (executor, _lessons) = Executor::start();
    let site = site_of(&executor).await;
    let vision = tokio::spawn(show_previews(executor.preview.clone()));
    let (head, body) = site.get(PREVIEW).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert!(head.starts_with("HTTP/1.1 403") && body["error"] == "aiming_not_offered", "{head}");
    executor.execute(Command::OfferPreview, CommandSource::Button).unwrap();
    let (head, body) = site.get(PREVIEW).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("cache-control: no-store"), "{head}");
    assert!(has_picture(&body));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["width"], &body["height"], &body["min_head_px"]),
        (&1280.into(), &720.into(), &16.0.into())
    );
    assert!(body["left_s"].as_u64().is_some_and(|left| (590..600).contains(&left)), "{}", body["left_s"]);
    let small: Vec<_> = body["heads"].as_array().unwrap().iter().map(|head| head["small"].clone()).collect();
    assert_eq!(small, [true, false]);
    assert_eq!(body["zones"][0]["name"], "desk");
    let (head, body) = site.get("/api/v1/aim?viewer=b2").await;
    assert!(head.starts_with("HTTP/1.1 409") && !has_picture(&body), "there can be one viewer: {head}");
    vision.abort();
}

#[tokio::test]
async fn aiming_ends_at_once_by_command_and_by_pause() {
    let (executor, _lessons) = Executor::start();
    let site = site_of(&executor).await;
    let vision = tokio::spawn(show_previews(executor.preview.clone()));
    let ended = async || site.get(PREVIEW).await.0.starts_with("HTTP/1.1 403");
    executor.execute(Command::OfferPreview, CommandSource::Console).unwrap();
    assert!(has_picture(&site.get(PREVIEW).await.1));
    let (head, _) = site.send("DELETE", "/api/v1/aim", "", "").await;
    assert!(head.starts_with("HTTP/1.1 204") && ended().await, "{head}");
    executor.execute(Command::OfferPreview, CommandSource::Console).unwrap();
    assert!(has_picture(&site.get(PREVIEW).await.1), "aiming can be offered again");
    executor.execute(Command::Pause, CommandSource::Button).unwrap();
    assert!(ended().await);
    executor.execute(Command::Resume, CommandSource::Button).unwrap();
    assert!(ended().await, "resuming does not offer aiming");
    vision.abort();
}

#[tokio::test]
async fn other_routes_contain_no_picture_and_report_that_aiming_is_offered() {
    let (executor, _lessons) = Executor::start();
    let site = site_of(&executor).await;
    let vision = tokio::spawn(show_previews(executor.preview.clone()));
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    read_until(&mut events, "\"aiming\":false").await;
    executor.execute(Command::OfferPreview, CommandSource::Button).unwrap();
    read_until(&mut events, "\"aiming\":true").await;
    assert!(has_picture(&site.get(PREVIEW).await.1));
    for path in
        ["/api/v1/mood", "/api/v1/device", "/api/v1/trend", "/metrics", "/healthz", "/display.png", "/aim"]
    {
        assert!(!has_picture(&site.get(path).await.1), "{path}");
    }
    executor.execute(Command::EndPreview, CommandSource::Page).unwrap();
    read_until(&mut events, "\"aiming\":false").await;
    vision.abort();
}

#[tokio::test]
async fn invalid_viewers_are_refused() {
    let (executor, _lessons) = Executor::start();
    executor.execute(Command::OfferPreview, CommandSource::Button).unwrap();
    let site = site_of(&executor).await;
    for query in [
        "",
        "?viewer=",
        "?viewer=a%20b",
        &format!("?viewer={}", "a".repeat(33)),
        "?viewer=a&after=-1",
        "?viewer=a&x=1",
    ] {
        let (head, body) = site.get(&format!("/api/v1/aim{query}")).await;
        assert!(head.starts_with("HTTP/1.1 4") && !has_picture(&body), "{query}: {head}");
    }
}

#[tokio::test]
async fn zones_are_converted_to_toml_or_their_fault_is_reported() {
    let (executor, _lessons) = Executor::start();
    let site = site_of(&executor).await;
    let zones = r#"{"zones": [{"name": "the \"door\"", "kind": "ignore", "points": [[0, 0], [0.25, 0], [0.25, 0.5]]}]}"#;
    let (head, body) = site.send("POST", "/api/v1/aim/zones", "", zones).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let read = Config::parse(body["toml"].as_str().unwrap(), "x.toml").unwrap().zone;
    assert_eq!((read[0].name.as_str(), read[0].points[1]), ("the \"door\"", [0.25, 0.0]));
    let crossed = r#"{"zones": [{"name": "x", "kind": "only", "points": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}"#;
    let (head, body) = site.send("POST", "/api/v1/aim/zones", "", crossed).await;
    assert!(head.starts_with("HTTP/1.1 422"), "{head}");
    assert_eq!((&body["error"], &body["zone"]), (&"crossing".into(), &"x".into()));
    let foreign = "Origin: http://example.org\r\n";
    assert!(site.send("POST", "/api/v1/aim/zones", foreign, zones).await.0.starts_with("HTTP/1.1 403"));
    let read_only = super::site(samples::live()).await;
    assert!(read_only.get(PREVIEW).await.0.starts_with("HTTP/1.1 404"));
}
