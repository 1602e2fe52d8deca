//! What the broker does not accept from this device, over all connections, and how that is reported.

use std::time::Duration;

use tokio::time::Instant;

use moodring_contract::Topics;
use moodring_runtime::{Health, StatusBoard};

use crate::client::LinkError;
use crate::discovery;
use crate::holds::{Holds, Lane, Reason};
use crate::suspects::{Suspect, Suspects};
use crate::target::Target;

/// A subscription on which the broker closes the connection is left out for this time.
const LEAVE_OUT_FOR: Duration = Duration::from_secs(3600);
/// Another device in the room is reported until it has been silent for this time, or longer if health is rarer.
const OTHER_SILENT_AFTER: Duration = Duration::from_secs(600);

/// Why a subscription is left out, or was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Refused(&'static str),
    HangsUp,
    /// A message on it is so large that the connection ends before it has arrived.
    TooLarge,
}

/// What waited for the broker's answer when a connection was lost.
#[derive(Debug)]
pub(super) enum Unanswered {
    Nothing,
    One(Suspect),
    Several,
    /// The end of a message that is too large, on this subscription.
    Large(String),
}

/// Holds and suspicions, with the reports about them.
pub(super) struct Access {
    topics: Topics,
    /// User at the broker, for the rules that are missing.
    user: String,
    room: String,
    own_device: String,
    pub(super) holds: Holds,
    suspects: Suspects,
    filters: Vec<(String, Missing, Instant)>,
    other_device: Option<(String, Instant)>,
    other_silent_after: Duration,
    refusals: Health,
    doubled: Health,
    announcement_topic: String,
}

impl Access {
    pub(super) fn new(target: &Target, board: &StatusBoard) -> Self {
        let Target { room, config, device, .. } = target;
        let user = if config.username.is_empty() { device.as_str() } else { &config.username };
        let three_intervals = Duration::from_secs(u64::from(config.health_every_s) * 3);
        Self {
            topics: Topics::of(&room.site, &room.name),
            user: user.to_owned(),
            room: format!("{}/{}", room.site, room.name),
            own_device: device.to_string(),
            holds: Holds::default(),
            suspects: Suspects::default(),
            filters: Vec::new(),
            other_device: None,
            other_silent_after: OTHER_SILENT_AFTER.max(three_intervals),
            refusals: Health::on_board(board.clone(), "mqtt_access"),
            doubled: Health::on_board(board.clone(), "mqtt_room"),
            announcement_topic: discovery::topic(config, device.as_str()),
        }
    }

    /// Whether only one message may be in flight.
    pub(super) fn is_careful(&self) -> bool {
        self.suspects.is_careful()
    }

    /// Whether the subscription to `filter` is to be left out of this connection.
    pub(super) fn leaves_out(&self, filter: &str) -> bool {
        let now = Instant::now();
        self.filters.iter().any(|(known, missing, until)| {
            known == filter && !matches!(missing, Missing::Refused(_)) && now < *until
        })
    }

    /// The broker has answered a message of `lane`.
    pub(super) fn answered(&mut self, lane: Lane) {
        self.suspects.clear(&Suspect::Lane(lane));
    }

    /// The broker accepts messages of `lane`.
    pub(super) fn accepted(&mut self, lane: Lane) {
        if self.holds.release(lane) {
            self.report();
        }
    }

    /// The broker does not accept messages of `lane` now.
    pub(super) fn hold(&mut self, lane: Lane, reason: Reason) {
        self.holds.hold(lane, reason, Instant::now());
        self.report();
    }

    /// The broker has answered the subscription to `filter`; `refusal`: it does not accept it.
    pub(super) fn subscribed(&mut self, filter: &str, refusal: Option<&'static str>) {
        self.suspects.clear(&Suspect::Filter(filter.to_owned()));
        let before = self.filters.len();
        self.filters.retain(|(known, ..)| known != filter);
        let was_missing = before != self.filters.len();
        if let Some(refusal) = refusal {
            self.filters.push((filter.to_owned(), Missing::Refused(refusal), Instant::now()));
        }
        if was_missing || refusal.is_some() {
            self.report();
        }
    }

    /// Whether another client seems to have the name of this device.
    pub(super) fn is_displaced(&self) -> bool {
        self.suspects.is_displaced()
    }

    /// There was no connection.
    pub(super) fn not_connected(&mut self) {
        self.suspects.not_connected();
    }

