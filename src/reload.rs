//! Reloads the configuration while the device runs: `SIGHUP, page ──▶ whole file checked ──▶ applied, or restart`.
//!
//! A file that `moodring run` would refuse changes nothing. Live keys of a valid file apply at once. Other changed
//! keys need a restart: under a service manager the device restarts, else the running values stay and the log names
//! the keys (docs/reference/configuration.md).

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use toml::{Table, Value};
use tracing::{info, warn};

use crate::law::{self, Refusal};
use crate::overlay::Overlays;
use moodring_config::{Config, Fault, live_keys};
use moodring_contract::EventKind;
use moodring_lessons::Timetable;
use moodring_runtime::Stop;
use moodring_runtime::{DeviceEvents, Requester, Requests};
use moodring_vision::model_card::{Cards, ModelCard};

/// Capacity of the queue of requests from the page, which sends one at a time.
const MAX_REQUESTS: usize = 4;

/// Whether a service manager restarts the program when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceManager {
    /// systemd, which restarts the program on exit code 75.
    Systemd,
    /// Nothing restarts it.
    None,
}

impl ServiceManager {
    /// Detects the service manager of this process: only service managers set a notification socket (sd_notify(3)).
    pub fn detect() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_some() { Self::Systemd } else { Self::None }
    }
}

/// How the configuration is reloaded.
#[derive(Clone)]
pub struct Reload {
    /// The configuration file.
    pub file: PathBuf,
    /// Whether a service manager restarts the program.
    pub manager: ServiceManager,
    /// Sets the log filter.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload")
            .field("file", &self.file)
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

/// The result of a reload; keys are dotted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Keys that are applied.
    pub applied: Vec<String>,
    /// Keys that apply only after a restart.
    pub left: Vec<String>,
    /// Whether the device restarts now, so that all keys apply.
    pub restart: bool,
}

/// The result of a reload, or all faults of the file, one a line.
pub type Answer = Result<Outcome, String>;
/// The receiver of reload requests.
pub type ReloadRequests = Requests<(), Answer>;

/// Requests a reload. Clones share it.
#[derive(Debug, Clone)]
pub struct ReloadHandle(Requester<(), Answer>);

impl ReloadHandle {
    /// A handle, and the receiver of its requests.
    pub fn channel() -> (Self, ReloadRequests) {
        let (requester, requests) = Requester::channel(MAX_REQUESTS);
        (Self(requester), requests)
    }

    /// Requests a reload and waits for its result.
    ///
    /// # Errors
    /// All faults of the file, or that the program is ending.
    pub async fn reload(&self) -> Answer {
        self.0.ask(()).await.unwrap_or_else(|unanswered| Err(unanswered.to_string()))
    }
}

/// Reloads the file on SIGHUP and on request, until `stop` is requested. True: the device must restart.
pub async fn run(
    reload: Reload,
    settings: watch::Sender<Arc<Config>>,
    mut requests: ReloadRequests,
    events: DeviceEvents,
    stop: Stop,
) -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        warn!("SIGHUP cannot be received: the configuration is read only at the next start");
        return false;
    };
    loop {
        // Several signals that arrive while the file is read count as one.
        let request = tokio::select! {
            () = stop.requested() => return false,
            _ = hang_up.recv() => None,
            Some(request) = requests.recv() => Some(request.into_parts().1),
        };
        let running = Arc::clone(&settings.borrow());
        let file = reload.file.clone();
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        let answer = match read {
            Ok(Ok(wanted)) => Ok(apply(&reload, &running, wanted, &settings)),
            Ok(Err(faults)) => Err(faults),
            Err(error) => Err(error.to_string()),
        };
        report(&answer, &events);
        let restart = answer.as_ref().is_ok_and(|outcome| outcome.restart);
        if let Some(request) = request {
            request.send(answer);
        }
        if restart {
            return true;
        }
    }
}

/// The configuration with which `moodring run` would start now.
fn read(file: &std::path::Path) -> Result<Config, String> {
    let file = Config::load(file).map_err(|error| error.to_string())?;
    let config = match Overlays::from_config(&file) {
        Some(overlays) => overlays.configuration().0,
        None => file,
    };
    permitted(&config).map_err(|faults| messages(&faults))?;
    Ok(config)
}

