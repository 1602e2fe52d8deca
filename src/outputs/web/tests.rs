mod afterwards;
mod aiming;
mod api;
mod changes;
mod help;
mod https;
mod pairing;

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::door::{HEAD_TIMEOUT, MOST_HEAD_BYTES};
use super::*;
use crate::mood::{Mood, Word};
use crate::outputs::{Bulletin, Situation, display, lights, samples};

const PATIENCE: Duration = Duration::from_secs(20);
/// What a phone loads to show the page, at most.
const MOST_PAGE_BYTES: usize = 100_000;

struct Site {
    address: SocketAddr,
    moods: watch::Sender<Arc<Mood>>,
    health: Arc<Health>,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

fn web(listen: SocketAddr, mood: Mood) -> (Web, watch::Sender<Arc<Mood>>) {
    let (sender, moods) = watch::channel(Arc::new(mood));
    let health = Arc::new(Health::new("web"));
    let web = Web {
        // Most tests speak plain HTTP wherever they are.
        config: config::Web { listen, https: config::Https::Off, ..config::Web::default() },
        room: "room-1".into(),
        moods,
        bulletin: Bulletin::default(),
        storage: PathBuf::new(),
        mood_every: Duration::from_secs(1),
        known: Known::default(),
        control: None,
        zones: Vec::new(),
        attention: None,
        setup: None,
        archive: None,
        all_health: vec![Arc::clone(&health)],
        health,
        stop: Stop::default(),
    };
    (web, sender)
}

async fn site(mood: Mood) -> Site {
    site_of(mood, None, None).await
}

async fn site_of(mood: Mood, control: Option<Control>, archive: Option<lessons::Archive>) -> Site {
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), mood);
    served(Web { control, archive, ..web }, moods).await
}

async fn served(web: Web, moods: watch::Sender<Arc<Mood>>) -> Site {
    let (health, stop) = (Arc::clone(&web.health), web.stop.clone());
    let listener = web.listen().await.unwrap();
    let address = listener.local_addr().unwrap();
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

/// Reads `stream` until `text` was seen.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let read = async {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "ended without {text}: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{text} did not come"))
}

