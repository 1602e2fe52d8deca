//! Commands to the running device, and their JSON payloads.
//!
//! Button, page, broker, signals and console all send a [`Command`]; one place in the daemon executes it. Payloads are
//! checked only here, so that the page and MQTT accept and refuse the same.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Sensitivity;

/// Name and version of the schema of command payloads.
pub const COMMAND_SCHEMA: &str = "moodring.command/1";
/// How long [`Command::Dim`] lasts: longer than a film, and it ends without another command.
pub const DIM_DURATION: Duration = Duration::from_secs(3 * 3600);
/// Maximum length of a lesson's title, in characters.
pub const MAX_TITLE_CHARS: usize = 100;
/// Maximum length of a command's id, in characters. A longer id is not repeated in the reply.
pub const MAX_ID_CHARS: usize = 64;

/// A command to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close the camera and clear the mood.
    Pause,
    /// Open the camera; refused while the privacy switch is closed.
    Resume,
    /// Resume if the device is paused, otherwise pause.
    TogglePause,
    /// Begin or end a lesson.
    Lesson(LessonCommand),
    /// Show on lights and display which device this is, for this long.
    Identify(Duration),
    /// `true`: dim lights and display for [`DIM_DURATION`]. `false`: end that; the clock decides again.
    Dim(bool),
    /// Set how quickly the word follows the class.
    SetSensitivity(Sensitivity),
    /// Offer pairing; with a code if the page is reachable over the network.
    OfferPairing,
    /// Show the camera preview to an administrator who aims the camera.
    OfferPreview,
    /// End the camera preview.
    EndPreview,
}

/// A command about the lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LessonCommand {
    /// Begin a lesson now; a lesson in progress ends first.
    Begin {
        /// Its title; may be empty.
        title: String,
    },
    /// End the lesson in progress, if there is one.
    End,
    /// End the lesson in progress; if there is none, begin one without a title.
    Toggle,
}

/// Where a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandSource {
    /// The push button.
    Button,
    /// SIGUSR1 or SIGUSR2.
    Signal,
    /// The page.
    Page,
    /// The broker.
    Mqtt,
    /// A shell on the device: `moodring aim` or `moodring pair`.
    Console,
}

/// Position of the privacy switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchPosition {
    /// The camera may be open. Also the position of a device without a switch.
    Open,
    /// The camera stays closed.
    Closed,
}

/// Why a command was refused. A refused command changes nothing, except for [`Refusal::NotStored`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The privacy switch is closed; it overrides every command.
    #[error("the privacy switch is closed")]
    SwitchClosed,
    /// The recording of lessons is disabled.
    #[error("lessons are not recorded (lessons.enabled)")]
    NoLessons,
    /// The camera preview is disabled.
    #[error("aiming is switched off (privacy.aiming)")]
    PreviewDisabled,
    /// The camera is closed.
    #[error("the device is paused: resume it first")]
    Paused,
    /// The page is not reachable over the network, so pairing needs no code.
    #[error(
        "the page is not in the network (web.enabled, web.listen): on the device itself no code is needed"
    )]
    NoPairing,
    /// No pairing code can be generated.
    #[error("the operating system provides no random numbers")]
    NoRandomNumbers,
    /// The pause or its end took effect, but cannot be written to the disk.
    #[error(
        "it took effect, but a restart would undo it: it cannot be written to storage.directory; make space there, or \
         make it writable"
    )]
    NotStored,
    /// The queue of commands is full.
    #[error("too many commands at once")]
    Busy,
    /// The program is stopping.
    #[error("the device is stopping")]
    Stopping,
}

/// Why a text is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No command has this name.
    #[error("unknown command")]
    UnknownName,
    /// The payload does not match the command's schema.
    #[error("invalid payload: {0}")]
    Malformed(String),
    /// The title is too long or has control characters.
    #[error("title must be one line of at most {MAX_TITLE_CHARS} characters")]
    Title,
    /// The duration is outside its range.
    #[error("for_s is {0}, but must be from 1 to 60")]
    Duration(u32),
}

/// Payload of `cmd/pause`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// `true` closes the camera, `false` opens it. Opening is refused while the privacy switch is closed.
    pub paused: bool,
    /// Any text of at most 64 characters; the reply repeats it.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
}

/// Payload of `cmd/lesson`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Whether to begin or to end a lesson.
    pub action: Action,
    /// Title of the lesson to begin: one line of at most 100 characters, empty by default. Ignored for `end`.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub title: String,
    /// Any text of at most 64 characters; the reply repeats it.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
}

/// Whether to begin or to end a lesson.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Begin a lesson; a lesson in progress ends first.
    Begin,
    /// End the lesson in progress, if there is one.
    End,
}

/// Payload of `cmd/identify`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identify {
    /// Seconds for which lights and display show which device this is, 1 to 60.
    #[schemars(range(min = 1, max = 60))]
    pub for_s: u32,
    /// Any text of at most 64 characters; the reply repeats it.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
}

/// Payload of `cmd/night`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Night {
    /// `true` dims lights and display for three hours. `false` ends that; the clock decides again.
    pub dim: bool,
    /// Any text of at most 64 characters; the reply repeats it.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
}

