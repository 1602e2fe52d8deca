//! The page over real connections.

mod api;
mod attention;
mod commands;
mod executor;
mod https;
mod lessons;
mod pairing;
mod preview;
mod roles;

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::http_listener::{HEAD_TIMEOUT, MAX_HEAD_BYTES};
use super::*;
use executor::Executor;
use moodring_contract::samples;
use moodring_runtime::StatusBoard;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum number of bytes that a phone loads to show the page.
const MAX_PAGE_BYTES: usize = 100_000;

/// Picture that stands for the display's.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

struct Site {
    address: SocketAddr,
    moods: watch::Sender<Arc<Mood>>,
    health: Arc<Health>,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

fn web(listen: SocketAddr, mood: Mood) -> (Web, watch::Sender<Arc<Mood>>) {
    let (sender, moods) = watch::channel(Arc::new(mood));
    let (health, board) = (Arc::new(Health::new("web")), StatusBoard::default());
    let web = Web {
        // Most tests use plain HTTP, in the LAN too.
        config: config::Web { listen, https: config::Https::Off, ..config::Web::default() },
        room: "room-1".into(),
        moods,
        updates: board.subscribe(),
        pairing: Pairing::new(true, Duration::from_secs(120)),
        storage: PathBuf::new(),
        mood_every: Duration::from_secs(1),
        telemetry: Telemetry::new(&board, Default::default()),
        commands: None,
        preview: CameraPreview::default(),
        zones: Vec::new(),
        attention: None,
        setup: None,
        archive: None,
        display_image: Some(Arc::new(|_, _| Ok(PNG.to_vec()))),
        all_health: vec![Arc::clone(&health)],
        health,
        stop: Stop::default(),
    };
    (web, sender)
}

/// A read-only page on loopback.
async fn site(mood: Mood) -> Site {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), mood);
    serve(web, moods).await
}

/// A page on loopback whose commands `executor` executes.
async fn site_with_commands(mood: Mood, executor: &Executor) -> Site {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), mood);
    serve(executor.connect(web), moods).await
}

/// Serves `web`; a page in the LAN is reached over loopback.
async fn serve(web: Web, moods: watch::Sender<Arc<Mood>>) -> Site {
    let (health, stop) = (Arc::clone(&web.health), web.stop.clone());
    let listener = web.listen().await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    Site { address, moods, health, stop, task: tokio::spawn(web.run(Some(listener))) }
}

impl Site {
    async fn request(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// Head and body of the answer.
    async fn get_as(&self, host: &str, path: &str) -> (String, Vec<u8>) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        self.request(&head).await.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).unwrap(), body)
    }

    async fn get(&self, path: &str) -> (String, Vec<u8>) {
        self.get_as("localhost", path).await
    }

    /// Head and body of the answer to a request with a JSON body; `lines` are further lines of its head.
    async fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> (String, Value) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lines}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut answer = Vec::new();
        self.request(&head).await.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }
}

/// Reads `stream` until it contains `text`.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let read = async {
        let mut received = Vec::new();
        while !String::from_utf8_lossy(&received).contains(text) {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "ended without {text}: {}", String::from_utf8_lossy(&received));
            received.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&received).into_owned()
    };
    tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| panic!("{text} was not received"))
}

