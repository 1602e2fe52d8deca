//! The aiming view: what the camera sees, for who mounts the device, for ten minutes after a hand at the device asked.
//!
//! Its one decision: [`Aim`] is the only way from vision to the page for anything that is a picture. It holds one view at
//! most, and that only while it was offered, somebody looks, and nothing has ended it. Nobody else has a picture to give.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long the view may be looked at after the physical act: time to walk to the device and turn it.
pub const OFFERED_FOR: Duration = Duration::from_secs(600);
/// A view is made at most this often.
const VIEW_EVERY: Duration = Duration::from_millis(300);
/// A viewer who has not asked for so long has gone: nothing is made any more, and another may look.
const GONE_AFTER: Duration = Duration::from_secs(6);
/// A viewer is answered after this long though there is nothing new, so that it is known to be there.
const PATIENCE: Duration = Duration::from_secs(3);

/// A head in the view, in shares of the picture's width and height; may reach over its edge.
#[derive(Clone, Copy, PartialEq)]
pub struct AimedHead {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// Whether it shows its face.
    pub face: bool,
    /// Longer side in pixels of the camera's picture.
    pub px: f32,
}

/// One view. It is not serialisable and not printable, so that it gets into no message and no log.
pub struct View {
    /// Counts the views.
    pub sequence: u64,
    /// Size of the camera's picture, in pixels.
    pub frame: (u32, u32),
    /// A small grey JPEG in which every head is pixelated.
    pub jpeg: Vec<u8>,
    /// Every head that was found, in whatever zone.
    pub heads: Vec<AimedHead>,
}

/// Why there is no view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// No hand at the device asked for it, or its time is over.
    #[error("aiming is not offered: hold the device's button, or run `moodring aim` on it")]
    NotOffered,
    /// One viewer is enough.
    #[error("somebody else is aiming")]
    SeenElsewhere,
}

/// The one handle; clones share it.
#[derive(Clone, Default)]
pub struct Aim(Arc<watch::Sender<State>>);

#[derive(Default)]
struct State {
    until: Option<Instant>,
    viewer: Option<Viewer>,
    view: Option<Arc<View>>,
    made_at: Option<Instant>,
}

struct Viewer {
    name: String,
    asked_at: Instant,
}

impl State {
    fn is_offered(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn is_watched(&self, now: Instant) -> bool {
        let gone = |viewer: &Viewer| now.saturating_duration_since(viewer.asked_at) >= GONE_AFTER;
        self.is_offered(now) && self.viewer.as_ref().is_some_and(|viewer| !gone(viewer))
    }
}

impl std::fmt::Debug for Aim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aim").finish_non_exhaustive()
    }
}

impl Aim {
    /// Lets somebody look until `until`.
    pub fn offer(&self, until: Instant) {
        self.0.send_modify(|state| state.until = Some(until));
    }

    /// Nobody may look any more, and what was to be seen is forgotten.
    pub fn end(&self) {
        self.0.send_if_modified(|state| {
            let was_on = state.until.is_some();
            *state = State::default();
            was_on
        });
    }

    /// Until when somebody may look, if at all.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.0.borrow().until.filter(|until| now < *until)
    }

    /// Wakes whenever it is offered, ended or has another view.
    pub fn changes(&self) -> Changes {
        Changes { last: self.0.borrow().until, receiver: self.0.subscribe() }
    }

    /// Whether vision is to make a view now. Forgets the last one when nobody looks any more.
    pub fn wants_view(&self, now: Instant) -> bool {
        let mut wants = false;
        self.0.send_if_modified(|state| {
            if !state.is_watched(now) {
                (state.view, state.made_at) = (None, None);
                return false;
            }
            let due = |made_at| now.saturating_duration_since(made_at) >= VIEW_EVERY;
            wants = state.made_at.is_none_or(due);
            false
        });
        wants
    }

    /// Shows `view`, made at `now`; drops it where nobody may look any more.
    pub fn show(&self, view: View, now: Instant) {
        self.0.send_if_modified(|state| {
            let watched = state.is_watched(now);
            if watched {
                (state.view, state.made_at) = (Some(Arc::new(view)), Some(now));
            }
            watched
        });
    }

    /// The first view after number `after` for the viewer called `name`, and until when it may look; no view where none
    /// comes for a while.
    ///
    /// # Errors
    /// Nobody may look, or somebody else does.
    pub async fn next(&self, name: &str, after: u64) -> Result<(Option<Arc<View>>, Instant), NotShown> {
        let mut states = self.0.subscribe();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            let until = self.enter(name, now)?;
            let newest = states.borrow_and_update().view.clone().filter(|view| view.sequence > after);
            if newest.is_some() || now >= deadline {
                return Ok((newest, until));
            }
            // `self` holds the other end, so this never fails.
            drop(tokio::time::timeout_at(deadline.min(until).into(), states.changed()).await);
        }
    }

    /// The viewer called `name` asks; until when it may look.
    fn enter(&self, name: &str, now: Instant) -> Result<Instant, NotShown> {
        let mut result = Err(NotShown::NotOffered);
        self.0.send_if_modified(|state| {
            let Some(until) = state.until.filter(|until| now < *until) else { return false };
            let other = state.viewer.as_ref().is_some_and(|viewer| viewer.name != name);
            result = if other && state.is_watched(now) {
                Err(NotShown::SeenElsewhere)
            } else {
                state.viewer = Some(Viewer { name: name.to_owned(), asked_at: now });
                Ok(until)
            };
            false
        });
        result
    }

    /// Ends it when its time is over, also when nobody looks and no picture comes. Never completes.
    pub async fn keep_time(self) {
        let mut states = self.0.subscribe();
        loop {
            let until = states.borrow_and_update().until;
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = states.changed() => {}
                () = over => self.end(),
            }
        }
    }
}

