//! The task of the aggregator: observations and controls in, moods out. Only this module reads the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use super::Aggregator;
use super::baseline::store::{BaselineKeeper, SaveOutcome};
use super::disclosure::PublicationRecord;
use moodring_config as config;
use moodring_contract::{Mood, Sensitivity};
use moodring_runtime::{Resets, Stop};
use moodring_vision::Observation;

/// After a failed write of the time of publication the next one is tried after this time.
const RETRY_RECORD: Duration = Duration::from_secs(30);

/// Control inputs of the aggregator's task.
#[derive(Debug)]
pub struct Controls {
    /// Whether estimation is paused.
    pub paused: watch::Receiver<bool>,
    /// Begins of pauses, and begins and ends of lessons; each change resets the estimate.
    pub resets: watch::Receiver<Resets>,
    /// How fast the word follows the class.
    pub sensitivity: watch::Receiver<Sensitivity>,
    /// The current configuration.
    pub settings: config::Settings,
}

/// What the task stores on disk.
#[derive(Debug, Default)]
pub struct Stores {
    /// The learned baseline, saved regularly and at the end.
    pub baseline: Option<BaselineKeeper>,
    /// Until when expressions were published.
    pub publication: Option<PublicationRecord>,
}

/// Receives observations and sends a mood every `mood.publish_every_s` seconds. Ends when `stop` is requested or
/// the sender of observations is dropped.
pub async fn run(
    mut aggregator: Aggregator,
    mut observations: mpsc::Receiver<Observation>,
    mut controls: Controls,
    moods: watch::Sender<Arc<Mood>>,
    stores: Stores,
    stop: Stop,
) {
    let Stores { baseline: mut keeper, mut publication } = stores;
    let mut resets = *controls.resets.borrow();
    let mut ticker = tokio::time::interval(aggregator.publish_every());
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut state = None;
    loop {
        tokio::select! {
            _ = stop.requested() => break,
            observation = observations.recv() => match observation {
                Some(observation) => aggregator.observe(&observation),
                None => break,
            },
            Ok(()) = controls.paused.changed() => {
                aggregator.set_paused(*controls.paused.borrow_and_update(), now());
            }
            Ok(()) = controls.resets.changed() => {
                let before = std::mem::replace(&mut resets, *controls.resets.borrow_and_update());
                if before.pauses == resets.pauses { aggregator.reset(now()) } else { aggregator.forget(now()) }
            }
            Ok(()) = controls.sensitivity.changed() => {
                aggregator.set_sensitivity(*controls.sensitivity.borrow_and_update());
            }
            Ok(()) = controls.settings.changed() => aggregator.apply_config(&controls.settings.borrow_and_update()),
            _ = ticker.tick() => {
                let now = now();
                if let Some(record) = &mut publication {
                    renew(record, &mut aggregator, now).await;
                }
                let mood = aggregator.mood(now, Timestamp::now());
                if state.replace(mood.state) != Some(mood.state) {
                    info!(state = ?mood.state, "state of the mood changed");
                }
                debug!(sequence = mood.sequence, people = mood.people, word = mood.word.name(), "mood");
                moods.send_replace(Arc::new(mood));
                if let Some(open) = keeper.take() {
                    keeper = persist(&mut aggregator, open, now, false).await;
                }
            }
        }
    }
    if let Some(keeper) = keeper {
        persist(&mut aggregator, keeper, now(), true).await;
    }
}

/// Records on disk that expressions are published, before they are published at `now`. If that fails, expressions are
/// withheld.
async fn renew(record: &mut PublicationRecord, aggregator: &mut Aggregator, now: Instant) {
    if record.is_due(now) && aggregator.may_publish_expressions() && !record.renew(now).await {
        aggregator.withhold_expressions(now + RETRY_RECORD);
    }
}

