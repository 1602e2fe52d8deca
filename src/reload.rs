//! The configuration read again while it runs: `SIGHUP, page ──▶ file, checked whole ──▶ taken over, or begun anew`.
//!
//! Its one decision: a file that `moodring run` would refuse changes nothing. Of a good one, what no part must be opened
//! anew for holds at once; for the rest the device begins anew, where a service manager starts it again, else the
//! running values stay and the log names them (docs/reference/configuration.md).

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use toml::{Table, Value};
use tracing::{info, warn};

use crate::config::{Config, Display, Lessons, Lights};
use crate::law;
use crate::mood::lesson::Timetable;
use crate::outputs::{EventKind, Events};
use crate::overlay::Overlays;
use crate::supervisor::Stop;
use crate::vision::model_card::{Cards, ModelCard};

/// Questions from the page that may wait: one is asked at a time.
const WAITING: usize = 4;

/// Who starts the program again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// A service manager, on exit code 75.
    StartsAnew,
    /// Nobody.
    Nobody,
}

impl Manager {
    /// That of this process: only service managers give a notification socket (sd_notify(3)).
    pub fn here() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_some() { Self::StartsAnew } else { Self::Nobody }
    }
}

/// How the configuration is read again.
#[derive(Clone)]
pub struct Reload {
    /// The file.
    pub file: PathBuf,
    /// Who starts the program again.
    pub manager: Manager,
    /// Changes what is logged.
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

/// What reading the file again came to; keys are dotted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What holds from now on.
    pub taken_over: Vec<String>,
    /// What holds after the next start only.
    pub left: Vec<String>,
    /// Whether the device begins anew at once, so that all of it holds.
    pub begins_anew: bool,
}

/// Lets others ask for the file to be read again. Clones share it.
#[derive(Debug, Clone)]
pub struct Asking(mpsc::Sender<oneshot::Sender<Answer>>);

/// What came of it, or every fault of the file, one a line.
pub type Answer = Result<Outcome, String>;

/// Where questions come out.
pub type Asked = mpsc::Receiver<oneshot::Sender<Answer>>;

impl Asking {
    /// A place for questions, and where they come out.
    pub fn channel() -> (Self, Asked) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Has the file read again.
    ///
    /// # Errors
    /// Every fault of the file, or that nobody reads it any more.
    pub async fn ask(&self) -> Answer {
        let gone = || "the program is ending".to_owned();
        let (sender, answer) = oneshot::channel();
        self.0.try_send(sender).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Reads the file again whenever SIGHUP comes or somebody asks, until `stop` is requested. True: the device is to begin
/// anew.
pub async fn obey(
    reload: Reload,
    settings: watch::Sender<Arc<Config>>,
    mut asked: Asked,
    events: Events,
    stop: Stop,
) -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        warn!("SIGHUP cannot be received: the configuration is read at the next start only");
        return false;
    };
    loop {
        // Signals that come while the file is read are one.
        let asker = tokio::select! {
            () = stop.requested() => return false,
            _ = hang_up.recv() => None,
            Some(asker) = asked.recv() => Some(asker),
        };
        let running = Arc::clone(&settings.borrow());
        let file = reload.file.clone();
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        let answer = match read {
            Ok(Ok(wanted)) => Ok(take_over(&reload, &running, wanted, &settings)),
            Ok(Err(faults)) => Err(faults),
            Err(error) => Err(error.to_string()),
        };
        tell(&answer, &events);
        let begins_anew = answer.as_ref().is_ok_and(|outcome| outcome.begins_anew);
        if let Some(asker) = asker {
            let _ = asker.send(answer);
        }
        if begins_anew {
            return true;
        }
    }
}

/// The configuration as `moodring run` would take it now.
fn read(file: &std::path::Path) -> Result<Config, String> {
    let file = Config::load(file).map_err(|error| error.to_string())?;
    let config = match Overlays::of(&file) {
        Some(overlays) => overlays.configuration().0,
        None => file,
    };
    permitted(&config)?;
    Ok(config)
}

