//! What a campus runs beside its devices: `MQTT broker ──▶ ingest ──▶ PostgreSQL`, with the fleet's state for Prometheus.
//!
//! Its one decision: a message is acknowledged to the broker after the transaction that holds it, never before. So a crash
//! anywhere repeats messages and loses none, and the table's key (device, spool, sequence) takes each once.
//! docs/reference/mqtt.md says what devices send; campus/postgres/schema.sql what is kept.

mod backoff;
mod batch;
mod broker;
mod fleet;
mod ingest;
mod message;
mod store;
mod tls;

pub use broker::Credentials;
pub use fleet::Fleet;
pub use ingest::{Ingest, Limits, Totals, maintain};
pub use store::{Store, StoreError};
pub use tls::trusting;
