//! The aiming view: never without a hand at the device, and then no longer than it may be.

use super::*;
use crate::aim::{AimedHead, View};
use crate::config::{Config, ZoneKind};
use crate::control::{Asker, Kept};

const LOOK: &str = "/api/v1/aim?viewer=a1&after=0";
const JPEG: &[u8] = b"\xff\xd8 a picture \xff\xd9";

fn control() -> Control {
    Control::new(&Config::default(), &Kept::Nothing, None)
}

async fn aimed(control: &Control) -> Site {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    let desk = Zone {
        name: "desk".into(),
        kind: ZoneKind::Ignore,
        points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]],
    };
    let web = Web { control: Some(control.clone()), zones: vec![desk], ..web };
    let (health, stop) = (Arc::clone(&web.health), web.stop.clone());
    let listener = web.listen().await.unwrap();
    let address = listener.local_addr().unwrap();
    Site { address, moods, health, stop, task: tokio::spawn(web.run(Some(listener))) }
}

/// As vision does: makes a view whenever one is wanted, until it was taken.
async fn make_views(control: Control) {
    for sequence in 1.. {
        if control.aim().wants_view(Instant::now()) {
            let head = AimedHead { x: 0.1, y: 0.2, width: 0.05, height: 0.1, face: true, px: 15.0 };
            let heads = vec![head, AimedHead { px: 16.0, ..head }];
            control
                .aim()
                .show(View { sequence, frame: (1280, 720), jpeg: JPEG.into(), heads }, Instant::now());
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
async fn without_the_act_it_is_refused_and_afterwards_it_is_shown() {
    let control = control();
    let site = aimed(&control).await;
    let maker = tokio::spawn(make_views(control.clone()));
    let (head, body) = site.get(LOOK).await;
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert!(head.starts_with("HTTP/1.1 403") && told["error"] == "aiming_not_offered", "{head}");
    control.offer_aiming(Asker::Button).unwrap();
    let (head, body) = site.get(LOOK).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("cache-control: no-store"), "{head}");
    assert!(has_picture(&body));
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&told["width"], &told["height"], &told["least_head_px"]),
        (&1280.into(), &720.into(), &16.0.into())
    );
    assert!(told["left_s"].as_u64().is_some_and(|left| (590..600).contains(&left)), "{}", told["left_s"]);
    let small: Vec<_> = told["heads"].as_array().unwrap().iter().map(|head| head["small"].clone()).collect();
    assert_eq!(small, [true, false]);
    assert_eq!(told["zones"][0]["name"], "desk");
    let (head, body) = site.get("/api/v1/aim?viewer=b2").await;
    assert!(head.starts_with("HTTP/1.1 409") && !has_picture(&body), "one viewer is enough: {head}");
    maker.abort();
}

#[tokio::test]
async fn it_ends_by_hand_by_pause_and_at_once() {
    let control = control();
    let site = aimed(&control).await;
    let maker = tokio::spawn(make_views(control.clone()));
    let ended = async || site.get(LOOK).await.0.starts_with("HTTP/1.1 403");
    control.offer_aiming(Asker::Console).unwrap();
    assert!(has_picture(&site.get(LOOK).await.1));
    let (head, _) = site.send("DELETE", "/api/v1/aim", "", "").await;
    assert!(head.starts_with("HTTP/1.1 204") && ended().await, "{head}");
    control.offer_aiming(Asker::Console).unwrap();
    assert!(has_picture(&site.get(LOOK).await.1), "it may be asked for again");
    control.pause(Asker::Button);
    assert!(ended().await);
    control.resume(Asker::Button).unwrap();
    assert!(ended().await, "resuming does not bring it back");
    maker.abort();
}

#[tokio::test]
async fn what_is_told_elsewhere_holds_no_picture_and_says_that_somebody_looks() {
    let control = control();
    let site = aimed(&control).await;
    let maker = tokio::spawn(make_views(control.clone()));
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    read_until(&mut events, "\"aiming\":false").await;
    control.offer_aiming(Asker::Button).unwrap();
    read_until(&mut events, "\"aiming\":true").await;
    assert!(has_picture(&site.get(LOOK).await.1));
    for path in
        ["/api/v1/mood", "/api/v1/device", "/api/v1/trend", "/metrics", "/healthz", "/display.png", "/aim"]
    {
        assert!(!has_picture(&site.get(path).await.1), "{path}");
    }
    control.end_aiming(Asker::Page);
    read_until(&mut events, "\"aiming\":false").await;
    maker.abort();
}

#[tokio::test]
async fn odd_viewers_are_turned_away() {
    let control = control();
    control.offer_aiming(Asker::Button).unwrap();
    let site = aimed(&control).await;
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
async fn zones_come_back_as_toml_or_with_what_is_wrong() {
    let site = aimed(&control()).await;
    let zones = r#"{"zones": [{"name": "the \"door\"", "kind": "ignore", "points": [[0, 0], [0.25, 0], [0.25, 0.5]]}]}"#;
    let (head, told) = site.send("POST", "/api/v1/aim/zones", "", zones).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let read = Config::parse(told["toml"].as_str().unwrap(), "x.toml").unwrap().zone;
    assert_eq!((read[0].name.as_str(), read[0].points[1]), ("the \"door\"", [0.25, 0.0]));
    let crossed = r#"{"zones": [{"name": "x", "kind": "only", "points": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}"#;
    let (head, told) = site.send("POST", "/api/v1/aim/zones", "", crossed).await;
    assert!(head.starts_with("HTTP/1.1 422"), "{head}");
    assert_eq!((&told["error"], &told["zone"]), (&"crossing".into(), &"x".into()));
    let elsewhere = "Origin: http://example.org\r\n";
    assert!(site.send("POST", "/api/v1/aim/zones", elsewhere, zones).await.0.starts_with("HTTP/1.1 403"));
    let none = site_of(samples::live(), None, None).await;
    assert!(
        none.get(LOOK).await.0.starts_with("HTTP/1.1 404"),
        "without a camera of its own there is nothing"
    );
}
