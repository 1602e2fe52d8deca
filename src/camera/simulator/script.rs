//! What happens in the class, and when: a list of events, and what holds at a given time.

use std::time::Duration;

use crate::vision::Expression;

/// More events than any lesson needs; a script is looked through for every frame.
const MOST_EVENTS: usize = 256;

/// Something that happens to the class or to the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// From now on the class wears these expressions: shares in the order of [`Expression::ALL`].
    Expressions([f64; 7]),
    /// From now on this share of the people in the room faces the front, 0 to 1.
    Facing(f64),
    /// From now on so many people are in the room, or in the call; more than there are seats fill every seat.
    People(u32),
    /// From now on this share of the people in the room is hidden by something in front of them, 0 to 1.
    Hidden(f64),
    /// The camera is unplugged for this long: opening and capturing give `Gone`.
    Gone(Duration),
    /// The same picture again and again for this long.
    Frozen(Duration),
    /// The room is dark for this long.
    LightsOut(Duration),
    /// A slide is shown for this long: in a gallery it takes most of the picture, a room shows nothing of it.
    Slide(Duration),
}

/// Why a script cannot be played.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// Too many events.
    #[error("{0} events, at most {MOST_EVENTS} are possible")]
    TooMany(usize),
    /// A share outside 0..=1, or expressions that do not add up to 1.
    #[error("event {0}: shares must lie within 0 to 1, and those of expressions add up to 1")]
    Share(usize),
    /// A number of people outside 0..=60.
    #[error("event {0}: people must be 0 to 60")]
    People(usize),
    /// A repetition that is shorter than 1 s.
    #[error("a script can be repeated every second at most")]
    Repeat,
}

/// Events in the order of their times, perhaps played again and again.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    events: Vec<(Duration, Event)>,
    repeat_every: Option<Duration>,
}

/// What holds at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    pub(super) expressions: [f64; 7],
    pub(super) facing: f64,
    pub(super) hidden: f64,
    pub(super) people: u32,
    pub(super) gone: bool,
    pub(super) dark: bool,
    pub(super) slide: bool,
    /// The time at which the picture was taken: earlier than now while it is frozen.
    pub(super) shown: Duration,
}

/// A class at work: mostly neutral, some happy.
const CALM: [f64; 7] = [0.0, 0.0, 0.0, 0.15, 0.05, 0.0, 0.80];
const BRIGHT: [f64; 7] = [0.0, 0.0, 0.0, 0.65, 0.0, 0.20, 0.15];
const STRAINED: [f64; 7] = [0.20, 0.05, 0.15, 0.0, 0.30, 0.0, 0.30];

impl Script {
    /// A script of `events` (sorted by time here), begun anew every `repeat_every`.
    ///
    /// # Errors
    /// [`ScriptError`] for the first event that is out of bounds.
    pub fn new(
        mut events: Vec<(Duration, Event)>,
        repeat_every: Option<Duration>,
    ) -> Result<Self, ScriptError> {
        if events.len() > MOST_EVENTS {
            return Err(ScriptError::TooMany(events.len()));
        }
        if repeat_every.is_some_and(|every| every < Duration::from_secs(1)) {
            return Err(ScriptError::Repeat);
        }
        let share = |value: &f64| (0.0..=1.0).contains(value);
        for (index, (_, event)) in events.iter().enumerate() {
            match event {
                Event::Expressions(shares)
                    if !(shares.iter().all(share) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6) =>
                {
                    return Err(ScriptError::Share(index));
                }
                Event::Facing(value) | Event::Hidden(value) if !share(value) => {
                    return Err(ScriptError::Share(index));
                }
                Event::People(people) if *people > 60 => return Err(ScriptError::People(index)),
                _ => {}
            }
        }
        events.sort_by_key(|(at, _)| *at);
        Ok(Self { events, repeat_every })
    }

    /// A lesson in fast motion, a minute long, again and again: calm, a joke (20 s), a hard part in which
    /// fewer face the front (33 s), calm again (48 s).
    pub fn lesson(facing: f64) -> Self {
        let at = Duration::from_secs;
        let events = vec![
            (at(0), Event::Expressions(CALM)),
            (at(0), Event::Facing(facing)),
            (at(20), Event::Expressions(BRIGHT)),
            (at(33), Event::Expressions(STRAINED)),
            (at(33), Event::Facing(facing * 0.75)),
            (at(48), Event::Expressions(CALM)),
            (at(48), Event::Facing(facing)),
        ];
        Self { events, repeat_every: Some(at(60)) }
    }