/// What a start would refuse although the file is right.
///
/// # Errors
/// The law, the timetable or the networks stand against it.
pub fn permitted(config: &Config) -> Result<(), String> {
    law::permit(config).map_err(|refusal| refusal.to_string())?;
    if config.lessons.enabled {
        Timetable::new(&config.lessons).map_err(|error| error.to_string())?;
    }
    for (path, task) in Cards::of(config).tasks() {
        ModelCard::read(path, task).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn take_over(
    reload: &Reload,
    running: &Config,
    wanted: Config,
    settings: &watch::Sender<Arc<Config>>,
) -> Outcome {
    let now = at_once(running, &wanted);
    let left = changed(&now, &wanted);
    let begins_anew = !left.is_empty() && reload.manager == Manager::StartsAnew;
    let taken_over = changed(running, &now);
    if !begins_anew {
        if now.log != running.log {
            (reload.log)(&now.log.filter);
        }
        // Also where nothing changed: the calendar that it names may have.
        settings.send_replace(Arc::new(now));
    }
    Outcome { taken_over, left, begins_anew }
}

/// `running` with everything of `wanted` for which no part must be opened anew.
fn at_once(running: &Config, wanted: &Config) -> Config {
    let Lights { brightness, .. } = wanted.lights;
    let lights = Lights { brightness, ..running.lights.clone() };
    let display = Display {
        brightness: wanted.display.brightness,
        glance_s: wanted.display.glance_s,
        detail_s: wanted.display.detail_s,
        ..running.display.clone()
    };
    // What the recorder opened, and what others know of it, stays.
    let Lessons { enabled, time_zone, report, .. } = running.lessons.clone();
    let lessons = Lessons { enabled, time_zone, report, ..wanted.lessons.clone() };
    Config {
        zone: wanted.zone.clone(),
        pace: wanted.pace.clone(),
        word: wanted.word.clone(),
        night: wanted.night.clone(),
        log: wanted.log.clone(),
        lights,
        display,
        lessons,
        ..running.clone()
    }
}

/// Dotted keys whose values differ.
pub fn changed(from: &Config, to: &Config) -> Vec<String> {
    let table = |config: &Config| Table::try_from(config).unwrap_or_default();
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

fn tell(answer: &Answer, events: &Events) {
    match answer {
        Ok(Outcome { taken_over, left, begins_anew }) => {
            let (held, waits) = (taken_over.join(", "), left.join(", "));
            if *begins_anew {
                info!(
                    changed = held,
                    restart = waits,
                    "configuration read again: the device begins anew with it"
                );
            } else if !left.is_empty() {
                warn!(
                    taken_over = held,
                    needs_restart = waits,
                    "configuration read again; what needs a restart keeps its running value until then"
                );
            } else if taken_over.is_empty() {
                info!("configuration read again; nothing changed");
            } else {
                info!(taken_over = held, "configuration read again");
            }
            let keys: Vec<_> =
                taken_over.iter().chain(left.iter().filter(|_| *begins_anew)).cloned().collect();
            if !keys.is_empty() {
                events.tell(EventKind::ConfigurationApplied, Some(keys.join(", ")));
            }
        }
        Err(faults) => {
            for fault in faults.lines().filter(|line| !line.is_empty()) {
                warn!(fault, "configuration not taken over; the running one holds on");
            }
            events.tell(EventKind::ConfigurationRefused, faults.lines().next().map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Config {
        Config::parse(text, "moodring.toml").unwrap()
    }

    fn reload(manager: Manager) -> Reload {
        Reload { file: "moodring.toml".into(), manager, log: Arc::new(|_| ()) }
    }

    const AT_ONCE: &str = "[night]\nbegins = \"18:00\"\n[word]\nhold_s = 30.0\n[log]\nfilter = \"debug\"\n\
                           [lights]\nbrightness = 0.2\n[lessons]\nkeep_days = 30\n[display]\nglance_s = 20.0\n";

    #[test]
    fn what_needs_no_part_anew_holds_at_once() {
        let (settings, held) = watch::channel(Arc::new(Config::default()));
        let wanted = parsed(AT_ONCE);
        let outcome = take_over(&reload(Manager::StartsAnew), &Config::default(), wanted.clone(), &settings);
        let keys = [
            "display.glance_s",
            "lessons.keep_days",
            "lights.brightness",
            "log.filter",
            "night.begins",
            "word.hold_s",
        ];
        assert_eq!(outcome.taken_over, keys);
        assert!(outcome.left.is_empty() && !outcome.begins_anew);
        assert_eq!(**held.borrow(), wanted);
    }

    #[test]
    fn what_needs_a_part_anew_waits_or_lets_the_device_begin_anew() {
        let running = Config::default();
        let wanted = parsed("[room]\nname = \"7b\"\n[lessons]\nenabled = false\n[night]\nlights = 0.5\n");
        for (manager, begins_anew) in [(Manager::Nobody, false), (Manager::StartsAnew, true)] {
            let (settings, held) = watch::channel(Arc::new(running.clone()));
            let outcome = take_over(&reload(manager), &running, wanted.clone(), &settings);
            assert_eq!(
                (outcome.taken_over, outcome.left),
                (vec!["night.lights".into()], vec!["lessons.enabled".to_owned(), "room.name".to_owned()])
            );
            assert_eq!(outcome.begins_anew, begins_anew);
            assert_eq!(held.borrow().room.name, "room-1", "never half a new room");
            assert_eq!(held.borrow().night.lights, if begins_anew { 0.15 } else { 0.5 });
        }
    }

    #[tokio::test]
    async fn a_broken_or_forbidden_file_changes_nothing_and_is_told_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("moodring.toml");
        let declared =
            "[purpose]\njurisdiction = \"IN\"\ninstitution = \"education\"\nconsent = \"a test\"\n";
        let running = Arc::new(parsed(declared));
        let (settings, held) = watch::channel(Arc::clone(&running));
        let (asking, asked) = Asking::channel();
        let (events, mut told) = Events::channel();
        let stop = Stop::default();
        let reload = Reload { file: file.clone(), ..reload(Manager::Nobody) };
        let task = tokio::spawn(obey(reload, settings, asked, events, stop.clone()));
        for (text, expected) in [
            (format!("{declared}[night]\nlights = 7\n"), "moodring.toml:6:10: night.lights"),
            (format!("{declared}[nihgt]\n"), "moodring.toml:5:2: unknown field"),
            ("[night]\nlights = 0.5\n".to_owned(), "without a declared purpose"),
        ] {
            std::fs::write(&file, text).unwrap();
            let faults = asking.ask().await.unwrap_err();
            assert!(faults.contains(expected), "{faults}");
            assert_eq!(told.recv().await.unwrap().kind, EventKind::ConfigurationRefused);
            assert_eq!(*held.borrow(), running);
        }
        std::fs::write(&file, format!("{declared}[night]\nlights = 0.5\n")).unwrap();
        assert_eq!(asking.ask().await.unwrap().taken_over, ["night.lights"]);
        assert_eq!(held.borrow().night.lights, 0.5);
        stop.request();
        assert!(!task.await.unwrap());
    }
}
