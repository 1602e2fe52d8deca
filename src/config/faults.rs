//! Finds every fault of a configuration at once, each with the line and column where it stands.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{CameraKind, CameraView, Config, LessonBegin, webhook, zone};

/// More faults than this are not looked for: the file is something else then.
const MOST_FAULTS: usize = 50;
/// More than a week of eleven lessons a day; a longer list is better kept in a calendar.
const MOST_TIMETABLE_ENTRIES: usize = 100;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line and column from 1 on, where the fault has a place in the file.
    pub position: Option<(usize, usize)>,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// Every fault of one configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// At least one fault, in the order of the file.
    pub faults: Vec<Fault>,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match fault.position {
                Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, fault.message)?,
                None => write!(f, "{}: {}", self.file, fault.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks the configuration in `path`, with what was set on the page over it.
    ///
    /// # Errors
    /// Every fault of the file, or that it cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file)?.with_layer(),
            Err(error) => {
                let message = format!("cannot be read: {error}; name an existing TOML file with --config");
                Err(ConfigError { file, faults: vec![Fault { position: None, message }] })
            }
        }
    }

    /// Reads and checks the configuration in `text`; `file` is its name in complaints.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let (mut table, syntax) = DeTable::parse_recoverable(text);
        let mut faults: Vec<(usize, String)> = syntax
            .iter()
            .map(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))
            .collect();
        let config = deserialize_leniently(&mut table, &mut faults);
        if let Some(config) = &config {
            for complaint in config.validate() {
                let offset = find(table.get_ref(), &complaint.key).unwrap_or(text.len());
                faults.push((offset, format!("{} {}", complaint.key, complaint.message)));
            }
        }
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => {
                faults.sort();
                faults.dedup();
                let faults = faults
                    .into_iter()
                    .map(|(offset, message)| Fault { position: Some(line_and_column(text, offset)), message })
                    .collect();
                Err(ConfigError { file: file.to_owned(), faults })
            }
        }
    }
}

/// Deserializes `table`; whatever does not fit is reported, taken out and tried without.
fn deserialize_leniently(
    table: &mut Spanned<DeTable<'_>>,
    faults: &mut Vec<(usize, String)>,
) -> Option<Config> {
    while faults.len() < MOST_FAULTS {
        let error = match Config::deserialize(table.clone().into_deserializer()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let offset = error.span().map_or(0, |span| span.start);
        faults.push((offset, error.message().replace('\n', " ")));
        if !remove_at(table.get_mut(), offset) {
            return None;
        }
    }
    None
}

/// Takes the innermost key or value that covers `offset` out of `table`.
fn remove_at(table: &mut DeTable<'_>, offset: usize) -> bool {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        // A table's own span does not cover its keys when they are dotted or stand below a header.
        if let DeValue::Table(inner) = value.get_mut()
            && remove_at(inner, offset)
        {
            return true;
        }
        if key.span().contains(&offset) || value.span().contains(&offset) {
            found = Some(key.clone());
        }
    }
    found.is_some_and(|key| table.remove(&key).is_some())
}

/// Where the value of the dotted `key` begins; where the deepest of its tables does, if it is not given.
/// Numbers are places in an array of tables.
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

/// The first part of a dotted key, and the others.
fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)))
}

pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, column)
}

/// A value that has the right type but cannot work.
struct Complaint {
    key: Cow<'static, str>,
    message: String,
}

