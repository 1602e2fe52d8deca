//! On loopback: which account of this machine sent a request, and whether it may administer the device.
//!
//! Nobody is paired there, and every program of the machine reaches the port. The kernel names the account that owns the
//! client's socket; a browser has its user's, and SSH forwards a port with the account of the person who logged in. An
//! account that can become root anyway may do everything, every other one may read the mood.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

/// Groups whose members may become root: sudo's on Debian and Ubuntu, on other systems, and on old Ubuntu.
const ADMINISTRATOR_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];
/// State of an established connection in the kernel's tables. In later states the owner is not known any more.
const ESTABLISHED: &str = "01";

/// The account at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// Root, the program's own account, or one that may become root.
    Trusted,
    /// Another account, or another machine.
    Other,
}

impl Account {
    /// The account that opened `stream` on this machine.
    pub(super) fn of(stream: &TcpStream) -> Self {
        let addresses = stream.peer_addr().ok().zip(stream.local_addr().ok());
        let Some(uid) = addresses.and_then(|(client, server)| owner(client, server)) else {
            return Self::Other;
        };
        let own = rustix::process::geteuid().as_raw();
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        if uid == 0 || uid == own || may_become_root(uid, &read("/etc/passwd"), &read("/etc/group")) {
            Self::Trusted
        } else {
            Self::Other
        }
    }
}

/// The owner of the client's socket of an established connection on this machine.
fn owner(client: SocketAddr, server: SocketAddr) -> Option<u32> {
    // A client may reach an IPv4 address through a socket for IPv6.
    [("/proc/self/net/tcp", false), ("/proc/self/net/tcp6", true)].into_iter().find_map(|(path, is_ipv6)| {
        let table = std::fs::read_to_string(path).ok()?;
        owner_in(&table, &in_table(client, is_ipv6)?, &in_table(server, is_ipv6)?)
    })
}

/// The owner in the row of `table` that goes from `client` to `server` (proc_pid_net(5)).
fn owner_in(table: &str, client: &str, server: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let is_row = fields.next()? == client && fields.next()? == server && fields.next()? == ESTABLISHED;
        // Queues, timer and retransmissions stand between state and owner.
        if is_row { fields.nth(3)?.parse().ok() } else { None }
    })
}

/// `address` as in the kernel's table: 32-bit words in the byte order of the machine, in hexadecimal.
fn in_table(address: SocketAddr, is_ipv6: bool) -> Option<String> {
    let bytes = match (address.ip(), is_ipv6) {
        (IpAddr::V4(ip), true) => ip.to_ipv6_mapped().octets().to_vec(),
        (IpAddr::V6(ip), true) => ip.octets().to_vec(),
        (ip, false) => match ip.to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(_) => return None,
        },
    };
    let (words, _) = bytes.as_chunks::<4>();
    let words: String = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
    Some(format!("{words}:{:04X}", address.port()))
}

/// Whether the account `uid` is in one of [`ADMINISTRATOR_GROUPS`], by the texts of `/etc/passwd` and `/etc/group`.
fn may_become_root(uid: u32, passwd: &str, group: &str) -> bool {
    let account = passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then_some((*fields.first()?, *fields.get(3)?))
    });
    let Some((name, primary)) = account else { return false };
    group.lines().any(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [group, _, id, members] = fields[..] else { return false };
        let is_member = id == primary || members.split(',').any(|member| member == name);
        ADMINISTRATOR_GROUPS.contains(&group) && is_member
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   990        0 31 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000   990        0 32 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 33 1 0 20 4 30 10 -1
   3: 0100007F:C351 0100007F:1F90 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0
";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_owner_of_the_clients_socket_is_found() {
        let owner = |client: &str| {
            let address = |text: &str| in_table(text.parse().unwrap(), false).unwrap();
            owner_in(TABLE, &address(client), &address("127.0.0.1:8080"))
        };
        assert_eq!(owner("127.0.0.1:50000"), Some(1000));
        assert_eq!(owner("127.0.0.1:50001"), None, "a closed socket is shown as root's");
        assert_eq!(owner("127.0.0.1:50002"), None);
        let mapped = in_table("127.0.0.1:8080".parse().unwrap(), true).unwrap();
        assert_eq!(mapped, "0000000000000000FFFF00000100007F:1F90");
        assert_eq!(
            in_table("[::1]:80".parse().unwrap(), true).unwrap(),
            "00000000000000000000000001000000:0050"
        );
        assert_eq!(in_table("[::1]:80".parse().unwrap(), false), None);
    }

    #[test]
    fn members_of_the_groups_of_sudo_may_become_root() {
        let passwd = "root:x:0:0::/root:/bin/bash\npi:x:1000:1000::/home/pi:/bin/bash\nkim:x:1001:27::/:/bin/sh\n\
                      kiosk:x:1002:1002::/:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\nbroken\n";
        let group =
            "root:x:0:\nsudo:x:27:tom,pi\nvideo:x:44:kiosk\nkiosk:x:1002:\nsudoers:x:60:kiosk\nbroken\n";
        for (uid, expected) in [(1000, true), (1001, true), (1002, false), (65534, false), (7, false)] {
            assert_eq!(may_become_root(uid, passwd, group), expected, "{uid}");
        }
        assert!(!may_become_root(1000, "", group) && !may_become_root(1000, passwd, ""));
    }

    #[tokio::test]
    async fn the_account_of_a_real_connection_is_this_programs() {
        for (server, client) in
            [("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0"), ("127.0.0.1:0", "[::ffff:127.0.0.1]:0")]
        {
            let Ok(listener) = tokio::net::TcpListener::bind(server).await else { continue };
            let mut target = listener.local_addr().unwrap();
            if client.contains("ffff") {
                target.set_ip("::ffff:127.0.0.1".parse().unwrap());
            }
            let Ok(_client) = TcpStream::connect(target).await else { continue };
            let (accepted, _) = listener.accept().await.unwrap();
            let owner = owner(accepted.peer_addr().unwrap(), accepted.local_addr().unwrap());
            assert_eq!(owner, Some(rustix::process::geteuid().as_raw()), "{server} {client}");
            assert_eq!(Account::of(&accepted), Account::Trusted);
        }
    }
}
