//! The campus as its administrator runs it: the shipped schema, access lists, configurations, dashboards and alert rules
//! with real servers (Mosquitto, a NATS cluster of three, PostgreSQL, promtool) and the ingest as a real process.
//!
//! `make campus-test` installs the servers. Without them a test says SKIPPED, unless MOODRING_REQUIRE_CAMPUS=1.
#![expect(clippy::unwrap_used, reason = "what tests share may panic")]

mod access;
mod alerts;
mod contract;
mod dashboards;
mod database;
mod ingest;
mod nats;
#[path = "../../../tests/common/process.rs"]
mod process;
mod servers;
mod sizes;
