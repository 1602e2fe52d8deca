//! The shipped Mosquitto configuration over TLS: a device may write its own topics and read its own commands, no others.

use std::process::{Child, Command, Stdio};

use crate::contract::Device;
use crate::servers::{self, MOSQUITTO, Mosquitto};

const CLIENTS: (&str, &str) = ("mosquitto_pub", "mosquitto-clients");

/// One of Mosquitto's own clients, over TLS, as `user`.
fn client(mosquitto: &Mosquitto, program: &str, user: &str) -> Command {
    let mut command = Command::new(program);
    let port = mosquitto.tls_port.to_string();
    command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-u", user, "-P", &mosquitto.password(user)]);
    command.arg("--cafile").arg(mosquitto.folder.path().join("certs/ca.crt"));
    command.stdin(Stdio::null());
    command
}

/// Listens to `topic` until one message has come or for five seconds.
fn listen(mosquitto: &Mosquitto, user: &str, topic: &str) -> Child {
    let mut command = client(mosquitto, "mosquitto_sub", user);
    command.args(["-C", "1", "-W", "5", "-v", "-t", topic]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn publish(mosquitto: &Mosquitto, user: &str, topic: &str, payload: &str) {
    // Mosquitto acknowledges what it does not pass on, so that nobody can find out what others may do.
    assert!(
        client(mosquitto, "mosquitto_pub", user)
            .args(["-r", "-t", topic, "-m", payload])
            .status()
            .unwrap()
            .success()
    );
}

fn heard(listener: Child) -> String {
    String::from_utf8(listener.wait_with_output().unwrap().stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_device_writes_its_own_topics_and_reads_its_own_commands_over_tls() {
    if !servers::have(&[MOSQUITTO, CLIENTS, ("openssl", "openssl"), ("python3", "python3")]) {
        return;
    }
    let devices = [Device::new(1, "north", "b-214"), Device::new(2, "north", "b-215")];
    let lines: String =
        devices.iter().map(|device| format!("{},{},{}\n", device.name, device.site, device.room)).collect();
    let mosquitto = Mosquitto::start(&lines);
    let [own, other] = devices.each_ref().map(|device| device.name.as_str());
    // Retained, so that it does not matter who is first.
    publish(&mosquitto, own, "moodring/north/b-214/health", "its own");
    publish(&mosquitto, own, "moodring/north/b-215/health", "forged");
    publish(&mosquitto, other, "moodring/north/b-215/cmd/pause", "not a device's business");
    publish(&mosquitto, "moodring-dashboard", "moodring/north/b-214/cmd/pause", "pause");
    publish(&mosquitto, "moodring-ingest", "moodring/north/b-214/minute", "the ingest only reads");
    let listeners = [
        listen(&mosquitto, "moodring-ingest", "moodring/+/b-214/health"),
        listen(&mosquitto, own, "moodring/north/b-214/cmd/+"),
        listen(&mosquitto, "moodring-ingest", "moodring/+/b-215/health"),
        listen(&mosquitto, other, "moodring/+/+/health"),
        listen(&mosquitto, other, "moodring/north/b-214/cmd/+"),
        listen(&mosquitto, other, "moodring/north/b-215/cmd/+"),
        listen(&mosquitto, "moodring-ingest", "moodring/+/+/minute"),
    ];
    let expected =
        ["moodring/north/b-214/health its own", "moodring/north/b-214/cmd/pause pause", "", "", "", "", ""];
    assert_eq!(listeners.map(heard), expected);
    let anonymous = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &mosquitto.port.to_string(),
            "-t",
            "moodring/north/b-214/mood",
            "-m",
            "x",
        ])
        .stderr(Stdio::null())
        .status();
    assert!(!anonymous.unwrap().success());
}

#[test]
fn passwords_stay_and_a_device_that_is_gone_loses_its_own() {
    if !servers::have(&[MOSQUITTO, ("python3", "python3")]) {
        return;
    }
    let line = |number: u32| format!("{},north,b-{number}\n", Device::new(number, "north", "x").name);
    let folder = servers::access(&(line(1) + &line(2)));
    let name = Device::new(1, "", "").name;
    let before = servers::password(&folder, &name);
    let again = |lines: &str| {
        let list = folder.path().join("devices.csv");
        std::fs::write(&list, format!("device,site,room\n{lines}")).unwrap();
        Command::new("python3")
            .arg(servers::campus("access.py"))
            .arg(list)
            .arg(folder.path())
            .output()
            .unwrap()
    };
    assert!(again(&line(1)).status.success());
    assert_eq!(servers::password(&folder, &name), before);
    assert!(!folder.path().join("passwords").join(Device::new(2, "", "").name).exists());
    for bad in ["moodring-1,north,+\n", "moodring-1,north,a/b\n", "root,north,b\n"] {
        let refused = again(bad);
        assert!(!refused.status.success() && !refused.stderr.is_empty(), "{bad}");
    }
}
