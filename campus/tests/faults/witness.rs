//! Records what arrives: a subscriber with a persistent session, QoS 1, which shares no code with the program.
//!
//! The part of MQTT 3.1.1 that this needs, on a plain socket. A message is recorded before it is acknowledged.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use crate::ledger::Key;

/// Between two attempts to reach a broker that is away.
const TRY_EVERY: Duration = Duration::from_millis(100);
/// A read ends after this long, to look whether all is over.
const READ_TIMEOUT: Duration = Duration::from_millis(200);

/// What came so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each key came, and the payload of the first.
    pub(crate) keys: HashMap<Key, Arrival>,
    /// Keys that came with two different payloads: numbers given twice.
    pub(crate) contradictions: Vec<Key>,
    /// When each room's last mood was estimated, by its own clock: moods that waited in the broker are not live.
    pub(crate) moods: HashMap<String, Timestamp>,
    /// Payload bytes and messages by the last level of the topic.
    pub(crate) sizes: HashMap<String, (u64, u64)>,
    /// The broker has its subscription: what is published from now on is kept for it.
    subscribed: bool,
}

/// A spooled message that came.
pub(crate) struct Arrival {
    pub(crate) times: u32,
    payload: Vec<u8>,
}

/// The subscriber; ends when dropped.
pub(crate) struct Witness {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Subscribes to everything below `moodring/` at the broker on `port`, for ever.
    pub(crate) fn start(port: u16) -> Self {
        let (seen, over) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (theirs, ends) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                // An absent broker is expected here.
                if listen(port, &theirs, &ends).is_err() {
                    std::thread::sleep(TRY_EVERY);
                }
            }
        });
        Self { seen, over, thread: Some(thread) }
    }

    /// Waits until the broker keeps what comes.
    pub(crate) fn subscribed(&self, within: Duration) {
        let asked = Instant::now();
        while !self.seen().subscribed {
            assert!(asked.elapsed() < within, "the broker takes no subscription");
            std::thread::sleep(TRY_EVERY);
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection until it ends.
fn listen(port: u16, seen: &Mutex<Seen>, over: &AtomicBool) -> std::io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    // CONNECT (section 3.1): level 4, no clean session, no keep-alive, client id `witness`.
    stream.write_all(b"\x10\x13\x00\x04MQTT\x04\x00\x00\x00\x00\x07witness")?;
    let (mut buffer, mut chunk) = (Vec::new(), [0; 64 * 1024]);
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::ConnectionAborted.into()),
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        while let Some((first, body, whole)) = packet(&buffer) {
            let answer = take(first, body, &mut seen.lock().unwrap());
            stream.write_all(&answer)?;
            buffer.drain(..whole);
        }
    }
    Ok(())
}

/// The first packet of `buffer`: first byte, what follows its length, and how long it is altogether.
fn packet(buffer: &[u8]) -> Option<(u8, &[u8], usize)> {
    let mut length = 0;
    for (index, byte) in buffer.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let body = 2 + index;
            return buffer.get(body..body + length).map(|content| (buffer[0], content, body + length));
        }
    }
    None
}

/// Takes a packet in; what is to be answered.
fn take(first: u8, body: &[u8], seen: &mut Seen) -> Vec<u8> {
    match first >> 4 {
        // CONNACK: SUBSCRIBE to moodring/# at QoS 1, number 1.
        2 => b"\x82\x0f\x00\x01\x00\x0amoodring/#\x01".to_vec(),
        3 => {
            let (topic, rest) = body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
            let has_number = first & 0x06 != 0;
            let (number, payload) = rest.split_at(if has_number { 2 } else { 0 });
            seen.note(std::str::from_utf8(topic).unwrap(), payload, first & 1 == 1);
            if has_number { [b"\x40\x02", number].concat() } else { Vec::new() }
        }
        // SUBACK
        9 => {
            seen.subscribed = true;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

impl Seen {
    fn note(&mut self, topic: &str, payload: &[u8], retained: bool) {
        let mut levels = topic.rsplit('/');
        let (kind, room) = (levels.next().unwrap(), levels.next().unwrap());
        let size = self.sizes.entry(kind.to_owned()).or_default();
        *size = (size.0 + 1, size.1 + payload.len() as u64);
        match kind {
            "mood" if !retained => {
                let mood: Value = serde_json::from_slice(payload).unwrap();
                self.moods.insert(room.to_owned(), mood["at"].as_str().unwrap().parse().unwrap());
            }
            "minute" | "lesson" | "event" => {
                let key = Key::of(&serde_json::from_slice::<Value>(payload).unwrap());
                let new = || Arrival { times: 0, payload: payload.to_vec() };
                let arrival = self.keys.entry(key.clone()).or_insert_with(new);
                arrival.times += 1;
                if arrival.payload != payload {
                    self.contradictions.push(key);
                }
            }
            _ => {}
        }
    }
}
