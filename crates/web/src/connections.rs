//! Limits open connections in total, for each unpaired address and for each paired phone, so that no client can block others.
//!
//! An address or phone that opens more loses its own oldest connection. Connections count as unpaired until a request
//! with a valid cookie arrives on them; those that stay so end after a minute.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::local_account::Account;

/// Maximum number of unpaired connections.
const MAX_UNPAIRED: usize = 64;
/// Maximum number of connections; further ones wait until one ends. All event listeners, and the unpaired ones.
const MAX_CONNECTIONS: usize = super::MAX_LISTENERS + MAX_UNPAIRED;
/// Maximum number of unpaired connections of one address. A browser opens six; more phones may share an address.
const MAX_PER_ADDRESS: usize = 16;
/// Maximum number of connections of one phone.
const MAX_PER_PHONE: usize = 16;
/// A connection that is still unpaired after this time ends, however slowly its client reads and writes.
const MAX_UNPAIRED_AGE: Duration = Duration::from_secs(60);
/// Maximum number of requests on an unpaired connection. A client can send them all at once without reading an answer.
const MAX_UNPAIRED_REQUESTS: u64 = 64;

/// Who can reach the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Programs on this machine. They are not paired and share one address; the account identifies them.
    Loopback,
    /// Every machine in the network.
    Lan,
}

/// The client at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Client {
    /// A program on this machine.
    Local,
    /// An address from which no request with a valid cookie came on this connection.
    Unpaired(IpAddr),
    /// A paired phone, by its number in the list.
    Phone(String),
}

#[derive(Debug)]
struct OpenConnection {
    number: u64,
    client: Client,
    /// Notified when the connection must end.
    close: Arc<Notify>,
}

/// The open connections of one port, the oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    audience: Audience,
    numbers: AtomicU64,
    open: Mutex<Vec<OpenConnection>>,
}

impl Connections {
    pub(super) fn new(audience: Audience) -> Arc<Self> {
        Arc::new(Self { audience, numbers: AtomicU64::default(), open: Mutex::default() })
    }

    /// Whether another connection may be accepted.
    pub(super) fn has_room(&self) -> bool {
        self.lock().len() < MAX_CONNECTIONS
    }

    pub(super) const fn audience(&self) -> Audience {
        self.audience
    }

