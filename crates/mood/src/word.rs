//! Chooses the word for the mood: ordered rules, and hysteresis against flicker.
//!
//! The rules are data, so that a test generates the table in `docs/reference/mood.md` from them.

use moodring_contract::Sensitivity;
use moodring_contract::Word;
use std::time::{Duration, Instant};

use super::signals::{Metric, Metrics};
use moodring_config as config;
use moodring_contract::Mode;

/// Scales hold time and margin of `config` for `sensitivity`, limited to the ranges of their configuration keys.
pub(super) fn adjusted(config: &config::Word, sensitivity: Sensitivity) -> config::Word {
    let (hold, margin) = match sensitivity {
        Sensitivity::Calm => (3.0, 2.0),
        Sensitivity::Normal => (1.0, 1.0),
        Sensitivity::Quick => (0.4, 0.5),
    };
    config::Word {
        hold_s: (config.hold_s * hold).min(config::Word::MAX_HOLD_S),
        margin: (config.margin * margin).min(config::Word::MAX_MARGIN),
        ..config.clone()
    }
}

/// A threshold for one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Condition {
    AtLeast(Metric, f64),
    AtMost(Metric, f64),
}

impl Condition {
    /// Whether the metric meets the threshold, or misses it by at most `slack`. Unknown metrics do not meet it.
    fn holds(self, metrics: &Metrics, slack: f64) -> bool {
        let value = |metric| metrics.get(metric).map(|level| level.value);
        match self {
            Self::AtLeast(metric, threshold) => value(metric).is_some_and(|value| value >= threshold - slack),
            Self::AtMost(metric, threshold) => value(metric).is_some_and(|value| value <= threshold + slack),
        }
    }
}

/// Words with their conditions. The first word whose conditions all hold is chosen; if there is none, `Calm`.
fn rules(config: &config::Word) -> [(Word, Vec<Condition>); 5] {
    use Condition::{AtLeast, AtMost};
    [
        (Word::Bright, vec![AtLeast(Metric::Pleasant, config.bright_from)]),
        (Word::Strained, vec![AtLeast(Metric::Strained, config.strained_from)]),
        (
            Word::Restless,
            vec![
                AtLeast(Metric::Restlessness, config.restless_from),
                AtMost(Metric::Facing, config.restless_facing_to),
            ],
        ),
        (
            Word::Drowsy,
            vec![
                AtMost(Metric::Facing, config.drowsy_facing_to),
                AtMost(Metric::Restlessness, config.drowsy_restlessness_to),
                AtMost(Metric::Arousal, config.drowsy_arousal_to),
            ],
        ),
        (Word::Attentive, vec![AtLeast(Metric::Facing, config.attentive_from)]),
    ]
}

/// Input for the choice of the word.
#[derive(Debug, Clone, Copy)]
pub(super) struct WordInput<'a> {
    pub(super) mode: Mode,
    pub(super) metrics: &'a Metrics,
    /// Share of the class whose expression was read, 0..=1.
    pub(super) coverage: f64,
}

/// The word that fits; `current` is the shown word, which gets the margin.
fn word(input: &WordInput<'_>, current: Word, config: &config::Word) -> Word {
    let slack = |word: Word| if word == current { config.margin } else { 0.0 };
    if input.mode == Mode::Mood {
        let min_coverage = config.min_coverage - if current == Word::Unsure { 0.0 } else { config.margin };
        if input.coverage < min_coverage || input.metrics.get(Metric::Pleasant).is_none() {
            return Word::Unsure;
        }
    }
    let fits = |(word, conditions): &(Word, Vec<Condition>)| {
        conditions.iter().all(|condition| condition.holds(input.metrics, slack(*word)))
    };
    rules(config).iter().find(|rule| fits(rule)).map_or(Word::Calm, |(word, _)| *word)
}

/// The shown word. Another word replaces it after it fitted for `word.hold_s`.
#[derive(Debug)]
pub(super) struct Hysteresis {
    shown: Word,
    /// Another word that fits, and since when.
    candidate: Option<(Word, Instant)>,
}

impl Hysteresis {
    pub(super) fn new() -> Self {
        Self { shown: Word::Unsure, candidate: None }
    }

