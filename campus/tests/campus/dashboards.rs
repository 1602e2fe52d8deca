//! Every query of every Grafana dashboard, asked of a database that the ingest has filled, as Grafana's user.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::contract::{Device, Message};
use crate::servers::{self, Ingest, MOSQUITTO, Mosquitto, POSTGRES, Postgres, campus, deliver_all};

/// Two rooms: one in the middle of a lesson, one whose camera is gone.
fn filled() -> (Mosquitto, Postgres) {
    let mut devices = [Device::new(1, "north", "b-214"), Device::new(2, "north", "b-215")];
    let line = |device: &Device| format!("{},{},{}\n", device.name, device.site, device.room);
    let mosquitto = Mosquitto::start(&devices.iter().map(line).collect::<String>());
    let postgres = Postgres::start();
    let ingest = Ingest::start(&[mosquitto.port], &mosquitto.password("moodring-ingest"), &postgres, &[]);
    ingest.wait_for_log("subscribed");
    let now = Timestamp::now();
    for device in &mut devices {
        let begun_at = now - SignedDuration::from_mins(30);
        let mut messages: Vec<Message> =
            vec![device.status("online", None), device.event(begun_at, "camera_gone")];
        messages.extend(device.lesson(begun_at - SignedDuration::from_mins(60), 45));
        messages.extend(device.lesson(begun_at, 30));
        messages.push(device.health(now - SignedDuration::from_mins(1), "streaming", 0));
        messages.push(device.health(now, if device.room == "b-214" { "streaming" } else { "away" }, 70));
        deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &messages);
    }
    postgres.wait_for("select count(*) from moodring.health", "4");
    postgres.wait_for("select count(*) from moodring.minute", "150");
    ingest.stop();
    postgres.rows("select * from moodring.maintain()");
    (mosquitto, postgres)
}

/// What Grafana makes of `sql` for one site, one room and the last six hours.
fn as_grafana_asks(sql: &str) -> String {
    let mut sql = sql.replace("${site:sqlstring}", "'north'").replace("${room:sqlstring}", "'b-214'");
    while let Some(begin) = sql.find("$__timeFilter(") {
        let inner = begin + "$__timeFilter(".len();
        let end = inner + sql[inner..].find(')').unwrap();
        let column = sql[inner..end].to_owned();
        sql.replace_range(begin..=end, &format!("{column} BETWEEN now() - interval '6 hours' AND now()"));
    }
    assert!(!sql.contains('$'), "a macro that this test does not know stands in {sql}");
    sql
}

/// Names of `sql`'s columns and its rows.
fn ask(postgres: &Postgres, sql: &str) -> (Vec<String>, usize) {
    let sql = as_grafana_asks(sql);
    let rows = postgres.rows_as("moodring_read", &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let described = format!("select to_jsonb(answer) from ({sql}) as answer limit 1");
    let first = postgres.rows_as("moodring_read", &described).unwrap();
    let columns = first.first().and_then(|row| row[0].clone()).map_or_else(Vec::new, |row| {
        serde_json::from_str::<serde_json::Map<String, Value>>(&row).unwrap().keys().cloned().collect()
    });
    (columns, rows.len())
}

fn check_panel(postgres: &Postgres, board: &str, panel: &Value) {
    let title = panel["title"].as_str().unwrap();
    let targets = panel["targets"].as_array().unwrap();
    assert!(!targets.is_empty(), "{board}: {title} asks nothing");
    for target in targets {
        assert_eq!(target["datasource"]["uid"], "moodring", "{board}: {title}");
        let (columns, rows) = ask(postgres, target["rawSql"].as_str().unwrap());
        assert!(rows > 0, "{board}: {title} shows nothing");
        let wants_time = target["format"] == "time_series";
        assert!(!wants_time || columns.iter().any(|column| column == "time"), "{board}: {title} has no time");
        for wanted in panel["fieldConfig"]["overrides"].as_array().unwrap() {
            let name = wanted["matcher"]["options"].as_str().unwrap();
            assert!(
                columns.iter().any(|column| column == name),
                "{board}: {title} dresses {name}, which is no column"
            );
        }
    }
}

#[test]
fn every_panel_and_variable_of_every_dashboard_yields_rows() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let (_mosquitto, postgres) = filled();
    let mut panels = 0;
    let mut uids = BTreeSet::new();
    for entry in std::fs::read_dir(campus("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = board["title"].as_str().unwrap();
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{name}: its uid is taken");
        for variable in board["templating"]["list"].as_array().unwrap() {
            let (_, rows) = ask(&postgres, variable["query"].as_str().unwrap());
            assert!(rows > 0, "{name}: variable {} has no values", variable["name"]);
        }
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: two panels have one id");
            check_panel(&postgres, name, panel);
            panels += 1;
        }
    }
    assert_eq!((uids.len(), panels), (3, 26));
    shown_values(&postgres);
}

/// What the stat panels of the fleet would say.
fn shown_values(postgres: &Postgres) {
    let count = |condition: &str| {
        postgres.value(&format!("select count(*) from moodring.inventory where {condition}"))
    };
    assert_eq!(
        [count("connection = 'online'"), count("camera = 'away'"), count("spool_waiting > 60")],
        ["2", "1", "2"]
    );
    assert_eq!(postgres.value("select string_agg(state, ',') from moodring.room_now"), "live,live");
}
