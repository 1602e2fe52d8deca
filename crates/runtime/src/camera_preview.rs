//! The camera preview for aiming: `vision ──PreviewImage──▶ CameraPreview ──▶ page`, for ten minutes after a physical
//! act at the device.
//!
//! [`CameraPreview`] is the only path for images from vision to the page. It holds at most one image, and only while
//! the preview is offered and a viewer requests it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Duration of an offer after the physical act: time to walk to the device and aim it.
pub const PREVIEW_DURATION: Duration = Duration::from_secs(600);
/// Minimum time between two images.
const IMAGE_EVERY: Duration = Duration::from_millis(300);
/// A viewer without a request for this long is gone: no more images are made, and another viewer is admitted.
const VIEWER_TIMEOUT: Duration = Duration::from_secs(6);
/// A request is answered after this long even without a new image, so that the viewer's next request arrives in time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A head in the image. Position and size are shares of the picture's width and height; a head may extend beyond the
/// edge.
#[derive(Clone, Copy, PartialEq)]
pub struct PreviewHead {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// Whether its face is visible.
    pub face: bool,
    /// Longer side, in pixels of the camera's picture.
    pub px: f32,
}

/// One image of the preview. It implements neither `Serialize` nor `Debug`, so it cannot get into a payload or a log.
pub struct PreviewImage {
    /// Number of the image; increases with each.
    pub sequence: u64,
    /// Width and height of the camera's picture, in pixels.
    pub frame: (u32, u32),
    /// A small grey JPEG in which every head is pixelated.
    pub jpeg: Vec<u8>,
    /// Every head that was found, inside and outside of all zones.
    pub heads: Vec<PreviewHead>,
}

/// Why no preview is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreviewRefusal {
    /// The preview was not offered at the device, or the offer has ended.
    #[error("aiming is not offered: hold the device's button, or run `moodring aim` on it")]
    NotOffered,
    /// Another viewer is active; only one is admitted.
    #[error("somebody else is aiming")]
    OtherViewer,
}

/// Handle to the preview. Clones share it.
#[derive(Clone, Default)]
pub struct CameraPreview(Arc<watch::Sender<State>>);

#[derive(Default)]
struct State {
    until: Option<Instant>,
    viewer: Option<Viewer>,
    view: Option<Arc<PreviewImage>>,
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
        let gone = |viewer: &Viewer| now.saturating_duration_since(viewer.asked_at) >= VIEWER_TIMEOUT;
        self.is_offered(now) && self.viewer.as_ref().is_some_and(|viewer| !gone(viewer))
    }
}

impl std::fmt::Debug for CameraPreview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CameraPreview").finish_non_exhaustive()
    }
}

impl CameraPreview {
    /// Offers the preview until `until`.
    pub fn offer(&self, until: Instant) {
        self.0.send_modify(|state| state.until = Some(until));
    }

    /// Ends the offer and discards image and viewer.
    pub fn end(&self) {
        self.0.send_if_modified(|state| {
            let was_on = state.until.is_some();
            *state = State::default();
            was_on
        });
    }

    /// End of the offer; `None` if there is no offer at `now`.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.0.borrow().until.filter(|until| now < *until)
    }

    /// Subscribes to changes of the offer.
    pub fn changes(&self) -> PreviewChanges {
        PreviewChanges { last: self.0.borrow().until, receiver: self.0.subscribe() }
    }

    /// Whether vision should make an image at `now`. Discards the last image if no viewer is active.
    pub fn wants_image(&self, now: Instant) -> bool {
        let mut wants = false;
        self.0.send_if_modified(|state| {
            if !state.is_watched(now) {
                (state.view, state.made_at) = (None, None);
                return false;
            }
            let due = |made_at| now.saturating_duration_since(made_at) >= IMAGE_EVERY;
            wants = state.made_at.is_none_or(due);
            false
        });
        wants
    }

    /// Stores `view`, made at `now`, for the viewer; drops it if no viewer is active.
    pub fn show(&self, view: PreviewImage, now: Instant) {
        self.0.send_if_modified(|state| {
            let watched = state.is_watched(now);
            if watched {
                (state.view, state.made_at) = (Some(Arc::new(view)), Some(now));
            }
            watched
        });
    }

    /// Waits for an image with a number above `after` for the viewer `name`. Returns it with the end of the offer;
    /// `None` if there is none within 3 s.
    ///
    /// # Errors
    /// The preview is not offered, or another viewer is active.
    pub async fn next(
        &self,
        name: &str,
        after: u64,
    ) -> Result<(Option<Arc<PreviewImage>>, Instant), PreviewRefusal> {
        let mut states = self.0.subscribe();
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let now = Instant::now();
            let until = self.register_viewer(name, now)?;
            let newest = states.borrow_and_update().view.clone().filter(|view| view.sequence > after);
            if newest.is_some() || now >= deadline {
                return Ok((newest, until));
            }
            // `self` holds the sender, so waiting cannot fail.
            drop(tokio::time::timeout_at(deadline.min(until).into(), states.changed()).await);
        }
    }

    /// Registers a request of the viewer `name`; returns the end of the offer.
    fn register_viewer(&self, name: &str, now: Instant) -> Result<Instant, PreviewRefusal> {
        let mut result = Err(PreviewRefusal::NotOffered);
        self.0.send_if_modified(|state| {
            let Some(until) = state.until.filter(|until| now < *until) else { return false };
            let other = state.viewer.as_ref().is_some_and(|viewer| viewer.name != name);
            result = if other && state.is_watched(now) {
                Err(PreviewRefusal::OtherViewer)
            } else {
                state.viewer = Some(Viewer { name: name.to_owned(), asked_at: now });
                Ok(until)
            };
            false
        });
        result
    }

    /// Ends each offer when its time is over, even without a viewer and without pictures. Never completes.
    pub async fn keep_time(self) {
        let mut states = self.0.subscribe();
        loop {
            let until = states.borrow_and_update().until;
            let offer_ended = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = states.changed() => {}
                () = offer_ended => self.end(),
            }
        }
    }
}

