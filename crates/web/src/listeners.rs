//! Counts open event streams: at most a number in total, and fewer for each phone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::MAX_LISTENERS;

/// Maximum number of event streams of one phone, as many tabs as anybody uses. Otherwise one teacher could take all.
const MAX_PER_PHONE: usize = 8;

/// The number of open event streams by phone; `None`: programs on this machine.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<HashMap<Option<String>, usize>>);

impl Listeners {
    /// Adds a stream of `phone`. `None`: there are too many.
    pub(super) fn add(self: &Arc<Self>, phone: Option<String>) -> Option<Listening> {
        let mut open = self.lock();
        let of_phone = open.get(&phone).copied().unwrap_or_default();
        let is_phone_full = phone.is_some() && of_phone >= MAX_PER_PHONE;
        if is_phone_full || open.values().sum::<usize>() >= MAX_LISTENERS {
            return None;
        }
        open.insert(phone.clone(), of_phone + 1);
        Some(Listening { listeners: Arc::clone(self), phone })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<String>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open event stream; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    listeners: Arc<Listeners>,
    phone: Option<String>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut open = self.listeners.lock();
        if let Some(count) = open.get_mut(&self.phone) {
            *count -= 1;
        }
        open.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phone_cannot_take_all_event_streams() {
        let listeners = Arc::new(Listeners::default());
        let add = |phone: &str| listeners.add(Some(phone.to_owned()));
        let mut first: Vec<_> = (0..MAX_LISTENERS).filter_map(|_| add("first")).collect();
        assert_eq!(first.len(), MAX_PER_PHONE);
        let second = add("second").unwrap();
        first.pop();
        assert!(add("first").is_some(), "a closed stream makes room");
        drop((first, second));
        assert!(listeners.lock().is_empty());
    }

    #[test]
    fn the_total_is_limited_also_for_programs_on_this_machine() {
        let listeners = Arc::new(Listeners::default());
        let all: Vec<_> = (0..1000).filter_map(|_| listeners.add(None)).collect();
        assert_eq!(all.len(), MAX_LISTENERS);
        assert!(listeners.add(Some("phone".into())).is_none());
    }
}
