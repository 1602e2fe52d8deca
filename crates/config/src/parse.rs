//! Parses and checks a configuration: TOML text in, [`Config`] or all faults out.
//!
//! One parse reports every fault, each with its line and column.

use std::path::Path;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use moodring_contract::Mode;

use super::fault::{FaultCollector, KeyFault};
use super::{CameraKind, CameraView, Config, ConfigError, Fault, LessonBegin, text, webhook, zone};
use moodring_runtime::text_file::{self, TextError};

/// The check stops after this many faults: a file with more is probably not a moodring configuration.
const MAX_FAULTS: usize = 50;
/// A larger file is no configuration.
const MAX_BYTES: u64 = 1 << 20;
/// More than a week with eleven lessons a day needs. A longer list belongs in a calendar file.
const MAX_TIMETABLE_ENTRIES: usize = 100;

impl Config {
    /// Reads and checks the configuration in `path`, then applies the settings of the set-up page on top.
    ///
    /// # Errors
    /// Every fault of one of the files, or one fault if a file cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_file(path)?.with_setup_file()
    }

    /// Reads and checks the configuration in `path`, without the settings of the set-up page.
    ///
    /// # Errors
    /// Every fault of the file, or one fault if the file cannot be read.
    pub fn load_file(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        match text_file::read(path, MAX_BYTES) {
            Ok(text) => Self::parse(&text, &file),
            Err(TextError::Io(error)) => {
                let message = format!("cannot be read: {error}; name an existing TOML file with --config");
                Err(ConfigError::of_file(&file, message))
            }
            Err(error) => Err(ConfigError::of_file(&file, error.to_string())),
        }
    }

    /// Reads and checks the configuration in `text`. `file` is the file name in error messages.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let (mut table, syntax) = DeTable::parse_recoverable(text);
        let mut faults = Vec::new();
        for error in &syntax {
            let offset = error.span().map_or(0, |span| span.start);
            faults.push((offset, String::new(), error.message().to_owned()));
        }
        text::faults(table.get_ref(), "", &mut faults);
        let config = deserialize_leniently(&mut table, &mut faults);
        if let Some(config) = &config {
            for fault in config.validate() {
                let offset = find(table.get_ref(), &fault.key).unwrap_or(text.len());
                let message = format!("{} {}", fault.key, fault.message);
                faults.push((offset, fault.key.into_owned(), message));
            }
        }
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => {
                faults.sort();
                faults.dedup();
                let placed = |(offset, key, message)| Fault {
                    key,
                    position: Some(line_and_column(text, offset)),
                    message,
                };
                Err(ConfigError { file: file.to_owned(), faults: faults.into_iter().map(placed).collect() })
            }
        }
    }
}

/// Deserializes `table`. A key that does not fit is reported and removed, then the rest is tried, up to [`MAX_FAULTS`].
fn deserialize_leniently(
    table: &mut Spanned<DeTable<'_>>,
    faults: &mut Vec<(usize, String, String)>,
) -> Option<Config> {
    while faults.len() < MAX_FAULTS {
        let error = match Config::deserialize(table.clone().into_deserializer()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let offset = error.span().map_or(0, |span| span.start);
        let removed = remove_at(table.get_mut(), offset);
        let is_removed = removed.is_some();
        faults.push((offset, removed.unwrap_or_default(), text::plain(error.message())));
        if !is_removed {
            return None;
        }
    }
    None
}

/// Removes the innermost key or value that covers `offset` from `table`, and returns its dotted key.
fn remove_at(table: &mut DeTable<'_>, offset: usize) -> Option<String> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        // The span of a table does not cover its keys if they are dotted or follow a header.
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(rest) = remove_at(inner, offset)
        {
            return Some(format!("{}.{rest}", key.get_ref()));
        }
        if key.span().contains(&offset) || value.span().contains(&offset) {
            found = Some(key.clone());
        }
    }
    let key = found?;
    table.remove(&key).map(|_| key.get_ref().to_string())
}

