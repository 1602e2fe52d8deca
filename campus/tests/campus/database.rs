//! The schema's functions, on numbers worked out by hand.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::servers::ingest;
use crate::servers::{self, POSTGRES, Postgres, campus, output};

/// A row of moodring.minute.
fn minute(sequence: u64, at: &str, facing: Option<f64>, people: f64) -> Value {
    json!({
        "device": "moodring-a", "spool": "00c0ffee", "sequence": sequence, "at": at, "site": "north", "room": "b-214",
        "lesson": "2026-11-23T18:00:00Z", "number": sequence, "state": if facing.is_some() { "live" } else { "too_few" },
        "live": 1.0, "people": people, "word": "calm", "pace": "fine", "facing": facing,
    })
}

/// Takes rows of `list` in; yields how many were new.
fn take(postgres: &Postgres, list: &str, rows: &[Value]) -> String {
    let mut batch =
        json!({"minutes": [], "lessons": [], "events": [], "healths": [], "statuses": [], "rejected": []});
    batch[list] = rows.into();
    postgres.value(&format!("select minutes + lessons + events + healths from moodring.take('{batch}')"))
}

#[test]
fn the_schema_can_be_applied_twice_and_keeps_what_is_there() {
    if !servers::have(&[POSTGRES]) {
        return;
    }
    let postgres = Postgres::start();
    assert_eq!(take(&postgres, "minutes", &[minute(1, "2026-11-23T18:10:00Z", Some(0.5), 28.0)]), "1");
    postgres.rows("update moodring.setting set keep_minute = '30 days'");
    // Once as the README says, once more by the program.
    output(
        postgres
            .psql("moodring")
            .arg("-1")
            .arg("-f")
            .arg(campus("postgres/schema.sql"))
            .arg("-f")
            .arg(campus("postgres/roles.sql")),
    );
    output(&mut ingest(&["--init", "--database", &postgres.parameters("postgres")]));
    assert_eq!(postgres.value("select count(*) from moodring.minute"), "1");
    assert_eq!(postgres.value("select keep_minute from moodring.setting"), "30 days");
    assert_eq!(take(&postgres, "minutes", &[minute(1, "2026-11-23T18:10:00Z", Some(0.5), 28.0)]), "0");
}

#[test]
fn hours_and_days_are_means_in_the_campus_time_zone_and_late_minutes_count() {
    if !servers::have(&[POSTGRES]) {
        return;
    }
    let postgres = Postgres::start();
    // Midnight in Kolkata is half past six in the evening, UTC.
    postgres.rows("update moodring.setting set time_zone = 'Asia/Kolkata', keep_minute = '100 years'");
    let rows = [
        minute(1, "2026-11-23T18:10:00Z", Some(0.4), 20.0),
        minute(2, "2026-11-23T18:20:00Z", Some(0.8), 22.0),
        minute(3, "2026-11-23T18:25:00Z", None, 27.0),
        minute(4, "2026-11-23T18:40:00Z", Some(0.5), 30.0),
    ];
    assert_eq!(take(&postgres, "minutes", &rows), "4");
    assert_eq!(postgres.value("select moodring.roll_up()"), "2");
    let summary = "select span, to_char(begins at time zone 'Asia/Kolkata', 'DD HH24:MI'), minutes, live_minutes,
        round(facing::numeric, 3), round(people::numeric, 3), max_people from moodring.summary order by begins, span";
    let expected = [
        ["day", "23 00:00", "3", "2", "0.600", "23.000", "27"],
        ["hour", "23 23:00", "3", "2", "0.600", "23.000", "27"],
        ["day", "24 00:00", "1", "1", "0.500", "30.000", "30"],
        ["hour", "24 00:00", "1", "1", "0.500", "30.000", "30"],
    ];
    assert_eq!(postgres.rows(summary), expected);
    // Nothing new, nothing to do; a repeated minute is nothing new.
    take(&postgres, "minutes", &rows[..1]);
    assert_eq!(postgres.value("select moodring.roll_up()"), "0");
    take(&postgres, "minutes", &[minute(5, "2026-11-23T19:40:00Z", Some(0.7), 30.0)]);
    assert_eq!(postgres.value("select moodring.roll_up()"), "1");
    let day = "select minutes, round(facing::numeric, 3) from moodring.summary where span = 'day' order by begins desc limit 1";
    assert_eq!(postgres.rows(day), [["2", "0.600"]]);
}

#[test]
fn a_minute_that_came_again_under_a_later_sequence_counts_once_and_as_told_last() {
    if !servers::have(&[POSTGRES]) {
        return;
    }
    let postgres = Postgres::start();
    postgres.rows("update moodring.setting set keep_minute = '100 years'");
    let at = "2026-11-23T18:10:00Z";
    let mut rows = [minute(5, at, Some(0.4), 20.0), minute(9, at, Some(0.8), 20.0)];
    rows[1]["number"] = 5.into();
    assert_eq!(take(&postgres, "minutes", &rows), "2");
    postgres.rows("select moodring.roll_up()");
    let day = "select minutes, round(facing::numeric, 3) from moodring.summary where span = 'day'";
    assert_eq!(postgres.rows(day), [["1", "0.800"]]);
}

