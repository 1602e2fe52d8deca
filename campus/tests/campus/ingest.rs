//! Mosquitto, ingest, PostgreSQL: every row arrives once, whatever is repeated, cut off or nonsense.

use jiff::Timestamp;

use crate::contract::{Device, Message, facing};
use crate::servers::{self, Ingest, MOSQUITTO, Mosquitto, POSTGRES, Postgres, deliver_all};

const ROWS: &str = "select (select count(*) from moodring.minute), (select count(*) from moodring.lesson),
    (select count(*) from moodring.event), (select count(*) from moodring.health)";

fn begun_at() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

/// A day of a device: status, health, events, a lesson of 45 minutes.
fn day(device: &mut Device) -> Vec<Message> {
    let mut messages = vec![device.status("online", None), device.event(begun_at(), "started")];
    messages.push(device.health(begun_at(), "streaming", 3));
    messages.extend(device.lesson(begun_at(), 45));
    messages.push(device.event("2026-11-23T10:00:00Z".parse().unwrap(), "camera_gone"));
    messages
}

fn user_line(device: &Device) -> String {
    format!("{},{},{}\n", device.name, device.site, device.room)
}

#[test]
fn every_row_arrives_once_though_sent_twice_and_though_the_database_is_cut_off() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let mut devices = [Device::new(1, "north", "b-214"), Device::new(2, "north", "b-215")];
    let mosquitto = Mosquitto::start(&devices.iter().map(user_line).collect::<String>());
    let postgres = Postgres::start();
    let ingest = Ingest::start(&[mosquitto.port], &mosquitto.password("moodring-ingest"), &postgres, &[]);
    ingest.wait_for_log("subscribed");
    let days = devices.each_mut().map(day);
    let send = |index: usize, messages: &[Message]| {
        let name = &devices[index].name;
        deliver_all(mosquitto.port, (name, &mosquitto.password(name)), messages);
    };
    send(0, &days[0][..20]);
    postgres.cut_off();
    send(0, &days[0][20..]);
    send(1, &days[1]);
    ingest.wait_for_log("takes no messages");
    postgres.launch();
    send(0, &days[0]);
    // 2 devices: 45 minutes; a begin and an end; two events; one health message.
    postgres.wait_for(
        &format!("select concat_ws(' ', a, b, c, d) from ({ROWS}) as rows (a, b, c, d)"),
        "90 4 4 2",
    );
    let summary = ingest.stop();
    let values = |sql: &str| postgres.rows(sql);
    let expected = vec![vec!["17".to_owned(), format!("{}", facing(17)), "0.4".to_owned()]];
    assert_eq!(
        values("select number, facing, neutral from moodring.minute where room = 'b-214' and number = 17"),
        expected
    );
    assert_eq!(
        values("select count(*), count(happy) from moodring.minute where room = 'b-215'"),
        [["45", "38"]]
    );
    assert_eq!(
        values(
            "select kind, minutes, begun_by, metrics -> 'facing' ->> 'value' from moodring.lessons where room = 'b-215'"
        ),
        [["ended", "45", "timetable", "0.6"]]
    );
    assert_eq!(values("select count(*), min(status) from moodring.device"), [["2", "online"]]);
    // 51 messages a day and device, three days, and what the cut made the broker or the ingest repeat.
    let received: u64 = summary.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(
        received >= 3 * 51 && summary.contains(" 100 new, ") && summary.ends_with(" 0 unreadable"),
        "{summary}"
    );
}

#[test]
fn nonsense_is_remembered_and_stops_nothing_and_what_came_while_it_was_dead_arrives() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let mut device = Device::new(1, "north", "b-214");
    let mosquitto = Mosquitto::start(&user_line(&device));
    let postgres = Postgres::start();
    let secret = mosquitto.password("moodring-ingest");
    let mut ingest = Ingest::start(&[mosquitto.port], &secret, &postgres, &["--client-id", "x"]);
    ingest.wait_for_log("subscribed");
    let (name, password) = (device.name.clone(), mosquitto.password(&device.name));
    let send = |messages: &[Message]| deliver_all(mosquitto.port, (&name, &password), messages);
    let spoilt =
        |payload: String| Message { topic: "moodring/north/b-214/minute".into(), payload, retained: false };
    // Read, but no timestamp of PostgreSQL: the database finds it, the other rows of its batch stand.
    let mut too_early =
        Device::new(1, "north", "b-214").minute("-009998-01-01T00:00:00Z".parse().unwrap(), 0);
    too_early.payload = too_early.payload.replace("moodring-", "moodring-0");
    let good = device.lesson(begun_at(), 3);
    let nonsense = [spoilt("{".into()), spoilt("x".repeat(20_000)), too_early, spoilt("\u{0}".into())];
    send(&[&good[..2], &nonsense, &good[2..]].concat());
    postgres.wait_for("select count(*) from moodring.minute", "3");
    postgres.wait_for("select count(*) from moodring.rejected", "4");
    let reasons = postgres.rows("select reason from moodring.rejected order by id").concat();
    assert!(reasons[1].contains("20000 bytes"), "{reasons:?}");

    ingest.process.0.kill().unwrap();
    ingest.process.wait();
    send(&device.lesson("2026-11-23T11:00:00Z".parse().unwrap(), 5));
    let again = Ingest::start(&[mosquitto.port], &secret, &postgres, &["--client-id", "x", "--once"]);
    again.wait_for_log("campus ingest:");
    assert_eq!(postgres.value("select count(*) from moodring.minute"), "8");
}

