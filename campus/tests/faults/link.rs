//! The network goes silent: nothing is closed, nothing is refused, nothing arrives.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::broker::{self, is_root};
use crate::proxy::Proxy;
use crate::stage::Stage;
use crate::{Extent, Tried};

/// How often, and for how many seconds.
fn extent_of(extent: Extent) -> (u64, u64) {
    if extent == Extent::Full { (3, 60) } else { (1, 13) }
}

pub(crate) fn black_hole(name: &'static str, extent: Extent) -> Tried {
    let (times, span) = extent_of(extent);
    let mut proxy = None;
    let mut stage = Stage::set(name, "", |_, options| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, broker::port())).unwrap();
        let started = Proxy::start(listener, &[options.port]);
        options.port = started.port;
        proxy = Some(started);
    });
    let proxy = proxy.unwrap();
    for _ in 0..times {
        proxy.black_hole(true);
        let began = Instant::now();
        stage.silent();
        std::thread::sleep(Duration::from_secs(span).saturating_sub(began.elapsed()));
        proxy.black_hole(false);
        stage.live_since(Instant::now());
        std::thread::sleep(Duration::from_secs(2));
    }
    Ok(stage.books(format!("{times} times for {span} s, by a proxy"), times * 2))
}

/// A network of its own, in which the devices are; it is deleted when this is dropped.
struct Namespace(String);

impl Namespace {
    fn new() -> Result<Self, String> {
        if !is_root() {
            return Err("only root may make network namespaces".into());
        }
        let namespace = Self(format!("moodring-test-{}", std::process::id()));
        let made = Command::new("ip").args(["netns", "add", &namespace.0]).stderr(Stdio::null()).status();
        if !made.is_ok_and(|status| status.success()) {
            return Err("no network namespace can be made: install the Debian package iproute2".into());
        }
        assert!(namespace.runs(&["ip", "link", "set", "lo", "up"]));
        Ok(namespace)
    }

    fn runs(&self, command: &[&str]) -> bool {
        let mut ip = Command::new("ip");
        ip.args(["netns", "exec", &self.0]).args(command).stderr(Stdio::null());
        ip.status().is_ok_and(|status| status.success())
    }

    /// A listener inside the network; its connections are accepted outside.
    fn listener(&self, port: u16) -> TcpListener {
        let file = std::fs::File::open(format!("/run/netns/{}", self.0)).unwrap();
        // Only this thread goes there, and it ends there.
        let thread = std::thread::spawn(move || {
            let network = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(file.as_fd(), network).unwrap();
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
        });
        thread.join().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

/// The kernel itself loses every packet of the devices' network or, where it has no netem, takes the network down.
pub(crate) fn namespace(name: &'static str, extent: Extent) -> Tried {
    let (times, span) = extent_of(extent);
    let namespace = Namespace::new()?;
    let lose = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "100%"];
    let restore = ["tc", "qdisc", "del", "dev", "lo", "root"];
    let netem = namespace.runs(&lose) && namespace.runs(&restore);
    let (lose, restore, how): (&[&str], &[&str], _) = if netem {
        (&lose, &restore, "every packet lost by netem")
    } else {
        let [down, up] = [&["ip", "link", "set", "lo", "down"], &["ip", "link", "set", "lo", "up"]];
        (down, up, "network taken down; this kernel has no netem")
    };
    let mut proxy = None;
    let mut stage = Stage::set(name, "", |_, options| {
        let started = Proxy::start(namespace.listener(broker::port()), &[options.port]);
        options.port = started.port;
        options.prefix = ["ip", "netns", "exec", &namespace.0].map(str::to_owned).to_vec();
        proxy = Some(started);
    });
    for _ in 0..times {
        assert!(namespace.runs(lose));
        let began = Instant::now();
        stage.silent();
        std::thread::sleep(Duration::from_secs(span).saturating_sub(began.elapsed()));
        assert!(namespace.runs(restore));
        stage.live_since(Instant::now());
        std::thread::sleep(Duration::from_secs(2));
    }
    Ok(stage.books(format!("{times} times for {span} s: {how}"), times * 2))
}