#[tokio::test]
async fn the_page_and_its_files_have_a_strict_policy_and_no_foreign_sources() {
    let site = site(samples::starting()).await;
    let mut size = 0;
    for (path, kind) in [
        ("/?language=hi", "text/html"),
        ("/page.css", "text/css"),
        ("/live.js", "text/javascript"),
        ("/attention.js", "text/javascript"),
        ("/controls.js", "text/javascript"),
        ("/messages.js", "text/javascript"),
        ("/trend.js", "text/javascript"),
        ("/messages/hi.json", "application/json"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/icon.svg", "image/svg"),
        ("/icon-192.png", "image/png"),
        ("/icon-512.png", "image/png"),
    ] {
        let (head, body) = site.get(path).await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(kind), "{path}: {head}");
        assert!(head.contains("default-src 'none'") && !head.contains("unsafe-inline"), "{head}");
        size += head.len() + body.len();
        let body = String::from_utf8_lossy(&body).replace("http://www.w3.org/2000/svg", "");
        assert!(!body.contains("http://") && !body.contains("https://"), "{path} has a foreign source");
        assert!(!body.contains("style=") && !body.contains("onclick"), "{path} needs unsafe-inline");
    }
    let mut trend = Trend::default();
    for second in 0..3600 {
        trend.add(&Mood {
            at: samples::live().at + jiff::SignedDuration::from_secs(second),
            ..samples::live()
        });
    }
    size += serde_json::to_vec(&trend.points()).unwrap().len();
    println!("{size} bytes, of docs/reference/web.md");
    assert!(size < MAX_PAGE_BYTES, "{size} bytes, with icons and the trend of three quarters of an hour");
    assert!(site.get("/nowhere").await.0.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_language_is_chosen_by_the_browser_or_on_the_page_and_stored() {
    let site = site(samples::live()).await;
    let get = async |lines: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n");
        read_until(&mut site.request(&head).await, "</html>").await
    };
    let english = get("", "/").await;
    assert!(english.contains("<html lang=\"en\">") && !english.contains("set-cookie"), "{english}");
    assert!(get("Accept-Language: hi-IN,en;q=0.7\r\n", "/").await.contains("<html lang=\"hi\">"));
    let chosen = get("", "/?language=hi").await;
    assert!(chosen.contains("set-cookie: language=hi; ") && chosen.contains("SameSite=Strict"), "{chosen}");
    assert!(get("Cookie: language=hi\r\n", "/").await.contains("<html lang=\"hi\">"));
    // An unknown language is ignored and not sent back.
    let odd = get("Cookie: language=%0d%0a\r\n", "/?language=xx%0d%0aSet-Cookie:a").await;
    assert!(odd.contains("<html lang=\"en\">") && !odd.contains("Set-Cookie:a"), "{odd}");
    assert!(site.get("/messages/../page.css").await.0.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_mood_has_status_503_before_the_first_picture_and_200_then() {
    let site = site(samples::starting()).await;
    assert!(site.get("/api/v1/mood").await.0.starts_with("HTTP/1.1 503"));
    site.moods.send_replace(Arc::new(samples::live()));
    let (head, body) = site.get("/api/v1/mood").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/json"));
    assert_eq!(body, serde_json::to_vec(&samples::live()).unwrap());
}

#[tokio::test]
async fn events_start_with_the_newest_mood_and_send_each_change() {
    let site = site(samples::live()).await;
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let head = read_until(&mut events, "\"sequence\":1234").await;
    assert!(head.contains("text/event-stream") && head.contains("event: mood"), "{head}");
    site.moods.send_replace(Arc::new(Mood { sequence: 1235, ..samples::stale() }));
    assert!(read_until(&mut events, "\"sequence\":1235").await.contains("\"stale\""));
    site.stop.request();
    tokio::time::timeout(TIMEOUT, site.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn too_many_listeners_are_refused() {
    let site = site(samples::live()).await;
    let mut listeners = Vec::new();
    for _ in 0..MAX_LISTENERS {
        let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        read_until(&mut events, "event: mood").await;
        listeners.push(events);
    }
    assert!(site.get("/api/v1/events").await.0.starts_with("HTTP/1.1 503"));
    assert!(site.get("/api/v1/mood").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_with_a_foreign_host_is_refused() {
    let site = site(samples::live()).await;
    let (head, body) = site.get_as("moodring.example.org", "/api/v1/mood").await;
    assert!(head.starts_with("HTTP/1.1 403") && !String::from_utf8(body).unwrap().contains("sequence"));
    assert!(site.get_as("127.0.0.1:8080", "/api/v1/mood").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_proxy_cannot_open_the_page_on_loopback_to_the_network() {
    let site = site(samples::live()).await;
    let head = "GET /api/v1/mood HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.168.1.9\r\n\r\n";
    let answer = read_until(&mut site.request(head).await, "web.listen").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn undeclared_methods_and_huge_heads_are_refused() {
    let site = site(samples::live()).await;
    let mut post =
        site.request("POST /api/v1/mood HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd").await;
    read_until(&mut post, "HTTP/1.1 405").await;
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD_BYTES));
    read_until(&mut site.request(&huge).await, "HTTP/1.1 431").await;
}

#[tokio::test]
async fn an_incomplete_head_times_out() {
    let site = site(samples::starting()).await;
    let mut stream = site.request("GET / HT").await;
    tokio::time::pause();
    let mut answer = Vec::new();
    let asked_at = tokio::time::Instant::now();
    let _ = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(asked_at.elapsed() < HEAD_TIMEOUT * 2);
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_disconnected() {
    let site = site(samples::live()).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let requests = "GET /page.css HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    tokio::time::pause();
    let write = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(600), write).await.expect("the connection stays open");
}

#[tokio::test]
async fn the_display_is_drawn_from_mood_and_status() {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    let draw = |mood: &Mood, status: &DeviceStatus| {
        let is_input = *mood == samples::live() && *status == DeviceStatus::default();
        if is_input { Ok(PNG.to_vec()) } else { Err("other input".to_owned()) }
    };
    let site = serve(Web { display_image: Some(Arc::new(draw)), ..web }, moods).await;
    let (head, body) = site.get("/display.png").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: image/png"), "{head}");
    assert_eq!(body, PNG);
    site.moods.send_replace(Arc::new(samples::stale()));
    assert!(site.get("/display.png").await.0.starts_with("HTTP/1.1 500"));
}

#[tokio::test]
async fn health_reports_progress_and_notes_a_lost_camera() {
    let site = site(samples::stale()).await;
    let (head, body) = site.get("/healthz").await;
    let health: Value = serde_json::from_slice(&body).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!((&health["status"], &health["state"]), (&"ok".into(), &"stale".into()));
    assert!(health["notes"][0].as_str().unwrap().contains("camera"));
}

#[tokio::test]
async fn without_new_moods_health_reports_stuck() {
    let (web, _sender) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::starting());
    let web = Web { mood_every: Duration::ZERO, ..web };
    let progress = Mutex::new(Instant::now() - Duration::from_secs(11));
    let shared = Shared { progress, ..web.shared() };
    let (status, reasons) = routes::progress(&shared, Instant::now());
    assert_eq!(status, axum::http::StatusCode::SERVICE_UNAVAILABLE);
    assert!(reasons[0].contains("no new mood for 11 s"), "{reasons:?}");
}

#[tokio::test]
async fn trend_and_metrics_follow_the_moods() {
    let site = site(samples::live()).await;
    let first_mood = async {
        while site.health.published.get() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, first_mood).await.unwrap();
    let (_, body) = site.get("/api/v1/trend").await;
    let points: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&points[0]["facing"], &points[0]["word"]), (&0.82.into(), &"attentive".into()));
    let (head, body) = site.get("/metrics").await;
    assert!(head.contains("openmetrics") && String::from_utf8(body).unwrap().contains("moodring_people 28"));
}

#[tokio::test]
async fn a_port_in_use_is_reported_and_opened_once_it_is_free() {
    let blocker = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = blocker.local_addr().unwrap();
    let (web, _sender) = web(address, samples::live());
    let (health, stop) = (Arc::clone(&web.health), web.stop.clone());
    assert!(web.listen().await.is_none());
    let problem = health.problem().unwrap();
    assert!(problem.contains(&address.to_string()) && problem.contains("web.listen"), "{problem}");
    drop(blocker);
    tokio::time::pause();
    let task = tokio::spawn(web.run(None));
    while !health.is_up() {
        tokio::time::sleep(LISTEN_RETRY_EVERY).await;
    }
    tokio::time::resume();
    stop.request();
    tokio::time::timeout(TIMEOUT, task).await.unwrap().unwrap();
}
