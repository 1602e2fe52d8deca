//! Where the log goes: to standard error, for people with times and colours, for the journal with priorities.
//!
//! Its one decision: the journal gets fields within the text. As fields of its own `journalctl` would not show them, and
//! they are what tells which device failed and how to mend it.

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

/// Variable that overrides the configured filter.
const VARIABLE: &str = "MOODRING_LOG";

/// Starts logging with `filter` unless MOODRING_LOG says otherwise.
///
/// # Errors
/// MOODRING_LOG is no filter.
pub(super) fn start(filter: &str) -> anyhow::Result<Filter> {
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

/// `filter` unless MOODRING_LOG says otherwise.
fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let filter = format!("{},{filter}", crate::outputs::broker::LOG_DIRECTIVE);
    EnvFilter::try_new(&filter)
        .with_context(|| format!("{VARIABLE}={filter:?} is no filter; try {VARIABLE}=debug"))
}

/// What is logged; it can be changed.
pub(super) struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Logs by `filter` from now on, unless MOODRING_LOG says otherwise.
    pub(super) fn change(&self, filter: &str) {
        let changed = parse(filter).and_then(|filter| Ok(self.0.reload(filter)?));
        if let Err(error) = changed {
            tracing::warn!("log.filter stays as it was: {error:#}");
        }
    }
}

/// Lines as the journal takes them from a service's standard error; it adds the time itself.
fn for_journal<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    let plain = format().without_time().with_target(false).with_level(false);
    tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).event_format(Prioritised(plain))
}

/// Lines that begin with `<N>`, their priority (sd-daemon(3)).
struct Prioritised(Format<Full, ()>);

impl<S, F> FormatEvent<S, F> for Prioritised
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
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_the_journal_has_a_priority_and_says_what_does_not_work_and_why() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry().with(for_journal(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(output = "display", problem = "no display answers", "does not work");
            tracing::info!("camera streams");
        });
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            written,
            "<4>does not work output=\"display\" problem=\"no display answers\"\n<6>camera streams\n"
        );
    }
}
