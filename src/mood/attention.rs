//! Where in the room help may be needed: places whose people have looked strained, or away, for minutes.
//!
//! Its one decision: this never leaves the device. [`Attention`] does not implement `Serialize`, so nothing
//! that publishes can take it; it is off by default, and forgotten at the end of a lesson and in a pause.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config::{self, AttentionDetail, Config};
use crate::vision::{Expression, Expressions, Observation, SeatId};

/// Most seats that are watched.
const MOST_SEATS: usize = 512;
/// A seat that was not seen for this long is forgotten.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// A spell ends when it was interrupted for this long: a glance at the board is no end of looking away.
const INTERRUPTED_FOR: Duration = Duration::from_secs(20);
/// Who looked strained still does until the belief is less by this much.
const SLACK: f32 = 0.15;

/// Places where help may be needed. For eyes in the room only.
///
/// It cannot be published: what MQTT, the API and the records take must implement [`serde::Serialize`].
/// [`Mood`](crate::mood::Mood) does:
///
/// ```
/// fn publish<T: serde::Serialize>() {}
/// publish::<moodring::mood::Mood>();
/// let _: Option<moodring::mood::Attention> = None;
/// ```
///
/// and this does not:
///
/// ```compile_fail,E0277
/// fn publish<T: serde::Serialize>() {}
/// publish::<moodring::mood::Attention>();
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Attention {
    spots: Vec<Spot>,
}

impl Attention {
    /// The places, those first that have waited longest.
    pub fn spots(&self) -> &[Spot] {
        &self.spots
    }
}

impl std::fmt::Debug for Attention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing that could get into a log.
        f.debug_struct("Attention").finish_non_exhaustive()
    }
}

/// One place, why it is told, and since when at least.
#[derive(Clone, Copy, PartialEq)]
pub struct Spot {
    /// Where it is.
    pub place: Place,
    /// Why it is told.
    pub sign: Sign,
    /// For so many whole minutes at least.
    pub minutes: u32,
}

/// Where something is in the room, as seen from the camera.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// One of nine regions of the class.
    Region(Row, Column),
    /// A seat: how far from the left and from the back of the class, 0..=1 each.
    Seat {
        /// 0 is the left end of the class.
        across: f32,
        /// 0 is its farthest row.
        down: f32,
    },
}

/// A third of the class by distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Row {
    Back,
    Middle,
    Front,
}

/// A third of the class by side, as seen from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Column {
    Left,
    Middle,
    Right,
}

/// What was seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Expressions stayed strained.
    Strained,
    /// Heads stayed turned away.
    TurnedAway,
}

/// Watches the seats and tells the places.
#[derive(Debug)]
pub(super) struct Lookout {
    config: config::Attention,
    min_people: u32,
    seats: BTreeMap<SeatId, Seat>,
    told: watch::Sender<Arc<Attention>>,
}

/// What is watched of one seat.
#[derive(Debug, Clone, Copy)]
struct Seat {
    seen_at: Instant,
    /// Centre of the head in pixels.
    centre: (f32, f32),
    strained: Spell,
    turned: Spell,
}

/// Something that goes on, perhaps interrupted for a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Spell {
    since: Option<Instant>,
    interrupted_at: Option<Instant>,
}

impl Spell {
    fn update(&mut self, now: Instant, goes_on: bool) {
        if goes_on {
            self.since.get_or_insert(now);
            self.interrupted_at = None;
        } else if self.since.is_some()
            && now.saturating_duration_since(*self.interrupted_at.get_or_insert(now)) >= INTERRUPTED_FOR
        {
            *self = Self::default();
        }
    }

    fn lasts(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// What lasts at one seat, and how long, if anything does.
type Lasting = Option<(Sign, Duration)>;

impl Lookout {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.attention.clone(),
            min_people: config.mood.min_people,
            seats: BTreeMap::new(),
            told: watch::Sender::default(),
        }
    }

