//! Accepts connections by HTTP or HTTPS, and limits the time for handshake, request head and answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, header};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connections::{Audience, Connection, Connections, Peer};
use super::local_account::Account;
use super::write_timeout::with_write_timeout;

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
    /// The connections that are open.
    pub(super) connections: Arc<Connections>,
}

impl HttpListener {
    /// Serves connections until accepting fails.
    pub(super) async fn accept(&self, listener: &TcpListener) -> std::io::Error {
        // The stop drops this future and so ends every connection.
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = tasks.join_next() => {}
                accepted = listener.accept(), if self.connections.has_room() => match accepted {
                    Ok((stream, peer)) => {
                        let account = match self.connections.audience() {
                            Audience::Loopback => Account::of(&stream),
                            Audience::Lan => Account::Other,
                        };
                        let connection = self.connections.add(peer.ip(), account);
                        tasks.spawn(self.clone().serve(stream, connection));
                    }
                    Err(error) => return error,
                },
            }
        }
    }

    /// Serves one connection until its client or the limits of connections end it.
    async fn serve(self, stream: TcpStream, connection: Connection) {
        tokio::select! {
            () = self.serve_stream(stream, connection.peer().clone()) => {}
            () = connection.must_end() => tracing::debug!("connection to the page ended by its limits"),
        }
    }

    /// Serves `stream` to its end. Its faults are logged at level debug only, because any client can cause them.
    async fn serve_stream(self, stream: TcpStream, peer: Peer) {
        let Some((acceptor, plain)) = self.https else {
            return serve_http(with_write_timeout(stream), peer, self.router).await;
        };
        let mut first = [0];
        match timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
            Ok(Ok(1)) => return serve_http(with_write_timeout(stream), peer, plain).await,
            _ => return,
        }
        match timeout(HEAD_TIMEOUT, acceptor.accept(with_write_timeout(stream))).await {
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
    let requests = AtomicU64::new(0);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let answered = hyper::service::Service::call(&router, request);
        let (peer, count) = (peer.clone(), requests.fetch_add(1, Ordering::Relaxed) + 1);
        async move {
            let mut response = answered.await?;
            if peer.is_last_request(count) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
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
