use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use jiff::civil::time;

use super::files::{FILE_SCALE, PngFile};
use super::oled::glass::Glass;
use super::oled::{Kind, Oled, OledConfig};
use super::*;
use moodring_config::Config;
use moodring_contract::samples;
use moodring_contract::{Mood, Pace, Word};
use moodring_runtime::PairingOffer;
use moodring_runtime::{CAMERA, DeviceStatus, StatusBoard};

/// Set this variable to 1 to rewrite the golden pictures and the contact sheet; check them afterwards.
const BLESS: &str = "MOODRING_BLESS";
const SHEET: &str = "docs/img/display-pages.png";
/// Tolerance of a channel against a golden colour picture: the last digits of a sine differ between machines.
const TOLERANCE: u8 = 2;

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn blessing() -> bool {
    std::env::var_os(BLESS).is_some_and(|value| value == "1")
}

fn with_problem(part: &'static str, problem: &str) -> DeviceStatus {
    DeviceStatus { problems: [(part, problem.to_owned())].into(), ..DeviceStatus::default() }
}

fn paired(address: [u8; 4], code: Option<&str>, now: Instant) -> Page {
    let offer = PairingOffer { code: code.map(str::to_owned), until: now + Duration::from_secs(600) };
    let page = Some(SocketAddr::from((address, 8080)));
    let status = DeviceStatus { page, ..DeviceStatus::default() };
    let turns = PageTimes { overview: Duration::from_secs(8), detail: Duration::from_secs(4) };
    draw(&samples::live(), &status, Some(&offer), turns, now).first().clone()
}

/// The page of a mood `seconds` after the start.
fn page_of(mood: &Mood, status: &DeviceStatus, seconds: u64) -> Page {
    let turns = PageTimes { overview: Duration::from_secs(8), detail: Duration::from_secs(4) };
    draw(mood, status, None, turns, Instant::now()).at(Duration::from_secs(seconds)).clone()
}

/// Every kind of page, every word, and numbers of maximum width.
fn pages() -> Vec<(String, Page)> {
    let (ok, now) = (DeviceStatus::default(), Instant::now());
    let mut pages: Vec<(String, Page)> =
        samples::all().iter().map(|(name, mood)| ((*name).to_owned(), page_of(mood, &ok, 0))).collect();
    let words = [
        (Word::Bright, Pace::Fine),
        (Word::Calm, Pace::TooSlow),
        (Word::Restless, Pace::TooFast),
        (Word::Strained, Pace::TooFast),
        (Word::Drowsy, Pace::TooSlow),
        (Word::Unsure, Pace::Unsure),
    ];
    let word_page = |(word, pace): (Word, Pace)| {
        (format!("word_{}", word.name()), page_of(&samples::with_word(word, pace), &ok, 0))
    };
    pages.extend(words.map(word_page));
    let everybody = moodring_contract::Share { share: 1.0, low: 0.9, high: 1.0 };
    let full = Mood { people: Some(188), facing: Some(everybody), ..samples::live() };
    let full_occupancy = Mood { people: Some(188), facing: Some(everybody), ..samples::occupancy() };
    let hours = Mood { picture_age_s: Some(86_000.0), ..samples::stale() };
    let no_camera = with_problem(CAMERA, "camera gone: /dev/video0 does not exist; plug it in");
    let no_broker = with_problem("mqtt", "the broker mqtt.campus.example:8883 refuses the connection");
    let others = [
        ("full", page_of(&full, &ok, 0)),
        ("full_occupancy", page_of(&full_occupancy, &ok, 0)),
        ("stale_hours", page_of(&hours, &ok, 0)),
        ("detail", page_of(&samples::live(), &ok, 9)),
        ("camera_gone", page_of(&samples::starting(), &no_camera, 0)),
        ("broker_away", page_of(&samples::live(), &no_broker, 13)),
        ("pairing", paired([192, 168, 1, 23], Some("481516"), now)),
        ("address", paired([192, 168, 1, 23], None, now)),
        ("address_loopback", paired([127, 0, 0, 1], None, now)),
    ];
    pages.extend(others.map(|(name, page)| (name.to_owned(), page)));
    pages
}

