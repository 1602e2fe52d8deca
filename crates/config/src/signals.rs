//! Signals that are derived from the class estimate: `[signals]`, `[pace]`, `[word]`, `[baseline]` and `[attention]`.
//!
//! No threshold here was validated in a classroom. Each one is a convention with its reason beside it, and is a
//! configuration key so that a school can change it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Privacy;
use super::fault::FaultCollector;

/// Signals of the class over minutes: valence, arousal, engagement, restlessness and their trend.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Signals {
    /// Time constant in seconds for smoothing valence, arousal, engagement and restlessness, 5 to 600. 60: a laugh or a
    /// dropped pencil has little effect, and the value still describes what is taught now.
    pub smoothing_s: f64,
    /// Movement of heads that counts as no movement, in head widths per second, 0 to 1. The box of a head at rest
    /// jitters from picture to picture by some hundredths of its width.
    pub still_motion: f64,
    /// Movement of heads that counts as full restlessness, in head widths per second, 0.05 to 5; more than
    /// `still_motion`. At 0.5 every head sways from side to side all the time.
    pub restless_motion: f64,
    /// Time window in seconds in which a trend is searched, 240 to 600. 300 gives ten points of half a minute, the
    /// smallest number for which the normal approximation of the Mann-Kendall test is customary. At least eight points
    /// are needed.
    pub trend_window_s: f64,
    /// Two-sided significance level of the trend test, 0.001 to 0.2. 0.05 is customary. With a smaller value ten points
    /// could not show a class that turns away all at once.
    pub trend_significance: f64,
    /// Smallest change over the time window that counts as a trend, 0.01 to 1. A lesson has many tests, and some are
    /// significant by chance; a chance trend rarely changes by 0.1.
    pub trend_min_change: f64,
    /// Weight of each expression in the engagement.
    pub engagement_weights: EngagementWeights,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            smoothing_s: 60.0,
            still_motion: 0.05,
            restless_motion: 0.5,
            trend_window_s: 300.0,
            trend_significance: 0.05,
            trend_min_change: 0.1,
            engagement_weights: EngagementWeights::default(),
        }
    }
}

impl Signals {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("signals.smoothing_s", self.smoothing_s, 5.0, 600.0);
        faults.range("signals.still_motion", self.still_motion, 0.0, 1.0);
        faults.range("signals.restless_motion", self.restless_motion, 0.05, 5.0);
        if self.restless_motion <= self.still_motion {
            faults.add("signals.restless_motion", "must be more than signals.still_motion");
        }
        faults.range("signals.trend_window_s", self.trend_window_s, 240.0, 600.0);
        faults.range("signals.trend_significance", self.trend_significance, 0.001, 0.2);
        faults.range("signals.trend_min_change", self.trend_min_change, 0.01, 1.0);
        let weights = &self.engagement_weights;
        for (key, weight) in [
            ("signals.engagement_weights.angry", weights.angry),
            ("signals.engagement_weights.disgust", weights.disgust),
            ("signals.engagement_weights.fear", weights.fear),
            ("signals.engagement_weights.happy", weights.happy),
            ("signals.engagement_weights.sad", weights.sad),
            ("signals.engagement_weights.surprise", weights.surprise),
            ("signals.engagement_weights.neutral", weights.neutral),
        ] {
            faults.range(key, weight, 0.0, 1.0);
        }
    }
}

/// Weight of each expression in the engagement, 0 to 1. The defaults are the weights of Sharma et al. (arXiv
/// 1909.12913).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngagementWeights {
    /// Weight of angry.
    pub angry: f64,
    /// Weight of disgust. The paper has no value for it. The default equals `angry`, with which disgust is confused
    /// most often, so that a face that switches between these two labels does not change the engagement.
    pub disgust: f64,
    /// Weight of fear.
    pub fear: f64,
    /// Weight of happy.
    pub happy: f64,
    /// Weight of sad.
    pub sad: f64,
    /// Weight of surprise.
    pub surprise: f64,
    /// Weight of neutral, the face of a person who listens.
    pub neutral: f64,
}

impl Default for EngagementWeights {
    fn default() -> Self {
        Self { angry: 0.25, disgust: 0.25, fear: 0.3, happy: 0.6, sad: 0.3, surprise: 0.6, neutral: 0.9 }
    }
}