/// Checks what a start would refuse although every key is valid: the law, the timetable and the networks.
///
/// # Errors
/// The faults with their keys. If one refusal concerns several keys, its message is repeated for each.
pub fn permitted(config: &Config) -> Result<(), Vec<Fault>> {
    let fault = |key: &str, message: String| Fault { key: key.to_owned(), position: None, message };
    law::permit(config).map_err(|refusal| -> Vec<_> {
        let message = refusal.to_string();
        match &refusal {
            Refusal::Undeclared { missing } => {
                missing.iter().map(|key| fault(key, message.clone())).collect()
            }
            Refusal::Prohibited { .. } => vec![fault("mood.mode", message)],
        }
    })?;
    if config.lessons.enabled {
        Timetable::new(&config.lessons, &config.clock.zone())
            .map_err(|error| vec![fault(error.key(), error.to_string())])?;
    }
    for (path, task) in Cards::of(config).tasks() {
        ModelCard::read(path, task).map_err(|error| vec![fault("models", error.to_string())])?;
    }
    Ok(())
}

/// The messages of `faults`, one a line, each once.
pub fn messages(faults: &[Fault]) -> String {
    let mut lines: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    lines.dedup();
    lines.join("\n")
}

fn apply(
    reload: &Reload,
    running: &Config,
    wanted: Config,
    settings: &watch::Sender<Arc<Config>>,
) -> Outcome {
    let now = with_live_keys(running, &wanted);
    let left = changed(&now, &wanted);
    let restart = !left.is_empty() && reload.manager == ServiceManager::Systemd;
    let applied = changed(running, &now);
    if !restart {
        if now.log != running.log {
            (reload.log)(&now.log.filter);
        }
        // Also if no key changed: the calendar file that a key names may have changed.
        settings.send_replace(Arc::new(now));
    }
    Outcome { applied, left, restart }
}

/// `running` with the live keys of `wanted`.
fn with_live_keys(running: &Config, wanted: &Config) -> Config {
    let (mut now, wanted) = (table(running), table(wanted));
    for key in live_keys() {
        copy(&wanted, &mut now, &key);
    }
    now.try_into().unwrap_or_else(|_| running.clone())
}

/// Copies the value of the dotted `key`; removes the key if it is absent in `from`.
fn copy(from: &Table, to: &mut Table, key: &str) {
    match key.split_once('.') {
        Some((section, rest)) => {
            if let (Some(Value::Table(from)), Some(Value::Table(to))) =
                (from.get(section), to.get_mut(section))
            {
                copy(from, to, rest);
            }
        }
        None => match from.get(key) {
            Some(value) => drop(to.insert(key.to_owned(), value.clone())),
            None => drop(to.remove(key)),
        },
    }
}

fn table(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}

/// Dotted keys whose values differ.
pub fn changed(from: &Config, to: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    compare(&table(from), &table(to), "", &mut keys);
    keys
}

fn compare(from: &Table, to: &Table, prefix: &str, keys: &mut Vec<String>) {
    let mut names: Vec<_> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match (from.get(name), to.get(name)) {
            (Some(Value::Table(from)), Some(Value::Table(to))) => compare(from, to, &key, keys),
            (from, to) if from != to => keys.push(key),
            _ => {}
        }
    }
}