#[test]
fn every_page_on_the_small_screen_matches_its_golden_picture() {
    for (name, page) in pages() {
        let path = project(&format!("tests/golden/display/{name}.txt"));
        let drawn = small(&page).to_ascii();
        if blessing() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &drawn).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            drawn == golden,
            "{name} differs from {}; if it should, run {BLESS}=1 cargo test -p moodring-hardware and check {SHEET}\n\
             {drawn}",
            path.display()
        );
        let margin = super::small::beyond_margins(&small(&page));
        assert!(margin.is_empty(), "{name} uses the margin at {margin:?}\n{drawn}");
    }
}

#[test]
fn every_page_on_the_large_screen_matches_its_golden_picture() {
    for (name, page) in pages() {
        let path = project(&format!("tests/golden/display/large/{name}.png"));
        let drawn = large(&page).to_image(1);
        if blessing() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            save(&drawn, &path);
        }
        let golden = image::open(&path).map(image::DynamicImage::into_rgb8).unwrap_or_default();
        let same = drawn.dimensions() == golden.dimensions()
            && drawn.iter().zip(golden.iter()).all(|(one, other)| one.abs_diff(*other) <= TOLERANCE);
        assert!(
            same,
            "{name} differs from {}; if it should, run it with {BLESS}=1 and check {SHEET}",
            path.display()
        );
    }
    if blessing() {
        save(&contact_sheet(), &project(SHEET));
    }
}

/// Saves with maximum compression: these files are in the repository.
fn save(picture: &image::RgbImage, path: &std::path::Path) {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let file = std::fs::File::create(path).unwrap();
    let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).unwrap();
}

/// Every page on both screens, side by side.
fn contact_sheet() -> image::RgbImage {
    const GAP: u32 = 24;
    const COLUMNS: u32 = 3;
    const BACKGROUND: image::Rgb<u8> = image::Rgb([0x3a, 0x3f, 0x47]);
    let (wide, high) = (WIDTH as u32 * 2, canvas::SIDE as u32);
    let (column, row) = (wide + high + 2 * GAP, high + GAP);
    let pages = pages();
    let rows = (pages.len() as u32).div_ceil(COLUMNS);
    let mut sheet = image::RgbImage::from_pixel(COLUMNS * column + GAP, rows * row + GAP, BACKGROUND);
    for (index, (_, page)) in (0_u32..).zip(&pages) {
        let (x, y) = (GAP + index % COLUMNS * column, GAP + index / COLUMNS * row);
        let middle = y + (high - HEIGHT as u32 * 2) / 2;
        image::imageops::replace(&mut sheet, &small(page).to_image(2), x.into(), middle.into());
        let right = x + wide + GAP / 2;
        image::imageops::replace(&mut sheet, &large(page).to_image(1), right.into(), y.into());
    }
    sheet
}

#[test]
fn unknown_values_are_not_drawn_as_numbers() {
    let nothing = Mood { people: None, facing: None, ..samples::live() };
    let [unknown, known] = [nothing, samples::live()].map(|mood| page_of(&mood, &DeviceStatus::default(), 0));
    assert_ne!(small(&unknown), small(&known));
    assert_ne!(large(&unknown), large(&known));
}

