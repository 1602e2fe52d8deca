//! The servers, each with a folder and ports of its own, on loopback only; they end with their guards.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rumqttc_v4::{Client, Event, MqttOptions, Packet, PublishOptions};
use tempfile::TempDir;

use crate::contract::Message;
use crate::process::{Process, TIMEOUT, free_port, skipped, wait_for_port};

/// The folder that is shipped.
pub(crate) fn campus(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether all programs are there; says so, or fails where they are required.
pub(crate) fn have(programs: &[(&str, &str)]) -> bool {
    for (program, package) in programs {
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];
        if folders.iter().any(|folder| Path::new(folder).join(program).exists())
            || postgres_program(program).is_some()
        {
            continue;
        }
        let required = std::env::var_os("MOODRING_REQUIRE_CAMPUS").is_some_and(|value| value == "1");
        assert!(
            !required,
            "{program} is missing: install the Debian package {package}, or run `make campus-test`"
        );
        skipped(&format!("{program} is missing: install the Debian package {package}"));
        return false;
    }
    true
}

pub(crate) const POSTGRES: (&str, &str) = ("initdb", "postgresql");
pub(crate) const MOSQUITTO: (&str, &str) = ("mosquitto", "mosquitto");
pub(crate) const NATS: (&str, &str) = ("nats-server", "nats-server");

/// Debian keeps the server's programs in a folder of their version.
fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<_> = versions.flatten().map(|entry| entry.path().join("bin").join(name)).collect();
    folders.sort();
    folders.into_iter().rev().find(|path| path.exists())
}

/// Runs `command` to its end and yields what it printed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?} failed:\n{out}{err}");
    out
}

/// `moodring-campus ingest` with `arguments`.
pub(crate) fn ingest(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moodring-campus"));
    command.arg("ingest").args(arguments).env_remove("MOODRING_LOG");
    command
}

/// A PostgreSQL cluster of the test's own.
pub(crate) struct Postgres {
    folder: TempDir,
    pub(crate) port: u16,
}

impl Postgres {
    /// A database with the shipped schema and roles, applied as the README says.
    pub(crate) fn start() -> Self {
        let postgres = Self { folder: tempfile::tempdir().unwrap(), port: free_port() };
        if is_root() {
            // initdb and postgres refuse to run as root.
            output(Command::new("chown").arg("nobody").arg(postgres.folder.path()));
        }
        let data = postgres.data();
        output(
            postgres
                .program("initdb")
                .args(["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C", "-D"])
                .arg(&data),
        );
        postgres.launch();
        output(postgres.psql("postgres").args(["-c", "create database moodring"]));
        output(&mut ingest(&["--init", "--database", &postgres.parameters("postgres")]));
        output(postgres.psql("moodring").arg("-1").arg("-f").arg(campus("postgres/roles.sql")));
        postgres
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of its programs, as a user that is not root.
    fn program(&self, name: &str) -> Command {
        let path = postgres_program(name).unwrap();
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    pub(crate) fn launch(&self) {
        let folder = self.folder.path().display();
        // Without waiting for the disk: the data need not outlive the test.
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off",
            self.port
        );
        let log = self.folder.path().join("log");
        let mut command = self.program("pg_ctl");
        command.args(["start", "-w", "-t", "60", "-o", &options, "-D"]).arg(self.data()).arg("-l").arg(log);
        // No pipes: the server would keep them open.
        assert!(
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(),
            "PostgreSQL does not start"
        );
    }

    /// Takes TLS too, with the certificate in `certs`.
    pub(crate) fn secure(&self, certs: &Path) {
        for name in ["server.crt", "server.key"] {
            let path = self.data().join(name);
            std::fs::copy(certs.join(name), &path).unwrap();
            output(Command::new("chmod").arg("600").arg(&path));
            if is_root() {
                output(Command::new("chown").arg("nobody").arg(&path));
            }
        }
        output(self.psql("moodring").args([
            "-c",
            "alter system set ssl = on",
            "-c",
            "select pg_reload_conf()",
        ]));
        self.wait_for("show ssl", "on");
    }

    /// Cut off, as by a crash.
    pub(crate) fn cut_off(&self) {
        output(self.program("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()));
    }

    pub(crate) fn psql(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-p",
            &self.port.to_string(),
            "-d",
            database,
        ]);
        command
    }

    /// For --database.
    pub(crate) fn parameters(&self, user: &str) -> String {
        format!("host=127.0.0.1 port={} dbname=moodring user={user}", self.port)
    }

    /// The rows of `sql`, as text, asked by `user`.
    pub(crate) fn rows_as(&self, user: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config: tokio_postgres::Config = self.parameters(user).parse().unwrap();
            let (client, connection) =
                config.connect(tokio_postgres::NoTls).await.map_err(|error| error.to_string())?;
            let driver = tokio::spawn(connection);
            let messages = client.simple_query(sql).await.map_err(|error| format!("{error:?}"))?;
            driver.abort();
            Ok(messages
                .iter()
                .filter_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                    }
                    _ => None,
                })
                .collect())
        })
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.rows_as("postgres", sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect()
    }

    /// The only value of `sql`.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.rows(sql).remove(0).remove(0)
    }

    /// Waits until `sql` yields `wanted`.
    pub(crate) fn wait_for(&self, sql: &str, wanted: &str) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let found = self.value(sql);
            if found == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{sql} is {found} instead of {wanted}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.program("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
    }
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).trim_end() == "0"
}

