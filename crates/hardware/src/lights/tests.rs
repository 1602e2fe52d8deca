use std::collections::VecDeque;
use std::sync::Mutex;

use proptest::prelude::*;
use tokio::sync::watch;

use super::*;
use moodring_config::{Config, Night};
use moodring_contract::Pace;
use moodring_contract::samples;
use moodring_runtime::StatusBoard;

const WORDS: [Word; 7] =
    [Word::Bright, Word::Attentive, Word::Calm, Word::Restless, Word::Strained, Word::Drowsy, Word::Unsure];
/// Step of the simulations: finer than the thread's step, so that no change falls between two of them.
const TICK: Duration = Duration::from_millis(10);

/// Linear sRGB to XYZ (IEC 61966-2-1), D65.
const TO_XYZ: [[f64; 3]; 3] =
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];

/// CIELAB of linear light.
fn lab(light: [f64; 3]) -> [f64; 3] {
    let white = [0.95047, 1.0, 1.08883];
    let [x, y, z] = std::array::from_fn(|index| {
        let sum: f64 = TO_XYZ[index].iter().zip(light).map(|(factor, channel)| factor * channel).sum();
        let ratio = sum / white[index];
        if ratio > 216.0 / 24389.0 { ratio.cbrt() } else { (24389.0 / 27.0 * ratio + 16.0) / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn any_two_colours_differ_clearly_for_each_type_of_colour_vision() {
    let mut min = f64::INFINITY;
    for eyes in ColourVision::ALL {
        for (index, word) in WORDS.iter().enumerate() {
            for other in &WORDS[..index] {
                let seen = |word: &Word| lab(eyes.see(Palette::Colours.light(*word)));
                let distance =
                    seen(word).iter().zip(seen(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 20.0, "{word:?} and {other:?} differ by {distance:.1} only");
                min = min.min(distance);
            }
        }
    }
    println!("smallest distance of two colours: {min:.1}");
}

#[test]
fn on_off_lamps_have_a_colour_for_each_word() {
    for (index, word) in WORDS.iter().enumerate() {
        let colour = Palette::Primaries.light(*word);
        assert!(colour.iter().all(|channel| [0.0, 1.0].contains(channel)) && colour.contains(&1.0));
        assert!(WORDS[..index].iter().all(|other| Palette::Primaries.light(*other) != colour), "{word:?}");
    }
}

#[test]
fn srgb_survives_the_round_trip_through_linear_light() {
    assert!((0..=255).all(|channel| srgb(linear(channel)) == channel));
    assert_eq!((srgb(-0.1), srgb(7.0)), (0, 255));
}

#[test]
fn each_state_has_its_light() {
    assert_eq!(light(&samples::paused()), Light::OFF);
    assert_eq!(light(&samples::live()), Light { word: Word::Attentive, glow: Glow::Full });
    for dim in [samples::too_few(), samples::starting()] {
        assert_eq!(light(&dim), Light { word: Word::Unsure, glow: Glow::Dim });
    }
    assert_eq!(light(&samples::stale()), Light { word: Word::Unsure, glow: Glow::Breathing });
}

/// Relative luminance of linear light (WCAG 2.2).
fn luminance([red, green, blue]: [f64; 3]) -> f64 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// The light shown at each tick; each mood lasts for a number of ticks.
fn play(moods: &[(Mood, usize)], palette: Palette) -> Vec<[f64; 3]> {
    let mut fader = Fader::default();
    let targets = moods.iter().flat_map(|(mood, ticks)| std::iter::repeat_n(light(mood), *ticks));
    targets.map(|target| fader.step(target, palette, 1.0, TICK)).collect()
}

/// Ticks at which `values` reverse: the ends of all rises and falls of at least `min_change`.
fn reversals(values: impl IntoIterator<Item = f64>, min_change: f64) -> Vec<usize> {
    let (mut reversals, mut extreme, mut rising) = (Vec::new(), (0, 0.0), true);
    for (tick, value) in values.into_iter().enumerate() {
        let continues = if rising { value >= extreme.1 } else { value <= extreme.1 };
        if continues {
            extreme = (tick, value);
        } else if (value - extreme.1).abs() >= min_change {
            reversals.push(extreme.0);
            (extreme, rising) = ((tick, value), !rising);
        }
    }
    reversals
}

/// Asserts that a light with these reversals neither flashes nor flickers.
fn assert_calm(reversals: &[usize], what: &str) -> Result<(), TestCaseError> {
    // Two opposing changes are one flash; three flashes per second are six reversals.
    let ticks_per_second = 100;
    let counts = reversals
        .iter()
        .map(|from| reversals.iter().filter(|&at| (*from..from + ticks_per_second).contains(at)).count());
    prop_assert!(counts.max().unwrap_or(0) <= 6, "{what} flashes: {reversals:?}");
    // A flicker of 3 Hz or more reverses every sixth of a second or faster, more than once.
    let fast = |three: &[usize]| three[2] - three[0] <= ticks_per_second / 3;
    prop_assert!(!reversals.windows(3).any(fast), "{what} flickers: {reversals:?}");
    Ok(())
}

fn any_mood() -> impl Strategy<Value = Mood> {
    let live = prop::sample::select(WORDS.to_vec()).prop_map(|word| samples::with_word(word, Pace::Fine));
    prop_oneof![
        4 => live,
        1 => Just(samples::paused()),
        1 => Just(samples::stale()),
        1 => Just(samples::too_few()),
        1 => Just(samples::starting()),
    ]
}

proptest! {
    #[test]
    fn no_moods_make_a_light_flash_or_flicker(moods in prop::collection::vec((any_mood(), 1usize..250), 1..40)) {
        for palette in [Palette::Colours, Palette::White, Palette::Primaries] {
            let shown = play(&moods, palette);
            // WCAG 2.2 counts changes of 10 % of the maximum relative luminance; this test counts a tenth of that.
            assert_calm(&reversals(shown.iter().map(|light| luminance(*light)), 0.01), "luminance")?;
            // Flashes of saturated red count separately, so the limits also hold for each channel.
            for channel in 0..3 {
                assert_calm(&reversals(shown.iter().map(|light| light[channel]), 0.01), "a channel")?;
            }
        }
    }

    #[test]
    fn no_moods_make_an_on_off_lamp_blink_fast(moods in prop::collection::vec((any_mood(), 1usize..250), 1..40)) {
        let lamps: [Arc<Mutex<Vec<bool>>>; 3] = Default::default();
        let mut switched = switched::Switched::new(lamps.iter().map(|seen| Recorder(Arc::clone(seen))).collect());
        play(&moods, switched.palette()).into_iter().for_each(|light| switched.show(light).unwrap());
        for seen in &lamps {
            let seen = seen.lock().unwrap();
            assert_calm(&reversals(seen.iter().map(|on| f64::from(u8::from(*on))), 0.5), "a lamp")?;
        }
    }
}

struct Recorder(Arc<Mutex<Vec<bool>>>);

impl switched::Lamp for Recorder {
    fn set(&mut self, on: bool) -> std::io::Result<()> {
        self.0.lock().unwrap().push(on);
        Ok(())
    }
}

#[test]
fn fast_alternating_moods_reverse_the_light_at_most_once_a_second() {
    let moods = [samples::with_word(Word::Bright, Pace::Fine), samples::paused()];
    for ticks in 1..=100 {
        let moods: Vec<_> =
            moods.iter().cycle().take(1000 / ticks).map(|mood| (mood.clone(), ticks)).collect();
        let reversals = reversals(play(&moods, Palette::Colours).into_iter().map(luminance), 0.01);
        assert!(reversals.windows(2).all(|pair| pair[1] - pair[0] >= 100), "{ticks}: {reversals:?}");
    }
}

#[test]
fn identification_shows_a_slow_swell_without_flashes() {
    for mood in [samples::live(), samples::paused(), samples::stale()] {
        for palette in [Palette::Colours, Palette::White, Palette::Primaries] {
            let mut fader = Fader::default();
            let before = std::iter::repeat_n(light(&mood), 500);
            let identifying = (0..1000_u32).map(|tick| blink(Duration::from_secs(10) - TICK * tick));
            let targets = before.chain(identifying).chain(std::iter::repeat_n(light(&mood), 500));
            let shown: Vec<_> = targets.map(|target| fader.step(target, palette, 1.0, TICK)).collect();
            let reversals = reversals(shown[500..1500].iter().map(|light| luminance(*light)), 0.05);
            assert!(reversals.len() >= 6, "{palette:?}: not visible: {reversals:?}");
            assert!(reversals.windows(2).all(|pair| pair[1] - pair[0] >= 90), "{palette:?}: {reversals:?}");
        }
    }
}

#[test]
fn only_stale_breathes_once_in_four_seconds() {
    for (name, mood) in samples::all() {
        let shown = play(&[(mood, 6000)], Palette::Colours);
        let settled = shown[300..].iter().map(|light| luminance(*light));
        let expected = if name == "stale" { 28..=29 } else { 0..=0 };
        let reversals = reversals(settled, 0.01).len();
        assert!(expected.contains(&reversals), "{name}: {reversals} reversals in 57 s");
    }
}

#[test]
fn a_fade_follows_a_straight_line() {
    let mut fader = Fader::default();
    let wanted = Light { word: Word::Calm, glow: Glow::Full };
    let target = Palette::Colours.light(Word::Calm).map(|channel| channel * 0.5);
    let half = (0..7).map(|_| fader.step(wanted, Palette::Colours, 0.5, STEP)).last().unwrap();
    assert!(half[2] > 0.1 && half[2] < target[2]);
    assert!(
        (half[0] / half[2] - target[0] / target[2]).abs() < 1e-9,
        "the hue changes during the fade: {half:?}"
    );
    let there = (0..40).map(|_| fader.step(wanted, Palette::Colours, 0.5, STEP)).last().unwrap();
    assert_eq!(there, target);
}

#[test]
fn the_light_is_dimmer_at_night() {
    let night = Night { lights: 0.25, ..Night::default() };
    let zone = TimeZone::get("Asia/Kolkata").unwrap();
    let mut config = Config { night, ..Config::default() };
    config.lights.brightness = 0.4;
    let (settings, current) = watch::channel(Arc::new(config.clone()));
    let brightness = Brightness { settings: current, zone };
    let at = |time: &str| brightness.at(time.parse().unwrap());
    assert_eq!(at("2026-11-20T10:00:00+05:30"), 0.4);
    assert_eq!(at("2026-11-20T19:00:00+05:30"), 0.1);
    assert_eq!(at("2026-11-20T02:00:00+05:30"), 0.1);
    assert_eq!(brightness.at_night(), 0.1);
    config.lights.brightness = 0.8;
    settings.send_replace(Arc::new(config));
    assert_eq!(at("2026-11-20T02:00:00+05:30"), 0.2, "a new configuration applies at once");
}

/// A light that fails after `shows_left` calls; the last one requests the stop instead.
struct Scripted {
    shows_left: usize,
    last: bool,
    seen: Arc<Mutex<Vec<[f64; 3]>>>,
    stop: Stop,
}

impl Ring for Scripted {
    fn palette(&self) -> Palette {
        Palette::White
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        self.seen.lock().unwrap().push(light);
        if self.shows_left == 0 {
            if self.last {
                self.stop.request();
                return Ok(());
            }
            return Err(std::io::Error::other("pulled out"));
        }
        self.shows_left -= 1;
        Ok(())
    }
}

#[test]
fn a_missing_light_is_reported_once_and_reopened() {
    let (_sender, moods) = watch::channel(Arc::new(samples::live()));
    let (health, stop) = (Arc::new(Health::new("lights")), Stop::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut script = VecDeque::from([Err("not there"), Err("not there"), Ok((2, false)), Ok((3, true))]);
    let (mut problems, reported) = (Vec::new(), Arc::clone(&health));
    let open = || {
        problems.push(reported.problem());
        let (shows_left, last) = script.pop_front().unwrap().map_err(str::to_owned)?;
        let (seen, stop) = (Arc::clone(&seen), stop.clone());
        Ok(Box::new(Scripted { shows_left, last, seen, stop }) as Box<dyn Ring>)
    };
    let mut config = Config::default();
    config.lights.brightness = 1.0;
    let brightness = Brightness { settings: config.fixed(), zone: TimeZone::UTC };
    let updates = StatusBoard::default().subscribe();
    let heartbeat = Heartbeat::default();
    let (moods, updates, health_, stop_) = (&moods, &updates, &health, &stop);
    LightLoop { open, brightness, moods, updates, health: health_, heartbeat: &heartbeat, stop: stop_ }
        .run(Backoff::new(Duration::ZERO, Duration::ZERO));
    let not_there = Some("not there".to_owned());
    let pulled_out = Some("the light does not respond: pulled out".to_owned());
    assert_eq!(problems, [None, not_there.clone(), not_there, pulled_out]);
    assert_eq!((health.errors.get(), health.problem()), (3, None));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.last(), Some(&[0.0; 3]), "dark at the end");
    assert!(seen[0][0] > 0.0 && seen[seen.len() - 2][0] > seen[0][0], "the fade went on: {seen:?}");
}

#[test]
fn a_panic_turns_the_light_off() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let scripted = Scripted { shows_left: 9, last: false, seen: Arc::clone(&seen), stop: Stop::default() };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut ring = DarkOnDrop(Box::new(scripted));
        ring.0.show([1.0; 3]).unwrap();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(*seen.lock().unwrap(), [[1.0; 3], [0.0; 3]]);
}
