//! Prometheus: its own check and test of the shipped rules, and that the ingest tells every metric they name.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use jiff::Timestamp;

use crate::common::{free_port, wait_for_port};
use crate::contract::Device;
use crate::servers::{self, Ingest, MOSQUITTO, Mosquitto, POSTGRES, Postgres, campus, deliver_all, output};

const PROMTOOL: (&str, &str) = ("promtool", "prometheus");

#[test]
fn promtool_takes_the_configuration_and_the_rules_pass_their_tests() {
    if !servers::have(&[PROMTOOL]) {
        return;
    }
    let told = output(Command::new("promtool").args(["check", "config"]).arg(campus("prometheus/prometheus.yml")));
    assert!(told.contains("10 rules found"), "{told}");
    output(Command::new("promtool").args(["test", "rules"]).arg(campus("prometheus/rules.test.yml")));
}

/// The names of all metrics in `text`.
fn metrics(text: &str) -> BTreeSet<String> {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    parts.filter(|part| part.starts_with("moodring_")).map(str::to_owned).collect()
}

fn get(port: u16) -> String {
    wait_for_port(port);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_metric_that_a_rule_names_is_told_by_the_ingest() {
    if !servers::have(&[POSTGRES, MOSQUITTO, PROMTOOL]) {
        return;
    }
    let device = Device::new(1, "north", "b-214");
    let mosquitto = Mosquitto::start(&format!("{},north,b-214\n", device.name));
    let postgres = Postgres::start();
    let port = free_port();
    let secret = mosquitto.password("moodring-ingest");
    let messages = [device.status("online", None), device.health(Timestamp::now(), "away", 7)];
    // Retained before the ingest begins: so it knows the fleet again after a restart of its own.
    deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &messages);
    let _ingest = Ingest::start(&[mosquitto.port], &secret, &postgres, &["--metrics", &format!("127.0.0.1:{port}")]);
    postgres.wait_for("select count(*) from moodring.health", "1");
    let told = get(port);
    let rules = std::fs::read_to_string(campus("prometheus/rules.yml")).unwrap();
    let missing: Vec<_> = metrics(&rules).difference(&metrics(&told)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?} are missing in\n{told}");
    let line = format!("moodring_device_spool_waiting{{device=\"{}\",site=\"north\",room=\"b-214\"}} 7.0", device.name);
    assert!(told.contains(&line) && told.contains("moodring_ingest_database_up 1"), "{told}");
}
