//! What is to be sent next: one message in flight at most, the newest mood wins, nothing queues up.

/// What can be on its way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parcel {
    /// `online`, on every connection first.
    Online,
    /// The newest mood.
    Mood,
    /// `offline`, last of all.
    Offline,
}

/// Decides what one connection sends, and when.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    status: Option<Parcel>,
    mood_is_new: bool,
    in_flight: Option<Parcel>,
    stopping: bool,
}

impl Outbox {
    /// The broker has let us in: it hears `online` and the newest mood, whatever it knew before.
    pub(super) fn connected(&mut self) {
        self.status = Some(Parcel::Online);
        self.mood_is_new = true;
    }

    /// There is a newer mood.
    pub(super) fn mood_changed(&mut self) {
        self.mood_is_new = true;
    }

    /// From now on only `offline` is sent.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.status = Some(Parcel::Offline);
    }

    /// The broker has what was in flight.
    pub(super) fn acknowledged(&mut self) -> Option<Parcel> {
        self.in_flight.take()
    }

    /// Whether the stop was seen.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether something waits for the broker's receipt.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    /// What to send now, if anything.
    pub(super) fn take(&mut self) -> Option<Parcel> {
        if self.in_flight.is_some() {
            return None;
        }
        let parcel = self.status.take().or_else(|| {
            let send = self.mood_is_new && !self.stopping;
            self.mood_is_new &= !send;
            send.then_some(Parcel::Mood)
        });
        self.in_flight = parcel;
        parcel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn online_goes_first_then_the_newest_mood_and_never_two_at_once() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.take(), None);
        outbox.connected();
        assert_eq!(outbox.take(), Some(Parcel::Online));
        outbox.mood_changed();
        outbox.mood_changed();
        assert_eq!(outbox.take(), None);
        assert_eq!(outbox.acknowledged(), Some(Parcel::Online));
        assert_eq!(outbox.take(), Some(Parcel::Mood));
        outbox.acknowledged();
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn after_the_stop_only_offline_is_sent() {
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.stop();
        outbox.mood_changed();
        assert_eq!(outbox.take(), Some(Parcel::Offline));
        outbox.acknowledged();
        assert_eq!(outbox.take(), None);
    }
}
