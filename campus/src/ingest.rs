//! From the broker to the database: `MQTT broker ──▶ Ingest ──▶ PostgreSQL`, and `/metrics` for Prometheus.
//!
//! Its one decision: a message is acknowledged to the broker after the transaction that stores it, never before. So a crash
//! anywhere repeats messages and loses none, and the table's key (device, spool, sequence) stores each once.
//! docs/reference/mqtt.md describes what devices publish; campus/postgres/schema.sql what is stored.

mod batch;
mod broker;
mod devices;
mod inventory;
mod message;
mod pipeline;
mod store;
mod tls;

pub use broker::Credentials;
pub use devices::Devices;
pub use inventory::Inventory;
pub use pipeline::{Ingest, Limits, Totals, maintain};
pub use store::{Store, StoreError};
pub use tls::{CaError, trusting};