#[test]
fn a_wrong_password_a_missing_schema_and_a_missing_server_are_told_with_what_to_do() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let mosquitto = Mosquitto::start("");
    let postgres = Postgres::start();
    let wrong = Ingest::start(&[mosquitto.port], "wrong", &postgres, &["--for", "60"]);
    wrong.wait_for_log(&format!(
        "127.0.0.1:{} does not accept the user name or the password; correct --username",
        mosquitto.port
    ));
    let nobody = Ingest::start(&[1], "x", &postgres, &["--for", "60"]);
    nobody.wait_for_log("127.0.0.1:1 nothing listens there; start the broker");
    // Their maintenance would stand in the way.
    drop((wrong, nobody));
    postgres.wait_for(
        "select count(*) from pg_stat_activity where application_name = 'moodring-campus ingest'",
        "0",
    );
    postgres.rows("drop schema moodring cascade");
    let secret = mosquitto.password("moodring-ingest");
    let bare = Ingest::start(&[mosquitto.port], &secret, &postgres, &["--for", "60"]);
    bare.wait_for_log("was not maintained");
    assert!(bare.log().contains("moodring-campus ingest --init"), "{}", bare.log());
}

#[test]
fn broker_and_database_are_spoken_to_by_tls_and_only_if_their_authority_is_known() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let mut device = Device::new(1, "north", "b-214");
    let mosquitto = Mosquitto::start(&user_line(&device));
    let postgres = Postgres::start();
    let certs = mosquitto.folder.path().join("certs");
    postgres.secure(&certs);
    let secret = mosquitto.password("moodring-ingest");
    let ca = certs.join("ca.crt");
    let start = |broker: &str, database: &str| {
        let more = ["--ca", broker, "--database-ca", database, "--for", "120"];
        Ingest::start(&[mosquitto.tls_port], &secret, &postgres, &more)
    };
    let known = ca.to_str().unwrap();
    let ingest = start(known, known);
    ingest.wait_for_log("subscribed");
    let messages = device.lesson(begun_at(), 3);
    deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &messages);
    postgres.wait_for("select count(*) from moodring.minute", "3");
    let plain = "select count(*) filter (where not ssl), count(*) > 0 from pg_stat_ssl join pg_stat_activity using (pid)
        where application_name = 'moodring-campus ingest'";
    assert_eq!(postgres.rows(plain), [["0", "t"]]);
    ingest.stop();

    let foreign = tempfile::tempdir().unwrap();
    servers::certificates(foreign.path());
    let foreign = foreign.path().join("ca.crt");
    let unknown = foreign.to_str().unwrap();
    start(unknown, known).wait_for_log("shows no certificate that can be trusted");
    start(known, unknown).wait_for_log("was not maintained: invalid peer certificate");
}

#[test]
fn a_backlog_larger_than_what_is_read_ahead_arrives_without_being_sent_again() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let mut device = Device::new(1, "north", "b-214");
    let mosquitto = Mosquitto::start(&user_line(&device));
    let postgres = Postgres::start();
    let secret = mosquitto.password("moodring-ingest");
    let start = || Ingest::start(&[mosquitto.port], &secret, &postgres, &["--once"]);
    start().wait_for_log("campus ingest:");
    let days_ago = "2026-11-10T08:00:00Z".parse().unwrap();
    let backlog: Vec<Message> = (0..5000).map(|number| device.minute(days_ago, number)).collect();
    deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &backlog);
    start().wait_for_log(
        "campus ingest: 5000 received, 5000 new, 0 had come before, 0 quarantined, 0 unreadable",
    );
}

#[test]
fn a_device_can_neither_take_the_ingests_queue_nor_write_in_anothers_name() {
    if !servers::have(&[POSTGRES, MOSQUITTO, ("mosquitto_pub", "mosquitto-clients")]) {
        return;
    }
    let (mut device, thief) = (Device::new(1, "north", "b-214"), Device::new(2, "north", "b-215"));
    let mosquitto = Mosquitto::start(&[&device, &thief].map(user_line).concat());
    let postgres = Postgres::start();
    let secret = mosquitto.password("moodring-ingest");
    let list = mosquitto.folder.path().join("devices.csv");
    let start = || {
        Ingest::start(&[mosquitto.port], &secret, &postgres, &["--devices", list.to_str().unwrap(), "--once"])
    };
    start().wait_for_log("campus ingest:");
    let waiting = device.lesson(begun_at(), 3);
    deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &waiting);
    // A clean session with the client id of another ends that session, and what waits in it is gone.
    let taken = std::process::Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &mosquitto.port.to_string(), "-i", "moodring-ingest", "-u"])
        .args([&thief.name, "-P", &mosquitto.password(&thief.name), "-t", "x", "-n"])
        .status();
    assert!(taken.unwrap().success());
    let mut forged = device.minute(begun_at(), 4);
    forged.topic = forged.topic.replace("b-214", "b-215");
    deliver_all(mosquitto.port, (&thief.name, &mosquitto.password(&thief.name)), &[forged]);
    start().wait_for_log("campus ingest: 6 received, 5 new, 0 had come before, 1 quarantined, 0 unreadable");
    assert_eq!(postgres.value("select count(*) from moodring.minute"), "3");
    let reason = postgres.value("select reason from moodring.rejected");
    assert!(reason.contains("does not hang in this room"), "{reason}");
}
