//! Where help may be needed: told on the page alone, and only where it is looked for.

use super::*;
use crate::config::{AttentionDetail, Config};
use crate::mood::Aggregator;
use crate::mood::tests::{observation, person};
use crate::vision::Person;
use jiff::Timestamp;

/// A class of 30, of whom everybody has been turned away for two minutes, as it is told with that `detail`.
fn turned_away(detail: AttentionDetail) -> (Aggregator, attention::Places) {
    let mut config = Config::default();
    config.mood.mode = crate::mood::Mode::Occupancy;
    (config.attention.enabled, config.attention.detail, config.attention.after_minutes) = (true, detail, 2.0);
    let mut aggregator = Aggregator::of(&config).unwrap();
    let places = aggregator.attention();
    for second in 0..130 {
        let at = Instant::now() + Duration::from_secs(second);
        let people = (0..30).map(|seat| Person { facing: 0.1, ..person(seat, None) });
        aggregator.observe(&observation(at, people));
        aggregator.mood(at, Timestamp::UNIX_EPOCH);
    }
    (aggregator, places)
}

async fn site_with(places: attention::Places) -> Site {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    served(Web { attention: Some(places), ..web }, moods).await
}

#[tokio::test]
async fn places_are_told_at_once_and_gone_after_a_pause_and_nobody_may_store_them() {
    let (mut aggregator, places) = turned_away(AttentionDetail::Region);
    let site = site_with(places).await;
    let (head, body) = site.get("/api/v1/attention").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("no-store"), "{head}");
    let told: Value = serde_json::from_slice(&body).unwrap();
    let spot = &told["spots"][0];
    assert!(spot["row"].is_string() && spot["column"].is_string() && spot.get("across").is_none(), "{told}");
    assert!(spot["sign"] == "turned_away" && spot["minutes"] == 2, "{told}");
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    read_until(&mut events, "\"sign\":\"turned_away\"").await;
    aggregator.set_paused(true, Instant::now());
    read_until(&mut events, "{\"spots\":[]}").await;
    for path in ["/api/v1/mood", "/api/v1/trend", "/metrics", "/healthz"] {
        let (_, body) = site.get(path).await;
        assert!(!String::from_utf8_lossy(&body).contains("turned_away\",\"minutes"), "{path}");
    }
}

#[tokio::test]
async fn seats_are_told_by_where_they_are_in_the_class() {
    let (_aggregator, places) = turned_away(AttentionDetail::Seat);
    let site = site_with(places).await;
    let (_, body) = site.get("/api/v1/attention").await;
    let told: Value = serde_json::from_slice(&body).unwrap();
    let spots = told["spots"].as_array().unwrap();
    assert_eq!(spots.len(), 30);
    let share = |value: &Value| value.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share));
    assert!(
        spots.iter().all(|spot| share(&spot["across"]) && share(&spot["down"]) && spot.get("row").is_none())
    );
}

#[tokio::test]
async fn without_it_there_is_nothing_to_tell() {
    let site = site(samples::live()).await;
    let (head, body) = site.get("/api/v1/attention").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("attention_off"));
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let heard = read_until(&mut events, "event: mood").await;
    assert!(!heard.contains("attention"), "{heard}");
}