/// Payload of `cmd/sensitivity`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSensitivity {
    /// How quickly the word follows the class.
    pub sensitivity: Sensitivity,
    /// Any text of at most 64 characters; the reply repeats it.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
}

/// Any of the command payloads.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(missing_docs, reason = "described at the types")]
pub enum AnyCommand {
    Pause(Pause),
    Lesson(Lesson),
    Identify(Identify),
    Night(Night),
    SetSensitivity(SetSensitivity),
}

impl AnyCommand {
    /// Parses the JSON text `payload` of the topic `cmd/<name>`.
    ///
    /// # Errors
    /// No command has this name, or the payload does not match its schema.
    pub fn read(name: &str, payload: &[u8]) -> Result<Self, CommandError> {
        Ok(match name {
            "pause" => Self::Pause(json(payload)?),
            "lesson" => Self::Lesson(json(payload)?),
            "identify" => Self::Identify(json(payload)?),
            "night" => Self::Night(json(payload)?),
            "sensitivity" => Self::SetSensitivity(json(payload)?),
            _ => return Err(CommandError::UnknownName),
        })
    }
}

impl AnyCommand {
    /// The sender's id, which the reply repeats.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Pause(Pause { id, .. })
            | Self::Lesson(Lesson { id, .. })
            | Self::Identify(Identify { id, .. })
            | Self::Night(Night { id, .. })
            | Self::SetSensitivity(SetSensitivity { id, .. }) => id.as_deref(),
        }
    }
}

impl TryFrom<AnyCommand> for Command {
    type Error = CommandError;

    fn try_from(payload: AnyCommand) -> Result<Self, CommandError> {
        Ok(match payload {
            AnyCommand::Pause(Pause { paused: true, .. }) => Self::Pause,
            AnyCommand::Pause(Pause { paused: false, .. }) => Self::Resume,
            AnyCommand::Lesson(Lesson { action, title, .. }) => {
                // Before the trim, which would remove control characters such as U+0085 from the ends.
                if title.chars().count() > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
                    return Err(CommandError::Title);
                }
                Self::Lesson(match action {
                    Action::Begin => LessonCommand::Begin { title: title.trim().to_owned() },
                    Action::End => LessonCommand::End,
                })
            }
            AnyCommand::Identify(Identify { for_s, .. }) if (1..=60).contains(&for_s) => {
                Self::Identify(Duration::from_secs(for_s.into()))
            }
            AnyCommand::Identify(Identify { for_s, .. }) => return Err(CommandError::Duration(for_s)),
            AnyCommand::Night(Night { dim, .. }) => Self::Dim(dim),
            AnyCommand::SetSensitivity(SetSensitivity { sensitivity, .. }) => {
                Self::SetSensitivity(sensitivity)
            }
        })
    }
}

/// The id in `payload`, even if the payload is not a valid command. `None`: no JSON, no id, or longer than [`MAX_ID_CHARS`].
pub fn id_of(payload: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(payload).ok()?;
    value["id"].as_str().filter(|id| id.chars().count() <= MAX_ID_CHARS).map(str::to_owned)
}

fn json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(payload).map_err(|error| CommandError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, payload: &str) -> Result<Command, CommandError> {
        AnyCommand::read(name, payload.as_bytes())?.try_into()
    }

    #[test]
    fn every_command_is_read_from_its_payload() {
        for (name, payload, command) in [
            ("pause", r#"{"paused":true}"#, Command::Pause),
            ("pause", r#"{"paused":false,"id":"7"}"#, Command::Resume),
            ("lesson", r#"{"action":"end"}"#, Command::Lesson(LessonCommand::End)),
            (
                "lesson",
                r#"{"action":"begin","title":"Physics"}"#,
                Command::Lesson(LessonCommand::Begin { title: "Physics".into() }),
            ),
            ("identify", r#"{"for_s":10}"#, Command::Identify(Duration::from_secs(10))),
            ("night", r#"{"dim":true}"#, Command::Dim(true)),
            ("sensitivity", r#"{"sensitivity":"calm"}"#, Command::SetSensitivity(Sensitivity::Calm)),
        ] {
            assert_eq!(parse(name, payload).unwrap(), command, "{name} {payload}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        assert_eq!(parse("reboot", "{}"), Err(CommandError::UnknownName));
        assert_eq!(parse("identify", r#"{"for_s":61}"#), Err(CommandError::Duration(61)));
        for title in ["x".repeat(MAX_TITLE_CHARS + 1), "two\\nlines".into(), "\\u0085".into()] {
            for action in ["begin", "end"] {
                let payload = format!(r#"{{"action":"{action}","title":"{title}"}}"#);
                assert_eq!(parse("lesson", &payload), Err(CommandError::Title));
            }
        }
        for payload in ["", "{}", r#"{"paused":1}"#, r#"{"paused":true,"when":"now"}"#] {
            assert!(matches!(parse("pause", payload), Err(CommandError::Malformed(_))), "{payload}");
        }
    }

    #[test]
    fn the_id_is_found_even_in_an_invalid_payload() {
        assert_eq!(id_of(br#"{"id":"a","nonsense":1}"#).as_deref(), Some("a"));
        assert_eq!(id_of(format!(r#"{{"id":"{}"}}"#, "x".repeat(65)).as_bytes()), None);
        assert_eq!(id_of(b"not json"), None);
    }
}