/// Estimate whether the pace of the lesson suits the class. It is a heuristic: there is no validated mapping from
/// expressions to pace.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Time window in seconds over which the pace is estimated, 180 to 300. A shorter window describes a single
    /// exercise. With a longer one the result comes too late to react.
    pub window_s: f64,
    /// Smallest part of the window that must have been observed before a pace is published, 0.5 to 1.
    pub min_seen: f64,
    /// Too fast: smallest share that looks strained (angry, disgust, fear, sad), 0.05 to 0.95. The lower bound of the
    /// interval must reach it; in a class of 30 that is more than half of the faces. Fine and too slow: the upper bound
    /// must be below it; that is at most a quarter of the faces.
    pub strained_from: f64,
    /// Too fast: smallest share that faces the front, 0 to 1. People who have turned away do not try to follow.
    pub following_from: f64,
    /// Too slow: largest share that faces the front, 0.05 to 0.95; compared with the upper bound of the interval. Fine:
    /// the lower bound must be above it.
    pub turned_below: f64,
    /// Too slow: the share that looks happy or surprised must be below this, 0.05 to 1. A class whose members have
    /// turned to each other and laugh, or work in groups, is not bored.
    pub lively_from: f64,
    /// Hysteresis: the pace state is kept until its shares miss their thresholds by this much, 0 to 0.3.
    pub margin: f64,
    /// Shortest time in seconds for which a pace state is kept, 60 to 600.
    pub hold_s: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            window_s: 240.0,
            min_seen: 0.75,
            strained_from: 0.4,
            following_from: 0.5,
            turned_below: 0.5,
            lively_from: 0.4,
            margin: 0.05,
            hold_s: 60.0,
        }
    }
}

impl Pace {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("pace.window_s", self.window_s, 180.0, 300.0);
        faults.range("pace.min_seen", self.min_seen, 0.5, 1.0);
        faults.range("pace.strained_from", self.strained_from, 0.05, 0.95);
        faults.range("pace.following_from", self.following_from, 0.0, 1.0);
        faults.range("pace.turned_below", self.turned_below, 0.05, 0.95);
        faults.range("pace.lively_from", self.lively_from, 0.05, 1.0);
        faults.range("pace.margin", self.margin, 0.0, 0.3);
        faults.range("pace.hold_s", self.hold_s, 60.0, 600.0);
    }
}

/// Thresholds at which a word describes the class; docs/reference/mood.md shows them in one table.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Word {
    /// Bright: smallest share that looks happy or surprised, 0.05 to 1. The default is about twice the share that the
    /// classifier's confusions alone produce for a neutral class.
    pub bright_from: f64,
    /// Strained: smallest share that looks angry, disgusted, fearful or sad, 0.05 to 1. The default is higher than for
    /// bright, because a class at work looks more serious than it is.
    pub strained_from: f64,
    /// Restless: smallest restlessness, 0.05 to 1. 0.5 is halfway between still and swaying all the time.
    pub restless_from: f64,
    /// Restless: largest share that faces the front, 0 to 1. A class that moves and looks to the front does something
    /// together.
    pub restless_facing_to: f64,
    /// Drowsy: largest share that faces the front, 0 to 1.
    pub drowsy_facing_to: f64,
    /// Drowsy: largest restlessness, 0 to 1.
    pub drowsy_restlessness_to: f64,
    /// Drowsy: largest arousal, -1 to 1. A class that writes also looks down and does not move; only the visible faces
    /// distinguish the two.
    pub drowsy_arousal_to: f64,
    /// Attentive: smallest share that faces the front, 0 to 1.
    pub attentive_from: f64,
    /// Smallest share of the class whose expressions must have been read, 0 to 1. Below it the shares describe only a
    /// few people in the front.
    pub min_coverage: f64,
    /// Hysteresis: the word is kept until its values miss their thresholds by this much, 0 to 0.3. The default is
    /// twice the standard deviation of a share within a window in a class of 30, so that noise alone does not change
    /// the word.
    pub margin: f64,
    /// Seconds for which another word must fit before it is shown, 0 to 60. A change of the class is shown within 20 s;
    /// most of this time comes from the window.
    pub hold_s: f64,
}