#[test]
fn what_is_too_old_goes_and_what_is_a_second_younger_stays() {
    if !servers::have(&[POSTGRES]) {
        return;
    }
    let postgres = Postgres::start();
    postgres.rows("update moodring.setting set keep_minute = '7 days', keep_event = '30 days'");
    postgres.rows("select moodring.make_partitions('minute', '2026-10-26', '2026-11-25')");
    // Kept whole days: at noon of the 25th seven days reach to the midnight with which the 18th began.
    let rows = [
        minute(1, "2026-10-27T09:00:00Z", Some(0.5), 20.0),
        minute(2, "2026-11-17T23:59:59Z", Some(0.5), 20.0),
        minute(3, "2026-11-18T00:00:00Z", Some(0.5), 20.0),
        minute(4, "1970-01-01T00:00:00Z", Some(0.5), 20.0),
    ];
    assert_eq!(take(&postgres, "minutes", &rows), "4");
    let event = |sequence: u64, at: &str| json!({"device": "moodring-a", "spool": "00c0ffee", "sequence": sequence, "at": at, "site": "north", "room": "b-214", "kind": "hot"});
    take(&postgres, "events", &[event(11, "2026-10-25T23:59:59Z"), event(12, "2026-10-26T00:00:00Z")]);
    let forget = "select name, removed from moodring.forget_old('2026-11-25T12:00:00Z') order by name";
    assert_eq!(
        postgres.rows(forget),
        [["event", "1"], ["health", "0"], ["lesson", "0"], ["minute", "3"], ["summary", "0"]]
    );
    assert_eq!(postgres.value("select string_agg(sequence::text, ',') from moodring.minute"), "3");
    // The week of 27 October was a partition, and is none any more.
    assert_eq!(postgres.value("select to_regclass('moodring.minute_20261026')"), "");
    assert_eq!(postgres.value("select to_regclass('moodring.minute_20261116') is not null"), "t");
}

#[test]
fn partitions_are_made_ahead_and_strays_move_into_them() {
    if !servers::have(&[POSTGRES]) {
        return;
    }
    let postgres = Postgres::start();
    let far: Timestamp = "2027-03-03T09:00:00Z".parse().unwrap();
    take(&postgres, "minutes", &[minute(1, &far.to_string(), Some(0.5), 20.0)]);
    let place = "select tableoid::regclass from moodring.minute";
    assert_eq!(postgres.value(place), "moodring.minute_other");
    assert_eq!(postgres.value("select moodring.make_partitions('minute', '2027-03-02', '2027-03-10')"), "2");
    assert_eq!(postgres.value(place), "moodring.minute_20270301");
    assert_eq!(postgres.value("select moodring.make_partitions('minute', '2027-03-02', '2027-03-10')"), "0");
    // The key holds across the move.
    assert_eq!(take(&postgres, "minutes", &[minute(1, &far.to_string(), Some(0.5), 20.0)]), "0");
}

#[test]
fn a_device_can_be_forgotten_and_roles_may_do_what_they_need_and_no_more() {
    if !servers::have(&[POSTGRES]) {
        return;
    }
    let postgres = Postgres::start();
    postgres.rows("update moodring.setting set keep_minute = '100 years'");
    let other = {
        let mut other = minute(1, "2026-11-23T18:30:00Z", Some(0.9), 10.0);
        other["device"] = "moodring-b".into();
        other
    };
    take(&postgres, "minutes", &[minute(1, "2026-11-23T18:10:00Z", Some(0.5), 20.0), other]);
    postgres.rows("select moodring.roll_up()");
    // A minute and the device itself.
    assert_eq!(postgres.value("select moodring.forget_device('moodring-a')"), "2");
    let day = "select round(facing::numeric, 3) from moodring.summary where span = 'day'";
    assert_eq!(postgres.rows(day), [["0.900"]]);
    assert_eq!(postgres.value("select string_agg(device, ',') from moodring.device"), "moodring-b");

    let may = |user: &str, sql: &str| postgres.rows_as(user, sql).is_ok();
    assert!(may("moodring_read", "select * from moodring.inventory"));
    assert!(!may("moodring_read", "select moodring.forget_device('moodring-b')"));
    assert!(!may("moodring_read", "select * from moodring.rejected"));
    assert!(!may("moodring_ingest", "select * from moodring.minute"));
    assert!(may("moodring_ingest", "select * from moodring.maintain()"));
    assert!(!may("moodring_ingest", "delete from moodring.device"));
}
