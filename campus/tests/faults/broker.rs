//! A real Mosquitto on loopback, which can be stopped in every way and started again where it was.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for a server to listen or to end.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where it is installed, if it is.
pub(crate) fn mosquitto() -> Option<&'static Path> {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].map(Path::new).into_iter().find(|path| path.exists())
}

/// A free port that the system does not hand out by itself: no outgoing connection may take it while its server is
/// away, least of all one to itself.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 90) as u16 * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 3000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Whether this is root, which may mount and must name the user that Mosquitto runs as.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn signal(process: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process.id().to_string()]).status().unwrap();
    assert!(status.success(), "SIG{name} cannot be sent");
}

/// Waits until `process` has ended, and says how long it took.
pub(crate) fn ended(process: &mut Child) -> Duration {
    let asked = Instant::now();
    while process.try_wait().unwrap().is_none() {
        assert!(asked.elapsed() < TIMEOUT, "a process does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    asked.elapsed()
}

/// A broker with files of its own.
pub(crate) struct Broker {
    pub(crate) port: u16,
    config: PathBuf,
    process: Child,
}

impl Broker {
    /// Starts one that anybody may use at `port`. Nothing that it has acknowledged is lost when it is killed: it saves
    /// at every change. `extra` is added to its configuration.
    pub(crate) fn start(folder: &Path, port: u16, extra: &str) -> Self {
        let store = folder.join("broker");
        std::fs::create_dir_all(&store).unwrap();
        let config = folder.join("mosquitto.conf");
        let user = if is_root() { "user root\n" } else { "" };
        std::fs::write(
            &config,
            format!(
                "per_listener_settings true\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n\
                 persistence_location {}/\nautosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n\
                 log_dest none\n{user}{extra}\n",
                store.display()
            ),
        )
        .unwrap();
        let process = launch(&config, port);
        Self { port, config, process }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// Ends it with a signal and waits until it has.
    pub(crate) fn end(&mut self, name: &str) {
        self.signal(name);
        ended(&mut self.process);
    }

    /// Starts it again where it was; when it listened.
    pub(crate) fn again(&mut self) -> Instant {
        self.process = launch(&self.config, self.port);
        Instant::now()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(config: &Path, port: u16) -> Child {
    let program = mosquitto().expect("looked for at the start");
    // A thousand clients are as many files.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 4096; exec \"$0\" -c \"$1\""]).arg(program);
    let child = command.arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.unwrap();
    wait_for(port);
    child
}

/// Waits until somebody listens on `port` of loopback.
pub(crate) fn wait_for(port: u16) {
    let asked = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(asked.elapsed() < TIMEOUT, "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