    /// Adds a connection of `account` from `address`, and closes an older one if there are too many unpaired ones.
    pub(super) fn add(self: &Arc<Self>, address: IpAddr, account: Account) -> Connection {
        // An IPv4 client of a page that listens on IPv6 is the same client.
        let address = address.to_canonical();
        let client = match self.audience {
            Audience::Loopback => Client::Local,
            Audience::Lan => Client::Unpaired(address),
        };
        let (number, close) = (self.numbers.fetch_add(1, Ordering::Relaxed), Arc::new(Notify::new()));
        let mut open = self.lock();
        if let Client::Unpaired(address) = client {
            make_room(&mut open, address);
        }
        open.push(OpenConnection { number, client, close: Arc::clone(&close) });
        Connection { peer: Peer { address, account, number, connections: Arc::clone(self) }, close }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OpenConnection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes one unpaired connection if a further one from `address` would be too many: the oldest from there, or from the
/// address that has the most.
fn make_room(open: &mut Vec<OpenConnection>, address: IpAddr) {
    let unpaired: Vec<IpAddr> = open
        .iter()
        .filter_map(|connection| match connection.client {
            Client::Unpaired(address) => Some(address),
            _ => None,
        })
        .collect();
    let count = |address: IpAddr| unpaired.iter().filter(|other| **other == address).count();
    let from = if count(address) >= MAX_PER_ADDRESS {
        Some(address)
    } else if unpaired.len() >= MAX_UNPAIRED {
        // Of several, the one that came first.
        unpaired.iter().rev().copied().max_by_key(|address| count(*address))
    } else {
        None
    };
    if let Some(from) = from {
        close_oldest(open, |connection| connection.client == Client::Unpaired(from));
    }
}

fn close_oldest(open: &mut Vec<OpenConnection>, of: impl Fn(&OpenConnection) -> bool) {
    if let Some(oldest) = open.iter().position(of) {
        open.remove(oldest).close.notify_one();
    }
}

/// An open connection; it is counted until this is dropped.
pub(super) struct Connection {
    peer: Peer,
    close: Arc<Notify>,
}

impl Connection {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns when the connection must end: for a newer one of the same client, or because it is still unpaired.
    pub(super) async fn must_end(&self) {
        let unpaired_for_too_long = async {
            tokio::time::sleep(MAX_UNPAIRED_AGE).await;
            if !self.peer.is_unpaired() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.close.notified() => {}
            () = unpaired_for_too_long => {}
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.peer.connections.lock().retain(|connection| connection.number != self.peer.number);
    }
}

/// The client that sent a request, and its connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// On loopback, the account of this machine.
    pub(super) account: Account,
    number: u64,
    connections: Arc<Connections>,
}

impl Peer {
    /// Notes that a request with the valid cookie of `phone` came on this connection. Closes the oldest other one of
    /// the phone if it has too many.
    pub(super) fn identify(&self, phone: &str) {
        let mut open = self.connections.lock();
        let is_this = |connection: &OpenConnection| connection.number == self.number;
        let is_phones =
            |connection: &OpenConnection| matches!(&connection.client, Client::Phone(id) if id == phone);
        let Some(this) = open.iter_mut().find(|connection| is_this(connection)) else { return };
        if is_phones(this) {
            return;
        }
        this.client = Client::Phone(phone.to_owned());
        if open.iter().filter(|connection| is_phones(connection)).count() > MAX_PER_PHONE {
            close_oldest(&mut open, |connection| is_phones(connection) && !is_this(connection));
        }
    }

    /// Whether the connection ends after its `count`th request.
    pub(super) fn is_last_request(&self, count: u64) -> bool {
        count >= MAX_UNPAIRED_REQUESTS && self.is_unpaired()
    }

    fn is_unpaired(&self) -> bool {
        let open = self.connections.lock();
        let this = open.iter().find(|connection| connection.number == self.number);
        this.is_some_and(|this| matches!(this.client, Client::Unpaired(_)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const fn host(number: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, number))
    }

    fn is_closed(connection: &Connection) -> bool {
        connection.close.notified().now_or_never().is_some()
    }

    #[tokio::test]
    async fn an_unpaired_address_that_opens_more_connections_loses_its_own_oldest() {
        let connections = Connections::new(Audience::Lan);
        let phone = connections.add(host(1), Account::Other);
        phone.peer().identify("a");
        let waiting = connections.add(host(2), Account::Other);
        let flood: Vec<_> = (0..1000).map(|_| connections.add(host(3), Account::Other)).collect();
        assert_eq!(flood.iter().filter(|connection| !is_closed(connection)).count(), MAX_PER_ADDRESS);
        assert!(!is_closed(&phone) && !is_closed(&waiting) && connections.has_room());
    }

    #[tokio::test]
    async fn many_unpaired_addresses_keep_neither_a_phone_nor_a_new_address_out() {
        let connections = Connections::new(Audience::Lan);
        let of_phone = |number: u32| {
            let connection = connections.add(host(1), Account::Other);
            connection.peer().identify(&format!("{}", number % 10));
            connection
        };
        let phones: Vec<_> = (0..20).map(of_phone).collect();
        let waiting = connections.add(host(2), Account::Other);
        let flood: Vec<_> = (0..1000u32)
            .map(|number| connections.add(host(3 + (number % 30) as u8), Account::Other))
            .collect();
        let open = flood.iter().filter(|connection| !is_closed(connection)).count();
        assert_eq!(open + 1, MAX_UNPAIRED);
        assert!(!is_closed(&waiting), "it has fewer connections than each of the others");
        assert!(phones.iter().all(|phone| !is_closed(phone)) && connections.has_room());
        drop((flood, phones, waiting));
        assert!(connections.lock().is_empty());
    }

    #[tokio::test]
    async fn a_phone_that_opens_more_connections_loses_its_own_oldest() {
        let connections = Connections::new(Audience::Lan);
        let other = connections.add(host(1), Account::Other);
        other.peer().identify("other");
        let of_phone = || {
            let connection = connections.add(host(1), Account::Other);
            connection.peer().identify("phone");
            connection
        };
        let all: Vec<_> = (0..400).map(|_| of_phone()).collect();
        let open: Vec<_> = all.iter().map(|connection| !is_closed(connection)).collect();
        assert!(open[384..].iter().all(|open| *open) && !open[..384].contains(&true));
        assert!(!is_closed(&other));
    }

    #[tokio::test]
    async fn programs_on_this_machine_share_an_address() {
        let connections = Connections::new(Audience::Loopback);
        let all: Vec<_> =
            (0..MAX_CONNECTIONS).map(|_| connections.add([127, 0, 0, 1].into(), Account::Other)).collect();
        assert!(all.iter().all(|connection| !is_closed(connection)) && !connections.has_room());
        assert!(!all[0].peer().is_last_request(u64::MAX));
        drop(all);
        assert!(connections.has_room());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_if_no_phone_uses_it_within_a_minute() {
        let connections = Connections::new(Audience::Lan);
        let (phone, stranger) =
            (connections.add(host(1), Account::Other), connections.add(host(1), Account::Other));
        phone.peer().identify("a");
        assert!(
            stranger.peer().is_last_request(MAX_UNPAIRED_REQUESTS) && !phone.peer().is_last_request(u64::MAX)
        );
        let opened_at = tokio::time::Instant::now();
        stranger.must_end().await;
        assert_eq!(opened_at.elapsed(), MAX_UNPAIRED_AGE);
        tokio::time::timeout(MAX_UNPAIRED_AGE * 100, phone.must_end()).await.unwrap_err();
    }

    #[test]
    fn ipv4_clients_of_a_page_on_ipv6_have_their_ipv4_address() {
        let connections = Connections::new(Audience::Lan);
        let connection = connections.add("::ffff:192.168.1.7".parse().unwrap(), Account::Other);
        assert_eq!(connection.peer().address, host(7));
    }
}
