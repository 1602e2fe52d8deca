//! A broker of MQTT 3.1.1 that misbehaves on purpose.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::mpsc;

use super::*;

/// A PUBLISH packet that arrived.
#[derive(Debug)]
pub(super) struct Published {
    /// Counts the connections from 1 on.
    pub(super) connection: usize,
    /// Counts the messages of the connection from 1 on.
    pub(super) number: usize,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

impl Published {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }
}

/// Starts a broker that closes the connection at messages for which `accepts` is false. It delivers a message to its
/// sender if that has subscribed to anything and the message is a status. The receiver yields all accepted messages.
pub(super) fn fake_broker(
    accepts: impl Fn(&Published) -> bool + Send + 'static,
) -> (u16, mpsc::Receiver<Published>) {
    start(accepts, None)
}

/// As [`fake_broker`]; it answers a subscription to commands with the beginning of a message of 200 MB on `topic`, and
/// closes the connection.
pub(super) fn broker_with_a_huge_message(topic: &'static str) -> (u16, mpsc::Receiver<Published>) {
    start(|_| true, Some(topic))
}

fn start(
    accepts: impl Fn(&Published) -> bool + Send + 'static,
    huge: Option<&'static str>,
) -> (u16, mpsc::Receiver<Published>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, accepted) = mpsc::channel();
    std::thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let mut client = Client { stream: stream.unwrap(), connection: connection + 1, number: 0, huge };
            while client.serve(&accepts, &sender).is_ok() {}
        }
    });
    (port, accepted)
}

struct Client {
    stream: TcpStream,
    connection: usize,
    number: usize,
    huge: Option<&'static str>,
}

impl Client {
    /// Answers one packet.
    fn serve(
        &mut self,
        accepts: &impl Fn(&Published) -> bool,
        accepted: &mpsc::Sender<Published>,
    ) -> io::Result<()> {
        let (kind, body) = self.read()?;
        match kind >> 4 {
            // CONNECT; the protocol level is after the name of the protocol.
            1 if body[6] == 4 => self.stream.write_all(b"\x20\x02\x00\x00"),
            1 => {
                self.stream.write_all(b"\x20\x02\x00\x01")?;
                Err(io::ErrorKind::Unsupported.into())
            }
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                self.number += 1;
                let message = Published {
                    connection: self.connection,
                    number: self.number,
                    topic: String::from_utf8(body[2..2 + topic].to_vec()).unwrap(),
                    payload: body[4 + topic..].to_vec(),
                };
                if !accepts(&message) {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                self.stream.write_all(&[0x40, 2, body[2 + topic], body[3 + topic]])?;
                if message.topic.ends_with("/status") {
                    self.deliver(&message)?;
                }
                let _ = accepted.send(message);
                Ok(())
            }
            8 => {
                self.stream.write_all(&[0x90, 3, body[0], body[1], 1])?;
                let wants_commands = body.windows(5).any(|part| part == b"/cmd/");
                self.huge.filter(|_| wants_commands).map_or(Ok(()), |topic| self.begin_huge(topic))
            }
            12 => self.stream.write_all(b"\xd0\x00"),
            _ => Ok(()),
        }
    }

    fn begin_huge(&mut self, topic: &str) -> io::Result<()> {
        // The length of the packet is 0x0c_00_00_00 bytes.
        let mut packet = vec![0x30, 0x80, 0x80, 0x80, 0x60];
        packet.extend((topic.len() as u16).to_be_bytes());
        packet.extend(topic.as_bytes());
        packet.resize(400_000, b'x');
        self.stream.write_all(&packet)?;
        // Only the direction to the client is closed at first: otherwise the client might not read the rest.
        self.stream.shutdown(std::net::Shutdown::Write)?;
        io::copy(&mut self.stream, &mut io::sink())?;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn deliver(&mut self, message: &Published) -> io::Result<()> {
        let length = 2 + message.topic.len() + message.payload.len();
        // Two digits are enough for a status.
        let mut packet = vec![0x30, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        packet.extend((message.topic.len() as u16).to_be_bytes());
        packet.extend(message.topic.as_bytes());
        packet.extend(&message.payload);
        self.stream.write_all(&packet)
    }

    fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut byte = [0; 1];
        self.stream.read_exact(&mut byte)?;
        let kind = byte[0];
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}
