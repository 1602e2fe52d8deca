//! Logging to standard error: with times and colours for a terminal, with priorities for the systemd journal.
//!
//! Fields are written into the message text, also for the journal. `journalctl` does not show separate journal fields
//! by default, and the fields name the device that failed and the fix.

use std::fmt;
use std::io::IsTerminal;

use anyhow::Context;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer, format};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// Environment variable that overrides the configured filter.
const VARIABLE: &str = "MOODRING_LOG";

/// The embedded broker logs every connection, and the MQTT library every refusal, by numbers; the publisher reports what
/// matters of it.
const SILENCED: &str = "rumqttd=off,rumqttc=off";

/// Starts logging with `filter`, or with MOODRING_LOG if it is set.
///
/// # Errors
/// The filter is not valid, or logging was started before.
pub fn start(filter: &str) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM when standard error is connected to the journal.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(for_journal(std::io::stderr)).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false);
        registry.with(layer).try_init()
    }
    .context("logging was started twice")?;
    Ok(Filter(handle))
}

/// Parses `filter`, or MOODRING_LOG if it is set.
fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let filter = format!("{SILENCED},{filter}");
    EnvFilter::try_new(&filter)
        .with_context(|| format!("{VARIABLE}={filter:?} is not a valid log filter; try {VARIABLE}=debug"))
}

/// Handle that replaces the log filter at run time.
#[derive(Debug)]
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Replaces the filter by `filter`, or by MOODRING_LOG if it is set. An invalid filter is logged and ignored.
    pub fn change(&self, filter: &str) {
        let changed = parse(filter).and_then(|filter| Ok(self.0.reload(filter)?));
        if let Err(error) = changed {
            tracing::warn!("log.filter is unchanged: {error:#}");
        }
    }
}

/// Layer that writes lines for the journal, without a time: the journal adds it.
fn for_journal<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    let plain = format().without_time().with_target(false).with_level(false);
    tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).event_format(JournalFormat(plain))
}

/// Format that begins each line with its priority, `<N>` (sd-daemon(3)).
struct JournalFormat(Format<Full, ()>);

impl<S, F> FormatEvent<S, F> for JournalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, F>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn journal_line_has_a_priority_and_contains_the_fields() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::registry().with(for_journal(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(output = "display", problem = "no display answers", "does not work");
            tracing::info!("camera streams");
        });
        let written = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            written,
            "<4>does not work output=\"display\" problem=\"no display answers\"\n<6>camera streams\n"
        );
    }
}
