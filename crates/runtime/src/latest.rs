//! A mailbox for one value, in which a new value replaces the old one; used between camera and vision.
//!
//! The writer never waits for a slow reader, and the reader always gets the newest value. A replaced value is
//! returned to the writer, which reuses its buffer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A mailbox for one value; [`Latest::put`] replaces the value in it.
#[derive(Debug)]
pub struct Latest<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    closed: bool,
}

/// Result of [`Latest::take`].
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest value; the mailbox is empty now.
    Value(T),
    /// No value within the given time.
    Timeout,
    /// The mailbox is closed; there will be no more values.
    Closed,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { value: None, closed: false }), changed: Condvar::new() }
    }
}

impl<T> Latest<T> {
    /// Stores `value` and returns the value that it replaced, so that its buffer can be reused.
    pub fn put(&self, value: T) -> Option<T> {
        let mut state = self.lock();
        let replaced = state.value.replace(value);
        self.changed.notify_one();
        replaced
    }

    /// Waits at most for `timeout` for a value and removes it.
    pub fn take(&self, timeout: Duration) -> Taken<T> {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| state.value.is_none() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        match state.value.take() {
            _ if state.closed => Taken::Closed,
            Some(value) => Taken::Value(value),
            None => Taken::Timeout,
        }
    }

    /// Closes the mailbox: every [`Latest::take`], waiting or later, returns [`Taken::Closed`].
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SHORT: Duration = Duration::from_millis(5);

    #[test]
    fn the_newest_value_wins_and_the_replaced_one_is_returned() {
        let slot = Latest::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.take(SHORT), Taken::Value(2));
        assert_eq!(slot.take(SHORT), Taken::Timeout);
    }

    #[test]
    fn closing_wakes_a_waiting_reader() {
        let slot = Arc::new(Latest::<u8>::default());
        let waiter = std::thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.take(Duration::from_secs(60))
        });
        slot.close();
        assert_eq!(waiter.join().unwrap(), Taken::Closed);
    }
}