/// Saves the learned baseline when the interval has passed, or when this is the `last` call before shutdown. Returns
/// `None` when the blocking task failed.
async fn persist(
    aggregator: &mut Aggregator,
    keeper: BaselineKeeper,
    now: Instant,
    last: bool,
) -> Option<BaselineKeeper> {
    let baseline = aggregator.baseline().learned();
    if !keeper.is_due(now, baseline, last) {
        return Some(keeper);
    }
    let (mut keeper, baseline) = (keeper, baseline.clone());
    // Writing to an SD card may take long; page and broker must not wait for it.
    let outcome = tokio::task::spawn_blocking(move || (keeper.persist(now, &baseline), keeper)).await;
    let (outcome, keeper) = outcome.ok()?;
    if outcome == SaveOutcome::Removed {
        info!("baseline of the room was reset");
        aggregator.baseline().reset();
    }
    Some(keeper)
}

/// Tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use moodring_config::Config;
    use moodring_contract::State;
    use moodring_runtime::{Health, StatusBoard};

    use super::*;
    use crate::tests::{observation, person};

    /// The task, and what its tests send and receive.
    struct Running {
        observations: mpsc::Sender<Observation>,
        published: watch::Receiver<Arc<Mood>>,
        stop: Stop,
        task: tokio::task::JoinHandle<()>,
        _controls: (watch::Sender<bool>, watch::Sender<Resets>, watch::Sender<Sensitivity>),
    }

    fn start(mut aggregator: Aggregator, stores: Stores) -> Running {
        let (observations, received) = mpsc::channel(8);
        let (moods, published) = watch::channel(Arc::new(aggregator.mood(now(), Timestamp::UNIX_EPOCH)));
        let (pause, paused) = watch::channel(false);
        let (reset, resets) = watch::channel(Resets::default());
        let (follow, sensitivity) = watch::channel(Sensitivity::Normal);
        let controls = Controls { paused, resets, sensitivity, settings: Config::default().fixed() };
        let stop = Stop::default();
        let task = tokio::spawn(run(aggregator, received, controls, moods, stores, stop.clone()));
        Running { observations, published, stop, task, _controls: (pause, reset, follow) }
    }

    fn aggregator() -> Aggregator {
        Aggregator::new(config::Room::default(), config::Mood::default())
    }

    async fn see_class(running: &Running) {
        let at = now();
        let class = observation(at, (0..12).map(|seat| person(seat, Some((6, at)))));
        running.observations.send(class).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn task_publishes_at_the_configured_rate_and_becomes_stale() {
        let mut running = start(aggregator(), Stores::default());
        see_class(&running).await;
        let live = running.published.wait_for(|mood| mood.state == State::Live).await.unwrap().clone();
        assert_eq!(live.people, Some(12));
        let stale = running.published.wait_for(|mood| mood.state == State::Stale).await.unwrap().clone();
        // One mood per second and a limit of 10 s: the eleventh mood is the first stale one.
        assert!((10..=12).contains(&(stale.sequence - live.sequence)), "{stale:?}");
        running.stop.request();
        running.task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn expressions_are_withheld_while_their_time_cannot_be_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.directory = folder.path().join("state");
        // A file where the folder should be.
        std::fs::write(&config.storage.directory, "").unwrap();
        let board = StatusBoard::default();
        let (record, _) = PublicationRecord::open(&config, Health::on_board(board.clone(), "disclosure"));
        let stores = Stores { publication: Some(record), ..Stores::default() };
        let mut running = start(aggregator(), stores);
        see_class(&running).await;
        let live = running.published.wait_for(|mood| mood.state == State::Live).await.unwrap().clone();
        assert_eq!((live.people, live.expressions), (Some(12), None));
        assert!(board.now().problems["disclosure"].contains("expressions are withheld"));
        std::fs::remove_file(&config.storage.directory).unwrap();
        let published = async {
            while running.published.borrow().expressions.is_none() {
                see_class(&running).await;
                running.published.changed().await.unwrap();
            }
        };
        tokio::time::timeout(2 * RETRY_RECORD, published).await.unwrap();
        assert!(config.storage.directory.join("disclosure.json").exists() && board.now().problems.is_empty());
    }
}