/// Starts `program`, which listens on `port`, with its log in `log`.
pub(crate) fn serve(command: &mut Command, port: u16, log: &Path) -> Process {
    let log = std::fs::File::create(log).unwrap();
    let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let process = Process(child);
    wait_for_port(port);
    process
}

/// The shipped mosquitto.conf and access.py for `devices`, in a folder of the test.
pub(crate) struct Mosquitto {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    process: Option<Process>,
}

impl Mosquitto {
    /// `devices`: lines of devices.csv.
    pub(crate) fn start(devices: &str) -> Self {
        let folder = access(devices);
        let (path, port, tls_port) = (folder.path().to_path_buf(), free_port(), free_port());
        certificates(&path.join("certs"));
        let shipped = std::fs::read_to_string(campus("mosquitto/mosquitto.conf")).unwrap();
        let config = shipped
            .replace("/etc/mosquitto/certs", path.join("certs").to_str().unwrap())
            .replace("/etc/mosquitto/moodring.", &format!("{}/mosquitto.", path.display()))
            .replace("/var/lib/mosquitto/", &format!("{}/", path.display()))
            .replace("listener 8883", &format!("listener {tls_port} 127.0.0.1"))
            .replace("listener 1883", &format!("listener {port}"));
        // As root it would otherwise become a user that may not read the test's folder.
        let user = if is_root() { "user root\n" } else { "" };
        std::fs::write(path.join("mosquitto.conf"), format!("{config}{user}")).unwrap();
        let mut mosquitto = Self { folder, port, tls_port, process: None };
        mosquitto.launch();
        mosquitto
    }

    pub(crate) fn launch(&mut self) {
        let program =
            ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(program.unwrap());
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        self.process = Some(serve(&mut command, self.port, &self.folder.path().join("mosquitto.log")));
    }

    pub(crate) fn password(&self, user: &str) -> String {
        password(&self.folder, user)
    }
}

/// An authority and a certificate for this machine, as the README says.
pub(crate) fn certificates(folder: &Path) {
    output(Command::new(campus("mosquitto/certificates.sh")).arg(folder).args(["127.0.0.1", "localhost"]));
}

/// Users, passwords and access lists for `devices`, made by access.py.
pub(crate) fn access(devices: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("devices.csv");
    std::fs::write(&list, format!("device,site,room\n{devices}")).unwrap();
    output(Command::new("python3").arg(campus("access.py")).arg(list).arg(folder.path()));
    folder
}

pub(crate) fn password(folder: &TempDir, user: &str) -> String {
    let path = folder.path().join("passwords").join(user);
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

/// The ingest, as a real process that writes as moodring_ingest.
pub(crate) struct Ingest {
    pub(crate) process: Process,
    folder: TempDir,
}

impl Ingest {
    pub(crate) fn start(brokers: &[u16], password: &str, postgres: &Postgres, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (secret, log) = (folder.path().join("password"), folder.path().join("log"));
        std::fs::write(&secret, format!("{password}\n")).unwrap();
        let mut command = ingest(&["--username", "moodring-ingest", "--password-file"]);
        command.arg(&secret).args(["--database", &postgres.parameters("moodring_ingest")]).args(more);
        for port in brokers {
            command.args(["--broker", &format!("127.0.0.1:{port}")]);
        }
        let log = std::fs::File::create(log).unwrap();
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { process: Process(child), folder }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until its log has `part`.
    pub(crate) fn wait_for_log(&self, part: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while !self.log().contains(part) {
            assert!(Instant::now() < deadline, "{part:?} does not come in\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in good order and yields its last line.
    pub(crate) fn stop(mut self) -> String {
        self.process.signal("TERM");
        assert!(self.process.wait().success(), "{}", self.log());
        self.log().lines().last().unwrap().to_owned()
    }
}

/// As a device does: one message at a time, again until it is acknowledged, at the next broker after a loss. `sent` hears
/// how many the broker has.
pub(crate) fn deliver(brokers: &[u16], user: (&str, &str), messages: &[Message], sent: &mpsc::Sender<usize>) {
    let deadline = Instant::now() + 2 * TIMEOUT;
    let mut acknowledged = 0;
    for attempt in 0.. {
        let port = brokers[attempt % brokers.len()];
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "no broker is left");
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        let mut options = MqttOptions::new(format!("device-{port}"), ("127.0.0.1", port));
        options
            .set_credentials(user.0.to_owned(), user.1.to_owned())
            .set_keep_alive(5)
            .set_max_packet_size(64 * 1024, 64 * 1024);
        let (client, mut connection) = Client::builder(options).capacity(4).build();
        let publish = |index: usize| {
            let Message { topic, payload, retained } = &messages[index];
            let options = PublishOptions::at_least_once().retain(*retained);
            client.try_publish(topic.clone(), payload.clone().into_bytes(), options).unwrap();
        };
        for event in connection.iter() {
            assert!(Instant::now() < deadline, "only {acknowledged} of {} were acknowledged", messages.len());
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => publish(acknowledged),
                Ok(Event::Incoming(Packet::PubAck(_))) => {
                    acknowledged += 1;
                    let _ = sent.send(acknowledged);
                    if acknowledged == messages.len() {
                        return;
                    }
                    publish(acknowledged);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The same, without progress.
pub(crate) fn deliver_all(broker: u16, user: (&str, &str), messages: &[Message]) {
    deliver(&[broker], user, messages, &mpsc::channel().0);
}
