//! Offers to pair a phone with the device. No other place holds a pairing code.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// An offer to pair a phone with the device.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingOffer {
    /// Six digits to type on the phone; `None` if no code is required.
    pub code: Option<String>,
    /// End of the offer.
    pub until: Instant,
}

impl std::fmt::Debug for PairingOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the code, so that it does not get into a log.
        f.debug_struct("PairingOffer").field("until", &self.until).finish_non_exhaustive()
    }
}

/// Creates, publishes and withdraws offers. Clones share it; only display, page and console get one.
#[derive(Debug, Clone)]
pub struct Pairing {
    offer: watch::Sender<Option<PairingOffer>>,
    requires_code: bool,
    offered_for: Duration,
}

impl Pairing {
    /// Without an offer. Each offer lasts `offered_for` and has a code if `requires_code`.
    pub fn new(requires_code: bool, offered_for: Duration) -> Self {
        Self { offer: watch::Sender::new(None), requires_code, offered_for }
    }

    /// Whether offers have a code.
    pub fn requires_code(&self) -> bool {
        self.requires_code
    }

    /// Offers pairing from `now` on; replaces an existing offer.
    ///
    /// # Errors
    /// The operating system provides no random numbers.
    pub fn offer(&self, now: Instant) -> Result<PairingOffer, getrandom::Error> {
        let code = if self.requires_code { Some(six_digits()?) } else { None };
        let offer = PairingOffer { code, until: now + self.offered_for };
        self.offer.send_replace(Some(offer.clone()));
        Ok(offer)
    }

    /// The offer that is valid at `now`, if there is one.
    pub fn at(&self, now: Instant) -> Option<PairingOffer> {
        self.offer.borrow().clone().filter(|offer| now < offer.until)
    }

    /// Ends the offer.
    pub fn withdraw(&self) {
        self.offer.send_if_modified(|offer| offer.take().is_some());
    }

    /// Subscribes to changes of the offer.
    pub fn subscribe(&self) -> watch::Receiver<Option<PairingOffer>> {
        self.offer.subscribe()
    }

    /// Sets the offer; for tests of its readers.
    pub fn set(&self, offer: Option<PairingOffer>) {
        self.offer.send_replace(offer);
    }
}

fn six_digits() -> Result<String, getrandom::Error> {
    const CODES: u32 = 1_000_000;
    loop {
        let number = getrandom::u32()?;
        // Rejection sampling: without it, low codes would be slightly more likely.
        if number < u32::MAX / CODES * CODES {
            return Ok(format!("{:06}", number % CODES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_has_an_end_and_a_code_only_where_one_is_required() {
        let now = Instant::now();
        let open = Pairing::new(false, Duration::from_secs(120));
        let offer = open.offer(now).unwrap();
        assert_eq!((offer.code.as_deref(), offer.until), (None, now + Duration::from_secs(120)));
        let coded = Pairing::new(true, Duration::from_secs(120));
        let code = coded.offer(now).unwrap().code.unwrap();
        assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
        assert!(coded.at(now).is_some() && coded.at(now + Duration::from_secs(120)).is_none());
        assert!(!format!("{coded:?}").contains(&code));
        coded.withdraw();
        assert!(coded.at(now).is_none());
    }
}