    /// The places, whenever they change. Nothing publishes them.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Attention>> {
        self.told.subscribe()
    }

    /// Takes in what one frame showed.
    pub(super) fn push(&mut self, observation: &Observation) {
        if !self.config.enabled {
            return;
        }
        let now = observation.captured_at;
        // First, so that who comes back after a while begins anew.
        self.seats.retain(|_, seat| now.saturating_duration_since(seat.seen_at) < GONE_AFTER);
        for person in observation.people.iter().filter(|person| person.unseen_for.is_zero()) {
            if self.seats.len() >= MOST_SEATS && !self.seats.contains_key(&person.seat) {
                continue;
            }
            let centre = person.head.centre();
            let new = Seat { seen_at: now, centre, strained: Spell::default(), turned: Spell::default() };
            let seat = self.seats.entry(person.seat).or_insert(new);
            (seat.seen_at, seat.centre) = (now, centre);
            let slack = if seat.strained.since.is_some() { SLACK } else { 0.0 };
            let threshold = self.config.strained_from as f32 - slack;
            let strained = person.belief.is_some_and(|belief| strained(&belief) >= threshold);
            seat.strained.update(now, strained);
            seat.turned.update(now, !person.faces_front());
        }
    }

    /// Forgets everybody: the lesson is over, or paused.
    pub(super) fn clear(&mut self) {
        self.seats.clear();
        self.tell_nothing();
    }

    /// Tells of no place, for now.
    pub(super) fn tell_nothing(&self) {
        self.tell(Attention::default());
    }

    /// Tells the places as of `now`.
    pub(super) fn look(&mut self, now: Instant) {
        if self.config.enabled {
            self.tell(self.attention(now));
        }
    }

    fn tell(&self, attention: Attention) {
        self.told.send_if_modified(|told| {
            let differs = **told != attention;
            if differs {
                *told = Arc::new(attention);
            }
            differs
        });
    }

    fn attention(&self, now: Instant) -> Attention {
        if self.seats.len() < self.min_people as usize {
            return Attention::default();
        }
        let mut spots = match self.config.detail {
            AttentionDetail::Region => self.regions(now),
            AttentionDetail::Seat => self.single_seats(now),
        };
        spots.sort_by_key(|spot| std::cmp::Reverse(spot.minutes));
        Attention { spots }
    }

    /// The sign that has lasted for long enough, and how long.
    fn sign(&self, seat: &Seat, now: Instant) -> Lasting {
        let after = Duration::from_secs_f64(self.config.after_minutes * 60.0);
        [(Sign::Strained, seat.strained.lasts(now)), (Sign::TurnedAway, seat.turned.lasts(now))]
            .into_iter()
            .find(|(_, lasts)| *lasts >= after)
    }

    fn single_seats(&self, now: Instant) -> Vec<Spot> {
        let place = self.places();
        let spot = |seat: &Seat| {
            let (sign, lasts) = self.sign(seat, now)?;
            let (across, down) = place(seat.centre);
            Some(Spot { place: Place::Seat { across, down }, sign, minutes: minutes(lasts) })
        };
        self.seats.values().filter_map(spot).collect()
    }

    fn regions(&self, now: Instant) -> Vec<Spot> {
        let place = self.places();
        let mut regions: BTreeMap<(usize, usize), Vec<Lasting>> = BTreeMap::new();
        for seat in self.seats.values() {
            let (across, down) = place(seat.centre);
            let third = |share: f32| ((share * 3.0) as usize).min(2);
            regions.entry((third(down), third(across))).or_default().push(self.sign(seat, now));
        }
        let rows = [Row::Back, Row::Middle, Row::Front];
        let columns = [Column::Left, Column::Middle, Column::Right];
        let mut spots = Vec::new();
        for ((row, column), people) in regions {
            for sign in [Sign::Strained, Sign::TurnedAway] {
                let lasting = people.iter().flatten().filter(|(other, _)| *other == sign);
                let lasting: Vec<Duration> = lasting.map(|(_, lasts)| *lasts).collect();
                let enough = lasting.len() as f64 >= self.config.region_share * people.len() as f64;
                if let (true, Some(least)) = (enough, lasting.into_iter().min())
                    && people.len() >= self.config.region_people as usize
                {
                    let place = Place::Region(rows[row], columns[column]);
                    spots.push(Spot { place, sign, minutes: minutes(least) });
                }
            }
        }
        spots
    }

    /// From a head's centre to its place in the class, 0..=1 across and down: the class and not the picture
    /// is divided, since the camera may see more than the class.
    fn places(&self) -> impl Fn((f32, f32)) -> (f32, f32) {
        let mut least = (f32::INFINITY, f32::INFINITY);
        let mut most = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        for Seat { centre: (x, y), .. } in self.seats.values() {
            least = (least.0.min(*x), least.1.min(*y));
            most = (most.0.max(*x), most.1.max(*y));
        }
        move |(x, y)| {
            // In hundredths: a head that nods is no news.
            let share = |at: f32, least: f32, most: f32| {
                let share = if most > least { (at - least) / (most - least) } else { 0.5 };
                (share.clamp(0.0, 1.0) * 100.0).round() / 100.0
            };
            (share(x, least.0, most.0), share(y, least.1, most.1))
        }
    }
}

/// Belief in angry, disgust, fear and sad together.
fn strained(belief: &Expressions) -> f32 {
    let strained = [Expression::Angry, Expression::Disgust, Expression::Fear, Expression::Sad];
    strained.into_iter().map(|expression| belief.0[expression as usize]).sum()
}

