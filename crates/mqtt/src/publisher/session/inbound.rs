//! What arrives on a connection: the own status, Home Assistant's birth message, overlays and commands.

use moodring_contract::OverlayScope;

use super::{Publisher, Session};
use crate::client::Received;
use crate::discovery;
use crate::holds::Lane;
use crate::outbox::Answer;
use crate::overlays::OverlayArrival;
use crate::own_status::Finding;

/// A received payload of this size was shortened, or is far too large anyway.
const LARGE: usize = 32 * 1024;

impl Publisher {
    pub(super) fn overlay_topic(&self, scope: OverlayScope) -> String {
        scope.topic(&self.target.room.site, &self.target.room.name)
    }

    pub(super) async fn received(&mut self, session: &mut Session, message: &Received) {
        if message.payload.len() > LARGE {
            session.large_topic = Some(message.topic.clone());
        }
        if message.topic == self.topics.status() {
            self.read_own_status(session, message);
            return;
        }
        if self.is_birth(message) {
            for lane in [Lane::Status, Lane::Mood, Lane::Health, Lane::Discovery] {
                session.outbox.set_due(lane);
            }
        }
        if let Some(inbox) = &self.overlays {
            let scope =
                OverlayScope::ALL.into_iter().find(|scope| self.overlay_topic(*scope) == message.topic);
            scope
                .into_iter()
                .for_each(|scope| inbox.put(OverlayArrival { scope, message: message.payload.clone() }));
        }
        let command = self.topics.command_of(&message.topic);
        if let (Some(command), Some(commands)) = (command, &mut self.commands) {
            let outcome = commands.handle(command, message, std::time::Instant::now()).await;
            if let Some(outcome) = outcome {
                session.outbox.answer(Answer { outcome, correlation: message.correlation.clone() });
            }
        }
    }

    /// Whether Home Assistant has just started, so that it needs the current state again.
    fn is_birth(&self, message: &Received) -> bool {
        self.target.config.discovery
            && !message.retained
            && message.topic == discovery::BIRTH_TOPIC
            && message.payload == b"online"
    }

    fn read_own_status(&mut self, session: &mut Session, message: &Received) {
        if session.stopping {
            return;
        }
        match session.own.received(&message.payload, message.retained) {
            Finding::ReadBack => {
                session.is_trusted = true;
                self.access.accepted(Lane::Status);
            }
            Finding::OtherDevice(device) => self.access.other_device(device),
            Finding::OtherLeft => {
                self.access.check_other_device(true);
                session.outbox.set_due(Lane::Status);
            }
            Finding::Wrong => session.outbox.set_due(Lane::Status),
            Finding::Nothing => {}
        }
    }
}
