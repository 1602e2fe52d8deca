//! Connections: how many, how long, and by HTTP or HTTPS.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::access::Peer;

/// Connections beyond these wait until one ends: every listener, and room for what else the phones ask.
const MOST_CONNECTIONS: usize = super::MOST_LISTENERS + 64;
/// A request's head must come within this time and size.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const MOST_HEAD_BYTES: usize = 16 * 1024;
/// First byte of a TLS connection (RFC 8446, section 5.1).
pub(super) const TLS_HANDSHAKE: u8 = 22;

/// How a connection is answered.
#[derive(Clone)]
pub(super) struct Door {
    /// What is served.
    pub(super) router: axum::Router,
    /// With HTTPS: how it is spoken, and what is said to those who do not.
    pub(super) https: Option<(TlsAcceptor, axum::Router)>,
}

impl Door {
    /// Answers connections until accepting fails.
    pub(super) async fn accept(&self, listener: &TcpListener) -> std::io::Error {
        // Dropped with this future at the stop, which ends every connection.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(self.clone().answer(stream, Peer(peer.ip())));
                    }
                    Err(error) => return error,
                },
            }
        }
    }

    /// Serves one connection to its end. What goes wrong on it is the other side's business.
    async fn answer(self, stream: TcpStream, peer: Peer) {
        let Some((acceptor, elsewhere)) = self.https else { return speak(stream, peer, self.router).await };
        let mut first = [0];
        match timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
            Ok(Ok(1)) => return speak(stream, peer, elsewhere).await,
            _ => return,
        }
        match timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, peer, self.router).await,
            // A phone that does not trust the certificate yet ends here, each time that it asks its user.
            Ok(Err(error)) => tracing::debug!(%error, "a connection to the page did not come to HTTPS"),
            Err(_) => {}
        }
    }
}

/// HTTP on one connection.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: axum::Router,
) {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request| {
        hyper::http::Request::extensions_mut(&mut request).insert(peer);
        hyper::service::Service::call(&router, request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the page ended");
    }
}
