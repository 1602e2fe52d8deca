//! Finds places in the room where help may be needed: where people looked strained, or away, for minutes.
//!
//! These places never leave the device. [`Attention`] does not implement `Serialize`, so no publisher accepts it.
//! The monitor is off by default, and is cleared at the end of a lesson and in a pause.

use moodring_contract::attention::Attention;
use moodring_contract::attention::Column;
use moodring_contract::attention::Place;
use moodring_contract::attention::Row;
use moodring_contract::attention::Sign;
use moodring_contract::attention::Spot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use moodring_config as config;
use moodring_config::{AttentionDetail, Config};
use moodring_contract::Expression;
use moodring_vision::{Expressions, Observation, SeatId};

/// Maximum number of monitored seats.
const MAX_SEATS: usize = 512;
/// A seat that was not visible for this long is removed.
const SEAT_TIMEOUT: Duration = Duration::from_secs(60);
/// An episode ends after an interruption of this length: one look at the board does not end looking away.
const INTERRUPTION_TIMEOUT: Duration = Duration::from_secs(20);
/// Hysteresis: a strained episode goes on until the belief is this much below the threshold that started it.
const STRAINED_HYSTERESIS: f32 = 0.15;

/// Monitors all seats and reports the places where a sign has lasted for `attention.after_minutes`.
#[derive(Debug)]
pub(super) struct AttentionMonitor {
    config: config::Attention,
    min_people: u32,
    seats: BTreeMap<SeatId, Seat>,
    attention: watch::Sender<Arc<Attention>>,
}

/// State of one monitored seat.
#[derive(Debug, Clone, Copy)]
struct Seat {
    seen_at: Instant,
    /// Centre of the head in pixels of the frame (x, y).
    centre: (f32, f32),
    strained: Episode,
    turned: Episode,
}

/// A sign that lasts, with interruptions shorter than [`INTERRUPTION_TIMEOUT`].
#[derive(Debug, Clone, Copy, Default)]
struct Episode {
    since: Option<Instant>,
    interrupted_at: Option<Instant>,
}

impl Episode {
    fn update(&mut self, now: Instant, active: bool) {
        if active {
            self.since.get_or_insert(now);
            self.interrupted_at = None;
        } else if self.since.is_some()
            && now.saturating_duration_since(*self.interrupted_at.get_or_insert(now)) >= INTERRUPTION_TIMEOUT
        {
            *self = Self::default();
        }
    }

    fn duration(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// The sign that is active at one seat, and its duration; `None` when there is none.
type ActiveSign = Option<(Sign, Duration)>;

impl AttentionMonitor {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.attention.clone(),
            min_people: config.mood.min_people,
            seats: BTreeMap::new(),
            attention: watch::Sender::default(),
        }
    }