fn report(answer: &Answer, events: &DeviceEvents) {
    match answer {
        Ok(Outcome { applied, left, restart }) => {
            let (applied_keys, left_keys) = (applied.join(", "), left.join(", "));
            if *restart {
                info!(
                    applied = applied_keys,
                    needs_restart = left_keys,
                    "configuration reloaded; the device restarts to apply it"
                );
            } else if !left.is_empty() {
                warn!(
                    applied = applied_keys,
                    needs_restart = left_keys,
                    "configuration reloaded; keys that need a restart keep their running values until then"
                );
            } else if applied.is_empty() {
                info!("configuration reloaded; nothing changed");
            } else {
                info!(applied = applied_keys, "configuration reloaded");
            }
            let keys: Vec<_> = applied.iter().chain(left.iter().filter(|_| *restart)).cloned().collect();
            if !keys.is_empty() {
                events.report(EventKind::ConfigurationApplied, Some(keys.join(", ")));
            }
        }
        Err(faults) => {
            for fault in faults.lines().filter(|line| !line.is_empty()) {
                warn!(fault, "configuration refused; the running one stays in effect");
            }
            events.report(EventKind::ConfigurationRefused, faults.lines().next().map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Config {
        Config::parse(text, "moodring.toml").unwrap()
    }

    fn reload(manager: ServiceManager) -> Reload {
        Reload { file: "moodring.toml".into(), manager, log: Arc::new(|_| ()) }
    }

    const LIVE_KEYS: &str = "[night]\nbegins = \"18:00\"\n[word]\nhold_s = 30.0\n[log]\nfilter = \"debug\"\n\
                           [lights]\nbrightness = 0.2\n[lessons]\nkeep_days = 30\n[display]\nglance_s = 20.0\n";

    #[test]
    fn live_keys_apply_at_once() {
        let (settings, held) = watch::channel(Arc::new(Config::default()));
        let wanted = parsed(LIVE_KEYS);
        let outcome = apply(&reload(ServiceManager::Systemd), &Config::default(), wanted.clone(), &settings);
        let keys = [
            "display.glance_s",
            "lessons.keep_days",
            "lights.brightness",
            "log.filter",
            "night.begins",
            "word.hold_s",
        ];
        assert_eq!(outcome.applied, keys);
        assert!(outcome.left.is_empty() && !outcome.restart);
        assert_eq!(**held.borrow(), wanted);
    }

    #[test]
    fn other_keys_wait_for_a_restart_or_cause_it() {
        let running = Config::default();
        let wanted = parsed("[room]\nname = \"7b\"\n[lessons]\nenabled = false\n[night]\nlights = 0.5\n");
        for (manager, restart) in [(ServiceManager::None, false), (ServiceManager::Systemd, true)] {
            let (settings, held) = watch::channel(Arc::new(running.clone()));
            let outcome = apply(&reload(manager), &running, wanted.clone(), &settings);
            assert_eq!(
                (outcome.applied, outcome.left),
                (vec!["night.lights".into()], vec!["lessons.enabled".to_owned(), "room.name".to_owned()])
            );
            assert_eq!(outcome.restart, restart);
            assert_eq!(held.borrow().room.name, "room-1", "waits for the restart");
            assert_eq!(held.borrow().night.lights, if restart { 0.15 } else { 0.5 });
        }
    }

    #[tokio::test]
    async fn a_broken_or_prohibited_file_changes_nothing_and_is_reported_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("moodring.toml");
        let declared =
            "[purpose]\njurisdiction = \"IN\"\ninstitution = \"education\"\nconsent = \"a test\"\n";
        let running = Arc::new(parsed(declared));
        let (settings, held) = watch::channel(Arc::clone(&running));
        let (handle, requests) = ReloadHandle::channel();
        let (events, mut reported) = DeviceEvents::channel();
        let stop = Stop::default();
        let reload = Reload { file: file.clone(), ..reload(ServiceManager::None) };
        let task = tokio::spawn(run(reload, settings, requests, events, stop.clone()));
        for (text, expected) in [
            (format!("{declared}[night]\nlights = 7\n"), "moodring.toml:6:10: night.lights"),
            (format!("{declared}[nihgt]\n"), "moodring.toml:5:2: unknown field"),
            ("[night]\nlights = 0.5\n".to_owned(), "without a declared purpose"),
        ] {
            std::fs::write(&file, text).unwrap();
            let faults = handle.reload().await.unwrap_err();
            assert!(faults.contains(expected), "{faults}");
            assert_eq!(reported.recv().await.unwrap().kind, EventKind::ConfigurationRefused);
            assert_eq!(*held.borrow(), running);
        }
        std::fs::write(&file, format!("{declared}[night]\nlights = 0.5\n")).unwrap();
        assert_eq!(handle.reload().await.unwrap().applied, ["night.lights"]);
        assert_eq!(held.borrow().night.lights, 0.5);
        stop.request();
        assert!(!task.await.unwrap());
    }
}