impl Default for Word {
    fn default() -> Self {
        Self {
            bright_from: 0.4,
            strained_from: 0.45,
            restless_from: 0.5,
            restless_facing_to: 0.75,
            drowsy_facing_to: 0.6,
            drowsy_restlessness_to: 0.15,
            drowsy_arousal_to: -0.05,
            attentive_from: 0.75,
            min_coverage: 0.25,
            margin: 0.08,
            hold_s: 5.0,
        }
    }
}

impl Word {
    /// The largest `margin`.
    pub const MAX_MARGIN: f64 = 0.3;
    /// The largest `hold_s`.
    pub const MAX_HOLD_S: f64 = 60.0;

    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("word.bright_from", self.bright_from, 0.05, 1.0);
        faults.range("word.strained_from", self.strained_from, 0.05, 1.0);
        faults.range("word.restless_from", self.restless_from, 0.05, 1.0);
        faults.range("word.restless_facing_to", self.restless_facing_to, 0.0, 1.0);
        faults.range("word.drowsy_facing_to", self.drowsy_facing_to, 0.0, 1.0);
        faults.range("word.drowsy_restlessness_to", self.drowsy_restlessness_to, 0.0, 1.0);
        faults.range("word.drowsy_arousal_to", self.drowsy_arousal_to, -1.0, 1.0);
        faults.range("word.attentive_from", self.attentive_from, 0.0, 1.0);
        faults.range("word.min_coverage", self.min_coverage, 0.0, 1.0);
        faults.range("word.margin", self.margin, 0.0, Self::MAX_MARGIN);
        faults.range("word.hold_s", self.hold_s, 0.0, Self::MAX_HOLD_S);
    }
}

/// Baseline of this room: a slow average of the room's own signals. It holds no data about a person.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Baseline {
    /// Whether the baseline of the room is learned and the mood is compared with it. `moodring baseline reset` deletes the
    /// baseline.
    pub enabled: bool,
    /// Half-life of a lesson's weight in hours of lessons, 1 to 1000. 20 is about one week of a room: the baseline
    /// follows the seasons and not a single lesson.
    pub half_life_h: f64,
    /// Minutes that must have been observed before anything is compared, 30 to 6000; not longer than `half_life_h`.
    /// 180 covers several lessons and usually several classes.
    pub min_minutes: f64,
    /// Number of standard deviations of the room's minutes from which a value counts as above or below the baseline,
    /// 0.5 to 5. At 1.5 about one minute in eight is outside by chance, both sides together.
    pub deviations: f64,
    /// Smallest difference from the baseline that counts, 0 to 1. In a room with little variation a small difference
    /// has no meaning.
    pub min_difference: f64,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { enabled: true, half_life_h: 20.0, min_minutes: 180.0, deviations: 1.5, min_difference: 0.05 }
    }
}

impl Baseline {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("baseline.half_life_h", self.half_life_h, 1.0, 1000.0);
        faults.range("baseline.min_minutes", self.min_minutes, 30.0, 6000.0);
        if self.min_minutes > self.half_life_h * 60.0 {
            // With a shorter half-life the weighted sum never reaches that many minutes.
            faults.add("baseline.min_minutes", "must not be longer than baseline.half_life_h");
        }
        faults.range("baseline.deviations", self.deviations, 0.5, 5.0);
        faults.range("baseline.min_difference", self.min_difference, 0.0, 1.0);
    }
}

/// How precisely a place is shown where help may be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttentionDetail {
    /// One of nine regions of the room; only regions in which several people sit are shown.
    Region,
    /// The seat. This identifies a person: check the law of your country. Needs `privacy.i_accept_small_groups`.
    Seat,
}

/// Places in the room where help may be needed. They are shown only on the device's own page, and are never published
/// or stored.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Attention {
    /// Whether the device looks for such places. In the mode `occupancy` it looks only for people who have
    /// turned away. Must be false in the mode `count`, and if `camera.view` is `gallery`.
    pub enabled: bool,
    /// How precisely a place is shown: `region`, or `seat`, which identifies a person and needs
    /// `privacy.i_accept_small_groups`.
    pub detail: AttentionDetail,
    /// Minutes for which the condition must last before a place is shown, 2 to 30. A shorter time would include an
    /// ordinary look out of the window.
    pub after_minutes: f64,
    /// Smallest sum of the beliefs in angry, disgust, fear and sad at which a person counts as strained, 0.3 to 0.99.
    /// The default is clearly above one half, because a single face is read much less accurately than a class.
    pub strained_from: f64,
    /// Smallest share of the people in a region who must meet the condition before the region is shown, 0.1 to 1.
    pub region_share: f64,
    /// Smallest number of people in a region that may be shown, 3 to 30. A smaller region would identify a person. 3
    /// and 4 need `privacy.i_accept_small_groups`.
    pub region_people: u32,
}

