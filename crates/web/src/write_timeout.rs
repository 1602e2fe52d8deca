//! Ends connections whose client does not read: a write that makes no progress for too long fails.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutStream;

/// A client must take something of what is sent to it within this time. A phone that sleeps reconnects when it wakes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// `stream`, whose writes fail after [`WRITE_TIMEOUT`] without progress.
pub(super) fn with_write_timeout<S: AsyncRead + AsyncWrite>(stream: S) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_ends_its_connection() {
        let (server, _client) = duplex(16);
        let begun_at = Instant::now();
        let error = with_write_timeout(server).write_all(&[0; 17]).await.unwrap_err();
        assert_eq!((error.kind(), begun_at.elapsed()), (ErrorKind::TimedOut, WRITE_TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_keeps_its_connection() {
        let (server, mut client) = duplex(16);
        let mut server = with_write_timeout(server);
        let read = async {
            for _ in 0..32 {
                tokio::time::sleep(WRITE_TIMEOUT / 2).await;
                client.read_u8().await.unwrap();
            }
            client
        };
        let (written, mut client) = tokio::join!(server.write_all(&[7; 48]), read);
        written.unwrap();
        server.shutdown().await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, [7; 16]);
    }
}
