//! The byte stream below both versions of the protocol: `TCP ──▶ TLS ──▶ packets that are too large are shortened`.
//!
//! The library ends the connection when a packet is too large. A retained message of that size would end every
//! connection, so the stream keeps the beginning of such a packet, with its topic, and discards the rest.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rumqttc_v5::NetworkOptions;
use rumqttc_v5::tokio_rustls::TlsConnector;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::rustls::{self, ClientConfig, pki_types::ServerName};
use super::{LinkError, tls_fault};

/// Length of a shortened packet without its fixed header. A topic may have 64 kB, and enough of the payload must be left
/// to show that it is too large.
const SHORTENED: usize = 128 * 1024;
/// Largest packet that the stream lets through, with its fixed header of at most five bytes.
pub(super) const MAX_INCOMING: usize = SHORTENED + 5;
/// Number of bytes that are read at once.
const CHUNK: usize = 4096;
/// The first four bits of a PUBLISH packet (MQTT 3.1.1, section 2.2.1).
const PUBLISH: u8 = 3;
/// The first byte of a TLS alert. No packet from a broker begins with it.
const TLS_ALERT: u8 = 0x15;

/// Opens the stream, and keeps what the library's errors do not tell. Clones share it.
#[derive(Clone)]
pub(super) struct Transport {
    host: String,
    tls: Option<Arc<ClientConfig>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Why the stream failed, if that is known better than from the library's error.
    fault: Option<LinkError>,
    discarding: bool,
}

impl Transport {
    pub(super) fn new(host: &str, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { host: host.to_owned(), tls, state: Arc::default() }
    }

    /// Why the stream failed.
    pub(super) fn take_fault(&self) -> Option<LinkError> {
        self.lock().fault.take()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the end of a packet that is too large is still arriving.
    pub(super) fn is_discarding(&self) -> bool {
        self.lock().discarding
    }

    /// Connects to `address`, which is host and port.
    ///
    /// # Errors
    /// There is no connection, or it cannot be encrypted.
    pub(super) async fn connect(self, address: String, options: NetworkOptions) -> io::Result<Stream> {
        let tcp = rumqttc_v5::default_socket_connect(address, options).await?;
        let bytes: Box<dyn Bytes> = match self.tls.clone() {
            None => Box::new(tcp),
            Some(config) => {
                let encrypted = self.encrypt(config, tcp).await;
                Box::new(encrypted.inspect_err(|error| {
                    self.lock().fault = Some(LinkError::Tls(tls_fault::of_handshake(error, &self.host)));
                })?)
            }
        };
        Ok(Stream {
            bytes,
            transport: self,
            shortener: Shortener::default(),
            output: Vec::new(),
            is_new: true,
        })
    }

    async fn encrypt(
        &self,
        config: Arc<ClientConfig>,
        tcp: tokio::net::TcpStream,
    ) -> io::Result<rumqttc_v5::tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| io::Error::other(rustls::Error::UnsupportedNameType))?;
        TlsConnector::from(config).connect(name, tcp).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection with or without TLS.
trait Bytes: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Bytes for T {}

/// The stream that the library reads and writes.
pub(super) struct Stream {
    bytes: Box<dyn Bytes>,
    transport: Transport,
    shortener: Shortener,
    /// Read, and not passed to the library yet.
    output: Vec<u8>,
    /// Whether nothing has arrived yet.
    is_new: bool,
}

impl Stream {
    fn receive(&mut self, input: &[u8]) -> io::Result<()> {
        let first = std::mem::take(&mut self.is_new).then(|| input.first().copied()).flatten();
        if first == Some(TLS_ALERT) && !self.transport.is_encrypted() {
            self.transport.lock().fault = Some(LinkError::Tls(tls_fault::UNENCRYPTED.to_owned()));
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.shortener.feed(input, &mut self.output);
        self.transport.lock().discarding = self.shortener.discard > 0;
        Ok(())
    }

    /// Keeps the cause of an error of TLS.
    fn note(&self, error: &io::Error) {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(cause) = cause {
            let fault = LinkError::Tls(tls_fault::of(cause, &self.transport.host));
            self.transport.lock().fault = Some(fault);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.output.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut input = ReadBuf::new(&mut chunk);
            if let Err(error) = ready!(Pin::new(&mut *self.bytes).poll_read(context, &mut input)) {
                self.note(&error);
                return Poll::Ready(Err(error));
            }
            if input.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.receive(input.filled())?;
        }
        let count = self.output.len().min(buffer.remaining());
        buffer.put_slice(self.output.get(..count).unwrap_or_default());
        self.output.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.bytes).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.bytes).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.bytes).poll_shutdown(context)
    }
}

