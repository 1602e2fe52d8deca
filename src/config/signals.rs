//! What the class estimate is turned into: `[signals]`, `[pace]`, `[word]`, `[usual]` and `[attention]`.
//!
//! No threshold here was validated in a classroom: they are conventions, each with its reason beside it, and
//! stand in the configuration so that a school can argue about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Privacy;
use super::faults::Complaints;

/// Figures over minutes: valence, arousal, engagement, restlessness and their trend.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Signals {
    /// Time constant over which valence, arousal, engagement and restlessness are smoothed, 5 to 600. A minute:
    /// long enough for a laugh or a dropped pencil to pass, short enough to be about what is taught now.
    pub smoothing_s: f64,
    /// Movement of heads, in head widths a second, that counts as none, 0 to 1. A head that is found again in
    /// the next picture is never in quite the same place: boxes jitter by some hundredths of their width.
    pub still_motion: f64,
    /// Movement of heads, in head widths a second, that counts as full restlessness, 0.05 to 5. At half a width
    /// a second everybody sways from side to side all the time.
    pub restless_motion: f64,
    /// Span over which a trend is sought, 240 to 600. Five minutes are ten half-minutes, the least for which
    /// the normal approximation of the Mann-Kendall test is usual; eight are needed.
    pub trend_window_s: f64,
    /// Two-sided significance that a trend must reach, 0.001 to 0.2. The usual 0.05: stricter, and ten points
    /// could not show a class that turned away all at once.
    pub trend_significance: f64,
    /// A trend must also amount to this much over its span, 0.01 to 1. It keeps out what is significant by chance
    /// alone, as some of a lesson's many tests are: chance rarely amounts to a tenth.
    pub trend_least_change: f64,
    /// How much each expression counts for engagement.
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
            trend_least_change: 0.1,
            engagement_weights: EngagementWeights::default(),
        }
    }
}

impl Signals {
    pub(super) fn check(&self, complaints: &mut Complaints) {
        complaints.range("signals.smoothing_s", self.smoothing_s, 5.0, 600.0);
        complaints.range("signals.still_motion", self.still_motion, 0.0, 1.0);
        complaints.range("signals.restless_motion", self.restless_motion, 0.05, 5.0);
        if self.restless_motion <= self.still_motion {
            complaints.add("signals.restless_motion", "must be more than signals.still_motion");
        }
        complaints.range("signals.trend_window_s", self.trend_window_s, 240.0, 600.0);
        complaints.range("signals.trend_significance", self.trend_significance, 0.001, 0.2);
        complaints.range("signals.trend_least_change", self.trend_least_change, 0.01, 1.0);
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
            complaints.range(key, weight, 0.0, 1.0);
        }
    }
}

/// How much each expression counts for engagement, 0 to 1: the weights of Sharma et al. (arXiv 1909.12913).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngagementWeights {
    /// Angry.
    pub angry: f64,
    /// Disgust, of which the paper says nothing: as angry, the expression it is most often confused with, so
    /// that a face which changes between these two labels does not change the engagement.
    pub disgust: f64,
    /// Fear.
    pub fear: f64,
    /// Happy.
    pub happy: f64,
    /// Sad.
    pub sad: f64,
    /// Surprise.
    pub surprise: f64,
    /// Neutral: the face of somebody who listens.
    pub neutral: f64,
}

impl Default for EngagementWeights {
    fn default() -> Self {
        Self { angry: 0.25, disgust: 0.25, fear: 0.3, happy: 0.6, sad: 0.3, surprise: 0.6, neutral: 0.9 }
    }
}

/// Whether the pace of the lesson seems right: a heuristic, no validated map from expressions to pace exists.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Span over which the pace is judged, 180 to 300. Shorter spans judge a single exercise, longer ones come
    /// too late to change anything.
    pub window_s: f64,
    /// So much of the span must have been seen before anything is said, 0.5 to 1.
    pub least_seen: f64,
    /// Too fast: at least this share looks strained (angry, disgust, fear, sad), 0.05 to 0.95. It is the low end
    /// of the interval that must reach it: in a class of 30 that is more than half of the faces. Fine and too slow:
    /// less than this does, by the high end: at most a quarter of the faces.
    pub strained_from: f64,
    /// Too fast: at least this share faces the front, 0 to 1. Who has turned away does not try to follow.
    pub following_from: f64,
    /// Too slow: at most this share faces the front, 0.05 to 0.95, by the high end of the interval. Fine: more
    /// than this share does, by the low end.
    pub turned_below: f64,
    /// Too slow: less than this share looks happy or surprised, 0.05 to 1. A class that has turned to each other
    /// and laughs, or works in groups, is not bored.
    pub lively_from: f64,
    /// A verdict that stands is kept until its figures miss their thresholds by this much, 0 to 0.3.
    pub margin: f64,
    /// A verdict stands at least this long, 60 to 600.
    pub hold_s: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            window_s: 240.0,
            least_seen: 0.75,
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
    pub(super) fn check(&self, complaints: &mut Complaints) {
        complaints.range("pace.window_s", self.window_s, 180.0, 300.0);
        complaints.range("pace.least_seen", self.least_seen, 0.5, 1.0);
        complaints.range("pace.strained_from", self.strained_from, 0.05, 0.95);
        complaints.range("pace.following_from", self.following_from, 0.0, 1.0);
        complaints.range("pace.turned_below", self.turned_below, 0.05, 0.95);
        complaints.range("pace.lively_from", self.lively_from, 0.05, 1.0);
        complaints.range("pace.margin", self.margin, 0.0, 0.3);
        complaints.range("pace.hold_s", self.hold_s, 60.0, 600.0);
    }
}