    /// Updates with the `input` at `now` and returns the word to show. The first word is shown at once.
    pub(super) fn update(&mut self, now: Instant, input: &WordInput<'_>, config: &config::Word) -> Word {
        let word = word(input, self.shown, config);
        if word == self.shown {
            self.candidate = None;
            return word;
        }
        let since = match self.candidate {
            Some((candidate, since)) if candidate == word => since,
            _ => now,
        };
        self.candidate = Some((word, since));
        let held = now.saturating_duration_since(since) >= Duration::from_secs_f64(config.hold_s);
        if held || self.shown == Word::Unsure {
            *self = Self { shown: word, candidate: None };
        }
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::tests::{facing, shares};
    use super::*;
    use moodring_config::EngagementWeights;
    use moodring_runtime::Rng;

    /// Metrics of a class of 30 with the given shares of happy and sad faces.
    fn metrics(front: f64, happy: f64, sad: f64, restlessness: f64) -> Metrics {
        let shares = shares([0.0, 0.0, 0.0, happy, sad, 0.0, 1.0 - happy - sad], 30.0);
        Metrics::new(facing(front, 0.1), Some(&shares), Some(restlessness), &EngagementWeights::default())
    }

    fn first_word(front: f64, happy: f64, sad: f64, restlessness: f64) -> Word {
        let metrics = metrics(front, happy, sad, restlessness);
        let input = WordInput { mode: Mode::Mood, metrics: &metrics, coverage: 0.8 };
        Hysteresis::new().update(Instant::now(), &input, &config::Word::default())
    }

    #[test]
    fn each_word_fits_its_example_class() {
        assert_eq!(first_word(0.8, 0.5, 0.1, 0.2), Word::Bright);
        assert_eq!(first_word(0.8, 0.1, 0.5, 0.2), Word::Strained);
        assert_eq!(first_word(0.6, 0.1, 0.1, 0.6), Word::Restless);
        assert_eq!(first_word(0.5, 0.0, 0.3, 0.1), Word::Drowsy);
        assert_eq!(first_word(0.8, 0.2, 0.1, 0.6), Word::Attentive);
        // A written test: nobody looks up, nobody moves, and the faces are neutral.
        assert_eq!(first_word(0.3, 0.1, 0.1, 0.0), Word::Calm);
    }

    #[test]
    fn low_coverage_gives_unsure_and_occupancy_mode_uses_facing() {
        let metrics = metrics(0.8, 0.6, 0.1, 0.1);
        let config = config::Word::default();
        let mut few = WordInput { mode: Mode::Mood, metrics: &metrics, coverage: 0.24 };
        assert_eq!(Hysteresis::new().update(Instant::now(), &few, &config), Word::Unsure);
        few.mode = Mode::Occupancy;
        let unread = Metrics::new(facing(0.8, 0.1), None, Some(0.1), &EngagementWeights::default());
        let input = WordInput { metrics: &unread, ..few };
        assert_eq!(Hysteresis::new().update(Instant::now(), &input, &config), Word::Attentive);
    }

    /// Metrics of a quiet class with the noise of a window of 30 people: deviation 0.04, correlation time ten seconds,
    /// one mood per second.
    fn noisy(rng: &mut Rng, noise: &mut [f64; 4]) -> Metrics {
        let [front, happy, sad, moving] = [0.70, 0.25, 0.20, 0.25];
        let decay = (-0.1_f64).exp();
        for state in noise.iter_mut() {
            *state = *state * decay + rng.normal() * 0.04 * (1.0 - decay * decay).sqrt();
        }
        metrics(front - 0.08 + noise[0], happy + noise[1], sad + noise[2], moving + noise[3])
    }

    #[test]
    fn quiet_class_has_one_word_for_twenty_minutes() {
        let config = config::Word::default();
        for lesson in 0..30 {
            let (start, mut rng, mut noise) = (Instant::now(), Rng::new(lesson), [0.0; 4]);
            let mut hysteresis = Hysteresis::new();
            for second in 0..20 * 60 {
                let metrics = noisy(&mut rng, &mut noise);
                let input = WordInput { mode: Mode::Mood, metrics: &metrics, coverage: 0.8 };
                let word = hysteresis.update(start + Duration::from_secs(second), &input, &config);
                assert_eq!(word, Word::Calm, "lesson {lesson}, second {second}");
            }
        }
    }

    #[test]
    fn class_at_a_threshold_changes_the_word_at_most_once() {
        let config = config::Word::default();
        for lesson in 0..30 {
            let (start, mut rng, mut state) = (Instant::now(), Rng::new(lesson), 0.0);
            let (mut hysteresis, mut words) = (Hysteresis::new(), Vec::new());
            let decay = (-0.1_f64).exp();
            for second in 0..20 * 60 {
                state = state * decay + rng.normal() * 0.02 * (1.0 - decay * decay).sqrt();
                let metrics = metrics(0.6, config.bright_from + state, 0.1, 0.2);
                let input = WordInput { mode: Mode::Mood, metrics: &metrics, coverage: 0.8 };
                words.push(hysteresis.update(start + Duration::from_secs(second), &input, &config));
            }
            words.dedup();
            assert!(words.len() <= 2, "lesson {lesson}: {words:?}");
        }
    }

    #[test]
    fn quick_follows_sooner_and_calm_later_with_fewer_changes() {
        let config = config::Word::default();
        let words = |sensitivity: Sensitivity, happy: &mut dyn FnMut(u64) -> f64| {
            let (start, config, mut hysteresis) =
                (Instant::now(), adjusted(&config, sensitivity), Hysteresis::new());
            let word = |second| {
                let metrics = metrics(0.6, happy(second), 0.1, 0.2);
                let input = WordInput { mode: Mode::Mood, metrics: &metrics, coverage: 0.8 };
                hysteresis.update(start + Duration::from_secs(second), &input, &config)
            };
            (0..20 * 60).map(word).collect::<Vec<_>>()
        };
        let all = [Sensitivity::Quick, Sensitivity::Normal, Sensitivity::Calm];
        let delays_s = all.map(|sensitivity| {
            let words = words(sensitivity, &mut |second| if second < 10 { 0.2 } else { 0.6 });
            words.iter().position(|word| *word == Word::Bright).unwrap()
        });
        assert_eq!(delays_s, [12, 15, 25]);
        // A class that varies around the threshold, with the noise of a window of 30 people.
        let changes = all.map(|sensitivity| {
            let lessons = (0..30).map(|lesson| {
                let (mut rng, mut state) = (Rng::new(lesson), 0.0);
                let decay = (-0.1_f64).exp();
                let mut words = words(sensitivity, &mut |_| {
                    state = state * decay + rng.normal() * 0.06 * (1.0 - decay * decay).sqrt();
                    config.bright_from + state
                });
                words.dedup();
                words.len() - 1
            });
            lessons.sum::<usize>()
        });
        println!("changes per hour: quick, normal, calm: {:?}", changes.map(|changes| changes as f64 / 10.0));
        assert!(changes[0] > 2 * changes[1] && changes[1] > 2 * changes[2], "{changes:?}");
    }

    #[test]
    fn another_word_is_shown_after_its_hold_time() {
        let (start, config) = (Instant::now(), config::Word::default());
        let mut hysteresis = Hysteresis::new();
        let mut at = |second, happy| {
            let metrics = metrics(0.6, happy, 0.1, 0.2);
            let input = WordInput { mode: Mode::Mood, metrics: &metrics, coverage: 0.8 };
            hysteresis.update(start + Duration::from_secs(second), &input, &config)
        };
        assert_eq!(at(0, 0.2), Word::Calm);
        // A laugh of three seconds is too short.
        assert_eq!([at(1, 0.6), at(4, 0.6), at(5, 0.2), at(8, 0.2)], [Word::Calm; 4]);
        assert_eq!([at(10, 0.6), at(14, 0.6), at(15, 0.6)], [Word::Calm, Word::Calm, Word::Bright]);
    }

    /// The table of the words for the default configuration, as in docs/reference/mood.md.
    fn table() -> String {
        let format_threshold = |metric, threshold: f64| match metric {
            Metric::Arousal => format!("{threshold}"),
            Metric::Restlessness => format!("{threshold:.2}"),
            _ => format!("{:.0} %", threshold * 100.0),
        };
        let name = |metric| match metric {
            Metric::Pleasant => "happy and surprise together",
            Metric::Strained => "angry, disgust, fear and sad together",
            Metric::Facing => "facing the front",
            Metric::Restlessness => "restlessness",
            Metric::Arousal => "arousal",
            Metric::Valence => "valence",
            Metric::Engagement => "engagement",
        };
        let describe = |condition: &Condition| match *condition {
            Condition::AtLeast(metric, min) => {
                format!("{} at least {}", name(metric), format_threshold(metric, min))
            }
            Condition::AtMost(metric, max) => {
                format!("{} at most {}", name(metric), format_threshold(metric, max))
            }
        };
        let config = config::Word::default();
        let mut text = format!(
            "| word | when |\n|---|---|\n| `unsure` | not `live`, or less than {:.0} % of the class could be read |\n",
            config.min_coverage * 100.0
        );
        for (word, conditions) in rules(&config) {
            let conditions: Vec<_> = conditions.iter().map(describe).collect();
            text.push_str(&format!("| `{}` | {} |\n", word.name(), conditions.join("; ")));
        }
        text + "| `calm` | else |\n"
    }

    #[test]
    fn table_in_docs_matches_the_rules() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/mood.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once("<!-- words: made by the test of mood::word -->\n").unwrap();
        let (table_in_docs, after) = rest.split_once("<!-- end of words -->").unwrap();
        if std::env::var_os("MOODRING_BLESS").is_some() && table_in_docs != table() {
            let marks = ["<!-- words: made by the test of mood::word -->\n", "<!-- end of words -->"];
            std::fs::write(path, [before, marks[0], &table(), marks[1], after].concat()).unwrap();
            return;
        }
        assert!(
            table_in_docs == table(),
            "the table is outdated; update it with: MOODRING_BLESS=1 cargo test -p moodring-mood word\n{}",
            table()
        );
    }
}
