//! One word for the glance. The rules are few and ordered, and stand as a table in `docs/mood.md`.

use super::{Mode, Share, Shares, Word};

/// Share of the class whose expression must have been read before expressions decide the word: below it the
/// figures speak of a few people in front only.
const LEAST_COVERAGE: f64 = 0.25;
/// Share of happy and surprised faces from which a class is bright: about twice the share that a neutral class
/// shows through the classifier's confusions alone.
const BRIGHT: f64 = 0.40;
/// Share of angry, disgusted, fearful and sad faces from which a class is strained.
const STRAINED: f64 = 0.45;
/// Share that faces the front below which a class is restless.
const RESTLESS: f64 = 0.45;
/// Share that faces the front from which a class is attentive.
const ATTENTIVE: f64 = 0.75;

/// The mood word for a class of which the figures are known.
pub(super) fn word(mode: Mode, facing: f64, expressions: Option<&Shares>, coverage: f64) -> Word {
    let readable = mode == Mode::Mood && coverage >= LEAST_COVERAGE;
    match expressions {
        Some(shares) if readable => {
            let sum = |parts: &[Share]| parts.iter().map(|part| part.share).sum::<f64>();
            if sum(&[shares.happy, shares.surprise]) >= BRIGHT {
                Word::Bright
            } else if sum(&[shares.angry, shares.disgust, shares.fear, shares.sad]) >= STRAINED {
                Word::Strained
            } else {
                by_facing(facing)
            }
        }
        _ if mode == Mode::Occupancy => by_facing(facing),
        _ => Word::Unsure,
    }
}

fn by_facing(facing: f64) -> Word {
    if facing < RESTLESS {
        Word::Restless
    } else if facing >= ATTENTIVE {
        Word::Attentive
    } else {
        Word::Calm
    }
}
