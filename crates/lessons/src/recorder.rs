//! Turns moods into database writes, at most one batch per minute.
//!
//! It does not access the disk. Writes that fail stay in memory, up to a limit.

use moodring_contract::LessonCommand;

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::batch::{Batch, Write};
use super::clock::ClockWatch;
use super::record::RecordBuilder;
use super::retention::Retention;
use super::session::{Decision, Progress, Session};
use super::{Beginning, OpenLesson, Timetable, seconds};
use moodring_config as config;
use moodring_contract::lesson::Cause;
use moodring_contract::lesson::LessonInProgress;
use moodring_contract::lesson::MinuteInProgress;
use moodring_contract::lesson::Record;
use moodring_contract::{Mood, State};

/// Rows kept in memory while the disk fails: ten hours. The oldest minutes are dropped first.
const MAX_WAITING: usize = 600;
/// After a restart within this time (a power cut, an update) the lesson continues.
const RESUME_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Earlier times come from a device without a clock battery whose clock is not synchronized yet. Unix seconds.
const EARLIEST_S: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
const DAY_S: i64 = 86_400;

/// Turns moods into batches of writes.
#[derive(Debug)]
pub struct Recorder {
    room: config::Room,
    mode: moodring_contract::Mode,
    retention: Retention,
    session: Session,
    clock: ClockWatch,
    lesson: Option<Current>,
    /// The lesson that was open in the store at the start; the first mood decides whether it continues.
    found_open: Option<OpenLesson>,
    /// Writes that are due.
    waiting: Vec<Write>,
    /// Writes of the current lesson until its first live minute. A lesson without a live minute is discarded.
    held: Option<Vec<Write>>,
    /// Clock minute of the last batch.
    written_in: Option<i64>,
    /// Clock day on which old lessons were last deleted.
    deleted_on: Option<i64>,
    /// Whether a lesson began or ended since this flag was last cleared.
    pub(super) boundary: bool,
    builder: RecordBuilder,
    /// Records that were not handed to the outputs yet.
    records: Vec<Record>,
}

/// The lesson in progress.
#[derive(Debug)]
struct Current {
    title: String,
    progress: Progress,
    minute: MinuteInProgress,
}

impl Recorder {
    /// A recorder for `config`'s room. `open` is the lesson that the last run left open in the store.
    pub fn new(config: &config::Config, timetable: Timetable, open: Option<OpenLesson>) -> Self {
        Self {
            room: config.room.clone(),
            mode: config.mood.mode,
            retention: Retention::new(&config.lessons),
            session: Session::new(&config.lessons, timetable),
            clock: ClockWatch::default(),
            builder: RecordBuilder::resume(open.as_ref()),
            records: Vec::new(),
            lesson: None,
            found_open: open,
            waiting: Vec::new(),
            held: None,
            written_in: None,
            deleted_on: None,
            boundary: false,
        }
    }

    /// Applies a new configuration. A lesson in progress continues.
    pub fn reconfigure(&mut self, lessons: &config::Lessons, timetable: Timetable) {
        self.retention.reconfigure(lessons);
        self.session.reconfigure(lessons, timetable);
    }

    /// Whether a lesson is in progress.
    pub fn is_recording(&self) -> bool {
        self.lesson.is_some()
    }

    /// Processes a mood; its time is the current time, which is `now` on the monotonic clock.
    pub fn take(&mut self, mood: &Mood, now: Instant) {
        let at = mood.at;
        if at.as_second() < EARLIEST_S {
            return;
        }
        self.resume(at);
        if let Some(shift) = self.clock.was_set_by(at, now) {
            self.split(shift, at);
        }
        // A lesson may end and the next begin with the same mood.
        for _ in 0..2 {
            let progress = self.lesson.as_ref().map(|current| current.progress);
            let decision = self.session.decide(at, mood.state == State::Live, progress);
            self.execute(decision);
        }
        let Some(current) = &mut self.lesson else { return };
        let begun_at = current.progress.begun_at;
        current.progress.last_at = at;
        let number = number(begun_at, at);
        let next = (number > current.minute.number())
            .then(|| MinuteInProgress::new(number, start_of(begun_at, number)));
        let complete = next.map(|next| std::mem::replace(&mut current.minute, next).finish());
        current.minute.add(mood);
        if let Some(minute) = complete {
            self.enqueue(Write::Minute(Box::new(minute)));
        }
    }