#[test]
fn the_file_is_replaced_atomically() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("display.png");
    let mut file = PngFile(path.clone());
    for mood in [samples::live(), samples::paused()] {
        let page = page_of(&mood, &DeviceStatus::default(), 0);
        file.show(&page, Appearance { brightness: 0.1, shift: (1, 1) }).unwrap();
        let read = image::open(&path).unwrap().into_rgb8();
        assert_eq!(read, small(&page).to_image(FILE_SCALE));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Records the pages; fails the first `failures_to_come` times.
#[derive(Default, Clone)]
struct Recorder(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    shown: Vec<(Page, Appearance)>,
    invalidated: usize,
    failures_to_come: usize,
    dark: bool,
    stop: Option<Stop>,
}

impl Screen for Recorder {
    fn show(&mut self, page: &Page, appearance: Appearance) -> Result<u64, ScreenError> {
        let mut record = self.0.lock().unwrap();
        if record.failures_to_come > 0 {
            record.failures_to_come -= 1;
            return Err(ScreenError("unplugged".into()));
        }
        record.shown.push((page.clone(), appearance));
        record.stop.iter().for_each(Stop::request);
        Ok(7)
    }

    fn invalidate(&mut self) {
        self.0.lock().unwrap().invalidated += 1;
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.0.lock().unwrap().dark = true;
        Ok(())
    }
}

/// Runs the steps of `seconds`, ten per second, at noon; returns those that were not `Unchanged`.
fn play<S: Screen>(
    show: &mut Show<S>,
    mood: &Mood,
    from: Instant,
    seconds: std::ops::Range<u64>,
) -> Vec<(u64, Step)> {
    (seconds.start * 10..seconds.end * 10)
        .map(|tenth| (tenth, from + Duration::from_millis(tenth * 100)))
        .map(|(tenth, now)| (tenth, show.step(mood, &DeviceStatus::default(), None, now, time(12, 0, 0, 0))))
        .filter(|(_, step)| *step != Step::Unchanged)
        .collect()
}

#[test]
fn pages_alternate_and_an_unchanged_page_is_only_checked() {
    let (recorder, now) = (Recorder::default(), Instant::now());
    let mut show = Show::new(recorder.clone(), Settings::of(&Config::default()), now);
    let steps = play(&mut show, &samples::live(), now, 0..20);
    let changes: Vec<u64> = steps
        .iter()
        .filter(|(_, step)| matches!(step, Step::Sent { changed: true, .. }))
        .map(|(tenth, _)| *tenth)
        .collect();
    // Twelve seconds of overview, five of details.
    assert_eq!(changes, [0, 120, 170]);
    assert_eq!(steps.len(), 3 + 5 + 2 + 1, "{steps:?}");
    let shown = &recorder.0.lock().unwrap().shown;
    assert!(shown.iter().any(|(page, _)| matches!(page, Page::Detail { .. })));
}

#[test]
fn the_delay_grows_with_each_failure_and_the_screen_recovers() {
    let (recorder, now) = (Recorder::default(), Instant::now());
    recorder.0.lock().unwrap().failures_to_come = 9;
    let mut show = Show::new(recorder.clone(), Settings::of(&Config::default()), now);
    let steps = play(&mut show, &samples::paused(), now, 0..300);
    let failed = |(_, step): &&(u64, Step)| matches!(step, Step::Failed(_));
    let seconds: Vec<u64> = steps.iter().filter(failed).map(|(tenth, _)| tenth / 10).collect();
    assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    let recovered = steps.iter().find(|(_, step)| matches!(step, Step::Sent { .. })).unwrap();
    assert_eq!(*recovered, (2430, Step::Sent { bytes: 7, changed: true }));
}

#[test]
fn the_content_of_a_screen_is_trusted_for_a_minute() {
    let (recorder, now) = (Recorder::default(), Instant::now());
    let mut show = Show::new(recorder.clone(), Settings::of(&Config::default()), now);
    play(&mut show, &samples::live(), now, 0..60);
    assert_eq!(recorder.0.lock().unwrap().invalidated, 0);
    play(&mut show, &samples::live(), now, 60..130);
    assert_eq!(recorder.0.lock().unwrap().invalidated, 2);
}

#[test]
fn the_night_dims_and_the_picture_moves_over_fifteen_positions() {
    let (recorder, now) = (Recorder::default(), Instant::now());
    let mut show = Show::new(recorder.clone(), Settings::of(&Config::default()), now);
    let mut positions = std::collections::HashSet::new();
    for minute in 0..28 {
        let at = now + Duration::from_secs(60 * minute);
        let clock = time(if minute < 14 { 12 } else { 23 }, 0, 0, 0);
        show.step(&samples::paused(), &DeviceStatus::default(), None, at, clock);
        let appearance = recorder.0.lock().unwrap().shown.last().unwrap().1;
        assert_eq!(appearance.brightness, if minute < 14 { 1.0 } else { 0.2 });
        positions.insert(appearance.shift);
    }
    // By day, but dimmed by a command.
    let (later, noon) = (now + Duration::from_secs(60 * 28), time(12, 0, 0, 0));
    let dimmed = DeviceStatus { dim_until: Some(later + Duration::from_secs(60)), ..DeviceStatus::default() };
    for (at, brightness) in [(later, 0.2), (later + Duration::from_secs(60), 1.0)] {
        show.step(&samples::paused(), &dimmed, None, at, noon);
        assert_eq!(recorder.0.lock().unwrap().shown.last().unwrap().1.brightness, brightness);
    }
    assert_eq!(positions.len(), 15);
    assert!(positions.iter().all(|(right, down)| right.abs() <= 2 && down.abs() <= 1));
    assert_eq!(recorder.0.lock().unwrap().shown[0].1.shift, (0, 0), "it starts in the middle");
    let steps: Vec<(i32, i32)> =
        (0..60).map(|minute| super::show::shift(Duration::from_secs(60 * minute))).collect();
    assert!(steps.windows(2).all(|two| (two[0].0 - two[1].0).abs() + (two[0].1 - two[1].1).abs() == 1));
}

/// Ten minutes of a class whose values change with every mood; docs/reference/display.md quotes the printed numbers.
#[test]
fn a_minute_of_a_lively_class_takes_a_few_thousand_bytes() {
    for kind in [Kind::Ssd1306, Kind::Sh1106] {
        let (glass, now) = (Glass::new(kind, 0x3c), Instant::now());
        let config = OledConfig { kind, bus: "/dev/i2c-1".into(), address: 0x3c, flip: false };
        let screen = Oled::new(config, {
            let glass = glass.clone();
            move || Ok(glass.clone())
        });
        let mut show = Show::new(screen, Settings::of(&Config::default()), now);
        let mut bytes_sent = 0;
        for second in 0..600 {
            let mood = Mood { people: Some(26 + second as u32 % 3), ..samples::live() };
            for (_, step) in play(&mut show, &mood, now, second..second + 1) {
                let Step::Sent { bytes, .. } = step else { panic!("{step:?}") };
                bytes_sent += bytes;
            }
        }
        let per_minute = bytes_sent / 10;
        println!("{kind:?}: {per_minute} bytes per minute");
        assert!((2_000..20_000).contains(&per_minute), "{per_minute}");
    }
}

fn sources(mood: Mood) -> (tokio::sync::watch::Sender<Arc<Mood>>, Sources) {
    let (sender, moods) = tokio::sync::watch::channel(Arc::new(mood));
    let updates = StatusBoard::default().subscribe();
    let settings = Config::default().fixed();
    let pairing = Pairing::new(false, Duration::from_secs(120));
    (sender, Sources { moods, updates, pairing, settings, zone: TimeZone::UTC })
}

#[test]
fn the_thread_shows_the_newest_mood_and_turns_dark_at_the_end() {
    let (_sender, sources) = sources(samples::live());
    let (stop, recorder) = (Stop::default(), Recorder::default());
    recorder.0.lock().unwrap().stop = Some(stop.clone());
    let health = Arc::new(Health::new("display"));
    run(recorder.clone(), &sources, &health, &Heartbeat::default(), &stop);
    let record = recorder.0.lock().unwrap();
    assert_eq!(record.shown[0].0, page_of(&samples::live(), &DeviceStatus::default(), 0));
    assert!(record.dark && health.is_up());
    assert_eq!((health.published.get(), health.bytes_sent.get()), (1, 7));
}

#[test]
fn a_file_that_cannot_be_written_is_reported_as_a_problem() {
    let (_sender, sources) = sources(samples::starting());
    let stop = Stop::default();
    let health = Arc::new(Health::new("display"));
    let thread = std::thread::spawn({
        let (stop, health) = (stop.clone(), Arc::clone(&health));
        move || {
            run(PngFile("/nonexistent/display.png".into()), &sources, &health, &Heartbeat::default(), &stop)
        }
    });
    while health.problem().is_none() {
        std::thread::yield_now();
    }
    stop.request();
    thread.join().unwrap();
    assert!(health.problem().unwrap().contains("cannot write display.path /nonexistent/display.png"));
}