    /// What holds at `at`, in a class of `people` of whom the share `facing` faces the front at first.
    pub(super) fn moment(&self, at: Duration, people: u32, facing: f64) -> Moment {
        let mut moment = Moment {
            expressions: CALM,
            facing,
            hidden: 0.0,
            people,
            gone: false,
            dark: false,
            slide: false,
            shown: at,
        };
        let (past, now) = match self.repeat_every {
            Some(every) => {
                let now = Duration::from_nanos((at.as_nanos() % every.as_nanos()) as u64);
                (at.saturating_sub(now), now)
            }
            None => (Duration::ZERO, at),
        };
        for (begin, event) in self.events.iter().take_while(|(begin, _)| *begin <= now) {
            let lasts = |span: &Duration| now < begin.saturating_add(*span);
            match event {
                Event::Expressions(shares) => moment.expressions = *shares,
                Event::Facing(share) => moment.facing = *share,
                Event::Hidden(share) => moment.hidden = *share,
                Event::People(count) => moment.people = *count,
                Event::Gone(span) => moment.gone |= lasts(span),
                Event::LightsOut(span) => moment.dark |= lasts(span),
                Event::Slide(span) => moment.slide |= lasts(span),
                Event::Frozen(span) if lasts(span) => moment.shown = moment.shown.min(past + *begin),
                Event::Frozen(_) => {}
            }
        }
        moment
    }

    /// The most people that this script ever lets in.
    pub(super) fn most_people(&self, at_first: u32) -> u32 {
        let counts = self.events.iter().filter_map(|(_, event)| match event {
            Event::People(count) => Some(*count),
            _ => None,
        });
        counts.fold(at_first, u32::max)
    }
}

/// Gives each of `people` an expression so that the counts match `shares` as exactly as whole people can.
pub(super) fn hand_out(shares: &[f64; 7], people: usize, index: usize) -> Expression {
    let place = (index as f64 + 0.5) / people.max(1) as f64;
    let mut sum = 0.0;
    for (share, expression) in shares.iter().zip(Expression::ALL) {
        sum += share;
        if place < sum {
            return expression;
        }
    }
    Expression::Neutral
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn impossible_scripts_are_refused() {
        let script = |event| Script::new(vec![(S(0), event)], None);
        assert_eq!(script(Event::Facing(1.1)), Err(ScriptError::Share(0)));
        assert_eq!(script(Event::Facing(f64::NAN)), Err(ScriptError::Share(0)));
        assert_eq!(script(Event::Expressions([0.5; 7])), Err(ScriptError::Share(0)));
        assert_eq!(script(Event::People(61)), Err(ScriptError::People(0)));
        assert_eq!(Script::new(vec![], Some(Duration::ZERO)), Err(ScriptError::Repeat));
        assert_eq!(Script::new(vec![(S(0), Event::People(1)); 257], None), Err(ScriptError::TooMany(257)));
    }

    #[test]
    fn spans_end_and_repeat() {
        let events = vec![
            (S(5), Event::Frozen(S(2))),
            (S(1), Event::Gone(S(2))),
            (S(8), Event::LightsOut(Duration::MAX)),
            (S(8), Event::People(3)),
        ];
        let script = Script::new(events, Some(S(10))).unwrap();
        let seen: Vec<_> = (10..20).map(|second| script.moment(S(second), 9, 1.0)).collect();
        let seconds = |wanted: fn(&Moment) -> bool| -> Vec<_> {
            seen.iter().enumerate().filter(|(_, moment)| wanted(moment)).map(|(index, _)| index).collect()
        };
        assert_eq!(seconds(|moment| moment.gone), [1, 2]);
        assert_eq!(seconds(|moment| moment.shown == S(15)), [5, 6]);
        assert_eq!(seconds(|moment| moment.dark && moment.people == 3), [8, 9]);
    }

    #[test]
    fn expressions_are_handed_out_in_proportion() {
        let of = |wanted| (0..20).filter(|index| hand_out(&BRIGHT, 20, *index) == wanted).count();
        assert_eq!((of(Expression::Happy), of(Expression::Surprise), of(Expression::Neutral)), (13, 4, 3));
    }
}
