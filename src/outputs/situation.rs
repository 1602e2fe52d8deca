//! What a device shows of itself beside the mood: what does not work, where its page is, whether it may be paired.
//!
//! Every part writes its line on one [`Bulletin`]; displays read the whole as a [`Situation`]. Its one decision:
//! troubles are kept by the name of the part, so that a new kind of part needs no change here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::control::Pairing;

/// The name under which the camera stands in [`Situation::troubles`].
pub const CAMERA: &str = "camera";

/// The newest situation.
pub type Situations = watch::Receiver<Situation>;

/// How the device is; nothing of the class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Situation {
    /// What does not work now, by part (`camera`, `mqtt`, `web`, …), and why in words.
    pub troubles: BTreeMap<&'static str, String>,
    /// Where the page is served, if it is.
    pub page: Option<SocketAddr>,
    /// What a phone needs to be paired, while it may be.
    pub pairing: Option<Pairing>,
    /// Until then lights and displays show which device this is.
    pub identify_until: Option<Instant>,
    /// Until then an administrator may look through the camera.
    pub aim_until: Option<Instant>,
    /// Until then lights and displays are as dim as at night.
    pub dim_until: Option<Instant>,
}

impl Situation {
    /// What is offered for pairing at `now`.
    pub fn pairing_at(&self, now: Instant) -> Option<&Pairing> {
        self.pairing.as_ref().filter(|pairing| now < pairing.until)
    }

    /// For how long after `now` it is to be shown which device this is, if it is.
    pub fn identifying_at(&self, now: Instant) -> Option<Duration> {
        self.identify_until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Whether an administrator may look through the camera at `now`.
    pub fn is_aimed_at(&self, now: Instant) -> bool {
        self.aim_until.is_some_and(|until| now < until)
    }

    /// Whether somebody wants it dim at `now`, whatever the clock says.
    pub fn is_dimmed_at(&self, now: Instant) -> bool {
        self.dim_until.is_some_and(|until| now < until)
    }
}

/// The board on which every part writes how it is. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bulletin(watch::Sender<Situation>);

impl Bulletin {
    /// The situation from now on.
    pub fn subscribe(&self) -> Situations {
        self.0.subscribe()
    }

    /// `part` works.
    pub fn works(&self, part: &'static str) {
        self.0.send_if_modified(|situation| situation.troubles.remove(part).is_some());
    }

    /// `part` does not work, and why in words.
    pub fn fails(&self, part: &'static str, problem: &str) {
        self.0.send_if_modified(|situation| {
            let known = situation.troubles.get(part).is_some_and(|known| known == problem);
            if !known {
                situation.troubles.insert(part, problem.to_owned());
            }
            !known
        });
    }

    /// The page is served there.
    pub fn page_is_at(&self, page: SocketAddr) {
        self.0.send_modify(|situation| situation.page = Some(page));
    }

    /// Lets lights and displays show until `until` which device this is.
    pub fn identify(&self, until: Option<Instant>) {
        self.0.send_modify(|situation| situation.identify_until = until);
    }

    /// An administrator may look through the camera until `until`.
    pub fn aim(&self, until: Option<Instant>) {
        self.0.send_modify(|situation| situation.aim_until = until);
    }

    /// Makes lights and displays as dim as at night until `until`.
    pub fn dim(&self, until: Option<Instant>) {
        self.0.send_modify(|situation| situation.dim_until = until);
    }

    /// Shows the page for pairing until `pairing.until`; `None` takes it away before.
    pub fn offer_pairing(&self, pairing: Option<Pairing>) {
        self.0.send_modify(|situation| situation.pairing = pairing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_stands_until_the_part_works_and_nobody_is_woken_for_the_same_news() {
        let bulletin = Bulletin::default();
        let mut situations = bulletin.subscribe();
        bulletin.works(CAMERA);
        assert!(!situations.has_changed().unwrap());
        bulletin.clone().fails(CAMERA, "unplugged");
        bulletin.fails("mqtt", "refused");
        assert_eq!(situations.borrow_and_update().troubles[CAMERA], "unplugged");
        bulletin.fails(CAMERA, "unplugged");
        assert!(!situations.has_changed().unwrap());
        bulletin.works(CAMERA);
        assert_eq!(situations.borrow_and_update().troubles.keys().collect::<Vec<_>>(), [&"mqtt"]);
    }

    #[test]
    fn pairing_is_offered_until_its_end() {
        let bulletin = Bulletin::default();
        let until = Instant::now() + Duration::from_secs(600);
        bulletin.offer_pairing(Some(Pairing { code: Some("481516".into()), until }));
        let situation = bulletin.subscribe().borrow().clone();
        assert!(situation.pairing_at(until - Duration::from_secs(1)).is_some());
        assert!(situation.pairing_at(until).is_none());
    }
}