    /// A connection that lasted for `lived` was lost while `unanswered` waited.
    pub(super) fn lost(&mut self, error: &LinkError, lived: Duration, unanswered: Unanswered) {
        // A broker that does not answer is no hang-up.
        let closed = matches!(error, LinkError::Lost(_) | LinkError::TooLarge | LinkError::Ended(_));
        let suspect = match unanswered {
            Unanswered::Large(filter) => return self.leave_out(filter, Missing::TooLarge),
            Unanswered::Nothing if closed => {
                self.suspects.lost_idle(lived);
                None
            }
            Unanswered::One(suspect) if closed => Some(suspect),
            _ => None,
        };
        match self.suspects.lost(lived, suspect) {
            Some(Suspect::Lane(lane)) => self.hold(lane, Reason::HangsUp),
            Some(Suspect::Filter(filter)) => self.leave_out(filter, Missing::HangsUp),
            None => {}
        }
    }

    fn leave_out(&mut self, filter: String, missing: Missing) {
        self.filters.retain(|(known, ..)| *known != filter);
        self.filters.push((filter, missing, Instant::now() + LEAVE_OUT_FOR));
        self.report();
    }

    /// Another device says that it is online in this room.
    pub(super) fn other_device(&mut self, device: String) {
        self.doubled.failed_as(
            "doubled",
            &format!(
                "two devices have the name {}: {} and {device}; give each its own room.name",
                self.room, self.own_device
            ),
        );
        self.other_device = Some((device, Instant::now()));
    }

    /// Another device has left this room; also called regularly. `left`: it says so itself.
    pub(super) fn check_other_device(&mut self, left: bool) {
        let silent =
            self.other_device.as_ref().is_some_and(|(_, at)| left || at.elapsed() > self.other_silent_after);
        if silent {
            self.other_device = None;
            self.doubled.works();
        }
    }

    /// The topic of `lane`, or a part that tells which one.
    fn topic(&self, lane: Lane) -> String {
        match lane {
            Lane::Status => self.topics.status(),
            Lane::Mood => self.topics.mood(),
            Lane::Health => self.topics.health(),
            Lane::Discovery => self.announcement_topic.clone(),
            Lane::Clearing => "the deletion on a former topic".to_owned(),
            Lane::Reply => self.topics.reply(),
            Lane::Spooled(kind) => self.topics.leaf(kind.name()),
        }
    }

    /// Reports what the broker does not accept, and the rules that may be missing.
    fn report(&self) {
        let (mut kinds, mut faults, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        for (lane, reason) in self.holds.faults() {
            let topic = self.topic(lane);
            faults.push(match reason {
                Reason::Refused(words) => format!("{topic} is refused ({words})"),
                Reason::HangsUp => {
                    format!("{topic} is left out, because the broker closes the connection on it")
                }
                Reason::TooLarge(bytes) => {
                    format!("{topic} is left out, because the broker takes at most {bytes} bytes")
                }
                Reason::NotReadBack => {
                    rules.push(format!("topic read {topic}"));
                    format!("{topic} cannot be read back, so lessons and events wait on this device")
                }
                Reason::NoSubscriber => continue,
            });
            rules.push(match lane {
                Lane::Clearing => "topic write on the former room".to_owned(),
                Lane::Discovery => format!("topic write {topic}"),
                _ => format!("topic write {}", self.topics.leaf("#")),
            });
            kinds.push(format!("{lane:?} {reason:?}"));
        }
        for (filter, missing, _) in &self.filters {
            faults.push(match missing {
                Missing::Refused(words) => format!("the subscription to {filter} is refused ({words})"),
                Missing::HangsUp => format!(
                    "the subscription to {filter} is left out, because the broker closes the connection on it"
                ),
                Missing::TooLarge => format!(
                    "the subscription to {filter} is left out, because a message there is too large; delete it (mosquitto_pub -r -n)"
                ),
            });
            if *missing != Missing::TooLarge {
                rules.push(format!("topic read {filter}"));
            }
            kinds.push(format!("{filter} {missing:?}"));
        }
        if faults.is_empty() {
            self.refusals.works();
            return;
        }
        kinds.sort();
        rules.sort();
        rules.dedup();
        let advice = if rules.is_empty() {
            String::new()
        } else {
            format!("; the broker's ACL needs for the user {}: {}", self.user, rules.join(", "))
        };
        self.refusals.failed_as(&kinds.join(", "), &format!("{}{advice}", faults.join("; ")));
    }
}
