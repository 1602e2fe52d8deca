//! Prometheus: its own check and test of the shipped rules, that the ingest exports every metric they name, and a real scrape.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::contract::Device;
use crate::process::{TIMEOUT, free_port, wait_for_port};
use crate::servers::{
    self, Ingest, MOSQUITTO, Mosquitto, POSTGRES, Postgres, campus, deliver_all, output, serve,
};

const PROMTOOL: (&str, &str) = ("promtool", "prometheus");

#[test]
fn promtool_takes_the_configuration_and_the_rules_pass_their_tests() {
    if !servers::have(&[PROMTOOL]) {
        return;
    }
    let text =
        output(Command::new("promtool").args(["check", "config"]).arg(campus("prometheus/prometheus.yml")));
    assert!(text.contains("10 rules found"), "{text}");
    output(Command::new("promtool").args(["test", "rules"]).arg(campus("prometheus/rules.test.yml")));
}

/// The names of all metrics in `text`.
fn metrics(text: &str) -> BTreeSet<String> {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    parts.filter(|part| part.starts_with("moodring_")).map(str::to_owned).collect()
}

fn get(port: u16, path: &str) -> String {
    wait_for_port(port);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_metric_that_a_rule_names_is_exported_by_the_ingest() {
    if !servers::have(&[POSTGRES, MOSQUITTO, PROMTOOL]) {
        return;
    }
    let device = Device::new(1, "north", "b-214");
    let mosquitto = Mosquitto::start(&format!("{},north,b-214\n", device.name));
    let postgres = Postgres::start();
    let port = free_port();
    let secret = mosquitto.password("moodring-ingest");
    let messages = [device.status("online", None), device.health(Timestamp::now(), "away", 7)];
    // Retained before the ingest begins: so it knows all devices again after a restart of its own.
    deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &messages);
    let _ingest =
        Ingest::start(&[mosquitto.port], &secret, &postgres, &["--metrics", &format!("127.0.0.1:{port}")]);
    postgres.wait_for("select count(*) from moodring.health", "1");
    let text = get(port, "/metrics");
    let rules = std::fs::read_to_string(campus("prometheus/rules.yml")).unwrap();
    let missing: Vec<_> = metrics(&rules).difference(&metrics(&text)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?} are missing in\n{text}");
    let line = format!(
        "moodring_device_spool_waiting{{device=\"{}\",site=\"north\",room=\"b-214\"}} 7.0",
        device.name
    );
    assert!(text.contains(&line) && text.contains("moodring_ingest_database_up 1"), "{text}");
    prometheus_scrapes(port);
}

/// Prometheus itself with the shipped configuration, in a hurry, asked for what it has scraped and for its rules.
fn prometheus_scrapes(ingest: u16) {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let shipped = std::fs::read_to_string(campus("prometheus/prometheus.yml")).unwrap();
    let config = shipped
        .replace("127.0.0.1:9108", &format!("127.0.0.1:{ingest}"))
        .replace("30s", "1s")
        .replace("20s", "1s");
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    std::fs::copy(campus("prometheus/rules.yml"), folder.path().join("rules.yml")).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}/prometheus.yml", folder.path().display()));
    command.arg(format!("--storage.tsdb.path={}/data", folder.path().display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = serve(&mut command, port, &folder.path().join("log"));
    let deadline = Instant::now() + TIMEOUT;
    while !get(port, "/api/v1/query?query=moodring_device_camera%7Bstate%3D%22away%22%7D").contains("\"1\"]")
    {
        assert!(Instant::now() < deadline, "Prometheus has not scraped the camera's state");
        std::thread::sleep(Duration::from_millis(200));
    }
    let rules = get(port, "/api/v1/rules");
    assert!(
        rules.matches("\"type\":\"alerting\"").count() == 10 && !rules.contains("\"health\":\"err\""),
        "{rules}"
    );
}