    /// Executes a command at `at`.
    pub fn command(&mut self, command: &LessonCommand, at: Timestamp) {
        for decision in self.session.command(command, at, self.lesson.is_some()) {
            self.execute(decision);
        }
    }

    /// The batch that is due at `at`, which is `now` on the monotonic clock: all waiting writes, at most once per
    /// clock minute. `synchronised` says whether the clock is synchronized over the network, if anybody knows; it is asked until
    /// the day's old lessons are deleted.
    pub fn due(
        &mut self,
        at: Timestamp,
        now: Instant,
        synchronised: impl FnOnce() -> Option<bool>,
    ) -> Option<Batch> {
        let (minute, day) = (at.as_second().div_euclid(60), at.as_second().div_euclid(DAY_S));
        if at.as_second() < EARLIEST_S || self.written_in == Some(minute) {
            return None;
        }
        let delete_before = if self.deleted_on == Some(day) {
            None
        } else {
            self.retention.delete_before(at, now, synchronised())
        };
        if delete_before.is_none() && self.waiting.is_empty() {
            return None;
        }
        self.written_in = Some(minute);
        if delete_before.is_some() {
            self.deleted_on = Some(day);
        }
        Some(Batch { writes: std::mem::take(&mut self.waiting), delete_before })
    }

    /// The remaining writes at a stop, including the incomplete minute. The lesson stays open in the store, so
    /// that it continues after a quick restart.
    pub fn drain(&mut self) -> Option<Batch> {
        if let Some(current) = self.lesson.take() {
            self.enqueue(Write::Minute(Box::new(current.minute.finish())));
        }
        let writes = std::mem::take(&mut self.waiting);
        (!writes.is_empty()).then_some(Batch { writes, delete_before: None })
    }

    /// Takes back a batch that could not be written; it is due again in the next clock minute.
    pub fn put_back(&mut self, batch: Batch) {
        if batch.delete_before.is_some() {
            self.deleted_on = None;
        }
        let later = std::mem::replace(&mut self.waiting, batch.writes);
        self.waiting.extend(later);
        while self.waiting.len() > MAX_WAITING {
            // Begins and ends are few, and rows without them cannot be assigned to a lesson.
            let oldest = self.waiting.iter().position(|write| matches!(write, Write::Minute(_)));
            self.waiting.remove(oldest.unwrap_or(0));
        }
    }

    /// A new store has replaced a damaged one: the lesson in progress must begin in it, too.
    pub fn begin_again(&mut self) {
        let is_begun = |write: &Write| matches!(write, Write::Begin { .. });
        let Some(Current { title, progress, .. }) = self.lesson.as_ref().filter(|_| self.held.is_none())
        else {
            return;
        };
        if !self.waiting.iter().any(is_begun) {
            let beginning =
                Beginning { at: progress.begun_at, title: title.clone(), cause: progress.begun_by };
            let (site, room) = (self.room.site.clone(), self.room.name.clone());
            self.waiting.insert(0, Write::Begin { site, room, mode: self.mode, beginning });
        }
    }

    /// Queues `write`; it becomes due once the lesson has a live minute.
    fn enqueue(&mut self, write: Write) {
        let live = matches!(&write, Write::Minute(minute) if minute.live > 0.0);
        match &mut self.held {
            Some(held) => held.push(write),
            None => self.make_due(write),
        }
        if live {
            for write in self.held.take().unwrap_or_default() {
                self.make_due(write);
            }
        }
    }