impl Default for Attention {
    fn default() -> Self {
        Self {
            enabled: false,
            detail: AttentionDetail::Region,
            after_minutes: 5.0,
            strained_from: 0.6,
            region_share: 0.5,
            region_people: 5,
        }
    }
}

impl Attention {
    /// Whether single seats are shown.
    pub fn points_at_seats(&self) -> bool {
        self.enabled && self.detail == AttentionDetail::Seat
    }

    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("attention.after_minutes", self.after_minutes, 2.0, 30.0);
        faults.range("attention.strained_from", self.strained_from, 0.3, 0.99);
        faults.range("attention.region_share", self.region_share, 0.1, 1.0);
        faults.range("attention.region_people", f64::from(self.region_people), 3.0, 30.0);
    }

    /// Refuses everything that shows fewer than five people, unless `privacy.i_accept_small_groups` allows it.
    pub(super) fn check_groups(&self, privacy: &Privacy, faults: &mut FaultCollector) {
        if privacy.i_accept_small_groups {
            return;
        }
        let accept = "or set privacy.i_accept_small_groups = true";
        if (3..5).contains(&self.region_people) {
            let people = self.region_people;
            let message = format!(
                "is {people}: in a region that small the person is easily guessed; set it to 5 or more, {accept}"
            );
            faults.add("attention.region_people", message);
        }
        if self.points_at_seats() {
            let message =
                format!("is \"seat\", which identifies single persons; set it to \"region\", {accept}");
            faults.add("attention.detail", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn thresholds_out_of_range_are_reported_with_their_range() {
        let text = "[signals]\nsmoothing_s = 0\nrestless_motion = 0.05\n[signals.engagement_weights]\nsad = -1\n\
                    [pace]\nhold_s = 10\n[word]\nmargin = 1\n[baseline]\ndeviations = 0\nhalf_life_h = 2\n\
                    [attention]\nregion_people = 1\nafter_minutes = nan\n";
        let message = Config::parse(text, "x.toml").unwrap_err().to_string();
        for part in [
            "x.toml:2:15: signals.smoothing_s is 0, but must be from 5 to 600",
            "x.toml:3:19: signals.restless_motion must be more than signals.still_motion",
            "x.toml:5:7: signals.engagement_weights.sad is -1, but must be from 0 to 1",
            "x.toml:7:10: pace.hold_s is 10, but must be from 60 to 600",
            "word.margin is 1, but must be from 0 to 0.3",
            "baseline.deviations is 0, but must be from 0.5 to 5",
            "baseline.min_minutes must not be longer than baseline.half_life_h",
            "attention.region_people is 1, but must be from 3 to 30",
            "attention.after_minutes is NaN, but must be from 2 to 30",
        ] {
            assert!(message.contains(part), "no {part:?} in\n{message}");
        }
    }

    #[test]
    fn attention_is_off_by_default_and_shows_regions() {
        assert!(!Config::default().attention.enabled);
        let config = Config::parse("[attention]\nenabled = true\n", "x.toml").unwrap();
        assert_eq!(config.attention.detail, super::AttentionDetail::Region);
    }

    #[test]
    fn settings_that_identify_few_people_need_an_explicit_key() {
        let parse = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        let (seats, few) =
            ("[attention]\nenabled = true\ndetail = \"seat\"\n", "[attention]\nregion_people = 4\n");
        let refused = parse(seats).unwrap_err();
        assert!(
            refused.contains("x.toml:3:10: attention.detail is \"seat\", which identifies single persons"),
            "{refused}"
        );
        assert!(refused.contains("privacy.i_accept_small_groups = true"), "{refused}");
        let refused = parse(few).unwrap_err();
        assert!(
            refused.contains("x.toml:2:17: attention.region_people is 4: in a region that small"),
            "{refused}"
        );
        for text in [seats, few] {
            assert!(parse(&format!("{text}[privacy]\ni_accept_small_groups = true\n")).is_ok());
        }
    }
}
