//! Finds the moments of a lesson that stand out: at most three, possibly none.
//!
//! A moment stands out if the mean of three minutes differs from the lesson's mean by more than the half-width of its
//! 90 % interval. An uncertain value therefore yields no moment, and an even lesson has none.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use moodring_contract::Level;
use moodring_contract::lesson::Metrics;
use moodring_contract::lesson::mean;
use moodring_contract::lesson::{Metric, Minute};

/// As many as a teacher remembers and the page has room for.
const MAX_MOMENTS: usize = 3;
/// Minutes between two moments; closer ones count as the same moment.
const MIN_DISTANCE: u32 = 5;
/// A smaller difference would not have been visible in the room.
const MIN_DIFFERENCE: f64 = 0.08;

/// What stood out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// The most happy or surprised faces.
    Brightest,
    /// The most angry, disgusted, fearful or sad faces.
    MostStrained,
    /// The largest share of people who faced the front.
    MostFacing,
    /// The smallest share of people who faced the front.
    LeastFacing,
}

/// A moment of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Moment {
    /// Minute of the lesson.
    pub number: u32,
    /// When that minute began.
    pub at: Timestamp,
    /// Kind of the moment.
    pub kind: MomentKind,
    /// The share, averaged over three minutes.
    pub share: f64,
    /// The same share over the whole lesson.
    pub lesson_mean: f64,
}

impl Moment {
    /// The moment as a sentence for teachers.
    pub fn sentence(&self) -> String {
        let (share, mean) = (percent(self.share), percent(self.lesson_mean));
        match self.kind {
            MomentKind::Brightest => {
                format!("Brightest faces: {share} happy or surprised (lesson average {mean}).")
            }
            MomentKind::MostStrained => {
                format!(
                    "Most strained faces: {share} angry, disgusted, fearful or sad (lesson average {mean})."
                )
            }
            MomentKind::MostFacing => {
                format!("Most people facing the front: {share} (lesson average {mean}).")
            }
            MomentKind::LeastFacing => {
                format!("Fewest people facing the front: {share} (lesson average {mean}).")
            }
        }
    }
}

/// `42 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The moments of these minutes, in chronological order.
pub(super) fn moments(minutes: &[Minute]) -> Vec<Moment> {
    let pleasant = |metrics: &Metrics| metrics.sum(&Metric::PLEASANT);
    let strained = |metrics: &Metrics| metrics.sum(&Metric::STRAINED);
    let facing = |metrics: &Metrics| metrics.get(Metric::Facing);
    let mut candidates: Vec<(f64, Moment)> = Vec::new();
    candidates.extend(extreme(minutes, MomentKind::Brightest, 1.0, pleasant));
    candidates.extend(extreme(minutes, MomentKind::MostStrained, 1.0, strained));
    candidates.extend(extreme(minutes, MomentKind::MostFacing, 1.0, facing));
    candidates.extend(extreme(minutes, MomentKind::LeastFacing, -1.0, facing));
    candidates.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut chosen: Vec<Moment> = Vec::new();
    for (_, moment) in candidates {
        if chosen.len() < MAX_MOMENTS
            && chosen.iter().all(|other| other.number.abs_diff(moment.number) >= MIN_DISTANCE)
        {
            chosen.push(moment);
        }
    }
    chosen.sort_by_key(|moment| moment.number);
    chosen
}

/// The minute around which the metric is farthest above (`sign` 1) or below (-1) the lesson's mean, with the difference
/// in half-widths of the interval; `None` if the difference is smaller than one half-width.
fn extreme(
    minutes: &[Minute],
    kind: MomentKind,
    sign: f64,
    metric: impl Fn(&Metrics) -> Option<Level>,
) -> Option<(f64, Moment)> {
    let levels: Vec<(&Minute, Level)> =
        minutes.iter().filter_map(|minute| Some((minute, metric(&minute.metrics)?))).collect();
    let lesson_mean = mean(levels.iter().map(|(_, share)| share.value))?;
    let moments = levels.windows(3).filter_map(|three| {
        let (first, middle, last) = (three[0].0, three[1].0, three[2].0);
        if last.number - first.number > 2 {
            return None;
        }
        let share = mean(three.iter().map(|(_, share)| share.value))?;
        let half_width =
            mean(three.iter().map(|(_, share)| {
                if sign > 0.0 { share.value - share.low } else { share.high - share.value }
            }))?;
        let difference = sign * (share - lesson_mean);
        let moment = Moment { number: middle.number, at: middle.at, kind, share, lesson_mean };
        (difference >= MIN_DIFFERENCE && difference > half_width)
            .then(|| (difference / half_width.max(0.01), moment))
    });
    moments.max_by(|(a, _), (b, _)| a.total_cmp(b))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expressive_minutes, minutes};
    use super::*;

    #[test]
    fn an_even_lesson_has_no_moments() {
        assert_eq!(moments(&minutes(45, |_| 0.75)), []);
        assert_eq!(moments(&minutes(45, |minute| 0.75 + 0.05 * f64::from(minute % 2))), []);
        assert_eq!(moments(&[]), []);
    }

    #[test]
    fn moments_are_found_at_their_minutes() {
        let lesson = expressive_minutes(45, |minute| match minute {
            10..14 => (0.8, 0.6, 0.0),
            25..30 => (0.35, 0.1, 0.45),
            _ => (0.8, 0.1, 0.05),
        });
        let found = moments(&lesson);
        let kinds: Vec<_> = found.iter().map(|moment| moment.kind).collect();
        assert_eq!(kinds[0], MomentKind::Brightest);
        assert!((10..14).contains(&found[0].number), "{found:?}");
        assert!(kinds.contains(&MomentKind::MostStrained) || kinds.contains(&MomentKind::LeastFacing));
        assert!((25..30).contains(&found[1].number), "{found:?}");
        assert!(found[0].sentence().contains("60 % happy or surprised"), "{}", found[0].sentence());
        assert!(found.windows(2).all(|pair| pair[1].number - pair[0].number >= MIN_DISTANCE));
    }
}
