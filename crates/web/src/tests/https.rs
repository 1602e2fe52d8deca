//! HTTPS in the LAN, and metrics with a token.

use moodring_config::{Https, MetricsPolicy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::*;
use crate::http_listener::TLS_HANDSHAKE;

/// A page in the LAN, reached over loopback; its certificate names 0.0.0.0.
async fn secure(storage: &std::path::Path, config: config::Web) -> Site {
    let (web, moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let config = config::Web { listen: web.config.listen, ..config };
    serve(Web { config, storage: storage.into(), ..web }, moods).await
}

/// The answer by HTTPS to a client that trusts only the device's own certificate.
async fn https(site: &Site, storage: &std::path::Path, request: &str) -> String {
    let mut roots = rustls::RootCertStore::empty();
    let file = loop {
        match std::fs::read(storage.join("page.pem")) {
            Ok(file) => break file,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    roots.add(CertificateDer::from_pem_slice(&file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(site.address).await.unwrap();
    let name = ServerName::try_from("0.0.0.0").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server closes without a TLS close_notify, which HTTP allows.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn plain(site: &Site, request: &str) -> String {
    let mut answer = Vec::new();
    site.request(request).await.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 0.0.0.0\r\nConnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn in_the_lan_the_page_is_served_by_https_and_plain_http_redirects() {
    let storage = tempfile::tempdir().unwrap();
    let site = secure(storage.path(), config::Web::default()).await;
    let answer = https(&site, storage.path(), &get("/pair", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = https(&site, storage.path(), &get("/api/v1/mood", "")).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let answer = plain(&site, &get("/lessons?x=1", "")).await;
    assert!(
        answer.starts_with("HTTP/1.1 308") && answer.contains("location: https://0.0.0.0/lessons?x=1"),
        "{answer}"
    );
    let elsewhere = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(plain(&site, elsewhere).await.starts_with("HTTP/1.1 403"), "no redirect to a foreign host");
    assert!(
        plain(&site, &get("/api/v1/mood", "")).await.starts_with("HTTP/1.1 308"),
        "no content by plain HTTP"
    );
}

#[tokio::test]
async fn an_incomplete_tls_handshake_times_out() {
    let storage = tempfile::tempdir().unwrap();
    let site = secure(storage.path(), config::Web::default()).await;
    let mut silent = TcpStream::connect(site.address).await.unwrap();
    silent.write_all(&[TLS_HANDSHAKE, 3, 1]).await.unwrap();
    let mut nothing = Vec::new();
    let ended = timeout(HEAD_TIMEOUT + Duration::from_secs(3), silent.read_to_end(&mut nothing)).await;
    assert!(ended.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn metrics_require_the_token() {
    let storage = tempfile::tempdir().unwrap();
    let file = storage.path().join("token");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let config = config::Web {
        https: Https::Off,
        metrics: MetricsPolicy::Token,
        metrics_token_file: file.clone(),
        ..config::Web::default()
    };
    let site = secure(storage.path(), config.clone()).await;
    for (authorization, status) in [
        ("", 401),
        ("Authorization: Bearer 0123456789abcdef\r\n", 200),
        ("Authorization: Bearer 0123456789abcdeX\r\n", 401),
        ("Authorization: Bearer \r\n", 401),
        ("Authorization: Basic 0123456789abcdef\r\n", 401),
    ] {
        for path in ["/metrics", "/healthz"] {
            let answer = plain(&site, &get(path, authorization)).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{path} {authorization:?}: {answer:.60}"
            );
        }
        let answer = plain(&site, &get("/api/v1/mood", authorization)).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "the token allows nothing else");
    }
    let open = secure(storage.path(), config::Web { metrics: MetricsPolicy::Open, ..config.clone() }).await;
    assert!(plain(&open, &get("/metrics", "")).await.starts_with("HTTP/1.1 200"));
    assert!(plain(&open, &get("/api/v1/trend", "")).await.starts_with("HTTP/1.1 401"));
    std::fs::write(&file, "short").unwrap();
    let refused = secure(storage.path(), config).await;
    let problem = async {
        loop {
            match refused.health.problem() {
                Some(problem) => break problem,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let problem = tokio::time::timeout(TIMEOUT, problem).await.unwrap();
    assert!(problem.contains("at least 16 characters"), "{problem}");
    refused.task.abort();
}
