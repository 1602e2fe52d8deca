//! Places where help may be needed: shown on the page only, and only if `attention.enabled`.

use moodring_contract::attention::{Attention, Column, Place, Row, Sign, Spot};

use super::*;

fn attention(places: &[Place]) -> Arc<Attention> {
    let spot = |place: &Place| Spot { place: *place, sign: Sign::TurnedAway, minutes: 2 };
    Arc::new(Attention { spots: places.iter().map(spot).collect() })
}

async fn site_with(places: &[Place]) -> (Site, watch::Sender<Arc<Attention>>) {
    let (sender, updates) = watch::channel(attention(places));
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    (serve(Web { attention: Some(updates), ..web }, moods).await, sender)
}

async fn attention_of(site: &Site) -> (String, Value) {
    let (head, body) = site.get("/api/v1/attention").await;
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn places_are_sent_at_once_and_after_a_change_and_must_not_be_stored() {
    let (site, sender) = site_with(&[Place::Region(Row::Back, Column::Right)]).await;
    let (head, body) = attention_of(&site).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("no-store"), "{head}");
    let expected =
        serde_json::json!({ "row": "back", "column": "right", "sign": "turned_away", "minutes": 2 });
    assert_eq!(body["spots"], Value::Array(vec![expected]));
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    read_until(&mut events, "\"sign\":\"turned_away\"").await;
    sender.send_replace(Arc::default());
    read_until(&mut events, "{\"spots\":[]}").await;
    for path in ["/api/v1/mood", "/api/v1/trend", "/metrics", "/healthz"] {
        let (_, body) = site.get(path).await;
        assert!(!String::from_utf8_lossy(&body).contains("turned_away\",\"minutes"), "{path}");
    }
}

#[tokio::test]
async fn seats_are_sent_by_their_position_in_the_class() {
    let (site, _sender) = site_with(&[Place::Seat { across: 0.25, down: 0.5 }]).await;
    let (_, body) = attention_of(&site).await;
    let expected = serde_json::json!({ "across": 0.25, "down": 0.5, "sign": "turned_away", "minutes": 2 });
    assert_eq!(body["spots"], Value::Array(vec![expected]));
}

#[tokio::test]
async fn without_attention_there_is_neither_route_nor_event() {
    let site = site(samples::live()).await;
    let (head, body) = attention_of(&site).await;
    assert!(head.starts_with("HTTP/1.1 404") && body["error"] == "attention_off", "{head} {body}");
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let received = read_until(&mut events, "event: mood").await;
    assert!(!received.contains("attention"), "{received}");
}
