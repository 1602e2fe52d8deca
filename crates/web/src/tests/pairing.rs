//! In the LAN: pairing, cookies, roles, and requests that are refused.

use super::*;
use moodring_contract::{Command, CommandSource};
use moodring_runtime::PairingOffer;

/// `Host` of a page that listens on all addresses.
const HOST: &str = "0.0.0.0";
const CODE: &str = "481516";

pub(super) struct Lan {
    pub(super) site: Site,
    pub(super) executor: Executor,
}

/// The page with all routes on every address, so that it requires pairing; reached over loopback.
pub(super) async fn lan(storage: &std::path::Path) -> Lan {
    let (executor, _) = Executor::start();
    let (web, moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let site = serve(roles::with_all_routes(web, &executor, storage), moods).await;
    Lan { site, executor }
}

impl Lan {
    fn offer(&self) {
        let until = Instant::now() + Duration::from_secs(120);
        self.executor.pairing.set(Some(PairingOffer { code: Some(CODE.into()), until }));
    }

    /// Status and head of the answer to a request with the cookie `session`.
    pub(super) async fn ask(&self, method: &str, path: &str, session: &str, body: &str) -> (u16, String) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: language=hi; session={session}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut answer = Vec::new();
        self.site.request(&head).await.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer[9..12].parse().unwrap(), answer)
    }

    async fn type_code(&self, code: &str) -> (u16, String) {
        self.ask("POST", "/api/v1/pair", "", &format!(r#"{{"code": "{code}"}}"#)).await
    }

    async fn pair(&self, code: &str) -> (u16, Option<String>) {
        let (status, answer) = self.type_code(code).await;
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: session="));
        if let Some(cookie) = cookie {
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
        }
        (status, cookie.and_then(|cookie| cookie.split(';').next()).map(String::from))
    }

    pub(super) async fn paired(&self) -> String {
        self.offer();
        let (status, cookie) = self.pair(CODE).await;
        assert_eq!(status, 204);
        cookie.unwrap()
    }

    async fn mood(&self, session: &str) -> u16 {
        self.ask("GET", "/api/v1/mood", session, "").await.0
    }
}

#[tokio::test]
async fn without_pairing_only_the_page_for_pairing_is_served() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    for path in ["/", "/lessons", "/aim"] {
        let (status, answer) = lan.ask("GET", path, "", "").await;
        assert!(status == 303 && answer.contains("location: pair"), "{path}: {answer}");
    }
    for (method, path) in [
        ("GET", "/api/v1/mood"),
        ("GET", "/api/v1/trend"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/device"),
        ("GET", "/api/v1/lessons"),
        ("GET", "/api/v1/lessons/1.html"),
        ("DELETE", "/api/v1/lessons/1"),
        ("PUT", "/api/v1/lessons/1/note"),
        ("POST", "/api/v1/pause"),
        ("POST", "/api/v1/lesson"),
        ("POST", "/api/v1/night"),
        ("POST", "/api/v1/unpair"),
        ("GET", "/api/v1/aim?viewer=a"),
        ("DELETE", "/api/v1/aim"),
        ("POST", "/api/v1/aim/zones"),
        ("GET", "/display.png"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/pair/../api/v1/mood"),
        ("GET", "//api/v1/mood"),
        ("GET", "/nowhere"),
    ] {
        let (status, answer) = lan.ask(method, path, "", r#"{"paused": true}"#).await;
        assert!(status == 401 && !answer.contains("sequence"), "{method} {path}: {answer}");
    }
    for path in ["/pair", "/page.css", "/pair.js", "/messages.js", "/messages/hi.json"] {
        assert_eq!(lan.ask("GET", path, "", "").await.0, 200, "{path}");
    }
    assert!(lan.executor.executed().is_empty());
}

#[tokio::test]
async fn the_first_phone_is_administrator_and_each_code_pairs_one_phone() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    assert_eq!(lan.pair(CODE).await, (409, None), "pairing is not offered");
    let administrator = lan.paired().await;
    assert!(lan.executor.pairing.at(Instant::now()).is_none(), "the display shows the code no longer");
    assert_eq!(lan.pair(CODE).await, (409, None), "a used code");
    let teacher = lan.paired().await;
    for session in [&administrator, &teacher] {
        assert_eq!(lan.mood(session).await, 200);
        assert_eq!(lan.ask("GET", "/", session, "").await.0, 200);
    }
    // There is no lesson 1. Only an administrator learns that.
    assert_eq!(lan.ask("DELETE", "/api/v1/lessons/1", &administrator, "").await.0, 404);
    assert_eq!(lan.ask("DELETE", "/api/v1/lessons/1", &teacher, "").await.0, 403);
    assert_eq!(lan.ask("POST", "/api/v1/pause", &teacher, r#"{"paused": true}"#).await.0, 200);
    assert!(lan.executor.is_paused());
}

#[tokio::test]
async fn only_an_administrator_may_see_the_preview() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let (administrator, teacher) = (lan.paired().await, lan.paired().await);
    let preview = "/api/v1/aim?viewer=a";
    let (status, answer) = lan.ask("GET", preview, &administrator, "").await;
    assert!(status == 403 && answer.contains("aiming_not_offered"), "{answer}");
    lan.executor.execute(Command::OfferPreview, CommandSource::Button).unwrap();
    for (method, path) in [
        ("GET", preview),
        ("GET", "/api/v1/aim"),
        ("DELETE", "/api/v1/aim"),
        ("POST", "/api/v1/aim/zones"),
        ("GET", "/api/v1/aim/"),
        ("GET", "//api/v1/aim"),
        ("GET", "/api/v1//aim"),
        ("GET", "/api/v1/%61im"),
    ] {
        let (status, answer) = lan.ask(method, path, &teacher, "{}").await;
        assert!((status == 403 && answer.contains("not_administrator")) || status == 404, "{path}: {answer}");
    }
    assert!(lan.executor.is_aimed(), "a teacher cannot end aiming");
    // The page itself shows why there is no preview.
    assert_eq!(lan.ask("GET", "/aim", &teacher, "").await.0, 200);
    assert_eq!(lan.ask("GET", preview, &administrator, "").await.0, 204, "vision makes no previews here");
    assert_eq!(lan.ask("DELETE", "/api/v1/aim", &administrator, "").await.0, 204);
    assert!(!lan.executor.is_aimed());
}

/// An event stream of the phone with the cookie `session`; the text that it begins with.
async fn listen(lan: &Lan, session: &str) -> (TcpStream, String) {
    let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {HOST}\r\nCookie: session={session}\r\n\r\n");
    let mut stream = lan.site.request(&head).await;
    let text = read_until(&mut stream, "\r\n\r\n").await;
    (stream, text)
}

#[tokio::test]
async fn one_phone_cannot_take_all_event_streams() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let (greedy, other) = (lan.paired().await, lan.paired().await);
    let mut streams = Vec::new();
    let mut refused = 0;
    for _ in 0..12 {
        let (stream, text) = listen(&lan, &greedy).await;
        refused += usize::from(text.starts_with("HTTP/1.1 503"));
        streams.push(stream);
    }
    assert_eq!(refused, 4);
    assert!(listen(&lan, &other).await.1.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn unpaired_connections_do_not_keep_a_phone_out() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let session = lan.paired().await;
    let (mut events, _) = listen(&lan, &session).await;
    let mut flood = Vec::new();
    for _ in 0..400 {
        flood.push(lan.site.request("GET /pair HTTP/1.1\r\nHost: 0.0.0.0\r\n\r\nGET /pair HT").await);
    }
    assert_eq!(lan.mood(&session).await, 200);
    // The oldest connections of the flood have ended; the phone's event stream has not.
    let mut answer = Vec::new();
    drop(tokio::time::timeout(TIMEOUT, flood[0].read_to_end(&mut answer)).await.unwrap());
    lan.site.moods.send_replace(Arc::new(Mood { sequence: 4321, ..samples::live() }));
    read_until(&mut events, "\"sequence\":4321").await;
}

#[tokio::test]
async fn while_the_disk_is_full_nobody_is_paired_and_then_the_first_phone_is_administrator() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    // A folder in place of the temporary file makes every write fail, also one by root.
    let obstacle = storage.path().join("paired.json.new");
    std::fs::create_dir(&obstacle).unwrap();
    lan.offer();
    for _ in 0..2 {
        let (status, answer) = lan.type_code(CODE).await;
        assert!(status == 503 && answer.contains("pairing_not_stored"), "{answer}");
        assert!(!answer.contains("set-cookie"));
    }
    assert!(lan.executor.pairing.at(Instant::now()).is_some(), "the code can be typed again");
    std::fs::remove_dir(&obstacle).unwrap();
    let (status, session) = lan.pair(CODE).await;
    assert_eq!(status, 204);
    let session = session.unwrap();
    assert_eq!(lan.ask("GET", "/api/v1/setup", &session, "").await.0, 200, "it is administrator");
    // Signing out is refused too, and the phone stays paired.
    std::fs::create_dir(&obstacle).unwrap();
    assert_eq!(lan.ask("POST", "/api/v1/unpair", &session, "").await.0, 503);
    assert_eq!(lan.ask("GET", "/api/v1/setup", &session, "").await.0, 200);
}

#[tokio::test]
async fn each_page_renews_the_cookie_of_the_administrator_only() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let (administrator, teacher) = (lan.paired().await, lan.paired().await);
    let (_, answer) = lan.ask("GET", "/?language=hi", &administrator, "").await;
    let renewed = format!("set-cookie: session={administrator}; Max-Age=34560000; Path=/; ");
    assert!(answer.contains(&renewed) && answer.contains("set-cookie: language=hi"), "{answer}");
    assert!(!lan.ask("GET", "/", &teacher, "").await.1.contains("set-cookie: session"));
    assert!(!lan.ask("GET", "/api/v1/mood", &administrator, "").await.1.contains("set-cookie"));
}

#[tokio::test]
async fn pairing_and_signing_out_survive_a_restart() {
    let storage = tempfile::tempdir().unwrap();
    let first = lan(storage.path()).await;
    let (paired, signed_out) = (first.paired().await, first.paired().await);
    assert_eq!(first.ask("POST", "/api/v1/unpair", &signed_out, "").await.0, 204);
    assert_eq!(first.mood(&signed_out).await, 401, "a replayed cookie");
    first.site.stop.request();
    let restarted = lan(storage.path()).await;
    assert_eq!(restarted.mood(&paired).await, 200);
    assert_eq!(restarted.mood(&signed_out).await, 401);
    let other = tempfile::tempdir().unwrap();
    assert_eq!(lan(other.path()).await.mood(&paired).await, 401, "cookie of another device");
}

#[tokio::test]
async fn without_its_key_the_device_has_no_administrator_until_the_next_phone_is_paired() {
    let storage = tempfile::tempdir().unwrap();
    let first = lan(storage.path()).await;
    let (old, _) = (first.paired().await, first.paired().await);
    first.site.stop.request();
    std::fs::remove_file(storage.path().join("page.key")).unwrap();
    // The list is emptied at once, not only when a phone is paired.
    lan(storage.path()).await.site.stop.request();
    let restarted = lan(storage.path()).await;
    assert_eq!(restarted.mood(&old).await, 401);
    let new = restarted.paired().await;
    assert_eq!(restarted.ask("GET", "/api/v1/setup", &new, "").await.0, 200);
}

#[tokio::test]
async fn forged_cookies_are_refused() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let good = lan.paired().await;
    let (text, _) = good.rsplit_once('.').unwrap();
    let forged = [
        String::new(),
        "1".into(),
        text.into(),
        format!("{text}.{}", "0".repeat(64)),
        good.replacen("1.", "1.0", 1),
        format!("{good}0"),
        good.to_uppercase(),
        "administrator".into(),
        "x".repeat(8000),
    ];
    for session in &forged {
        assert_eq!(lan.mood(session).await, 401, "{session:.80}");
    }
    // The first of several cookies is used: browsers send the one with the longest path first.
    assert_eq!(lan.mood(&format!("x; session={good}")).await, 401);
    assert_eq!(lan.mood(&good).await, 200);
}

