//! The task that records lessons: moods and commands in, writes and records out.

use std::sync::Arc;
use std::time::Instant;

use moodring_config as config;
use moodring_contract::lesson::Record;
use moodring_contract::{LessonCommand, Mood};
use moodring_runtime::process::clock_synchronised;
use moodring_runtime::{Health, Resets, StatusBoard, Stop};
use tokio::sync::{mpsc, watch};

use super::Timetable;
use super::disk::{Disk, Writer};
use super::recorder::Recorder;

/// Inputs and outputs of the recorder task.
#[derive(Debug)]
pub struct LessonChannels {
    /// Moods to record.
    pub moods: watch::Receiver<Arc<Mood>>,
    /// Commands from button, page and broker.
    pub commands: mpsc::Receiver<LessonCommand>,
    /// Counts begins and ends of lessons: readings of people are discarded then.
    pub resets: watch::Sender<Resets>,
    /// Receives the records of lessons; records that do not fit into the queue are dropped and logged.
    pub records: Option<mpsc::Sender<Record>>,
    /// The configuration as it changes.
    pub settings: config::Settings,
    /// Receives the lesson in progress.
    pub board: StatusBoard,
}

/// Records until `stop` is requested or the moods end.
pub async fn run(
    config: config::Config,
    timetable: Timetable,
    disk: Disk,
    channels: LessonChannels,
    stop: Stop,
) {
    let LessonChannels { mut moods, mut commands, resets, records, mut settings, board } = channels;
    let mut writer = Writer::new(disk, Health::on_board(board.clone(), "lessons"));
    let open = writer.open_lesson().await;
    let mut recorder = Recorder::new(&config, timetable, open);
    loop {
        tokio::select! {
            _ = stop.requested() => break,
            changed = moods.changed() => {
                if changed.is_err() {
                    break;
                }
                let mood = Arc::clone(&moods.borrow_and_update());
                let now = Instant::now();
                recorder.take(&mood, now);
                if let Some(batch) = recorder.due(mood.at, now, clock_synchronised) {
                    writer.write(&mut recorder, batch).await;
                }
            }
            Some(command) = commands.recv() => {
                let at = moods.borrow().at;
                recorder.command(&command, at);
            }
            Ok(()) = settings.changed() => {
                let config = Arc::clone(&settings.borrow_and_update());
                match Timetable::new(&config.lessons, &config.clock.zone()) {
                    Ok(timetable) => recorder.reconfigure(&config.lessons, timetable),
                    Err(error) => tracing::warn!("keeping the previous timetable: {error}"),
                }
            }
        }
        if std::mem::take(&mut recorder.boundary) {
            resets.send_modify(|resets| resets.lessons += 1);
        }
        publish(&mut recorder, records.as_ref());
        let lesson = recorder.in_progress();
        board.update(|status| status.lesson = lesson);
    }
    let rest = recorder.drain();
    publish(&mut recorder, records.as_ref());
    // Closes the queue first, so that the outputs do not wait for the disk.
    drop(records);
    if let Some(batch) = rest {
        writer.write(&mut recorder, batch).await;
    }
}

/// Sends new records to the outputs. Records for a full queue are dropped, so that the recorder never blocks.
fn publish(recorder: &mut Recorder, records: Option<&mpsc::Sender<Record>>) {
    let new = recorder.take_records();
    let Some(records) = records else { return };
    let lost = new.into_iter().filter_map(|record| records.try_send(record).err()).count();
    if lost > 0 {
        tracing::warn!(lost, "lesson records dropped: the queue was full");
    }
}
