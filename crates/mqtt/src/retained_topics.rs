//! Remembers the topics on which this device has published retained messages, so that they can be deleted later.
//!
//! After a change of the room, the site or the prefix of Home Assistant the old messages would stay at the broker and
//! look current. The topics are stored before anything is published on them.

use std::path::PathBuf;

use moodring_runtime::state_file::{self, SetAside};
use moodring_runtime::{Health, StatusBoard, atomic_file};

/// Name of the file in `storage.directory`: a JSON array of topics.
pub(super) const FILE_NAME: &str = "retained-topics.json";
/// Maximum number of topics; the oldest are forgotten.
const MAX_TOPICS: usize = 64;
/// Maximum length of a topic: two names of 64 bytes and the fixed parts.
const MAX_TOPIC_BYTES: usize = 256;
/// Maximum size of the file.
const MAX_FILE_BYTES: u64 = (MAX_TOPICS * (MAX_TOPIC_BYTES + 8)) as u64;
/// Name of the part in the device's problems.
const PART: &str = "retained_topics";

/// The topics, oldest first.
#[derive(Debug)]
pub(super) struct RetainedTopics {
    /// `None`: in memory only.
    file: Option<PathBuf>,
    topics: Vec<String>,
    /// Lists a file that was damaged, or cannot be written.
    health: Health,
    was_damaged: bool,
}

impl RetainedTopics {
    pub(super) fn in_memory() -> Self {
        Self { file: None, topics: Vec::new(), health: Health::new(PART), was_damaged: false }
    }

    /// The topics stored in the folder `storage`. A damaged file is renamed, which is listed on `board`.
    pub(super) fn open(storage: &std::path::Path, board: StatusBoard) -> Self {
        let (file, health) = (storage.join(FILE_NAME), Health::on_board(board, PART));
        let topics = match atomic_file::read(&file, MAX_FILE_BYTES) {
            Ok(None) => Some(Vec::new()),
            Ok(Some(bytes)) => parse(&bytes),
            Err(_) => None,
        };
        let was_damaged = topics.is_none();
        if was_damaged {
            let place = match state_file::set_aside(&file, &"damaged") {
                Ok(SetAside { aside, .. }) => format!("was renamed to {}", aside.display()),
                Err(error) => format!("cannot be renamed ({error})"),
            };
            health.failed(&format!(
                "{} is damaged and {place}: messages on former topics may stay at the broker; delete them with `moodring mqtt forget --room NAME`",
                file.display(),
            ));
        }
        Self { file: Some(file), topics: topics.unwrap_or_default(), health, was_damaged }
    }

    /// Adds `topics` before something is published on them.
    pub(super) fn add(&mut self, topics: &[String]) {
        let new: Vec<_> = topics.iter().filter(|topic| !self.topics.contains(topic)).cloned().collect();
        if !new.is_empty() {
            self.topics.extend(new);
            self.topics.drain(..self.topics.len().saturating_sub(MAX_TOPICS));
            self.store();
        }
    }

    /// All topics.
    pub(super) fn all(&self) -> &[String] {
        &self.topics
    }

    /// The oldest topic that is not in `current`: its message is to be deleted.
    pub(super) fn former(&self, current: &[String]) -> Option<&str> {
        self.topics.iter().find(|topic| !current.contains(topic)).map(String::as_str)
    }

    /// The message on `topic` was deleted.
    pub(super) fn deleted(&mut self, topic: &str) {
        let before = self.topics.len();
        self.topics.retain(|known| known != topic);
        if before != self.topics.len() {
            self.store();
        }
    }

    fn store(&self) {
        let Some(file) = &self.file else { return };
        let bytes = crate::encoder::json(&self.topics);
        match atomic_file::write(file, &bytes) {
            Ok(()) if self.was_damaged => {}
            Ok(()) => self.health.works(),
            Err(error) => self.health.failed(&format!(
                "{} cannot be written: {error}; after a change of the room its messages would stay at the broker",
                file.display()
            )),
        }
    }
}

/// The topics in the content of the file; `None` if it is damaged.
fn parse(bytes: &[u8]) -> Option<Vec<String>> {
    let topics: Vec<String> = serde_json::from_slice(bytes).ok()?;
    (topics.len() <= MAX_TOPICS && topics.iter().all(|topic| is_own(topic))).then_some(topics)
}

/// Whether a device publishes retained messages on topics of this form. A wrong topic would end each connection.
fn is_own(topic: &str) -> bool {
    let levels: Vec<_> = topic.split('/').collect();
    let is_level = |level: &&str| !level.is_empty() && !level.contains(['+', '#']);
    let form = match &*levels {
        [_, "device", device, "config"] if device.starts_with("moodring-") => true,
        ["moodring", _, _, leaf] => ["mood", "status", "health"].contains(leaf),
        _ => false,
    };
    form && topic.len() <= MAX_TOPIC_BYTES
        && levels.iter().all(is_level)
        && !topic.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(room: &str) -> Vec<String> {
        ["mood", "status"].map(|leaf| format!("moodring/school/{room}/{leaf}")).to_vec()
    }

    #[test]
    fn topics_are_remembered_over_a_restart_until_their_messages_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RetainedTopics::open(folder.path(), StatusBoard::default());
        open().add(&topics("old"));
        let mut again = open();
        again.add(&topics("new"));
        assert_eq!(again.former(&topics("new")), Some("moodring/school/old/mood"));
        again.deleted("moodring/school/old/mood");
        let mut again = open();
        assert_eq!(again.former(&topics("new")), Some("moodring/school/old/status"));
        again.deleted("moodring/school/old/status");
        assert_eq!((open().former(&topics("new")), open().all().len()), (None, 2));
    }

    #[test]
    fn a_damaged_file_is_renamed_and_reported() {
        for damage in [
            &[0; 60][..],
            b"",
            b"[\"moodring/school/b-2",
            b"[\"moodring/#\"]",
            b"[\"moodring/school/a\\u0000b/mood\"]",
            b"[\"moodring/school/other/cmd/pause\"]",
            b"{}",
        ] {
            let (folder, board) = (tempfile::tempdir().unwrap(), StatusBoard::default());
            let file = folder.path().join(FILE_NAME);
            std::fs::write(&file, damage).unwrap();
            let mut topics_left = RetainedTopics::open(folder.path(), board.clone());
            assert!(topics_left.all().is_empty() && !file.exists(), "{damage:?}");
            assert!(folder.path().join("retained-topics.json.damaged").exists());
            assert!(board.now().problems[PART].contains("moodring mqtt forget"));
            topics_left.add(&topics("b-214"));
            assert_eq!(RetainedTopics::open(folder.path(), board).all(), topics("b-214"));
        }
    }

    #[test]
    fn the_number_of_topics_is_bounded() {
        let mut topics_kept = RetainedTopics::in_memory();
        (0..100).for_each(|number| topics_kept.add(&topics(&format!("room-{number}"))));
        assert_eq!(topics_kept.all().len(), MAX_TOPICS);
        assert!(parse(&crate::encoder::json(&topics_kept.all())).is_some());
    }
}
