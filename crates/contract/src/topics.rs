//! Names of the MQTT topics of one room: `moodring/<site>/<room>/<leaf>`.

/// The topics of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics(String);

impl Topics {
    /// Whether `name` can be a site or a room: one topic level of 1 to 64 bytes without wildcards, control characters and a
    /// leading `$`.
    pub fn is_level(name: &str) -> bool {
        let is_forbidden = |letter: char| matches!(letter, '/' | '+' | '#') || letter.is_control();
        (1..=64).contains(&name.len()) && !name.contains(is_forbidden) && !name.starts_with('$')
    }

    /// The topics of `room` at `site`. Each must be a single topic level; the configuration checks this.
    pub fn of(site: &str, room: &str) -> Self {
        Self(format!("moodring/{site}/{room}"))
    }

    /// The topic on which moods are published.
    pub fn mood(&self) -> String {
        self.leaf("mood")
    }

    /// The topic on which `online` and `offline` are published.
    pub fn status(&self) -> String {
        self.leaf("status")
    }

    /// The topic on which the device's health is published.
    pub fn health(&self) -> String {
        self.leaf("health")
    }

    /// The topic on which commands are answered.
    pub fn reply(&self) -> String {
        self.leaf("reply")
    }

    /// The topic on which the command `name` is received.
    pub fn command(&self, name: &str) -> String {
        format!("{}/cmd/{name}", self.0)
    }

    /// The name of the command whose topic is `topic`; `None` if it is not a command topic of this room.
    pub fn command_of<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&*self.0)?.strip_prefix("/cmd/")
    }

    /// The topic whose last level is `leaf`.
    pub fn leaf(&self, leaf: &str) -> String {
        format!("{}/{leaf}", self.0)
    }
}

/// The devices to which a configuration overlay applies. The overlay of a room overrides that of its site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayScope {
    /// Every device of the site.
    Site,
    /// The devices of one room.
    Room,
}

impl OverlayScope {
    /// All scopes in the order in which they are applied over the configuration file.
    pub const ALL: [Self; 2] = [Self::Site, Self::Room];

    /// The topic of the retained overlay for `room` of `site`.
    pub fn topic(self, site: &str, room: &str) -> String {
        match self {
            Self::Site => format!("moodring/{site}/overlay"),
            Self::Room => format!("moodring/{site}/{room}/overlay"),
        }
    }

    /// Its name in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Room => "room",
        }
    }
}
