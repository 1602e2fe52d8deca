//! On the LAN: who is let in, and who never is.

use super::*;
use crate::config::Config;
use crate::control::Kept;
use crate::control::Pairing;

/// What the page is called when it listens on no loopback address.
const HOST: &str = "0.0.0.0";
const CODE: &str = "481516";

struct Lan {
    site: Site,
    bulletin: Bulletin,
    control: Control,
}

/// The page on every address, so that it asks for pairing; reached over loopback here.
async fn lan(storage: &std::path::Path) -> Lan {
    let control = Control::new(&Config::default(), &Kept::Nothing, None);
    let (web, moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let bulletin = web.bulletin.clone();
    let archive = lessons::Archive { directory: storage.into(), zone: jiff::tz::TimeZone::UTC };
    let (asking, _) = crate::reload::Asking::channel();
    let setup = Some(setup::Desk {
        setup: crate::setup::SetUp { file: storage.join("moodring.toml") },
        afterwards: setup::Afterwards::Reload(asking),
    });
    let control_of_page = Some(control.clone());
    let web = Web { storage: storage.into(), control: control_of_page, setup, archive: Some(archive), ..web };
    let (health, stop) = (Arc::clone(&web.health), web.stop.clone());
    let listener = web.listen().await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let task = tokio::spawn(web.run(Some(listener)));
    Lan { site: Site { address, moods, health, stop, task }, bulletin, control }
}

impl Lan {
    fn offer(&self) {
        let until = Instant::now() + Duration::from_secs(120);
        self.bulletin.offer_pairing(Some(Pairing { code: Some(CODE.into()), until }));
    }

    /// Status and head of the answer to a request with the cookie `session`.
    async fn ask(&self, method: &str, path: &str, session: &str, body: &str) -> (u16, String) {
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

    async fn pair(&self, code: &str) -> (u16, Option<String>) {
        let (status, answer) =
            self.ask("POST", "/api/v1/pair", "", &format!(r#"{{"code": "{code}"}}"#)).await;
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: session="));
        if let Some(cookie) = cookie {
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
        }
        (status, cookie.and_then(|cookie| cookie.split(';').next()).map(String::from))
    }

    async fn paired(&self) -> String {
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
async fn only_the_administrator_sets_the_device_up() {
    let storage = tempfile::tempdir().unwrap();
    std::fs::write(storage.path().join("moodring.toml"), "[mood]\nmode = \"occupancy\"\n").unwrap();
    let lan = lan(storage.path()).await;
    let (administrator, teacher) = (lan.paired().await, lan.paired().await);
    let wishes = r#"{"values": {"room.name": "7b"}}"#;
    for (method, path, body) in [
        ("GET", "/setup", ""),
        ("GET", "/api/v1/setup", ""),
        ("GET", "/api/v1/setup/cameras", ""),
        ("POST", "/api/v1/setup/check", wishes),
    ] {
        assert_eq!(lan.ask(method, path, &administrator, body).await.0, 200, "{path}");
        let (status, answer) = lan.ask(method, path, &teacher, body).await;
        if path == "/setup" {
            assert!(status == 303 && answer.contains("location: /\r\n"), "{answer}");
        } else {
            assert!(status == 403 && answer.contains("not_administrator"), "{path}: {answer}");
        }
        let expected = if path == "/setup" { 303 } else { 401 };
        assert_eq!(lan.ask(method, path, "", body).await.0, expected, "{path}");
    }
    let digest = "0".repeat(64);
    let saving = format!(r#"{{"values": {{"room.name": "7b"}}, "digest": "{digest}"}}"#);
    for (session, expected) in [(&teacher, 403), (&administrator, 409)] {
        assert_eq!(lan.ask("POST", "/api/v1/setup", session, &saving).await.0, expected);
    }
    let unwanted = r#"{"values": {"web.listen": "0.0.0.0:80"}}"#;
    let (status, answer) = lan.ask("POST", "/api/v1/setup/check", &administrator, unwanted).await;
    assert!(status == 422 && answer.contains("web.listen cannot be set on the page"), "{answer}");
}

#[tokio::test]
async fn without_pairing_there_is_the_page_for_pairing_and_nothing_else() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    for path in ["/", "/lessons", "/aim"] {
        let (status, answer) = lan.ask("GET", path, "", "").await;
        assert!(status == 303 && answer.contains("location: /pair"), "{path}: {answer}");
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
    assert!(!*lan.control.paused().borrow());
}

#[tokio::test]
async fn the_first_phone_is_the_administrators_and_each_code_is_good_for_one() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    assert_eq!(lan.pair(CODE).await, (409, None), "nothing is offered");
    let administrator = lan.paired().await;
    assert!(lan.bulletin.subscribe().borrow().pairing.is_none(), "the display goes on");
    assert_eq!(lan.pair(CODE).await, (409, None), "a code that is used up");
    let teacher = lan.paired().await;
    for session in [&administrator, &teacher] {
        assert_eq!(lan.mood(session).await, 200);
        assert_eq!(lan.ask("GET", "/", session, "").await.0, 200);
    }
    // There is no lesson 1: who may delete is told so, who may not is not even told that.
    assert_eq!(lan.ask("DELETE", "/api/v1/lessons/1", &administrator, "").await.0, 404);
    assert_eq!(lan.ask("DELETE", "/api/v1/lessons/1", &teacher, "").await.0, 403);
    assert_eq!(lan.ask("POST", "/api/v1/pause", &teacher, r#"{"paused": true}"#).await.0, 200);
    assert!(*lan.control.paused().borrow());
}

#[tokio::test]
async fn only_an_administrator_looks_through_the_camera() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let (administrator, teacher) = (lan.paired().await, lan.paired().await);
    let look = "/api/v1/aim?viewer=a";
    let (status, answer) = lan.ask("GET", look, &administrator, "").await;
    assert!(status == 403 && answer.contains("aiming_not_offered"), "{answer}");
    lan.control.offer_aiming(crate::control::Asker::Button).unwrap();
    for (method, path) in [
        ("GET", look),
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
    assert!(lan.control.aim().until(Instant::now()).is_some(), "a teacher cannot end it either");
    // The page itself says what is missing.
    assert_eq!(lan.ask("GET", "/aim", &teacher, "").await.0, 200);
    assert_eq!(lan.ask("GET", look, &administrator, "").await.0, 204, "nothing looks through this camera");
    assert_eq!(lan.ask("DELETE", "/api/v1/aim", &administrator, "").await.0, 204);
    assert!(lan.control.aim().until(Instant::now()).is_none());
}

#[tokio::test]
async fn pairing_outlives_a_restart_and_signing_out_does_too() {
    let storage = tempfile::tempdir().unwrap();
    let first = lan(storage.path()).await;
    let (kept, signed_out) = (first.paired().await, first.paired().await);
    assert_eq!(first.ask("POST", "/api/v1/unpair", &signed_out, "").await.0, 204);
    assert_eq!(first.mood(&signed_out).await, 401, "a replayed cookie");
    first.site.stop.request();
    let again = lan(storage.path()).await;
    assert_eq!(again.mood(&kept).await, 200);
    assert_eq!(again.mood(&signed_out).await, 401);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(lan(elsewhere.path()).await.mood(&kept).await, 401, "another device's cookie");
}

#[tokio::test]
async fn forged_cookies_are_no_cookies() {
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
    // The first of several counts, as browsers send the one of the closest path first.
    assert_eq!(lan.mood(&format!("x; session={good}")).await, 401);
    assert_eq!(lan.mood(&good).await, 200);
}

#[tokio::test]
async fn ten_thousand_wrong_codes_get_nobody_in() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    lan.offer();
    let mut stream = TcpStream::connect(lan.site.address).await.unwrap();
    let mut buffer = vec![0; 4096];
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
    }
    // Not even the right one, from there.
    assert_eq!(lan.pair(CODE).await, (429, None));
    assert_eq!(lan.mood("").await, 401);
    // The next hand at the button makes a new offer, and all is well.
    let session = lan.paired().await;
    assert_eq!(lan.mood(&session).await, 200);
}

#[tokio::test]
async fn an_unreadable_list_lets_nobody_in() {
    let storage = tempfile::tempdir().unwrap();
    std::fs::write(storage.path().join("paired.json"), "[{").unwrap();
    let (web, _moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let web = Web { storage: storage.path().into(), ..web };
    let health = Arc::clone(&web.health);
    let listener = web.listen().await.unwrap();
    web.run(Some(listener)).await;
    let problem = health.problem().unwrap();
    assert!(problem.contains("the page is not served"), "{problem}");
}