    /// Makes `write` due on the disk and creates its record for the outputs.
    fn make_due(&mut self, write: Write) {
        self.records.extend(self.builder.apply(&write));
        if self.records.len() > MAX_WAITING {
            self.records.remove(0);
        }
        self.waiting.push(write);
    }

    /// The records since the last call, the oldest first.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// The lesson in progress, for the displays and the page.
    pub fn in_progress(&self) -> Option<LessonInProgress> {
        let in_progress = |Current { title, progress, .. }: &Current| LessonInProgress {
            title: title.clone(),
            begun_at: progress.begun_at,
        };
        self.lesson.as_ref().map(in_progress)
    }

    /// At the first mood: continues the lesson that was open, or ends it as interrupted.
    fn resume(&mut self, at: Timestamp) {
        let Some(OpenLesson { lesson, last_minute: last, .. }) = self.found_open.take() else { return };
        let last_at = last.map_or(lesson.begun_at, |(_, at)| at);
        let away = at.duration_since(last_at);
        if (SignedDuration::ZERO..=RESUME_WITHIN).contains(&away) && lesson.mode == self.mode {
            info!(lesson = lesson.id, away_s = away.as_secs(), "lesson continues after a restart");
            let number = number(lesson.begun_at, at).max(last.map_or(0, |(number, _)| number + 1));
            let progress = Progress { begun_at: lesson.begun_at, begun_by: lesson.begun_by, last_at: at };
            let minute = MinuteInProgress::new(number, start_of(lesson.begun_at, number));
            self.lesson = Some(Current { title: lesson.title, progress, minute });
            self.session.resume(at);
        } else {
            let end = if last.is_some() { last_at + SignedDuration::from_mins(1) } else { last_at };
            self.make_due(Write::End { at: end, cause: Cause::Interrupted });
        }
    }

    /// The clock was set by `shift` and shows `at` now: the lesson in progress ends at its last time, and the class goes on
    /// in a new lesson. A lesson of the timetable goes on only if the timetable has one at `at`.
    fn split(&mut self, shift: SignedDuration, at: Timestamp) {
        self.session.shift(shift);
        let Some(Current { title, progress, .. }) = &self.lesson else { return };
        let (title, progress) = (title.clone(), *progress);
        info!(by_s = shift.as_secs(), "the clock was set within a lesson, which is split");
        self.execute(Decision::End { at: progress.last_at, cause: Cause::ClockSet });
        if progress.begun_by != Cause::Timetable {
            self.execute(Decision::Begin(Beginning { at, title, cause: Cause::ClockSet }));
        }
    }

    fn execute(&mut self, decision: Decision) {
        match decision {
            Decision::Stay => {}
            Decision::Begin(beginning) => {
                let Beginning { at, cause, ref title } = beginning;
                info!(?cause, title, "lesson begins");
                self.boundary = true;
                let progress = Progress { begun_at: at, begun_by: cause, last_at: at };
                let (title, minute) = (title.clone(), MinuteInProgress::new(0, at));
                self.lesson = Some(Current { title, progress, minute });
                let (site, room) = (self.room.site.clone(), self.room.name.clone());
                self.held = Some(vec![Write::Begin { site, room, mode: self.mode, beginning }]);
            }
            Decision::End { at, cause } => {
                let Some(current) = self.lesson.take() else { return };
                info!(?cause, "lesson ends");
                self.boundary = true;
                self.enqueue(Write::Minute(Box::new(current.minute.finish())));
                // No live minute: a lesson of the timetable that did not take place. It is discarded.
                if self.held.take().is_none() {
                    self.make_due(Write::End { at, cause });
                }
            }
        }
    }
}

/// Number of the minute that contains `at`, from 0 on, in a lesson that began at `begun_at`.
fn number(begun_at: Timestamp, at: Timestamp) -> u32 {
    (seconds(begun_at, at) / 60.0).max(0.0) as u32
}

fn start_of(begun_at: Timestamp, number: u32) -> Timestamp {
    begun_at + SignedDuration::from_mins(number.into())
}
