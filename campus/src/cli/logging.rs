//! Where the log goes: to standard error, for people with times and colours, for the journal with priorities.

use std::fmt;
use std::io::IsTerminal;

use anyhow::Context;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer, format};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Variable that overrides the default filter.
const VARIABLE: &str = "MOODRING_LOG";

/// Starts logging with `filter`, or with MOODRING_LOG if that is set.
///
/// # Errors
/// MOODRING_LOG is not a filter.
pub(super) fn start(filter: &str) -> anyhow::Result<()> {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let filter = EnvFilter::try_new(&filter)
        .with_context(|| format!("{VARIABLE}={filter:?} is not a filter; try {VARIABLE}=debug"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // systemd sets JOURNAL_STREAM when standard error is connected to the journal.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        let plain = format().without_time().with_target(false).with_level(false);
        registry.with(layer.with_ansi(false).event_format(Prioritised(plain))).try_init()
    } else {
        registry.with(layer.with_ansi(std::io::stderr().is_terminal()).with_target(false)).try_init()
    }
    .context("logging was started twice")
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
