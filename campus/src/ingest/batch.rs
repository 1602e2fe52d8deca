//! Rows as the argument of moodring.take() in campus/postgres/schema.sql: one JSON object with a list for each table.

use serde_json::{Value, json};

use super::message::{Row, Table};

/// More rows do not go into one transaction: about 200 kB of JSON.
pub(super) const MAX_ROWS: usize = 500;

/// The argument of moodring.take(). Of one device's statuses only the newest counts.
pub(super) fn argument(rows: &[Row]) -> String {
    let of = |table| -> Vec<&Value> {
        rows.iter().filter(|row| row.table == table).map(|row| &row.columns).collect()
    };
    json!({
        "minutes": of(Table::Minute),
        "lessons": of(Table::Lesson),
        "events": of(Table::Event),
        "healths": of(Table::Health),
        "statuses": newest(of(Table::Status)),
        "rejected": of(Table::Rejected),
    })
    .to_string()
}

/// How many of `rows` can be new in a table with a key.
pub(super) fn keyed(rows: &[Row]) -> u64 {
    let keyed = |row: &&Row| !matches!(row.table, Table::Status | Table::Rejected);
    rows.iter().filter(keyed).count() as u64
}

/// One statement may not touch a row twice, so the last one of each device is kept.
fn newest(statuses: Vec<&Value>) -> Vec<&Value> {
    let mut kept: Vec<&Value> = Vec::new();
    for status in statuses.into_iter().rev() {
        if !kept.iter().any(|newer| newer["device"] == status["device"]) {
            kept.push(status);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: Table, columns: Value) -> Row {
        Row { table, columns }
    }

    #[test]
    fn rows_are_listed_by_table_and_of_statuses_only_the_newest() {
        let rows = [
            row(Table::Status, json!({"device": "a", "status": "online"})),
            row(Table::Event, json!({"device": "a", "kind": "hot"})),
            row(Table::Status, json!({"device": "b", "status": "online"})),
            row(Table::Status, json!({"device": "a", "status": "offline"})),
        ];
        let batch: Value = serde_json::from_str(&argument(&rows)).unwrap();
        assert_eq!(batch["events"], json!([{"device": "a", "kind": "hot"}]));
        assert_eq!(
            batch["statuses"],
            json!([{"device": "a", "status": "offline"}, {"device": "b", "status": "online"}])
        );
        assert_eq!((batch["minutes"].clone(), keyed(&rows)), (json!([]), 1));
    }
}
