//! What a campus takes, for campus/README.md: `make campus-sizes` prints it. Nothing is asserted but that all rows are there.
#![expect(clippy::print_stdout, reason = "it is run to be read")]

use std::time::Instant;

use jiff::Timestamp;

use crate::contract::{Device, Message};
use crate::servers::{self, Ingest, MOSQUITTO, Mosquitto, POSTGRES, Postgres, deliver_all};

const ROOMS: usize = 500;
const MINUTES: usize = 240;
const BACKLOG: u32 = 10_000;

/// Minutes of a day of 500 rooms, as the ingest writes them, without a broker.
fn fill(postgres: &Postgres) {
    let figures = [
        "facing",
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "neutral",
        "valence",
        "arousal",
        "engagement",
        "restlessness",
    ];
    let columns: String = figures
        .iter()
        .map(|name| format!(", '{name}', 0.5, '{name}_low', 0.4, '{name}_high', 0.6"))
        .collect();
    for hour in 0..MINUTES / 60 {
        postgres.rows(&format!(
            "select moodring.take(jsonb_build_object('minutes', (select jsonb_agg(jsonb_build_object(
                'device', 'moodring-' || lpad(to_hex(room), 14, '0'), 'spool', '00c0ffee', 'sequence', {hour} * 60 + minute + 1,
                'at', timestamptz '2026-11-23 08:00Z' + make_interval(mins => {hour} * 60 + minute), 'site', 'north', 'room', 'b-' || room,
                'lesson', timestamptz '2026-11-23 08:00Z', 'number', minute, 'state', 'live', 'live', 1, 'people', 28, 'coverage', 0.8,
                'word', 'attentive', 'pace', 'fine') || jsonb_build_object('x', 0{columns}))
                from generate_series(1, {ROOMS}) room, generate_series(0, 59) minute),
                'lessons', '[]'::jsonb, 'events', '[]'::jsonb, 'healths', '[]'::jsonb, 'statuses', '[]'::jsonb, 'rejected', '[]'::jsonb))"
        ));
    }
    postgres.rows(
        "select moodring.take(jsonb_build_object('healths', (select jsonb_agg(jsonb_build_object(
            'device', 'moodring-' || lpad(to_hex(room), 14, '0'), 'at', timestamptz '2026-11-23 08:00Z' + make_interval(mins => minute),
            'site', 'north', 'room', 'b-' || room, 'version', '0.1.0', 'models', '{\"heads\":\"0.2.0\",\"expression\":\"0.2.0\"}'::jsonb,
            'uptime_s', 86400, 'camera', 'streaming', 'problems', '{}'::jsonb, 'rss_bytes', 93000000, 'load_1min', 0.7, 'celsius', 61.5,
            'throttled', false, 'frames_per_s', 4.9, 'inference_ms', 31, 'cycles', 4711, 'observations_dropped', 0, 'spool_waiting', 0,
            'spool_dropped', 0, 'spool_disk_writes', 12, 'spool_sequence', 4711, 'reconnects', 3, 'clock_synchronised', true, 'engine', 'cpu'))
            from generate_series(1, 500) room, generate_series(0, 59) minute),
            'minutes', '[]'::jsonb, 'lessons', '[]'::jsonb, 'events', '[]'::jsonb, 'statuses', '[]'::jsonb, 'rejected', '[]'::jsonb))",
    );
}

/// Bytes on disk for one row of `table`, with its indexes.
fn bytes_a_row(postgres: &Postgres, table: &str) -> String {
    postgres.value(&format!(
        "select (select sum(pg_total_relation_size(inhrelid)) from pg_inherits where inhparent = 'moodring.{table}'::regclass)
            / (select count(*) from moodring.{table})"
    ))
}

#[test]
#[ignore = "a measurement of minutes: make campus-sizes"]
fn what_a_campus_takes() {
    if !servers::have(&[POSTGRES, MOSQUITTO]) {
        return;
    }
    let device = Device::new(1, "north", "b-214");
    let mosquitto = Mosquitto::start(&format!("{},north,b-214\n", device.name));
    let postgres = Postgres::start();
    postgres.rows("update moodring.setting set keep_minute = '100 years', keep_health = '100 years'");
    fill(&postgres);
    println!("bytes a minute: {}", bytes_a_row(&postgres, "minute"));
    println!("bytes a health message: {}", bytes_a_row(&postgres, "health"));
    let begun = Instant::now();
    postgres.rows("select moodring.roll_up()");
    println!(
        "roll-up of {} minutes of {ROOMS} rooms: {:.1} s",
        ROOMS * MINUTES,
        begun.elapsed().as_secs_f64()
    );
    throughput(&mosquitto, &postgres, device);
}

/// A backlog that the broker kept while the ingest was away.
fn throughput(mosquitto: &Mosquitto, postgres: &Postgres, mut device: Device) {
    let secret = mosquitto.password("moodring-ingest");
    let first = Ingest::start(&[mosquitto.port], &secret, postgres, &["--once"]);
    first.wait_for_log("campus ingest:");
    let begun_at: Timestamp = "2026-11-10T08:00:00Z".parse().unwrap();
    let messages: Vec<Message> = (0..BACKLOG).map(|number| device.minute(begun_at, number)).collect();
    println!("bytes of a minute's message: {}", messages[599].payload.len());
    deliver_all(mosquitto.port, (&device.name, &mosquitto.password(&device.name)), &messages);
    let begun = Instant::now();
    let ingest = Ingest::start(&[mosquitto.port], &secret, postgres, &[]);
    // The last one; counting all of them would cost more than writing them.
    let last = format!(
        "select count(*) from moodring.minute where device = '{}' and sequence = {BACKLOG}",
        device.name
    );
    postgres.wait_for(&last, "1");
    let seconds = begun.elapsed().as_secs_f64();
    println!("ingest of {BACKLOG} messages: {seconds:.1} s, {:.0} a second", f64::from(BACKLOG) / seconds);
    let process = ingest.process.0.id();
    println!(
        "of these the ingest's processor time: {:.1} s; its memory: {} kB",
        processor_seconds(process),
        resident_kilobytes(process)
    );
    assert!(ingest.stop().contains(&format!(" {BACKLOG} new, ")));
}

/// User and system time of a process (proc_pid_stat(5), fields 14 and 15), in the usual hundredths of a second.
fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_kilobytes(process: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .to_owned()
}
