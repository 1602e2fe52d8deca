//! Tests against real servers on loopback, unencrypted and encrypted.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rumqttc_v5::tokio_rustls::TlsAcceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Long, because the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(30);
const SECRET: &str = "0123456789abcdef";

/// The received requests: signature and body.
type Seen = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A server that answers with `answers`, then with 204. `None` never answers.
async fn server(answers: &[Option<u16>]) -> (String, Seen) {
    let seen = Seen::default();
    let script = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
    let heard = Arc::clone(&seen);
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        assert_eq!(headers["content-type"], "application/json");
        heard.lock().unwrap().push((headers[SIGNATURE].to_str().unwrap().to_owned(), body));
        let next = script.lock().unwrap().pop_front().unwrap_or(Some(204));
        match next {
            Some(status) => StatusCode::from_u16(status).unwrap(),
            None => std::future::pending().await,
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(answer))).await });
    (url, seen)
}

struct Running {
    spool: Spool,
    health: Arc<Health>,
    stop: Stop,
    task: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Running {
    fn new(url: String, ca_file: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, format!("{SECRET}\nnot this\n")).unwrap();
        let config = config::Webhook {
            name: "school".into(),
            url,
            secret_file,
            ca_file,
            retry_within_s: 1.0,
            ..Default::default()
        };
        let (spool, health, stop) =
            (Spool::in_memory(100), Arc::new(Health::new("webhook")), Stop::default());
        let webhook = Webhook::new(config, spool.clone(), Arc::clone(&health), stop.clone());
        Self { spool, health, stop, task: tokio::spawn(webhook.run()), folder }
    }

    fn append(&self, what: &str) {
        self.spool.append(Kind::Event, |id, number| format!("{id} {number} {what}").into_bytes());
    }

    async fn until(&self, done: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !done(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(TIMEOUT, waiting).await.unwrap();
    }

    async fn emptied(&self) {
        self.until(|running| running.spool.metrics().waiting == 0).await;
    }
}

/// The text that was passed to `append`, of each body.
fn received(seen: &Seen) -> Vec<String> {
    let bodies = seen.lock().unwrap();
    let word =
        |(_, body): &(String, Bytes)| String::from_utf8_lossy(body).split(' ').nth(2).unwrap().to_owned();
    bodies.iter().map(word).collect()
}

#[tokio::test]
async fn messages_arrive_in_order_and_signed() {
    let (url, seen) = server(&[]).await;
    let running = Running::new(url, PathBuf::new());
    ["begun", "ended"].iter().for_each(|what| running.append(what));
    running.emptied().await;
    assert_eq!(received(&seen), ["begun", "ended"]);
    let (signature, body) = seen.lock().unwrap()[1].clone();
    let (at, digest) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert!((Timestamp::now().as_second() - at.parse::<i64>().unwrap()).abs() < 60);
    // As a server would check it, over what it received.
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(&body);
    assert_eq!(
        digest,
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    assert_eq!((running.health.published.get(), running.health.is_up()), (2, true));
}

#[test]
fn the_signature_matches_openssl() {
    // printf '1764100000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
    let at = Timestamp::from_second(1_764_100_000).unwrap();
    let expected = "t=1764100000,v1=568bb119f1385c3c86634e1778db4b62dcc86cc963a46ab4595773a7ee420f3c";
    assert_eq!(sign(SECRET, at, br#"{"a":1}"#), expected);
}

#[tokio::test]
async fn a_temporary_failure_is_retried_and_a_refused_message_is_skipped() {
    let (url, seen) = server(&[Some(503), Some(401), Some(200), Some(422)]).await;
    let running = Running::new(url, PathBuf::new());
    ["first", "faulty", "last"].iter().for_each(|what| running.append(what));
    running.until(|running| running.health.problem().is_some()).await;
    let problem = running.health.problem().unwrap();
    assert!(problem.starts_with("webhook school at http://127.0.0.1:"), "{problem}");
    running.emptied().await;
    assert_eq!(received(&seen), ["first", "first", "first", "faulty", "last"]);
    assert_eq!((running.health.published.get(), running.health.errors.get()), (2, 3));
    assert!(running.health.is_up());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (url, seen) = server(&[Some(307)]).await;
    let running = Running::new(url, PathBuf::new());
    running.append("it");
    running.until(|running| running.health.problem().is_some()).await;
    assert!(running.health.problem().unwrap().contains("answers 307; set url to where it leads"));
    running.emptied().await;
    assert_eq!(received(&seen).len(), 2);
}

#[tokio::test]
async fn a_corrected_secret_needs_no_restart() {
    let (url, seen) = server(&[]).await;
    let running = Running::new(url, PathBuf::new());
    let secret_file = running.folder.path().join("secret");
    std::fs::write(&secret_file, "short\n").unwrap();
    running.append("it");
    running.until(|running| running.health.problem().is_some()).await;
    let problem = running.health.problem().unwrap();
    assert!(problem.contains("webhook.school.secret_file") && problem.contains("fewer than 16"), "{problem}");
    assert!(received(&seen).is_empty());
    std::fs::write(&secret_file, SECRET).unwrap();
    running.emptied().await;
    assert_eq!(received(&seen), ["it"]);
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_delay_the_stop() {
    let (url, seen) = server(&[None]).await;
    let running = Running::new(url, PathBuf::new());
    running.append("it");
    running.until(|_| seen.lock().unwrap().len() == 1).await;
    running.stop.request();
    timeout(Duration::from_secs(1), running.task).await.unwrap().unwrap();
    assert_eq!(running.spool.metrics().waiting, 1, "it is sent again after the next start");
}

/// An encrypted server with one answer per connection; returns the certificate of its authority.
async fn encrypted_server() -> (u16, String) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate closes the connection.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4096];
            let mut length = 0;
            while !request[..length].ends_with(b"it") {
                length += stream.read(&mut request[length..]).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    (port, own.cert.pem())
}

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_receives_messages() {
    let (port, pem) = encrypted_server().await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&ca_file, stranger.cert.pem()).unwrap();
    let running = Running::new(format!("https://localhost:{port}/"), ca_file.clone());
    running.append("it");
    running.until(|running| running.health.problem().is_some()).await;
    assert_eq!(running.spool.metrics().waiting, 1);
    std::fs::write(&ca_file, pem).unwrap();
    running.emptied().await;
    assert_eq!(running.health.published.get(), 1);
}