/// Byte offset of the value of the dotted `key`. If the key is not set, the offset of its deepest existing table.
/// A number in the key is an index into an array of tables.
pub(super) fn find(table: &DeTable<'_>, key: &str) -> Option<usize> {
    let (first, rest) = split(key);
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == first)?;
    match (rest, value.get_ref()) {
        (Some(rest), DeValue::Table(inner)) => find(inner, rest).or(Some(name.span().start)),
        (Some(rest), DeValue::Array(items)) => {
            let (index, rest) = split(rest);
            let item = items.get(index.parse::<usize>().ok()?)?;
            let within = match (rest, item.get_ref()) {
                (Some(rest), DeValue::Table(inner)) => find(inner, rest),
                _ => None,
            };
            within.or(Some(item.span().start))
        }
        _ => Some(value.span().start),
    }
}

/// The first part of a dotted key, and the rest.
fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)))
}

pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, column)
}

impl Config {
    /// All checks that the types cannot express.
    fn validate(&self) -> Vec<KeyFault> {
        let mut faults = FaultCollector::default();
        faults.topic_level("room.site", &self.room.site);
        faults.topic_level("room.name", &self.room.name);
        if let Some(fault) = self.purpose.jurisdiction_fault() {
            faults.add("purpose.jurisdiction", fault);
        }
        self.validate_camera(&mut faults);
        self.engine.check(&mut faults);
        let vision = &self.vision;
        faults.range("vision.cycle_every_s", vision.cycle_every_s, 0.1, 60.0);
        faults.range("vision.reading_budget_s", vision.reading_budget_s, 0.01, 10.0);
        faults.range("vision.detection_width", f64::from(vision.detection_width), 320.0, 3840.0);
        for (key, score) in
            [("vision.head_score", vision.head_score), ("vision.face_score", vision.face_score)]
        {
            faults.range(key, score.unwrap_or(0.5), 0.05, 0.95);
        }
        self.validate_seats(&mut faults);
        let mood = &self.mood;
        faults.range("mood.window_s", mood.window_s, 30.0, 600.0);
        faults.range("mood.stale_after_s", mood.stale_after_s, 1.0, 600.0);
        faults.range("mood.publish_every_s", mood.publish_every_s, 0.2, 60.0);
        self.validate_privacy(&mut faults);
        self.validate_lessons(&mut faults);
        self.clock.check(&mut faults);
        self.signals.check(&mut faults);
        self.pace.check(&mut faults);
        self.word.check(&mut faults);
        self.baseline.check(&mut faults);
        self.attention.check(&mut faults);
        self.attention.check_groups(&self.privacy, &mut faults);
        self.validate_outputs(&mut faults);
        self.check_panel(&mut faults);
        self.lights.check(&mut faults);
        self.night.check(&mut faults);
        self.thermal.check(&mut faults);
        faults.0
    }

    fn validate_privacy(&self, faults: &mut FaultCollector) {
        let (least, privacy) = (self.mood.min_people, &self.privacy);
        faults.range("mood.min_people", f64::from(least), 3.0, 100.0);
        if (3..5).contains(&least) && !privacy.i_accept_small_groups {
            faults.add(
                "mood.min_people",
                format!(
                    "is {least}: in a group that small the expression of one person is easily guessed; set it to 5 \
                     or more, or set privacy.i_accept_small_groups = true"
                ),
            );
        }
    }

    fn validate_seats(&self, faults: &mut FaultCollector) {
        let seats = &self.seats;
        faults.range("seats.keep_s", seats.keep_s, 1.0, 3600.0);
        faults.range("seats.hidden_s", seats.hidden_s, 0.0, 600.0);
        if seats.hidden_s > seats.keep_s {
            faults.add("seats.hidden_s", "must not be longer than seats.keep_s");
        }
        faults.range("seats.belief_half_life_s", seats.belief_half_life_s, 1.0, 600.0);
        faults.range("seats.new_look_s", seats.new_look_s, 0.1, 600.0);
        faults.range("seats.facing_half_life_s", seats.facing_half_life_s, 0.1, 600.0);
        let readability = &self.readability;
        faults.range("readability.min_face_px", readability.min_face_px, 4.0, 200.0);
        faults.range("readability.min_light", readability.min_light, 0.0, 128.0);
        faults.range("readability.min_contrast", readability.min_contrast, 0.0, 64.0);
        faults.range("readability.min_sharpness", readability.min_sharpness, 0.0, 1.0);
        faults.range("readability.max_hidden", readability.max_hidden, 0.05, 1.0);
        for fault in zone::faults(&self.zone) {
            faults.add(fault.key, fault.message);
        }
    }