#[tokio::test]
async fn ten_thousand_wrong_codes_pair_no_phone() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    lan.offer();
    let mut stream = TcpStream::connect(lan.site.address).await.unwrap();
    let mut buffer = vec![0; 4096];
    let mut connections = 1;
    for number in 0..10_000 {
        let body = format!(r#"{{"code": "{number:06}"}}"#);
        let head = format!(
            "POST /api/v1/pair HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let count = stream.read(&mut buffer).await.unwrap();
        let answer = String::from_utf8_lossy(&buffer[..count]);
        let status = &answer[9..12];
        assert!(if number < 5 { status == "403" } else { status == "429" }, "{number}: {answer}");
        assert!(!answer.contains("set-cookie"));
        if answer.contains("connection: close") {
            stream = TcpStream::connect(lan.site.address).await.unwrap();
            connections += 1;
        }
    }
    assert!(connections > 100, "an unpaired connection has a limited number of requests: {connections}");
    // From this address the right code is refused too.
    assert_eq!(lan.pair(CODE).await, (429, None));
    assert_eq!(lan.mood("").await, 401);
    // A new offer resets the limit.
    let session = lan.paired().await;
    assert_eq!(lan.mood(&session).await, 200);
}

#[tokio::test]
async fn with_an_unreadable_list_the_page_is_not_served_until_it_is_mended() {
    let storage = tempfile::tempdir().unwrap();
    std::fs::write(storage.path().join("paired.json"), "[{").unwrap();
    let (web, _moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let web = Web { storage: storage.path().into(), ..web };
    let health = Arc::clone(&web.health);
    let listener = web.listen().await.unwrap();
    tokio::time::pause();
    let stop = web.stop.clone();
    let task = tokio::spawn(web.run(Some(listener)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let problem = health.problem().unwrap();
    assert!(problem.contains("the page is not served"), "{problem}");
    std::fs::remove_file(storage.path().join("paired.json")).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(health.is_up() && health.problem().is_none());
    stop.request();
    task.await.unwrap();
}