/// Hears when the view is offered and when that ends.
pub struct Changes {
    last: Option<Instant>,
    receiver: watch::Receiver<State>,
}

impl Changes {
    /// Until when it is offered from now on, once that has changed; `None` once the device has stopped.
    pub async fn next(&mut self) -> Option<Option<Instant>> {
        loop {
            self.receiver.changed().await.ok()?;
            let until = self.receiver.borrow_and_update().until;
            if std::mem::replace(&mut self.last, until) != until {
                return Some(until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(sequence: u64) -> View {
        View { sequence, frame: (640, 360), jpeg: vec![0xff], heads: Vec::new() }
    }

    fn holds_a_view(aim: &Aim) -> bool {
        aim.0.borrow().view.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_offer_nothing_is_made_kept_or_shown() {
        let (aim, now) = (Aim::default(), Instant::now());
        assert!(!aim.wants_view(now));
        aim.show(view(1), now);
        assert!(!holds_a_view(&aim));
        assert_eq!(aim.next("a", 0).await.err(), Some(NotShown::NotOffered));
        assert_eq!(format!("{aim:?}"), "Aim { .. }");
    }

    #[tokio::test]
    async fn it_is_made_while_somebody_looks_and_held_once() {
        let (aim, now) = (Aim::default(), Instant::now());
        aim.offer(now + OFFERED_FOR);
        assert!(!aim.wants_view(now), "nobody looks yet");
        aim.enter("a", now).unwrap();
        assert!(aim.wants_view(now));
        aim.show(view(1), now);
        assert!(!aim.wants_view(now + VIEW_EVERY / 2) && aim.wants_view(now + VIEW_EVERY));
        aim.show(view(2), now + VIEW_EVERY);
        let (seen, until) = aim.next("a", 1).await.unwrap();
        assert!(seen.is_some_and(|seen| seen.sequence == 2) && until == now + OFFERED_FOR);
        // Who looked has gone: so has the picture.
        assert!(!aim.wants_view(Instant::now() + GONE_AFTER) && !holds_a_view(&aim));
    }

    #[tokio::test]
    async fn one_viewer_is_enough_until_it_has_gone() {
        let (aim, now) = (Aim::default(), Instant::now());
        aim.offer(now + OFFERED_FOR);
        aim.enter("a", now).unwrap();
        assert_eq!(aim.enter("b", now + GONE_AFTER / 2), Err(NotShown::SeenElsewhere));
        assert!(aim.enter("b", now + GONE_AFTER).is_ok());
        assert_eq!(aim.enter("a", now + GONE_AFTER), Err(NotShown::SeenElsewhere));
    }

    #[tokio::test]
    async fn an_end_forgets_the_view_and_answers_who_waits() {
        let aim = Aim::default();
        aim.offer(Instant::now() + OFFERED_FOR);
        aim.enter("a", Instant::now()).unwrap();
        aim.show(view(1), Instant::now());
        let waiting = tokio::spawn({
            let aim = aim.clone();
            async move { aim.next("a", 1).await.err() }
        });
        tokio::task::yield_now().await;
        aim.end();
        assert_eq!(waiting.await.unwrap(), Some(NotShown::NotOffered));
        aim.show(view(2), Instant::now());
        assert!(!holds_a_view(&aim) && aim.until(Instant::now()).is_none());
    }

    #[tokio::test]
    async fn when_the_time_is_over_the_view_is_forgotten_though_nobody_asks() {
        let aim = Aim::default();
        aim.offer(Instant::now() + Duration::from_millis(40));
        aim.enter("a", Instant::now()).unwrap();
        aim.show(view(1), Instant::now());
        let mut changes = aim.changes();
        let clock = tokio::spawn(aim.clone().keep_time());
        assert_eq!(changes.next().await, Some(None));
        assert!(!holds_a_view(&aim));
        assert_eq!(aim.next("a", 0).await.err(), Some(NotShown::NotOffered));
        clock.abort();
    }
}