    fn validate_camera(&self, faults: &mut FaultCollector) {
        let v4l2 = &self.camera.v4l2;
        faults.range("camera.v4l2.width", f64::from(v4l2.width), 160.0, 7680.0);
        faults.range("camera.v4l2.height", f64::from(v4l2.height), 120.0, 4320.0);
        faults.range("camera.v4l2.frames_per_s", f64::from(v4l2.frames_per_s), 1.0, 60.0);
        faults.range("camera.v4l2.timeout_s", v4l2.timeout_s, 0.5, 10.0);
        let file = &self.camera.file;
        faults.range("camera.file.frames_per_s", file.frames_per_s, 0.1, 60.0);
        if self.camera.source == CameraKind::File && file.path.as_os_str().is_empty() {
            faults.add("camera.file.path", "is needed if camera.source is \"file\"");
        }
        let simulator = &self.camera.simulator;
        faults.range("camera.simulator.people", f64::from(simulator.people), 1.0, 60.0);
        if self.camera.view == CameraView::Gallery {
            self.validate_gallery(faults);
        }
        if self.mood.mode == Mode::Count && self.attention.enabled {
            faults
                .add("attention.enabled", "must be false if mood.mode is \"count\": only people are counted");
        }
        faults.range("camera.simulator.width", f64::from(simulator.width), 320.0, 1920.0);
        faults.range("camera.simulator.height", f64::from(simulator.height), 240.0, 1080.0);
        faults.range("camera.simulator.frames_per_s", f64::from(simulator.frames_per_s), 1.0, 60.0);
        faults.range("camera.simulator.facing", simulator.facing, 0.0, 1.0);
        if simulator.width % 2 == 1 || simulator.height % 2 == 1 {
            faults.add("camera.simulator.width", "and height must be even");
        }
    }

    /// Checks the keys that are valid for a room and not for a gallery.
    fn validate_gallery(&self, faults: &mut FaultCollector) {
        if self.attention.enabled {
            let message = "must be false if camera.view is \"gallery\": a place in a gallery is a tile, which shows \
                           one person";
            faults.add("attention.enabled", message);
        }
        let people = self.camera.simulator.people;
        if (50..=60).contains(&people) {
            let message = format!("is {people}, but must be from 1 to 49 if camera.view is \"gallery\"");
            faults.add("camera.simulator.people", message);
        }
    }

    fn validate_lessons(&self, faults: &mut FaultCollector) {
        let lessons = &self.lessons;
        faults.range("lessons.begin_after_s", lessons.begin_after_s, 10.0, 900.0);
        faults.range("lessons.end_after_s", lessons.end_after_s, 30.0, 3600.0);
        faults.range("lessons.longest_min", f64::from(lessons.longest_min), 10.0, 600.0);
        faults.range("lessons.keep_days", f64::from(lessons.keep_days), 1.0, 1100.0);
        for (index, entry) in lessons.timetable.iter().enumerate() {
            let number = index + 1;
            if let Err(error) = entry.pattern() {
                faults.add(
                    "lessons.timetable",
                    format!(
                        "entry {number}: begin is {:?}: {error}; write five fields: minute, hour, day of \
                         month, month, day of week, such as \"0 8 * * MON-FRI\"",
                        entry.begin
                    ),
                );
            }
            if !(5..=600).contains(&entry.minutes) {
                let minutes = entry.minutes;
                let message = format!("entry {number}: minutes is {minutes}, but must be from 5 to 600");
                faults.add("lessons.timetable", message);
            }
        }
        if lessons.timetable.len() > MAX_TIMETABLE_ENTRIES {
            let message = format!(
                "has more than {MAX_TIMETABLE_ENTRIES} entries; use a calendar file (lessons.calendar)"
            );
            faults.add("lessons.timetable", message);
        }
        let no_lessons = lessons.timetable.is_empty() && lessons.calendar.as_os_str().is_empty();
        if lessons.begin == LessonBegin::Timetable && no_lessons {
            let message = "is \"timetable\", but lessons.timetable and lessons.calendar are both empty; \
                           set one of them";
            faults.add("lessons.begin", message);
        }
    }

    fn validate_outputs(&self, faults: &mut FaultCollector) {
        self.mqtt.check(faults);
        webhook::check(&self.webhook, faults);
        self.overlays.check(faults);
        self.web.check(faults);
        self.display.check(faults);
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.filter) {
            faults.add("log.filter", format!("is {:?}: {error}; try \"info\"", self.log.filter));
        }
    }
}

#[cfg(test)]
mod tests;