/// From when on a word describes the class; docs/reference/mood.md has them as one table.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Word {
    /// Bright: at least this share looks happy or surprised, 0.05 to 1. About twice the share that a neutral
    /// class shows through the classifier's confusions alone.
    pub bright_from: f64,
    /// Strained: at least this share looks angry, disgusted, fearful or sad, 0.05 to 1. More than for bright,
    /// because a class at work looks graver than it is.
    pub strained_from: f64,
    /// Restless: restlessness is at least this, 0.05 to 1: halfway between still and swaying all the time.
    pub restless_from: f64,
    /// Restless: and at most this share faces the front, 0 to 1. A class that moves and looks to the front does
    /// something together.
    pub restless_facing_to: f64,
    /// Drowsy: at most this share faces the front, 0 to 1.
    pub drowsy_facing_to: f64,
    /// Drowsy: and restlessness is at most this, 0 to 1.
    pub drowsy_restlessness_to: f64,
    /// Drowsy: and arousal is at most this, -1 to 1. A class that writes looks down and does not move either;
    /// only the faces that are to be seen tell the two apart.
    pub drowsy_arousal_to: f64,
    /// Attentive: at least this share faces the front, 0 to 1.
    pub attentive_from: f64,
    /// The expressions of at least this share of the class must have been read, 0 to 1: below it the figures
    /// speak of a few people in front only.
    pub least_coverage: f64,
    /// A word that stands is kept until its figures miss their thresholds by this much, 0 to 0.3. Twice the
    /// deviation of a share within a window in a class of 30, so that noise alone does not carry it back.
    pub margin: f64,
    /// Another word must fit for this long before it is shown, 0 to 60. A swing of the class shows within
    /// 20 s, of which the window takes most.
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
            least_coverage: 0.25,
            margin: 0.08,
            hold_s: 5.0,
        }
    }
}

impl Word {
    /// The largest `margin`.
    pub const MOST_MARGIN: f64 = 0.3;
    /// The largest `hold_s`.
    pub const MOST_HOLD_S: f64 = 60.0;

    pub(super) fn check(&self, complaints: &mut Complaints) {
        complaints.range("word.bright_from", self.bright_from, 0.05, 1.0);
        complaints.range("word.strained_from", self.strained_from, 0.05, 1.0);
        complaints.range("word.restless_from", self.restless_from, 0.05, 1.0);
        complaints.range("word.restless_facing_to", self.restless_facing_to, 0.0, 1.0);
        complaints.range("word.drowsy_facing_to", self.drowsy_facing_to, 0.0, 1.0);
        complaints.range("word.drowsy_restlessness_to", self.drowsy_restlessness_to, 0.0, 1.0);
        complaints.range("word.drowsy_arousal_to", self.drowsy_arousal_to, -1.0, 1.0);
        complaints.range("word.attentive_from", self.attentive_from, 0.0, 1.0);
        complaints.range("word.least_coverage", self.least_coverage, 0.0, 1.0);
        complaints.range("word.margin", self.margin, 0.0, Self::MOST_MARGIN);
        complaints.range("word.hold_s", self.hold_s, 0.0, Self::MOST_HOLD_S);
    }
}

/// What is usual in this room: a slow baseline of the room's own figures, of no person.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Usual {
    /// Whether the room learns what is usual and the mood is compared with it. `moodring usual reset` forgets it.
    pub enabled: bool,
    /// Lesson hours after which a lesson counts half, 1 to 1000. Twenty are about a week of a room: it follows
    /// the seasons, and not the lesson.
    pub half_life_h: f64,
    /// Nothing is compared before so many minutes were seen, 30 to 6000. Three hours are several lessons and,
    /// most often, several classes.
    pub least_minutes: f64,
    /// From this many standard deviations of the room's minutes on, something is more or less than usual,
    /// 0.5 to 5. At 1.5 about one minute in eight is out of the usual, by chance, on either side.
    pub deviations: f64,
    /// And it must differ by at least this much, 0 to 1: in a room that is always the same, nothing small is
    /// remarkable.
    pub least_difference: f64,
}

impl Default for Usual {
    fn default() -> Self {
        Self {
            enabled: true,
            half_life_h: 20.0,
            least_minutes: 180.0,
            deviations: 1.5,
            least_difference: 0.05,
        }
    }
}