impl Config {
    /// Everything that types cannot say.
    fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Complaints::default();
        complaints.topic_level("room.site", &self.room.site);
        complaints.topic_level("room.name", &self.room.name);
        if let Some(fault) = self.purpose.jurisdiction_fault() {
            complaints.add("purpose.jurisdiction", fault);
        }
        self.validate_camera(&mut complaints);
        self.engine.check(&mut complaints);
        let vision = &self.vision;
        complaints.range("vision.cycle_every_s", vision.cycle_every_s, 0.1, 60.0);
        complaints.range("vision.reading_budget_s", vision.reading_budget_s, 0.01, 10.0);
        complaints.range("vision.detection_width", f64::from(vision.detection_width), 320.0, 3840.0);
        for (key, score) in
            [("vision.head_score", vision.head_score), ("vision.face_score", vision.face_score)]
        {
            complaints.range(key, score.unwrap_or(0.5), 0.05, 0.95);
        }
        self.validate_seats(&mut complaints);
        let mood = &self.mood;
        complaints.range("mood.window_s", mood.window_s, 30.0, 600.0);
        complaints.range("mood.stale_after_s", mood.stale_after_s, 1.0, 600.0);
        complaints.range("mood.publish_every_s", mood.publish_every_s, 0.2, 60.0);
        self.validate_privacy(&mut complaints);
        self.validate_lessons(&mut complaints);
        self.signals.check(&mut complaints);
        self.pace.check(&mut complaints);
        self.word.check(&mut complaints);
        self.usual.check(&mut complaints);
        self.attention.check(&mut complaints);
        self.attention.check_groups(&self.privacy, &mut complaints);
        self.validate_outputs(&mut complaints);
        self.check_panel(&mut complaints);
        self.lights.check(&mut complaints);
        self.night.check(&mut complaints);
        self.thermal.check(&mut complaints);
        complaints.0
    }

    fn validate_privacy(&self, complaints: &mut Complaints) {
        let (least, privacy) = (self.mood.min_people, &self.privacy);
        complaints.range("mood.min_people", f64::from(least), 3.0, 100.0);
        if (3..5).contains(&least) && !privacy.i_accept_small_groups {
            complaints.add(
                "mood.min_people",
                format!(
                    "is {least}: the expression of one in a group that small is easily guessed; set it to 5 or \
                     more, or privacy.i_accept_small_groups = true"
                ),
            );
        }
        complaints.range("privacy.epsilon", privacy.epsilon.unwrap_or(1.0), 0.1, 1000.0);
        complaints.range("privacy.epsilon_each", privacy.epsilon_each, 0.01, 100.0);
        complaints.range("privacy.new_shares_every_s", privacy.new_shares_every_s, 10.0, 3600.0);
        if let Some(epsilon) = privacy.epsilon.filter(|epsilon| *epsilon < privacy.epsilon_each) {
            let each = privacy.epsilon_each;
            let message =
                format!("is {epsilon}: the first new shares would spend {each} (privacy.epsilon_each)");
            complaints.add("privacy.epsilon", message);
        }
    }

    fn validate_seats(&self, complaints: &mut Complaints) {
        let seats = &self.seats;
        complaints.range("seats.keep_s", seats.keep_s, 1.0, 3600.0);
        complaints.range("seats.hidden_s", seats.hidden_s, 0.0, 600.0);
        if seats.hidden_s > seats.keep_s {
            complaints.add("seats.hidden_s", "must not be longer than seats.keep_s");
        }
        complaints.range("seats.belief_half_life_s", seats.belief_half_life_s, 1.0, 600.0);
        complaints.range("seats.new_look_s", seats.new_look_s, 0.1, 600.0);
        complaints.range("seats.facing_half_life_s", seats.facing_half_life_s, 0.1, 600.0);
        let readability = &self.readability;
        complaints.range("readability.least_face_px", readability.least_face_px, 4.0, 200.0);
        complaints.range("readability.least_light", readability.least_light, 0.0, 128.0);
        complaints.range("readability.least_contrast", readability.least_contrast, 0.0, 64.0);
        complaints.range("readability.least_sharpness", readability.least_sharpness, 0.0, 1.0);
        complaints.range("readability.most_hidden", readability.most_hidden, 0.05, 1.0);
        for fault in zone::faults(&self.zone) {
            complaints.add(fault.key, fault.message);
        }
    }

    fn validate_camera(&self, complaints: &mut Complaints) {
        let v4l2 = &self.camera.v4l2;
        complaints.range("camera.v4l2.width", f64::from(v4l2.width), 160.0, 7680.0);
        complaints.range("camera.v4l2.height", f64::from(v4l2.height), 120.0, 4320.0);
        complaints.range("camera.v4l2.frames_per_s", f64::from(v4l2.frames_per_s), 1.0, 60.0);
        complaints.range("camera.v4l2.timeout_s", v4l2.timeout_s, 0.5, 10.0);
        let file = &self.camera.file;
        complaints.range("camera.file.frames_per_s", file.frames_per_s, 0.1, 60.0);
        if self.camera.source == CameraKind::File && file.path.as_os_str().is_empty() {
            complaints.add("camera.file.path", "is needed when camera.source is \"file\"");
        }
        let simulator = &self.camera.simulator;
        complaints.range("camera.simulator.people", f64::from(simulator.people), 1.0, 60.0);
        if self.camera.view == CameraView::Gallery {
            self.validate_gallery(complaints);
        }
        complaints.range("camera.simulator.width", f64::from(simulator.width), 320.0, 1920.0);
        complaints.range("camera.simulator.height", f64::from(simulator.height), 240.0, 1080.0);
        complaints.range("camera.simulator.frames_per_s", f64::from(simulator.frames_per_s), 1.0, 60.0);
        complaints.range("camera.simulator.facing", simulator.facing, 0.0, 1.0);
        if simulator.width % 2 == 1 || simulator.height % 2 == 1 {
            complaints.add("camera.simulator.width", "and height must be even");
        }
    }

    /// What a room may have and a gallery may not.
    fn validate_gallery(&self, complaints: &mut Complaints) {
        if self.attention.enabled {
            let message =
                "must be false where camera.view is \"gallery\": a place there is a tile, and so a person";
            complaints.add("attention.enabled", message);
        }
        let people = self.camera.simulator.people;
        if (50..=60).contains(&people) {
            let message =
                format!("is {people}, but where camera.view is \"gallery\" it must be from 1 to 49");
            complaints.add("camera.simulator.people", message);
        }
    }

    fn validate_lessons(&self, complaints: &mut Complaints) {
        let lessons = &self.lessons;
        complaints.range("lessons.begin_after_s", lessons.begin_after_s, 10.0, 900.0);
        complaints.range("lessons.end_after_s", lessons.end_after_s, 30.0, 3600.0);
        complaints.range("lessons.longest_min", f64::from(lessons.longest_min), 10.0, 600.0);
        complaints.range("lessons.keep_days", f64::from(lessons.keep_days), 1.0, 1100.0);
        for (index, entry) in lessons.timetable.iter().enumerate() {
            let number = index + 1;
            if let Err(error) = entry.pattern() {
                complaints.add(
                    "lessons.timetable",
                    format!(
                        "entry {number}: begin is {:?}: {error}; five fields are needed: minute, hour, day of \
                         month, month, day of week, such as \"0 8 * * MON-FRI\"",
                        entry.begin
                    ),
                );
            }
            if !(5..=600).contains(&entry.minutes) {
                let minutes = entry.minutes;
                let message = format!("entry {number}: minutes is {minutes}, but must be from 5 to 600");
                complaints.add("lessons.timetable", message);
            }
        }
        if lessons.timetable.len() > MOST_TIMETABLE_ENTRIES {
            let message = format!("has more than {MOST_TIMETABLE_ENTRIES} entries; use lessons.calendar");
            complaints.add("lessons.timetable", message);
        }
        let no_lessons = lessons.timetable.is_empty() && lessons.calendar.as_os_str().is_empty();
        if lessons.begin == LessonBegin::Timetable && no_lessons {
            let message = "is \"timetable\", but lessons.timetable and lessons.calendar are both empty";
            complaints.add("lessons.begin", message);
        }
        if let Err(error) = lessons.zone() {
            let zone = &lessons.time_zone;
            let message = format!("is {zone:?}: {error}; name one such as \"Asia/Kolkata\"");
            complaints.add("lessons.time_zone", message);
        }
    }

    fn validate_outputs(&self, complaints: &mut Complaints) {
        self.mqtt.check(complaints);
        webhook::check(&self.webhook, complaints);
        self.fleet.check(complaints);
        self.web.check(complaints);
        self.display.check(complaints);
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.filter) {
            complaints.add("log.filter", format!("is {:?}: {error}; try \"info\"", self.log.filter));
        }
    }
}

