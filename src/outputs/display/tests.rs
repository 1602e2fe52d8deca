use std::path::PathBuf;
use std::sync::Mutex;

use super::*;
use crate::mood::{Mood, Pace, Word};
use crate::outputs::samples;

/// Set this variable to 1 to write the golden pictures and the contact sheet anew; look at them afterwards.
const BLESS: &str = "MOODRING_BLESS";

/// Pictures in a row of the contact sheet, and the gap between them in pixels.
const COLUMNS: u32 = 3;
const GAP: u32 = 18;
const SCALE: u32 = 3;

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every state, then every word, then numbers that are as wide as they can be.
fn pages() -> Vec<(String, Mood)> {
    let mut pages: Vec<_> = samples::all().into_iter().map(|(name, mood)| (name.to_owned(), mood)).collect();
    let words = [
        (Word::Bright, Pace::Fine),
        (Word::Calm, Pace::TooSlow),
        (Word::Restless, Pace::TooFast),
        (Word::Strained, Pace::TooFast),
        (Word::Drowsy, Pace::TooSlow),
        (Word::Unsure, Pace::Unsure),
    ];
    pages.extend(words.map(|(word, pace)| (format!("word_{}", word.name()), samples::with_word(word, pace))));
    let everybody = crate::mood::Share { share: 1.0, low: 0.9, high: 1.0 };
    let full = Mood { people: Some(188), facing: Some(everybody), ..samples::live() };
    let full_occupancy = Mood { people: Some(188), facing: Some(everybody), ..samples::occupancy() };
    pages.push(("full".into(), full));
    pages.push(("full_occupancy".into(), full_occupancy));
    let hours = Mood { picture_age_s: Some(86_000.0), ..samples::stale() };
    pages.push(("stale_hours".into(), hours));
    pages
}

#[test]
fn every_page_is_as_it_was_looked_at() {
    let bless = std::env::var_os(BLESS).is_some_and(|value| value == "1");
    for (name, mood) in pages() {
        let path = project(&format!("tests/golden/display/{name}.txt"));
        let drawn = draw(&mood).to_ascii();
        if bless {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &drawn).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            drawn == golden,
            "{name} differs from {}; if it should, run {BLESS}=1 cargo test --lib display and look at \
             docs/img/display-states.png\n{drawn}",
            path.display()
        );
    }
    if bless {
        contact_sheet().save(project("docs/img/display-states.png")).unwrap();
    }
}

fn contact_sheet() -> image::RgbImage {
    let pages = pages();
    let (width, height) = (WIDTH as u32 * SCALE, HEIGHT as u32 * SCALE);
    let rows = (pages.len() as u32).div_ceil(COLUMNS);
    let mut sheet = image::RgbImage::from_pixel(
        COLUMNS * (width + GAP) + GAP,
        rows * (height + GAP) + GAP,
        image::Rgb([0x3a, 0x3f, 0x47]),
    );
    for (index, (_, mood)) in (0_u32..).zip(&pages) {
        let x = GAP + index % COLUMNS * (width + GAP);
        let y = GAP + index / COLUMNS * (height + GAP);
        image::imageops::replace(&mut sheet, &draw(mood).to_image(SCALE), x.into(), y.into());
    }
    sheet
}

#[test]
fn what_is_not_known_is_not_drawn_as_a_figure() {
    let nothing = Mood { people: None, facing: None, ..samples::live() };
    assert_ne!(draw(&nothing), draw(&samples::live()));
}

#[test]
fn the_file_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("display.png");
    let mut file = PngFile(path.clone());
    for mood in [samples::live(), samples::paused()] {
        file.show(&draw(&mood)).unwrap();
        let read = image::open(&path).unwrap().into_rgb8();
        assert_eq!(read, draw(&mood).to_image(FILE_SCALE));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Keeps what it was asked to show; fails as often as it was told to.
struct Recorder {
    shown: Arc<Mutex<Vec<Picture>>>,
    stop: Stop,
    stop_after: usize,
}

impl Screen for Recorder {
    fn show(&mut self, picture: &Picture) -> std::io::Result<()> {
        let mut shown = self.shown.lock().unwrap();
        shown.push(picture.clone());
        if shown.len() == self.stop_after {
            self.stop.request();
        }
        Ok(())
    }
}

#[test]
fn the_thread_shows_the_newest_mood_and_goes_dark_at_the_end() {
    let (_sender, moods) = tokio::sync::watch::channel(Arc::new(samples::live()));
    let (stop, shown) = (Stop::default(), Arc::default());
    let health = Arc::new(Health::new("display"));
    run(Recorder { shown: Arc::clone(&shown), stop: stop.clone(), stop_after: 1 }, &moods, &health, &stop);
    assert_eq!(*shown.lock().unwrap(), [draw(&samples::live()), Picture::default()]);
    assert!(health.is_up() && health.published.get() == 1);
}

#[test]
fn a_file_that_cannot_be_written_is_a_problem_not_a_panic() {
    let (_sender, moods) = tokio::sync::watch::channel(Arc::new(samples::starting()));
    let stop = Stop::default();
    let health = Arc::new(Health::new("display"));
    let thread = std::thread::spawn({
        let (stop, health) = (stop.clone(), Arc::clone(&health));
        move || run(PngFile("/nonexistent/display.png".into()), &moods, &health, &stop)
    });
    while health.problem().is_none() {
        std::thread::yield_now();
    }
    stop.request();
    thread.join().unwrap();
    assert!(health.problem().unwrap().contains("cannot be drawn"));
}