impl Usual {
    pub(super) fn check(&self, complaints: &mut Complaints) {
        complaints.range("usual.half_life_h", self.half_life_h, 1.0, 1000.0);
        complaints.range("usual.least_minutes", self.least_minutes, 30.0, 6000.0);
        if self.least_minutes > self.half_life_h * 60.0 {
            // What is forgotten that fast never adds up to that much.
            complaints.add("usual.least_minutes", "must not be longer than usual.half_life_h");
        }
        complaints.range("usual.deviations", self.deviations, 0.5, 5.0);
        complaints.range("usual.least_difference", self.least_difference, 0.0, 1.0);
    }
}

/// How closely the place is told where help may be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttentionDetail {
    /// One of nine regions of the room, and only of regions in which several people sit.
    Region,
    /// The seat. This points at a person: know the law where you are. Needs `privacy.i_accept_small_groups`.
    Seat,
}

/// Where in the room help may be needed. Shown on the device's own page alone, never published and never kept.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Attention {
    /// Whether this is looked for at all. In occupancy mode only turning away is. Not where `camera.view` is `gallery`.
    pub enabled: bool,
    /// `region` or `seat`.
    pub detail: AttentionDetail,
    /// A place is told when this has lasted so long, 2 to 30. Less is an ordinary look out of the window.
    pub after_minutes: f64,
    /// Somebody looks strained when angry, disgust, fear and sad together are believed at least this much,
    /// 0.3 to 0.99. Clearly more than one half: a single face is read far worse than a class.
    pub strained_from: f64,
    /// A region is told when at least this share of its people is concerned, 0.1 to 1.
    pub region_share: f64,
    /// A region with fewer people than this is not told, 3 to 30: it would be a person. 3 and 4 need
    /// `privacy.i_accept_small_groups`.
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
    /// Whether single seats are told.
    pub fn points_at_seats(&self) -> bool {
        self.enabled && self.detail == AttentionDetail::Seat
    }

    pub(super) fn check(&self, complaints: &mut Complaints) {
        complaints.range("attention.after_minutes", self.after_minutes, 2.0, 30.0);
        complaints.range("attention.strained_from", self.strained_from, 0.3, 0.99);
        complaints.range("attention.region_share", self.region_share, 0.1, 1.0);
        complaints.range("attention.region_people", f64::from(self.region_people), 3.0, 30.0);
    }

    /// What tells of fewer than five must be accepted by name.
    pub(super) fn check_groups(&self, privacy: &Privacy, complaints: &mut Complaints) {
        if privacy.i_accept_small_groups {
            return;
        }
        let accept = "or privacy.i_accept_small_groups = true";
        if (3..5).contains(&self.region_people) {
            let people = self.region_people;
            let message = format!(
                "is {people}: who is meant in a region that small is easily guessed; set it to 5 or more, {accept}"
            );
            complaints.add("attention.region_people", message);
        }
        if self.points_at_seats() {
            let message = format!("is \"seat\", which points at persons; set it to \"region\", {accept}");
            complaints.add("attention.detail", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn thresholds_out_of_bounds_are_told_with_their_bounds() {
        let text = "[signals]\nsmoothing_s = 0\nrestless_motion = 0.05\n[signals.engagement_weights]\nsad = -1\n\
                    [pace]\nhold_s = 10\n[word]\nmargin = 1\n[usual]\ndeviations = 0\nhalf_life_h = 2\n\
                    [attention]\nregion_people = 1\nafter_minutes = nan\n";
        let told = Config::parse(text, "x.toml").unwrap_err().to_string();
        for part in [
            "x.toml:2:15: signals.smoothing_s is 0, but must be from 5 to 600",
            "x.toml:3:19: signals.restless_motion must be more than signals.still_motion",
            "x.toml:5:7: signals.engagement_weights.sad is -1, but must be from 0 to 1",
            "x.toml:7:10: pace.hold_s is 10, but must be from 60 to 600",
            "word.margin is 1, but must be from 0 to 0.3",
            "usual.deviations is 0, but must be from 0.5 to 5",
            "usual.least_minutes must not be longer than usual.half_life_h",
            "attention.region_people is 1, but must be from 3 to 30",
            "attention.after_minutes is NaN, but must be from 2 to 30",
        ] {
            assert!(told.contains(part), "no {part:?} in\n{told}");
        }
    }

    #[test]
    fn attention_is_off_unless_asked_for_and_then_tells_regions() {
        assert!(!Config::default().attention.enabled);
        let config = Config::parse("[attention]\nenabled = true\n", "x.toml").unwrap();
        assert_eq!(config.attention.detail, super::AttentionDetail::Region);
    }

    #[test]
    fn what_points_at_a_few_must_be_accepted_by_name() {
        let told = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        let (seats, few) =
            ("[attention]\nenabled = true\ndetail = \"seat\"\n", "[attention]\nregion_people = 4\n");
        let refused = told(seats).unwrap_err();
        assert!(
            refused.contains("x.toml:3:10: attention.detail is \"seat\", which points at persons"),
            "{refused}"
        );
        assert!(refused.contains("privacy.i_accept_small_groups = true"), "{refused}");
        let refused = told(few).unwrap_err();
        assert!(refused.contains("x.toml:2:17: attention.region_people is 4: who is meant"), "{refused}");
        for text in [seats, few] {
            assert!(told(&format!("{text}[privacy]\ni_accept_small_groups = true\n")).is_ok());
        }
    }
}