#[derive(Default)]
pub(super) struct Complaints(Vec<Complaint>);

impl Complaints {
    pub(super) fn add(&mut self, key: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        self.0.push(Complaint { key: key.into(), message: message.into() });
    }

    pub(super) fn range(&mut self, key: impl Into<Cow<'static, str>>, value: f64, low: f64, high: f64) {
        // Not `value < low || …`: that would let NaN through.
        if !(low..=high).contains(&value) {
            self.add(key, format!("is {value}, but must be from {low} to {high}"));
        }
    }

    pub(super) fn topic_level(&mut self, key: &'static str, value: &str) {
        let forbidden = |c: char| matches!(c, '/' | '+' | '#') || c.is_control();
        if value.is_empty() || value.len() > 64 || value.contains(forbidden) || value.starts_with('$') {
            self.add(
                key,
                format!("is {value:?}, but must be 1 to 64 bytes without '/', '+', '#' and a leading '$'"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("", "x.toml"), Ok(Config::default()));
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let text = "[room]\nsite = \"a/b\"\ncolour = 1\n\n[camera]\nsource = \"vhs\"\n\n\
                    [camera.simulator]\npeople = 400\nwidth = \"wide\"\n\n[mood]\nmin_people = 2\n\
                    [nonsense]\nx = 1\n";
        let error = Config::parse(text, "x.toml").unwrap_err();
        let places: Vec<_> = error.faults.iter().map(|fault| fault.position.unwrap()).collect();
        assert_eq!(places, [(2, 8), (3, 1), (6, 10), (9, 10), (10, 9), (13, 14), (14, 2)], "{error}");
        let text = error.to_string();
        assert!(text.contains("x.toml:9:10: camera.simulator.people is 400, but must be from 1 to 60"));
        assert!(text.contains("vhs") && text.contains("colour") && text.contains("nonsense"));
    }

    #[test]
    fn broken_toml_and_faults_of_meaning_are_told_together() {
        let error = Config::parse("[room\n[mood]\nmin_people = 1\n", "x.toml").unwrap_err();
        assert!(error.faults.len() >= 2, "{error}");
    }

    #[test]
    fn small_groups_must_be_accepted_by_name_and_three_is_the_end() {
        let told = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        let refused = told("[mood]\nmin_people = 4\n").unwrap_err();
        assert!(refused.contains("x.toml:2:14: mood.min_people is 4: the expression of one"), "{refused}");
        assert!(refused.contains("privacy.i_accept_small_groups = true"), "{refused}");
        assert!(told("[mood]\nmin_people = 4\n[privacy]\ni_accept_small_groups = true\n").is_ok());
        let refused = told("[mood]\nmin_people = 2\n[privacy]\ni_accept_small_groups = true\n").unwrap_err();
        assert!(refused.contains("mood.min_people is 2, but must be from 3 to 100"), "{refused}");
    }

    #[test]
    fn a_budget_of_noise_must_pay_for_one_release() {
        let told = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        assert!(told("[privacy]\nepsilon = 20\n").is_ok());
        let refused = told("[privacy]\nepsilon = 0.5\n").unwrap_err();
        assert!(
            refused.contains("x.toml:2:11: privacy.epsilon is 0.5: the first new shares would spend 1"),
            "{refused}"
        );
        let refused = told("[privacy]\nepsilon = 0\nepsilon_each = nan\n").unwrap_err();
        assert!(
            refused.contains("epsilon is 0, but must be from 0.1") && refused.contains("epsilon_each is NaN")
        );
    }

    #[test]
    fn faults_of_zones_are_told_with_their_place() {
        let text = "[[zone]]\nname = \"desk\"\nkind = \"ignore\"\npoints = [[0, 0], [0.5, 0], [0.5, 1]]\n\
                    [[zone]]\nname = \"class\"\nkind = \"only\"\npoints = [[0, 0], [7, 0], [0.5, 1]]\n";
        let error = Config::parse(text, "x.toml").unwrap_err();
        assert_eq!(error.faults.len(), 1, "{error}");
        assert!(error.to_string().starts_with("x.toml:8:10: zone.1.points of zone \"class\""), "{error}");
        let error = Config::parse(&text.replace("only", "never").replace('7', "1"), "x.toml").unwrap_err();
        assert!(error.to_string().contains("x.toml:7:8:") && error.to_string().contains("never"), "{error}");
        assert!(Config::parse(&text.replace('7', "1"), "x.toml").is_ok());
    }

    #[test]
    fn a_gallery_has_no_plan_of_the_room_and_at_most_49_tiles() {
        let told = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        let gallery = "[camera]\nview = \"gallery\"\n";
        assert_eq!(told(gallery).unwrap().camera.view, CameraView::Gallery);
        let refused = told(&format!("{gallery}[attention]\nenabled = true\n")).unwrap_err();
        assert!(
            refused
                .starts_with("x.toml:4:11: attention.enabled must be false where camera.view is \"gallery\""),
            "{refused}"
        );
        let refused = told(&format!("{gallery}[camera.simulator]\npeople = 50\n")).unwrap_err();
        assert!(
            refused.contains("x.toml:4:10: camera.simulator.people is 50") && refused.contains("camera.view")
        );
        let refused = told("[camera]\nview = \"theatre\"\n").unwrap_err();
        assert!(refused.contains("x.toml:2:8:") && refused.contains("`room` or `gallery`"), "{refused}");
    }

    #[test]
    fn a_wrong_timetable_is_told_with_what_mends_it() {
        let text = "[lessons]\ntimetable = [\n  { begin = \"0 8 * * MON-FRI\", minutes = 45 },\n  \
                    { begin = \"0 25 * * *\", minutes = 45 },\n  { begin = \"* * * * * *\", minutes = 3 },\n]\n\
                    time_zone = \"Mars/Olympus\"\n";
        let told = Config::parse(text, "x.toml").unwrap_err().to_string();
        assert!(told.contains("x.toml:2:13: lessons.timetable entry 2: begin is \"0 25 * * *\""), "{told}");
        assert!(told.contains("entry 3: begin is") && told.contains("entry 3: minutes is 3"), "{told}");
        assert!(told.contains("x.toml:7:13: lessons.time_zone is \"Mars/Olympus\""), "{told}");
        let told = Config::parse("[lessons]\nbegin = \"timetable\"\n", "x.toml").unwrap_err().to_string();
        assert!(told.contains("lessons.timetable and lessons.calendar are both empty"), "{told}");
        let told =
            Config::parse("lessons.timetable = [{ minutes = 45 }]\n", "x.toml").unwrap_err().to_string();
        assert!(told.contains("begin"), "{told}");
    }

    #[test]
    fn a_jurisdiction_is_a_country_s_letters() {
        for good in ["", "IN", "de", "US-IL", "EU", "EEA", "GB-SCT"] {
            let text = format!("[purpose]\njurisdiction = {good:?}\n");
            assert!(Config::parse(&text, "x.toml").is_ok(), "{good}");
        }
        for bad in ["Germany", "XX", "US-", "US-ILLINOIS", "-", " "] {
            let text = format!("[purpose]\njurisdiction = {bad:?}\n");
            let told = Config::parse(&text, "x.toml").unwrap_err().to_string();
            assert!(
                told.contains("x.toml:2:16: purpose.jurisdiction is") && told.contains("\"IN\""),
                "{told}"
            );
        }
    }

    #[test]
    fn faults_of_the_broker_are_told_with_their_place() {
        let told = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        assert!(told("[mqtt]\nbroker = \"external\"\nprotocol = 5\n[mqtt.tls]\nenabled = true\n").is_ok());
        for (text, fault) in [
            ("[mqtt]\nprotocol = 3\n", "x.toml:2:12: protocol is 3, but must be 4 (MQTT 3.1.1) or 5"),
            ("[mqtt]\nbroker = \"embedded\"\nprotocol = 5\n", "x.toml:3:12: mqtt.protocol must be 4"),
            ("[mqtt]\nhealth_every_s = 1\n", "x.toml:2:18: mqtt.health_every_s is 1, but must be from 10"),
            ("[mqtt]\nspool_entries = 0\n", "x.toml:2:17: mqtt.spool_entries is 0"),
            ("[mqtt]\ndiscovery_prefix = \"a/b\"\n", "x.toml:2:20: mqtt.discovery_prefix is \"a/b\""),
            (
                "[mqtt.tls]\nca_file = \"ca.pem\"\n",
                "x.toml:2:11: mqtt.tls.ca_file is given, but mqtt.tls.enabled",
            ),
            ("[mqtt.tls]\nenabled = true\nkey_file = \"k\"\n", "mqtt.tls.certificate_file is needed beside"),
            ("[mqtt]\npassword_file = \"p\"\n", "mqtt.username is needed beside mqtt.password_file"),
        ] {
            let error = told(text).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn nan_is_out_of_every_range() {
        assert!(Config::parse("[mood]\nwindow_s = nan\n", "x").is_err());
    }
}
