//! Accepts connections by HTTP or HTTPS, and limits their number and the time for handshake and request head.

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

/// Maximum number of connections; further ones wait until one ends. All event listeners, and 64 for other requests.
const MAX_CONNECTIONS: usize = super::MAX_LISTENERS + 64;
/// A request's head must arrive within this time.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a request's head.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// First byte of a TLS connection (RFC 8446, section 5.1).
pub(super) const TLS_HANDSHAKE: u8 = 22;

/// Serves the connections of one port.
#[derive(Clone)]
pub(super) struct HttpListener {
    /// The routes.
    pub(super) router: axum::Router,
    /// With HTTPS: its acceptor, and the routes for plain HTTP.
    pub(super) https: Option<(TlsAcceptor, axum::Router)>,
}

impl HttpListener {
    /// Serves connections until accepting fails.
    pub(super) async fn accept(&self, listener: &TcpListener) -> std::io::Error {
        // The stop drops this future and so ends every connection.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(self.clone().serve(stream, Peer(peer.ip())));
                    }
                    Err(error) => return error,
                },
            }
        }
    }

    /// Serves one connection to its end. Its faults are logged at level debug only, because any client can cause them.
    async fn serve(self, stream: TcpStream, peer: Peer) {
        let Some((acceptor, plain)) = self.https else { return serve_http(stream, peer, self.router).await };
        let mut first = [0];
        match timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
            Ok(Ok(1)) => return serve_http(stream, peer, plain).await,
            _ => return,
        }
        match timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => serve_http(stream, peer, self.router).await,
            // A phone that does not trust the certificate yet ends the handshake each time until its user accepts it.
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => {}
        }
    }
}

/// Serves HTTP on one connection.
async fn serve_http(
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
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to the page ended with an error");
    }
}
