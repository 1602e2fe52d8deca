//! PostgreSQL: one connection, opened when it is needed, and the three things that are asked of it.
//!
//! All SQL is in campus/postgres/schema.sql, which is compiled in; here are calls of its functions and the remedies for
//! their errors.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::batch;
use super::message::Row;

const SCHEMA: &str = include_str!("../../postgres/schema.sql");
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for one batch; the connection is then given up, and PostgreSQL takes the transaction back.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Rolling up a campus of 5,000 rooms after a day without the ingest.
const MAINTENANCE_TIMEOUT: Duration = Duration::from_secs(1800);

/// Why the database stored nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The parameters of the database cannot be read.
    #[error("{0}")]
    Parameters(String),
    /// One of the rows does not fit its table; the others may.
    #[error("a row cannot be stored: {0}")]
    Row(String),
    /// Nothing can be written now; later it may work.
    #[error("{problem}; {remedy}")]
    Unavailable {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

/// How many rows of a batch were new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) fresh: u64,
}

/// What one round of maintenance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Maintained {
    pub(super) partitions: i32,
    pub(super) days: i32,
    pub(super) forgotten: i64,
}

/// The database.
#[derive(Debug)]
pub struct Store {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Store {
    /// The database that `parameters` describe, as `host=/run/postgresql dbname=moodring user=moodring_ingest` or as
    /// a postgresql:// address. Connects later; with TLS, and only so, where `tls` names authorities.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn new(
        parameters: &str,
        password: Option<&str>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, StoreError> {
        let mut config: Config =
            parameters.parse().map_err(|error| StoreError::Parameters(in_words(&error)))?;
        config.connect_timeout(CONNECT_TIMEOUT).application_name("moodring-campus ingest");
        if let Some(password) = password {
            config.password(password);
        }
        if config.get_hosts().is_empty() {
            config.host_path("/run/postgresql");
        }
        if tls.is_some() {
            config.ssl_mode(SslMode::Require);
        }
        Ok(Self { config, tls, connection: None })
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        use tokio_postgres::config::Host;
        let host = self.config.get_hosts().first().map_or_else(String::new, |host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or_default();
        format!("PostgreSQL at {host} port {port}, database {database}")
    }

    /// Applies the schema, as often as one likes. Needs the database's owner.
    ///
    /// # Errors
    /// It could not be applied; nothing of it was.
    pub async fn apply_schema(&mut self) -> Result<(), StoreError> {
        let result = {
            let client = self.client().await?;
            // One message, so one transaction.
            timeout(WRITE_TIMEOUT, client.batch_execute(SCHEMA)).await
        };
        self.conclude(result)
    }

    /// Writes `rows` in one transaction.
    ///
    /// # Errors
    /// Nothing of it was written.
    pub(super) async fn write(&mut self, rows: &[Row]) -> Result<Written, StoreError> {
        let argument = batch::argument(rows);
        let result = {
            let client = self.client().await?;
            let statement = "select minutes + lessons + events + healths from moodring.take($1::text::jsonb)";
            timeout(WRITE_TIMEOUT, client.query_one(statement, &[&argument])).await
        };
        let row = self.conclude(result)?;
        Ok(Written { fresh: u64::try_from(row.get::<_, i64>(0)).unwrap_or_default() })
    }

    /// Partitions, roll-ups, forgetting. `None`: another ingest is at it.
    ///
    /// # Errors
    /// Nothing of it was done.
    pub(super) async fn maintain(&mut self) -> Result<Option<Maintained>, StoreError> {
        let result = {
            let client = self.client().await?;
            let call = client.query_opt("select partitions, days, forgotten from moodring.maintain()", &[]);
            timeout(MAINTENANCE_TIMEOUT, call).await
        };
        let row = self.conclude(result)?;
        Ok(row.map(|row| Maintained { partitions: row.get(0), days: row.get(1), forgotten: row.get(2) }))
    }

    /// The connection, opened if there is none.
    async fn client(&mut self) -> Result<&Client, StoreError> {
        if self.connection.as_ref().is_none_or(|connection| connection.client.is_closed()) {
            self.connection = None;
            let opened = timeout(CONNECT_TIMEOUT, open(&self.config, self.tls.as_ref())).await;
            self.connection = Some(opened.map_err(|_| late("connecting"))?.map_err(|error| explain(&error))?);
        }
        match &self.connection {
            Some(connection) => Ok(&connection.client),
            None => Err(late("connecting")),
        }
    }

    /// Drops the connection after whatever may have harmed it.
    fn conclude<T>(
        &mut self,
        result: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, StoreError> {
        let error = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => explain(&error),
            Err(_) => late("the database's answer"),
        };
        if matches!(error, StoreError::Unavailable { .. }) {
            self.connection = None;
        }
        Err(error)
    }
}

/// Connects; the driver ends with the connection, and its error is seen by the users of the client.
async fn open(config: &Config, tls: Option<&Arc<ClientConfig>>) -> Result<Connection, tokio_postgres::Error> {
    let (client, driver) = match tls {
        Some(tls) => {
            let (client, driver) = config.connect(MakeRustlsConnect::new(ClientConfig::clone(tls))).await?;
            (client, tokio::spawn(async move { drop(driver.await) }))
        }
        None => {
            let (client, driver) = config.connect(NoTls).await?;
            (client, tokio::spawn(async move { drop(driver.await) }))
        }
    };
    Ok(Connection { client, driver })
}

fn late(what: &str) -> StoreError {
    let problem = format!("{what} takes too long");
    StoreError::Unavailable { problem, remedy: "look at the database's log and what else it does" }
}

/// The cause where there is one: the error itself says only where it happened.
fn in_words(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn explain(error: &tokio_postgres::Error) -> StoreError {
    let Some(answer) = error.as_db_error() else {
        let problem = in_words(error);
        return StoreError::Unavailable { problem, remedy: "start it, or correct --database" };
    };
    let code = answer.code();
    // Class 22: data that a type does not take; class 23: a constraint. Both are of one row, not of the database.
    if code.code().starts_with("22") || code.code().starts_with("23") {
        return StoreError::Row(answer.message().to_owned());
    }
    let remedy = match code {
        code if *code == SqlState::INVALID_PASSWORD || code.code().starts_with("28") => {
            "correct the user in --database or the first line of --database-password-file"
        }
        code if *code == SqlState::UNDEFINED_FUNCTION || *code == SqlState::INVALID_SCHEMA_NAME => {
            "apply the schema: moodring-campus ingest --init"
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "apply campus/postgres/roles.sql as the database's owner"
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            "create the database, or correct dbname in --database"
        }
        code if *code == SqlState::DISK_FULL => "make room on the database's disk",
        code if *code == SqlState::TOO_MANY_CONNECTIONS => "raise max_connections",
        code if code.code().starts_with("57P") => "it is stopping or starting",
        _ => "look at the database's log",
    };
    StoreError::Unavailable { problem: answer.message().to_owned(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_without_the_password() {
        let store =
            Store::new("host=db.example dbname=moodring user=moodring_ingest", Some("secret"), None).unwrap();
        assert_eq!(store.place(), "PostgreSQL at db.example port 5432, database moodring");
        let local = Store::new("dbname=moodring", None, None).unwrap();
        assert_eq!(local.place(), "PostgreSQL at /run/postgresql port 5432, database moodring");
        assert!(Store::new("hosts=db", None, None).unwrap_err().to_string().contains("hosts"));
    }
}
