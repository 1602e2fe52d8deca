//! Announces the page in the LAN: the host name `moodring-<room>.local` by multicast DNS (RFC 6762), and its HTTP
//! service by DNS service discovery (RFC 6763).

use std::net::SocketAddr;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};

/// Maximum length of a label of a DNS name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// The page's host name for `room`, reduced to lower-case ASCII letters, digits and hyphens.
pub(super) fn name(room: &str) -> String {
    let room = room.to_lowercase();
    let words: Vec<&str> =
        room.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut label = ["moodring"].into_iter().chain(words).collect::<Vec<_>>().join("-");
    label.truncate(MAX_LABEL);
    format!("{}.local", label.trim_end_matches('-'))
}

/// An announcement, valid until it is dropped.
pub(super) struct Announcement(ServiceDaemon);

impl Announcement {
    /// Announces the page of `room` in the network of `address`.
    ///
    /// # Errors
    /// Multicast DNS does not work, for example because the service may not reach 224.0.0.251.
    pub(super) fn start(room: &str, address: SocketAddr, https: bool) -> Result<Self, mdns_sd::Error> {
        let daemon = Self(ServiceDaemon::new()?);
        daemon.0.disable_interface(IfKind::All)?;
        daemon.0.enable_interface(address.ip())?;
        let kind = if https { "_https._tcp.local." } else { "_http._tcp.local." };
        let host = format!("{}.", name(room));
        let instance = format!("moodring {room}");
        let properties = [("path", "/")];
        let service =
            ServiceInfo::new(kind, &instance, &host, address.ip(), address.port(), &properties[..])?;
        daemon.0.register(service)?;
        Ok(daemon)
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Its thread withdraws the announcement and ends.
        let _ = self.0.shutdown();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, UdpSocket};
    use std::time::{Duration, Instant};

    use mdns_sd::HostnameResolutionEvent;

    use super::*;

    #[test]
    fn a_room_becomes_a_host_name() {
        assert_eq!(name("room-1"), "moodring-room-1.local");
        assert_eq!(name("Hörsaal 3.07 / Ost"), "moodring-h-rsaal-3-07-ost.local");
        assert_eq!(name("कक्षा"), "moodring.local");
        let long = name(&"ab ".repeat(60));
        assert!(long.len() <= MAX_LABEL + ".local".len() && !long.contains("-."), "{long}");
    }

    /// This machine's address in the network; nothing is sent to find it.
    fn own_address() -> Option<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
    }

    #[test]
    fn other_hosts_resolve_the_name() {
        let Some(address) = own_address() else {
            return println!("SKIPPED: this machine has no network");
        };
        let room = format!("test {}", std::process::id());
        let announcement = Announcement::start(&room, SocketAddr::new(address, 8080), true).unwrap();
        let other = ServiceDaemon::new().unwrap();
        let answers = other.resolve_hostname(&format!("{}.", name(&room)), Some(10_000)).unwrap();
        let asked_at = Instant::now();
        while let Ok(event) = answers.recv_timeout(Duration::from_secs(10).saturating_sub(asked_at.elapsed()))
        {
            if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
                assert!(addresses.iter().any(|found| found.to_ip_addr() == address), "{addresses:?}");
                drop(announcement);
                other.shutdown().unwrap();
                return;
            }
        }
        panic!("no answer for {}", name(&room));
    }
}
