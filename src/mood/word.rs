//! One word for the glance: rules in order, and what keeps a word from coming and going.
//!
//! Its one decision: the rules are data, so that the table in `docs/reference/mood.md` is made of them.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mode;
use super::signals::{Figure, Figures};
use crate::config;

/// The mood of the class in one word; `docs/reference/mood.md` defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Many happy or surprised faces.
    Bright,
    /// Most look to the front.
    Attentive,
    /// Nothing stands out.
    Calm,
    /// Heads move all the time, and not to the front.
    Restless,
    /// Many angry, disgusted, fearful or sad faces.
    Strained,
    /// Few look to the front, nothing moves, and faces are slack.
    Drowsy,
    /// Not enough is known.
    Unsure,
}

impl Word {
    /// The lower-case word used in every payload, file and page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bright => "bright",
            Self::Attentive => "attentive",
            Self::Calm => "calm",
            Self::Restless => "restless",
            Self::Strained => "strained",
            Self::Drowsy => "drowsy",
            Self::Unsure => "unsure",
        }
    }
}

/// How soon the word follows the class: a matter of taste, so it is in the teacher's hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Another word must fit three times as long, and the standing one is kept until it misses by twice as much.
    Calm,
    /// As configured in `[word]`.
    #[default]
    Normal,
    /// Another word must fit two fifths as long, and the standing one is kept until it misses by half as much.
    Quick,
}

impl Sensitivity {
    /// What the word is judged by, where `config` is the configured; within the bounds of its keys.
    pub(super) fn of(self, config: &config::Word) -> config::Word {
        let (hold, margin) = match self {
            Self::Calm => (3.0, 2.0),
            Self::Normal => (1.0, 1.0),
            Self::Quick => (0.4, 0.5),
        };
        config::Word {
            hold_s: (config.hold_s * hold).min(config::Word::MOST_HOLD_S),
            margin: (config.margin * margin).min(config::Word::MOST_MARGIN),
            ..config.clone()
        }
    }
}

/// Something that a figure must keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Condition {
    AtLeast(Figure, f64),
    AtMost(Figure, f64),
}

impl Condition {
    /// Whether it holds, or misses by no more than `slack`. What is not known does not hold.
    fn holds(self, figures: &Figures, slack: f64) -> bool {
        let value = |figure| figures.get(figure).map(|level| level.value);
        match self {
            Self::AtLeast(figure, threshold) => value(figure).is_some_and(|value| value >= threshold - slack),
            Self::AtMost(figure, threshold) => value(figure).is_some_and(|value| value <= threshold + slack),
        }
    }
}

/// Words with their conditions; the first of which all hold is the word, and without one it is calm.
fn rules(config: &config::Word) -> [(Word, Vec<Condition>); 5] {
    use Condition::{AtLeast, AtMost};
    [
        (Word::Bright, vec![AtLeast(Figure::Pleasant, config.bright_from)]),
        (Word::Strained, vec![AtLeast(Figure::Strained, config.strained_from)]),
        (
            Word::Restless,
            vec![
                AtLeast(Figure::Restlessness, config.restless_from),
                AtMost(Figure::Facing, config.restless_facing_to),
            ],
        ),
        (
            Word::Drowsy,
            vec![
                AtMost(Figure::Facing, config.drowsy_facing_to),
                AtMost(Figure::Restlessness, config.drowsy_restlessness_to),
                AtMost(Figure::Arousal, config.drowsy_arousal_to),
            ],
        ),
        (Word::Attentive, vec![AtLeast(Figure::Facing, config.attentive_from)]),
    ]
}

/// What the word is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance<'a> {
    pub(super) mode: Mode,
    pub(super) figures: &'a Figures,
    /// Share of the class whose expression was read.
    pub(super) coverage: f64,
}

/// The word for a class that is called `standing` so far.
fn word(glance: &Glance<'_>, standing: Word, config: &config::Word) -> Word {
    let slack = |word: Word| if word == standing { config.margin } else { 0.0 };
    if glance.mode == Mode::Mood {
        let least = config.least_coverage - if standing == Word::Unsure { 0.0 } else { config.margin };
        if glance.coverage < least || glance.figures.get(Figure::Pleasant).is_none() {
            return Word::Unsure;
        }
    }
    let fits = |(word, conditions): &(Word, Vec<Condition>)| {
        conditions.iter().all(|condition| condition.holds(glance.figures, slack(*word)))
    };
    rules(config).iter().find(|rule| fits(rule)).map_or(Word::Calm, |(word, _)| *word)
}

/// What is shown: another word comes only after it fitted for a while.
#[derive(Debug)]
pub(super) struct Standing {
    shown: Word,
    /// The word that fits instead, and since when.
    coming: Option<(Word, Instant)>,
}

impl Standing {
    pub(super) fn new() -> Self {
        Self { shown: Word::Unsure, coming: None }
    }