/// Reports when an offer begins, changes or ends.
pub struct PreviewChanges {
    last: Option<Instant>,
    receiver: watch::Receiver<State>,
}

impl PreviewChanges {
    /// Waits until the end of the offer changes and returns it, `Some(None)` if there is no offer. `None`: the device
    /// has stopped.
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

    fn view(sequence: u64) -> PreviewImage {
        PreviewImage { sequence, frame: (640, 360), jpeg: vec![0xff], heads: Vec::new() }
    }

    fn holds_a_view(preview: &CameraPreview) -> bool {
        preview.0.borrow().view.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_offer_no_image_is_made_stored_or_shown() {
        let (preview, now) = (CameraPreview::default(), Instant::now());
        assert!(!preview.wants_image(now));
        preview.show(view(1), now);
        assert!(!holds_a_view(&preview));
        assert_eq!(preview.next("a", 0).await.err(), Some(PreviewRefusal::NotOffered));
        assert_eq!(format!("{preview:?}"), "CameraPreview { .. }");
    }

    #[tokio::test]
    async fn images_are_made_while_a_viewer_is_active_and_one_is_stored() {
        let (preview, now) = (CameraPreview::default(), Instant::now());
        preview.offer(now + PREVIEW_DURATION);
        assert!(!preview.wants_image(now), "no viewer yet");
        preview.register_viewer("a", now).unwrap();
        assert!(preview.wants_image(now));
        preview.show(view(1), now);
        assert!(!preview.wants_image(now + IMAGE_EVERY / 2) && preview.wants_image(now + IMAGE_EVERY));
        preview.show(view(2), now + IMAGE_EVERY);
        let (seen, until) = preview.next("a", 1).await.unwrap();
        assert!(seen.is_some_and(|seen| seen.sequence == 2) && until == now + PREVIEW_DURATION);
        // Without a viewer the image is discarded.
        assert!(!preview.wants_image(Instant::now() + VIEWER_TIMEOUT) && !holds_a_view(&preview));
    }

    #[tokio::test]
    async fn a_second_viewer_is_refused_until_the_first_is_gone() {
        let (preview, now) = (CameraPreview::default(), Instant::now());
        preview.offer(now + PREVIEW_DURATION);
        preview.register_viewer("a", now).unwrap();
        assert_eq!(preview.register_viewer("b", now + VIEWER_TIMEOUT / 2), Err(PreviewRefusal::OtherViewer));
        assert!(preview.register_viewer("b", now + VIEWER_TIMEOUT).is_ok());
        assert_eq!(preview.register_viewer("a", now + VIEWER_TIMEOUT), Err(PreviewRefusal::OtherViewer));
    }

    #[tokio::test]
    async fn ending_discards_the_image_and_answers_a_waiting_viewer() {
        let preview = CameraPreview::default();
        preview.offer(Instant::now() + PREVIEW_DURATION);
        preview.register_viewer("a", Instant::now()).unwrap();
        preview.show(view(1), Instant::now());
        let waiting = tokio::spawn({
            let preview = preview.clone();
            async move { preview.next("a", 1).await.err() }
        });
        tokio::task::yield_now().await;
        preview.end();
        assert_eq!(waiting.await.unwrap(), Some(PreviewRefusal::NotOffered));
        preview.show(view(2), Instant::now());
        assert!(!holds_a_view(&preview) && preview.until(Instant::now()).is_none());
    }

    #[tokio::test]
    async fn at_the_end_of_the_offer_the_image_is_discarded_without_a_request() {
        let preview = CameraPreview::default();
        preview.offer(Instant::now() + Duration::from_millis(40));
        preview.register_viewer("a", Instant::now()).unwrap();
        preview.show(view(1), Instant::now());
        let mut changes = preview.changes();
        let clock = tokio::spawn(preview.clone().keep_time());
        assert_eq!(changes.next().await, Some(None));
        assert!(!holds_a_view(&preview));
        assert_eq!(preview.next("a", 0).await.err(), Some(PreviewRefusal::NotOffered));
        clock.abort();
    }
}