/// Shortens PUBLISH packets in a stream of packets.
#[derive(Debug, Default)]
struct Shortener {
    /// The fixed header of the packet, as far as it has arrived.
    header: Vec<u8>,
    /// Number of bytes of the packet that are still to be passed on, and to be discarded after them.
    pass: usize,
    discard: usize,
}

impl Shortener {
    fn feed(&mut self, mut input: &[u8], output: &mut Vec<u8>) {
        while let Some((first, rest)) = input.split_first() {
            if self.pass > 0 {
                let (now, later) = input.split_at(self.pass.min(input.len()));
                output.extend_from_slice(now);
                self.pass -= now.len();
                input = later;
            } else if self.discard > 0 {
                let count = self.discard.min(input.len());
                self.discard -= count;
                input = input.get(count..).unwrap_or_default();
            } else {
                self.header.push(*first);
                self.begin_packet(output);
                input = rest;
            }
        }
    }

    /// Decides about the packet if its fixed header is complete.
    fn begin_packet(&mut self, output: &mut Vec<u8>) {
        let [kind, digits @ ..] = &*self.header else { return };
        let Some(length) = remaining_length(digits) else { return };
        if kind >> 4 == PUBLISH && length > SHORTENED {
            output.push(*kind);
            output.extend(encoded(SHORTENED));
            (self.pass, self.discard) = (SHORTENED, length - SHORTENED);
        } else {
            output.extend_from_slice(&self.header);
            self.pass = length;
        }
        self.header.clear();
    }
}

/// The length in the bytes after the first one of a packet; `None` if they are not complete (MQTT 3.1.1, section 2.2.3).
fn remaining_length(digits: &[u8]) -> Option<usize> {
    let is_complete = digits.last().is_some_and(|digit| digit & 0x80 == 0) || digits.len() == 4;
    let value = |length: usize, digit: &u8| (length << 7) | usize::from(digit & 0x7f);
    is_complete.then(|| digits.iter().rev().fold(0, value))
}

/// `length` in the form of [`remaining_length`].
fn encoded(mut length: usize) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        let digit = (length & 0x7f) as u8;
        length >>= 7;
        digits.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            return digits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind], &*encoded(body.len()), body].concat()
    }

    #[test]
    fn a_publish_that_is_too_large_keeps_its_beginning_and_others_are_unchanged() {
        let (small, large) = (packet(0x32, b"\0\x01tpppp"), vec![7; SHORTENED + 100_000]);
        let answer = packet(0x90, &[0, 1, 0]);
        let sent = [&*small, &packet(0x33, &large), &answer, &packet(0xd0, &[]), &small].concat();
        let expected =
            [&*small, &packet(0x33, large.get(..SHORTENED).unwrap()), &answer, &packet(0xd0, &[]), &small]
                .concat();
        for size in [1, 7, CHUNK, sent.len()] {
            let (mut shortener, mut output) = (Shortener::default(), Vec::new());
            sent.chunks(size).for_each(|chunk| shortener.feed(chunk, &mut output));
            assert!(output == expected, "read in parts of {size}");
            assert_eq!((shortener.pass, shortener.discard), (0, 0));
        }
    }

    #[test]
    fn lengths_are_encoded_as_the_standard_shows() {
        for (length, digits) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_384, &[0x80, 0x80, 1]),
            (268_435_455, &[0xff, 0xff, 0xff, 0x7f]),
        ] {
            assert_eq!((encoded(length).as_slice(), remaining_length(digits)), (digits, Some(length)));
        }
        assert_eq!((remaining_length(&[]), remaining_length(&[0x80])), (None, None));
    }
}
