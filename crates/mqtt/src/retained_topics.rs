//! Remembers the topics on which this device has published retained messages, so that they can be deleted later.
//!
//! After a change of the room, the site or the prefix of Home Assistant the old messages would stay at the broker and
//! look current. The topics are stored before anything is published on them.

use std::path::PathBuf;

use moodring_runtime::{Health, StatusBoard, state_file};

/// Name of the file in `storage.directory`: a JSON array of topics.
pub(super) const FILE_NAME: &str = "retained-topics.json";
/// Maximum number of topics; the oldest are forgotten.
const MAX_TOPICS: usize = 64;
/// Maximum length of a topic: two names of 64 bytes and the fixed parts.
const MAX_TOPIC_BYTES: usize = 256;
/// Maximum size of the file with its checksum.
const MAX_FILE_BYTES: u64 = (MAX_TOPICS * (MAX_TOPIC_BYTES + 8) + 128) as u64;
/// Name of the part in the device's problems.
const PART: &str = "retained_topics";

/// The topics, oldest first.
#[derive(Debug)]
pub(super) struct RetainedTopics {
    /// `None`: in memory only.
    file: Option<PathBuf>,
    topics: Vec<String>,
    /// Those on which the device publishes now.
    current: Vec<String>,
    /// Lists a file that is damaged, or cannot be written.
    health: Health,
}

impl RetainedTopics {
    pub(super) fn in_memory() -> Self {
        Self { file: None, topics: Vec::new(), current: Vec::new(), health: Health::new(PART) }
    }

    /// The topics stored in the folder `storage`. A damaged file is listed on `board`.
    pub(super) fn open(storage: &std::path::Path, board: StatusBoard) -> Self {
        let (file, health) = (storage.join(FILE_NAME), Health::on_board(board, PART));
        let topics = match state_file::read(&file, MAX_FILE_BYTES) {
            Ok(None) => Some(Vec::new()),
            Ok(Some(bytes)) => parse(&bytes),
            Err(_) => None,
        };
        if topics.is_none() {
            health.failed(&format!(
                "{} is damaged: messages on former topics may stay at the broker; delete them with `moodring mqtt forget --room NAME`",
                file.display(),
            ));
        }
        Self { file: Some(file), topics: topics.unwrap_or_default(), current: Vec::new(), health }
    }

    /// Stores the topics on which the device publishes from now on; called before it does.
    pub(super) fn set_current(&mut self, current: Vec<String>) {
        let new: Vec<_> = current.iter().filter(|topic| !self.topics.contains(topic)).cloned().collect();
        if !new.is_empty() {
            self.topics.extend(new);
            self.topics.drain(..self.topics.len().saturating_sub(MAX_TOPICS));
            self.store();
        }
        self.current = current;
    }

    /// All topics.
    pub(super) fn all(&self) -> &[String] {
        &self.topics
    }

    /// The oldest topic on which the device does not publish any more: its message is to be deleted.
    pub(super) fn former(&self) -> Option<&str> {
        self.topics.iter().find(|topic| !self.current.contains(topic)).map(String::as_str)
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
        match state_file::write(file, &crate::encoder::json(&self.topics)) {
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
    use std::path::Path;

    use super::*;

    fn topics(room: &str) -> Vec<String> {
        ["mood", "status"].map(|leaf| format!("moodring/school/{room}/{leaf}")).to_vec()
    }

    #[test]
    fn topics_are_remembered_over_a_restart_until_their_messages_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RetainedTopics::open(folder.path(), StatusBoard::default());
        open().set_current(topics("old"));
        let open_new = || {
            let mut opened = open();
            opened.set_current(topics("new"));
            opened
        };
        let mut again = open_new();
        assert_eq!(again.former(), Some("moodring/school/old/mood"));
        again.deleted("moodring/school/old/mood");
        let mut again = open_new();
        assert_eq!(again.former(), Some("moodring/school/old/status"));
        again.deleted("moodring/school/old/status");
        assert_eq!((open_new().former(), open().all().len()), (None, 2));
    }

    #[test]
    fn a_damaged_file_is_reported_and_replaced() {
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
            for is_sealed in [false, true] {
                let write = if is_sealed {
                    state_file::write
                } else {
                    |file: &Path, bytes: &[u8]| std::fs::write(file, bytes)
                };
                write(&file, damage).unwrap();
                let mut opened = RetainedTopics::open(folder.path(), board.clone());
                assert!(opened.all().is_empty(), "{damage:?}");
                assert!(board.now().problems[PART].contains("moodring mqtt forget"));
                opened.set_current(topics("b-214"));
                assert_eq!(RetainedTopics::open(folder.path(), board.clone()).all(), topics("b-214"));
            }
        }
    }

    #[test]
    fn the_number_of_topics_is_bounded() {
        let mut opened = RetainedTopics::in_memory();
        (0..100).for_each(|number| opened.set_current(topics(&format!("room-{number}"))));
        assert_eq!(opened.all().len(), MAX_TOPICS);
        assert!(parse(&crate::encoder::json(&opened.all())).is_some());
    }
}
