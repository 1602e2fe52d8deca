//! What runs beside the devices: the ingest into PostgreSQL, and a load generator to try a broker with.
//!
//! # Invariants
//! - The ingest acknowledges a message to the broker after the transaction that stores it, never before.
//! - Payloads are parsed by the types that the device serializes ([`moodring_contract`]).
//! - The load generator simulates classes only: spool, payloads and publisher are the device's own code.

pub mod ingest;
pub mod loadgen;