    /// The current places; updated whenever they change.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Attention>> {
        self.attention.subscribe()
    }

    /// Adds the observation of one frame.
    pub(super) fn push(&mut self, observation: &Observation) {
        if !self.config.enabled {
            return;
        }
        let now = observation.captured_at;
        // Before the update: a person who returns after the timeout must start with new episodes.
        self.seats.retain(|_, seat| now.saturating_duration_since(seat.seen_at) < SEAT_TIMEOUT);
        for person in observation.people.iter().filter(|person| person.unseen_for.is_zero()) {
            if self.seats.len() >= MAX_SEATS && !self.seats.contains_key(&person.seat) {
                continue;
            }
            let centre = person.head.centre();
            let new = Seat { seen_at: now, centre, strained: Episode::default(), turned: Episode::default() };
            let seat = self.seats.entry(person.seat).or_insert(new);
            (seat.seen_at, seat.centre) = (now, centre);
            let slack = if seat.strained.since.is_some() { STRAINED_HYSTERESIS } else { 0.0 };
            let threshold = self.config.strained_from as f32 - slack;
            let strained = person.belief.is_some_and(|belief| strained(&belief) >= threshold);
            seat.strained.update(now, strained);
            seat.turned.update(now, !person.faces_front());
        }
    }

    /// Removes all seats and places: the lesson ended, or a pause began.
    pub(super) fn clear(&mut self) {
        self.seats.clear();
        self.show_nothing();
    }

    /// Sets the shown places to none; the episodes of the seats go on.
    pub(super) fn show_nothing(&self) {
        self.show(Attention::default());
    }

    /// Shows the places at `now`.
    pub(super) fn update(&mut self, now: Instant) {
        if self.config.enabled {
            self.show(self.attention(now));
        }
    }

    fn show(&self, attention: Attention) {
        self.attention.send_if_modified(|shown| {
            let differs = **shown != attention;
            if differs {
                *shown = Arc::new(attention);
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

    /// The sign that has lasted for at least `attention.after_minutes`. Strained comes before turned away.
    fn sign(&self, seat: &Seat, now: Instant) -> ActiveSign {
        let after = Duration::from_secs_f64(self.config.after_minutes * 60.0);
        [(Sign::Strained, seat.strained.duration(now)), (Sign::TurnedAway, seat.turned.duration(now))]
            .into_iter()
            .find(|(_, duration)| *duration >= after)
    }

    fn single_seats(&self, now: Instant) -> Vec<Spot> {
        let position = self.relative_position();
        let spot = |seat: &Seat| {
            let (sign, duration) = self.sign(seat, now)?;
            let (across, down) = position(seat.centre);
            Some(Spot { place: Place::Seat { across, down }, sign, minutes: minutes(duration) })
        };
        self.seats.values().filter_map(spot).collect()
    }

    fn regions(&self, now: Instant) -> Vec<Spot> {
        let position = self.relative_position();
        let mut regions: BTreeMap<(usize, usize), Vec<ActiveSign>> = BTreeMap::new();
        for seat in self.seats.values() {
            let (across, down) = position(seat.centre);
            let third = |share: f32| ((share * 3.0) as usize).min(2);
            regions.entry((third(down), third(across))).or_default().push(self.sign(seat, now));
        }
        let rows = [Row::Back, Row::Middle, Row::Front];
        let columns = [Column::Left, Column::Middle, Column::Right];
        let mut spots = Vec::new();
        for ((row, column), people) in regions {
            for sign in [Sign::Strained, Sign::TurnedAway] {
                let active = people.iter().flatten().filter(|(other, _)| *other == sign);
                let durations: Vec<Duration> = active.map(|(_, duration)| *duration).collect();
                let enough = durations.len() as f64 >= self.config.region_share * people.len() as f64;
                if let (true, Some(shortest)) = (enough, durations.into_iter().min())
                    && people.len() >= self.config.region_people as usize
                {
                    let place = Place::Region(rows[row], columns[column]);
                    spots.push(Spot { place, sign, minutes: minutes(shortest) });
                }
            }
        }
        spots
    }

    /// Returns a function from the centre of a head (pixels) to its position in the class, 0..=1 across and down.
    /// Positions are relative to the bounding box of all heads, since the camera may see more than the class.
    fn relative_position(&self) -> impl Fn((f32, f32)) -> (f32, f32) {
        let mut min = (f32::INFINITY, f32::INFINITY);
        let mut max = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        for Seat { centre: (x, y), .. } in self.seats.values() {
            min = (min.0.min(*x), min.1.min(*y));
            max = (max.0.max(*x), max.1.max(*y));
        }
        move |(x, y)| {
            // Rounded to hundredths, so that a nodding head does not change the places.
            let share = |at: f32, min: f32, max: f32| {
                let share = if max > min { (at - min) / (max - min) } else { 0.5 };
                (share.clamp(0.0, 1.0) * 100.0).round() / 100.0
            };
            (share(x, min.0, max.0), share(y, min.1, max.1))
        }
    }
}

/// Sum of the beliefs in angry, disgust, fear and sad, 0..=1.
fn strained(belief: &Expressions) -> f32 {
    let strained = [Expression::Angry, Expression::Disgust, Expression::Fear, Expression::Sad];
    strained.into_iter().map(|expression| belief.0[expression as usize]).sum()
}

/// Whole minutes of a duration.
fn minutes(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs() / 60).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;
    use moodring_camera::PixelBox;
    use moodring_vision::Person;

    const SAD: usize = 4;
    const NEUTRAL: usize = 6;

    /// Twelve people in four columns and three rows.
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

    fn monitor(detail: AttentionDetail) -> AttentionMonitor {
        let attention = config::Attention { enabled: true, detail, ..config::Attention::default() };
        AttentionMonitor::new(&Config { attention, ..Config::default() })
    }

    fn watch(
        monitor: &mut AttentionMonitor,
        start: Instant,
        seconds: std::ops::Range<u64>,
        change: impl Fn(u32, &mut Person),
    ) {
        for second in seconds {
            let at = start + Duration::from_secs(second);
            monitor.push(&class(at, &change));
            monitor.update(at);
        }
    }

    fn strain(person: &mut Person) {
        person.belief = Some(Expressions(std::array::from_fn(|index| f32::from(u8::from(index == SAD)))));
    }

    /// The four people in the front row look sad.
    fn front_row(seat: u32, person: &mut Person) {
        if seat >= 8 {
            strain(person);
        }
    }

    #[test]
    fn strained_row_is_shown_after_minutes_with_its_position() {
        let start = Instant::now();
        let mut monitor = monitor(AttentionDetail::Seat);
        let shown = monitor.subscribe();
        watch(&mut monitor, start, 0..299, front_row);
        assert!(shown.borrow().spots.is_empty());
        watch(&mut monitor, start, 299..310, front_row);
        let attention = shown.borrow().clone();
        assert_eq!(attention.spots.len(), 4);
        for spot in &attention.spots {
            assert!(matches!(spot.place, Place::Seat { down, .. } if down == 1.0));
            assert!(spot.sign == Sign::Strained && spot.minutes == 5);
        }
    }

    #[test]
    fn region_is_shown_only_with_enough_people() {
        let start = Instant::now();
        // Six people sit in the front on the left, the others elsewhere.
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
        let mut monitor = monitor(AttentionDetail::Region);
        let shown = monitor.subscribe();
        watch(&mut monitor, start, 0..400, crowd);
        let attention = shown.borrow().clone();
        assert_eq!(attention.spots.len(), 1);
        let spot = attention.spots[0];
        assert!(spot.place == Place::Region(Row::Front, Column::Left) && spot.sign == Sign::TurnedAway);
        assert_eq!(spot.minutes, 6);
    }

    #[test]
    fn short_look_to_the_front_does_not_end_an_episode_and_a_long_one_does() {
        let start = Instant::now();
        let mut monitor = monitor(AttentionDetail::Seat);
        let shown = monitor.subscribe();
        let away = |_: u32, person: &mut Person| person.facing = 0.1;
        watch(&mut monitor, start, 0..200, away);
        watch(&mut monitor, start, 200..215, |_, _| ());
        watch(&mut monitor, start, 215..310, away);
        assert_eq!(shown.borrow().spots.len(), 12);
        watch(&mut monitor, start, 310..335, |_, _| ());
        assert!(shown.borrow().spots.is_empty());
    }

    #[test]
    fn seat_not_seen_for_a_minute_starts_new_episodes() {
        let start = Instant::now();
        let mut monitor = monitor(AttentionDetail::Seat);
        let shown = monitor.subscribe();
        watch(&mut monitor, start, 0..310, front_row);
        assert_eq!(shown.borrow().spots.len(), 4);
        // No observations for more than a minute.
        watch(&mut monitor, start, 380..400, front_row);
        assert!(shown.borrow().spots.is_empty());
    }

    #[test]
    fn monitor_is_off_by_default_and_clear_removes_everything() {
        let start = Instant::now();
        let mut off = AttentionMonitor::new(&Config::default());
        watch(&mut off, start, 0..400, front_row);
        assert!(off.subscribe().borrow().spots.is_empty() && off.seats.is_empty());
        let mut monitor = monitor(AttentionDetail::Seat);
        let shown = monitor.subscribe();
        watch(&mut monitor, start, 0..400, front_row);
        assert_eq!(shown.borrow().spots.len(), 4);
        assert_eq!(format!("{:?}", **shown.borrow()), "Attention { .. }");
        monitor.clear();
        assert!(shown.borrow().spots.is_empty());
        watch(&mut monitor, start, 400..500, front_row);
        assert!(shown.borrow().spots.is_empty());
    }

    #[test]
    fn fewer_than_min_people_show_no_spots() {
        let start = Instant::now();
        let mut monitor = monitor(AttentionDetail::Seat);
        monitor.min_people = 13;
        let shown = monitor.subscribe();
        watch(&mut monitor, start, 0..400, front_row);
        assert!(shown.borrow().spots.is_empty());
    }
}
