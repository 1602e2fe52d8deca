//! Overlays as they arrive: checked, kept, told; then the device begins anew with them.

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Overlays, Scope};
use crate::outputs::{EventKind, Events};
use crate::supervisor::Stop;

/// Overlays that may wait: one of each scope, twice.
const WAITING: usize = 4;

/// What the broker delivered.
#[derive(Debug)]
pub struct Arrival {
    /// Whose topic it lay on.
    pub scope: Scope,
    /// As it came.
    pub message: Vec<u8>,
}

/// Where the publisher puts what arrives.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::Sender<Arrival>);

impl Inbox {
    /// A place for arrivals, and where they come out.
    pub fn channel() -> (Self, mpsc::Receiver<Arrival>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Puts it in; when too much waits it is left out, since the broker delivers it again on the next connection.
    pub fn put(&self, arrival: Arrival) {
        let _ = self.0.try_send(arrival);
    }
}

/// Takes what arrives until `stop` is requested. True: an overlay is kept, and the device is to begin anew with it.
pub async fn obey(
    overlays: Overlays,
    mut arrivals: mpsc::Receiver<Arrival>,
    events: Events,
    stop: Stop,
) -> bool {
    loop {
        let Arrival { scope, message } = tokio::select! {
            () = stop.requested() => return false,
            Some(arrival) = arrivals.recv() => arrival,
            else => return false,
        };
        // Who removes the retained message takes nothing back: an overlay without keys, signed, does.
        if message.is_empty() {
            continue;
        }
        match overlays.take(scope, &message) {
            Ok(None) => {}
            Ok(Some(overlay)) => {
                let detail = format!(
                    "overlay {} of the {}: {}",
                    overlay.serial,
                    scope.name(),
                    overlay.keys().join(", ")
                );
                info!(overlay = detail, "kept; the device begins anew with it");
                events.tell(EventKind::ConfigurationApplied, Some(detail));
                return true;
            }
            Err(error) => {
                let detail = format!("overlay of the {}: {error:#}", scope.name());
                warn!(reason = detail, "not laid over the configuration");
                events.tell(EventKind::ConfigurationRefused, Some(detail));
            }
        }
    }
}