    /// Takes in what is to be seen at `now` and returns the word to show. The first word comes at once.
    pub(super) fn look(&mut self, now: Instant, glance: &Glance<'_>, config: &config::Word) -> Word {
        let word = word(glance, self.shown, config);
        if word == self.shown {
            self.coming = None;
            return word;
        }
        let since = match self.coming {
            Some((coming, since)) if coming == word => since,
            _ => now,
        };
        self.coming = Some((word, since));
        let fitted = now.saturating_duration_since(since) >= Duration::from_secs_f64(config.hold_s);
        if fitted || self.shown == Word::Unsure {
            *self = Self { shown: word, coming: None };
        }
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::tests::{facing, shares};
    use super::super::tests::Dice;
    use super::*;
    use crate::config::EngagementWeights;

    /// A class of 30 with the given shares of happy and sad.
    fn figures(front: f64, happy: f64, sad: f64, restlessness: f64) -> Figures {
        let shares = shares([0.0, 0.0, 0.0, happy, sad, 0.0, 1.0 - happy - sad], 30.0);
        Figures::new(facing(front, 0.1), Some(&shares), Some(restlessness), &EngagementWeights::default())
    }

    fn first_word(front: f64, happy: f64, sad: f64, restlessness: f64) -> Word {
        let figures = figures(front, happy, sad, restlessness);
        let glance = Glance { mode: Mode::Mood, figures: &figures, coverage: 0.8 };
        Standing::new().look(Instant::now(), &glance, &config::Word::default())
    }

    #[test]
    fn every_word_has_its_class() {
        assert_eq!(first_word(0.8, 0.5, 0.1, 0.2), Word::Bright);
        assert_eq!(first_word(0.8, 0.1, 0.5, 0.2), Word::Strained);
        assert_eq!(first_word(0.6, 0.1, 0.1, 0.6), Word::Restless);
        assert_eq!(first_word(0.5, 0.0, 0.3, 0.1), Word::Drowsy);
        assert_eq!(first_word(0.8, 0.2, 0.1, 0.6), Word::Attentive);
        // A written test: nobody looks up, nothing moves, and faces are what they always are.
        assert_eq!(first_word(0.3, 0.1, 0.1, 0.0), Word::Calm);
    }

    #[test]
    fn expressions_of_a_few_decide_nothing_and_without_them_facing_does() {
        let figures = figures(0.8, 0.6, 0.1, 0.1);
        let config = config::Word::default();
        let mut few = Glance { mode: Mode::Mood, figures: &figures, coverage: 0.24 };
        assert_eq!(Standing::new().look(Instant::now(), &few, &config), Word::Unsure);
        few.mode = Mode::Occupancy;
        let unread = Figures::new(facing(0.8, 0.1), None, Some(0.1), &EngagementWeights::default());
        let glance = Glance { figures: &unread, ..few };
        assert_eq!(Standing::new().look(Instant::now(), &glance, &config), Word::Attentive);
    }

    /// Shares around a quiet class as a window of 30 people shows them: deviation 0.04, remembered for about
    /// ten seconds, one mood a second.
    fn noisy(dice: &mut Dice, memory: &mut [f64; 4]) -> Figures {
        let [front, happy, sad, moving] = [0.70, 0.25, 0.20, 0.25];
        let kept = (-0.1_f64).exp();
        for state in memory.iter_mut() {
            *state = *state * kept + dice.normal() * 0.04 * (1.0 - kept * kept).sqrt();
        }
        figures(front - 0.08 + memory[0], happy + memory[1], sad + memory[2], moving + memory[3])
    }

    #[test]
    fn twenty_quiet_minutes_have_one_word() {
        let config = config::Word::default();
        for lesson in 0..30 {
            let (start, mut dice, mut memory) = (Instant::now(), Dice(lesson), [0.0; 4]);
            let mut standing = Standing::new();
            for second in 0..20 * 60 {
                let figures = noisy(&mut dice, &mut memory);
                let glance = Glance { mode: Mode::Mood, figures: &figures, coverage: 0.8 };
                let word = standing.look(start + Duration::from_secs(second), &glance, &config);
                assert_eq!(word, Word::Calm, "lesson {lesson}, second {second}");
            }
        }
    }

    #[test]
    fn on_a_threshold_the_word_changes_once_and_stays() {
        let config = config::Word::default();
        for lesson in 0..30 {
            let (start, mut dice, mut state) = (Instant::now(), Dice(lesson), 0.0);
            let (mut standing, mut words) = (Standing::new(), Vec::new());
            let kept = (-0.1_f64).exp();
            for second in 0..20 * 60 {
                state = state * kept + dice.normal() * 0.02 * (1.0 - kept * kept).sqrt();
                let figures = figures(0.6, config.bright_from + state, 0.1, 0.2);
                let glance = Glance { mode: Mode::Mood, figures: &figures, coverage: 0.8 };
                words.push(standing.look(start + Duration::from_secs(second), &glance, &config));
            }
            words.dedup();
            assert!(words.len() <= 2, "lesson {lesson}: {words:?}");
        }
    }

    #[test]
    fn quick_follows_sooner_and_calm_later_and_changes_less_often() {
        let config = config::Word::default();
        let words = |sensitivity: Sensitivity, happy: &mut dyn FnMut(u64) -> f64| {
            let (start, config, mut standing) = (Instant::now(), sensitivity.of(&config), Standing::new());
            let word = |second| {
                let figures = figures(0.6, happy(second), 0.1, 0.2);
                let glance = Glance { mode: Mode::Mood, figures: &figures, coverage: 0.8 };
                standing.look(start + Duration::from_secs(second), &glance, &config)
            };
            (0..20 * 60).map(word).collect::<Vec<_>>()
        };
        let all = [Sensitivity::Quick, Sensitivity::Normal, Sensitivity::Calm];
        let comes = all.map(|sensitivity| {
            let words = words(sensitivity, &mut |second| if second < 10 { 0.2 } else { 0.6 });
            words.iter().position(|word| *word == Word::Bright).unwrap()
        });
        assert_eq!(comes, [12, 15, 25]);
        // A class that swings across the threshold, with the noise of a window of 30 people.
        let changes = all.map(|sensitivity| {
            let lessons = (0..30).map(|lesson| {
                let (mut dice, mut state) = (Dice(lesson), 0.0);
                let kept = (-0.1_f64).exp();
                let mut words = words(sensitivity, &mut |_| {
                    state = state * kept + dice.normal() * 0.06 * (1.0 - kept * kept).sqrt();
                    config.bright_from + state
                });
                words.dedup();
                words.len() - 1
            });
            lessons.sum::<usize>()
        });
        println!("changes an hour: quick, normal, calm: {:?}", changes.map(|changes| changes as f64 / 10.0));
        assert!(changes[0] > 2 * changes[1] && changes[1] > 2 * changes[2], "{changes:?}");
    }

    #[test]
    fn a_swing_shows_after_it_held() {
        let (start, config) = (Instant::now(), config::Word::default());
        let mut standing = Standing::new();
        let mut at = |second, happy| {
            let figures = figures(0.6, happy, 0.1, 0.2);
            let glance = Glance { mode: Mode::Mood, figures: &figures, coverage: 0.8 };
            standing.look(start + Duration::from_secs(second), &glance, &config)
        };
        assert_eq!(at(0, 0.2), Word::Calm);
        // A laugh of three seconds is none.
        assert_eq!([at(1, 0.6), at(4, 0.6), at(5, 0.2), at(8, 0.2)], [Word::Calm; 4]);
        assert_eq!([at(10, 0.6), at(14, 0.6), at(15, 0.6)], [Word::Calm, Word::Calm, Word::Bright]);
    }

    /// The table of the words for the defaults, as it stands in docs/reference/mood.md.
    fn table() -> String {
        let percent = |figure, threshold: f64| match figure {
            Figure::Arousal => format!("{threshold}"),
            Figure::Restlessness => format!("{threshold:.2}"),
            _ => format!("{:.0} %", threshold * 100.0),
        };
        let name = |figure| match figure {
            Figure::Pleasant => "happy and surprise together",
            Figure::Strained => "angry, disgust, fear and sad together",
            Figure::Facing => "facing the front",
            Figure::Restlessness => "restlessness",
            Figure::Arousal => "arousal",
            Figure::Valence => "valence",
            Figure::Engagement => "engagement",
        };
        let say = |condition: &Condition| match *condition {
            Condition::AtLeast(figure, least) => {
                format!("{} at least {}", name(figure), percent(figure, least))
            }
            Condition::AtMost(figure, most) => format!("{} at most {}", name(figure), percent(figure, most)),
        };
        let config = config::Word::default();
        let mut text = format!(
            "| word | when |\n|---|---|\n| `unsure` | not `live`, or less than {:.0} % of the class could be read |\n",
            config.least_coverage * 100.0
        );
        for (word, conditions) in rules(&config) {
            let conditions: Vec<_> = conditions.iter().map(say).collect();
            text.push_str(&format!("| `{}` | {} |\n", word.name(), conditions.join("; ")));
        }
        text + "| `calm` | else |\n"
    }

    #[test]
    fn the_table_in_docs_is_that_of_the_rules() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/mood.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once("<!-- words: made by the test of mood::word -->\n").unwrap();
        let (table_there, after) = rest.split_once("<!-- end of words -->").unwrap();
        if std::env::var_os("MOODRING_BLESS").is_some() && table_there != table() {
            let marks = ["<!-- words: made by the test of mood::word -->\n", "<!-- end of words -->"];
            std::fs::write(path, [before, marks[0], &table(), marks[1], after].concat()).unwrap();
            return;
        }
        assert!(
            table_there == table(),
            "renew it: MOODRING_BLESS=1 cargo test --lib mood::word\n{}",
            table()
        );
    }
}