fn minutes(lasts: Duration) -> u32 {
    u32::try_from(lasts.as_secs() / 60).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;
    use crate::vision::{Person, PixelBox};

    const SAD: usize = 4;
    const NEUTRAL: usize = 6;

    /// Twelve people on four columns and three rows.
    fn class(at: Instant, change: impl Fn(u32, &mut Person)) -> Observation {
        observation(
            at,
            (0..12).map(|seat| {
                let mut person = person(seat, Some((NEUTRAL, at)));
                let (x, y) = ((seat % 4) as f32 * 100.0, (seat / 4) as f32 * 80.0);
                person.head = PixelBox { x, y, width: 30.0, height: 30.0 };
                change(seat, &mut person);
                person
            }),
        )
    }

    fn lookout(detail: AttentionDetail) -> Lookout {
        let attention = config::Attention { enabled: true, detail, ..config::Attention::default() };
        Lookout::new(&Config { attention, ..Config::default() })
    }

    fn watch(
        lookout: &mut Lookout,
        start: Instant,
        seconds: std::ops::Range<u64>,
        change: impl Fn(u32, &mut Person),
    ) {
        for second in seconds {
            let at = start + Duration::from_secs(second);
            lookout.push(&class(at, &change));
            lookout.look(at);
        }
    }

    fn strain(person: &mut Person) {
        person.belief = Some(Expressions(std::array::from_fn(|index| f32::from(u8::from(index == SAD)))));
    }

    /// The four in the front row look sad.
    fn front_row(seat: u32, person: &mut Person) {
        if seat >= 8 {
            strain(person);
        }
    }

    #[test]
    fn a_row_that_stays_strained_is_told_after_minutes_and_where() {
        let start = Instant::now();
        let mut lookout = lookout(AttentionDetail::Seat);
        let told = lookout.subscribe();
        watch(&mut lookout, start, 0..299, front_row);
        assert!(told.borrow().spots().is_empty());
        watch(&mut lookout, start, 299..310, front_row);
        let attention = told.borrow().clone();
        assert_eq!(attention.spots().len(), 4);
        for spot in attention.spots() {
            assert!(matches!(spot.place, Place::Seat { down, .. } if down == 1.0));
            assert!(spot.sign == Sign::Strained && spot.minutes == 5);
        }
    }

    #[test]
    fn a_region_is_told_only_when_several_people_sit_there() {
        let start = Instant::now();
        // Six in the front on the left, the others apart.
        let crowd = |seat: u32, person: &mut Person| {
            if seat < 6 {
                let (x, y) = ((seat % 3) as f32 * 20.0, 160.0 + (seat / 3) as f32 * 5.0);
                person.head = PixelBox { x, y, ..person.head };
                person.facing = 0.1;
            }
            if seat == 7 {
                strain(person);
            }
        };
        let mut lookout = lookout(AttentionDetail::Region);
        let told = lookout.subscribe();
        watch(&mut lookout, start, 0..400, crowd);
        let attention = told.borrow().clone();
        assert_eq!(attention.spots().len(), 1);
        let spot = attention.spots()[0];
        assert!(spot.place == Place::Region(Row::Front, Column::Left) && spot.sign == Sign::TurnedAway);
        assert_eq!(spot.minutes, 6);
    }

    #[test]
    fn a_glance_does_not_end_it_and_looking_again_does() {
        let start = Instant::now();
        let mut lookout = lookout(AttentionDetail::Seat);
        let told = lookout.subscribe();
        let away = |_: u32, person: &mut Person| person.facing = 0.1;
        watch(&mut lookout, start, 0..200, away);
        watch(&mut lookout, start, 200..215, |_, _| ());
        watch(&mut lookout, start, 215..310, away);
        assert_eq!(told.borrow().spots().len(), 12);
        watch(&mut lookout, start, 310..335, |_, _| ());
        assert!(told.borrow().spots().is_empty());
    }

    #[test]
    fn who_was_not_seen_for_a_while_begins_anew() {
        let start = Instant::now();
        let mut lookout = lookout(AttentionDetail::Seat);
        let told = lookout.subscribe();
        watch(&mut lookout, start, 0..310, front_row);
        assert_eq!(told.borrow().spots().len(), 4);
        // Nothing was seen for a minute and more.
        watch(&mut lookout, start, 380..400, front_row);
        assert!(told.borrow().spots().is_empty());
    }

    #[test]
    fn it_is_off_by_default_and_forgets_when_told_to() {
        let start = Instant::now();
        let mut off = Lookout::new(&Config::default());
        watch(&mut off, start, 0..400, front_row);
        assert!(off.subscribe().borrow().spots().is_empty() && off.seats.is_empty());
        let mut lookout = lookout(AttentionDetail::Seat);
        let told = lookout.subscribe();
        watch(&mut lookout, start, 0..400, front_row);
        assert_eq!(told.borrow().spots().len(), 4);
        assert_eq!(format!("{:?}", **told.borrow()), "Attention { .. }");
        lookout.clear();
        assert!(told.borrow().spots().is_empty());
        watch(&mut lookout, start, 400..500, front_row);
        assert!(told.borrow().spots().is_empty());
    }

    #[test]
    fn a_handful_of_people_is_not_a_class() {
        let start = Instant::now();
        let mut lookout = lookout(AttentionDetail::Seat);
        lookout.min_people = 13;
        let told = lookout.subscribe();
        watch(&mut lookout, start, 0..400, front_row);
        assert!(told.borrow().spots().is_empty());
    }
}