#[tokio::test]
async fn the_page_and_its_files_come_with_a_strict_policy_and_ask_nobody_else() {
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
        assert!(!body.contains("http://") && !body.contains("https://"), "{path} asks somebody else");
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
    assert!(size < MOST_PAGE_BYTES, "{size} bytes, with icons and the trend of three quarters of an hour");
    assert!(site.get("/nowhere").await.0.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_language_is_chosen_by_the_browser_or_on_the_page_and_remembered() {
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
    // What was not chosen from those there are comes to nothing, and is not handed back.
    let odd = get("Cookie: language=%0d%0a\r\n", "/?language=xx%0d%0aSet-Cookie:a").await;
    assert!(odd.contains("<html lang=\"en\">") && !odd.contains("Set-Cookie:a"), "{odd}");
    assert!(site.get("/messages/../page.css").await.0.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_mood_is_503_before_the_first_picture_and_200_afterwards() {
    let site = site(samples::starting()).await;
    assert!(site.get("/api/v1/mood").await.0.starts_with("HTTP/1.1 503"));
    site.moods.send_replace(Arc::new(samples::live()));
    let (head, body) = site.get("/api/v1/mood").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/json"));
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told, serde_json::to_value(samples::live()).unwrap());
}

#[tokio::test]
async fn events_bring_the_newest_mood_at_once_and_each_change() {
    let site = site(samples::live()).await;
    let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let head = read_until(&mut events, "\"sequence\":1234").await;
    assert!(head.contains("text/event-stream") && head.contains("event: mood"), "{head}");
    site.moods.send_replace(Arc::new(Mood { sequence: 1235, ..samples::stale() }));
    assert!(read_until(&mut events, "\"sequence\":1235").await.contains("\"stale\""));
    site.stop.request();
    tokio::time::timeout(PATIENCE, site.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn more_listeners_than_there_is_room_for_are_sent_away() {
    let site = site(samples::live()).await;
    let mut listeners = Vec::new();
    for _ in 0..MOST_LISTENERS {
        let mut events = site.request("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        read_until(&mut events, "event: mood").await;
        listeners.push(events);
    }
    assert!(site.get("/api/v1/events").await.0.starts_with("HTTP/1.1 503"));
    assert!(site.get("/api/v1/mood").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_by_another_name_is_refused() {
    let site = site(samples::live()).await;
    let (head, body) = site.get_as("moodring.example.org", "/api/v1/mood").await;
    assert!(head.starts_with("HTTP/1.1 403") && !String::from_utf8(body).unwrap().contains("sequence"));
    assert!(site.get_as("127.0.0.1:8080", "/api/v1/mood").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn nothing_can_be_changed_and_huge_heads_are_refused() {
    let site = site(samples::live()).await;
    let mut post =
        site.request("POST /api/v1/mood HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd").await;
    read_until(&mut post, "HTTP/1.1 405").await;
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 * MOST_HEAD_BYTES));
    read_until(&mut site.request(&huge).await, "HTTP/1.1 431").await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let site = site(samples::starting()).await;
    let mut stream = site.request("GET / HT").await;
    tokio::time::pause();
    let mut answer = Vec::new();
    let asked_at = tokio::time::Instant::now();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(asked_at.elapsed() < HEAD_TIMEOUT * 2);
}

#[tokio::test]
async fn the_display_is_the_picture_on_the_wall() {
    let site = site(samples::live()).await;
    let (head, body) = site.get("/display.png").await;
    assert!(head.contains("image/png"));
    let picture = image::load_from_memory(&body).unwrap().into_rgb8();
    let (turns, situation) = (display::Turns::GLANCE, Situation::default());
    let pages = display::draw(&samples::live(), &situation, turns, Instant::now());
    assert_eq!(picture, display::small(pages.first()).to_image(6));
}

#[tokio::test]
async fn health_is_about_progress_and_a_lost_camera_is_a_note() {
    let site = site(samples::stale()).await;
    let (head, body) = site.get("/healthz").await;
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!((&told["status"], &told["state"]), (&"ok".into(), &"stale".into()));
    assert!(told["notes"][0].as_str().unwrap().contains("camera"));
}

#[tokio::test]
async fn without_new_moods_health_says_stuck() {
    let (web, _sender) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::starting());
    let web = Web { mood_every: Duration::ZERO, ..web };
    let shared = Shared {
        moods: web.moods.clone(),
        situations: web.bulletin.subscribe(),
        known: Known::default(),
        control: None,
        attention: None,
        outputs: Vec::new(),
        trend: Mutex::default(),
        listeners: Arc::new(Semaphore::new(1)),
        progress: Mutex::new(Instant::now() - Duration::from_secs(11)),
        stuck_after: Duration::from_secs(10),
    };
    let (status, reasons) = routes::progress(&shared, Instant::now());
    assert_eq!(status, axum::http::StatusCode::SERVICE_UNAVAILABLE);
    assert!(reasons[0].contains("no new mood for 11 s"), "{reasons:?}");
}

#[tokio::test]
async fn trend_and_metrics_follow_the_moods() {
    let site = site(samples::live()).await;
    let remembered = async {
        while site.health.published.get() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, remembered).await.unwrap();
    let (_, body) = site.get("/api/v1/trend").await;
    let points: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&points[0]["facing"], &points[0]["word"]), (&0.82.into(), &"attentive".into()));
    let (head, body) = site.get("/metrics").await;
    assert!(head.contains("openmetrics") && String::from_utf8(body).unwrap().contains("moodring_people 28"));
}

#[tokio::test]
async fn a_taken_port_is_told_and_taken_as_soon_as_it_is_free() {
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
        tokio::time::sleep(LISTEN_EVERY).await;
    }
    tokio::time::resume();
    stop.request();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[test]
fn the_page_has_the_colours_of_the_ring_of_light() {
    let css = include_str!("../../mood/palette.css");
    for word in [
        Word::Bright,
        Word::Attentive,
        Word::Calm,
        Word::Restless,
        Word::Strained,
        Word::Drowsy,
        Word::Unsure,
    ] {
        let [red, green, blue] = lights::colour(word);
        let rule = format!("--{}: #{red:02x}{green:02x}{blue:02x};", word.name());
        assert!(css.contains(&rule), "{rule} is missing in palette.css");
    }
}
