//! The script of the simulated class: a list of events, and the state of the class at a given time.

use std::time::Duration;

use moodring_contract::Expression;

/// Largest number of events. Every frame iterates over the whole script.
const MAX_EVENTS: usize = 256;

/// An event in the class or at the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScriptEvent {
    /// From now on the class has these expressions: shares in the order of [`Expression::ALL`], which add up to 1.
    Expressions([f64; 7]),
    /// From now on this share of the people in the room faces the front, 0 to 1.
    Facing(f64),
    /// From now on this number of people is in the room or in the call, 0 to 60. At most every seat is taken.
    People(u32),
    /// From now on this share of the people in the room is hidden by a sheet of paper, 0 to 1.
    Hidden(f64),
    /// The camera is unplugged for this long: opening and capturing return `Gone`.
    Gone(Duration),
    /// The picture does not change for this long.
    Frozen(Duration),
    /// The room is dark for this long.
    LightsOut(Duration),
    /// A slide is shown for this long. In a gallery it takes most of the picture; in a room it has no effect.
    Slide(Duration),
}

/// Reasons why a script is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// Too many events.
    #[error("{0} events, but at most {MAX_EVENTS} are allowed")]
    TooMany(usize),
    /// A share outside 0..=1, or expressions that do not add up to 1.
    #[error("event {0}: shares must be from 0 to 1, and the shares of expressions must add up to 1")]
    Share(usize),
    /// A number of people outside 0..=60.
    #[error("event {0}: people must be from 0 to 60")]
    People(usize),
    /// A repetition period shorter than 1 s.
    #[error("the repetition period of a script must be at least 1 s")]
    Repeat,
}

/// Events in the order of their times, optionally repeated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    events: Vec<(Duration, ScriptEvent)>,
    repeat_every: Option<Duration>,
}

/// State of class and camera at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SceneState {
    pub(super) expressions: [f64; 7],
    pub(super) facing: f64,
    pub(super) hidden: f64,
    pub(super) people: u32,
    pub(super) gone: bool,
    pub(super) dark: bool,
    pub(super) slide: bool,
    /// Time at which the shown picture was taken. It is in the past while the picture is frozen.
    pub(super) picture_at: Duration,
}

/// A class at work: mostly neutral, some happy.
const CALM: [f64; 7] = [0.0, 0.0, 0.0, 0.15, 0.05, 0.0, 0.80];
const BRIGHT: [f64; 7] = [0.0, 0.0, 0.0, 0.65, 0.0, 0.20, 0.15];
const STRAINED: [f64; 7] = [0.20, 0.05, 0.15, 0.0, 0.30, 0.0, 0.30];

impl Script {
    /// A script of `events` (in any order), restarted every `repeat_every`.
    ///
    /// # Errors
    /// [`ScriptError`] for the first invalid event.
    pub fn new(
        mut events: Vec<(Duration, ScriptEvent)>,
        repeat_every: Option<Duration>,
    ) -> Result<Self, ScriptError> {
        if events.len() > MAX_EVENTS {
            return Err(ScriptError::TooMany(events.len()));
        }
        if repeat_every.is_some_and(|every| every < Duration::from_secs(1)) {
            return Err(ScriptError::Repeat);
        }
        let share = |value: &f64| (0.0..=1.0).contains(value);
        for (index, (_, event)) in events.iter().enumerate() {
            match event {
                ScriptEvent::Expressions(shares)
                    if !(shares.iter().all(share) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6) =>
                {
                    return Err(ScriptError::Share(index));
                }
                ScriptEvent::Facing(value) | ScriptEvent::Hidden(value) if !share(value) => {
                    return Err(ScriptError::Share(index));
                }
                ScriptEvent::People(people) if *people > 60 => return Err(ScriptError::People(index)),
                _ => {}
            }
        }
        events.sort_by_key(|(at, _)| *at);
        Ok(Self { events, repeat_every })
    }

    /// A lesson in fast motion, which is repeated every minute: calm, a joke (from 20 s), a hard part in which fewer
    /// people face the front (from 33 s), then calm (from 48 s).
    pub fn lesson(facing: f64) -> Self {
        let at = Duration::from_secs;
        let events = vec![
            (at(0), ScriptEvent::Expressions(CALM)),
            (at(0), ScriptEvent::Facing(facing)),
            (at(20), ScriptEvent::Expressions(BRIGHT)),
            (at(33), ScriptEvent::Expressions(STRAINED)),
            (at(33), ScriptEvent::Facing(facing * 0.75)),
            (at(48), ScriptEvent::Expressions(CALM)),
            (at(48), ScriptEvent::Facing(facing)),
        ];
        Self { events, repeat_every: Some(at(60)) }
    }

    /// State at `at`. The class begins with `people` people; the share `facing` of them faces the front.
    pub(super) fn state(&self, at: Duration, people: u32, facing: f64) -> SceneState {
        let mut state = SceneState {
            expressions: CALM,
            facing,
            hidden: 0.0,
            people,
            gone: false,
            dark: false,
            slide: false,
            picture_at: at,
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
                ScriptEvent::Expressions(shares) => state.expressions = *shares,
                ScriptEvent::Facing(share) => state.facing = *share,
                ScriptEvent::Hidden(share) => state.hidden = *share,
                ScriptEvent::People(count) => state.people = *count,
                ScriptEvent::Gone(span) => state.gone |= lasts(span),
                ScriptEvent::LightsOut(span) => state.dark |= lasts(span),
                ScriptEvent::Slide(span) => state.slide |= lasts(span),
                ScriptEvent::Frozen(span) if lasts(span) => {
                    state.picture_at = state.picture_at.min(past + *begin)
                }
                ScriptEvent::Frozen(_) => {}
            }
        }
        state
    }

    /// Largest number of people at any time of the script.
    pub(super) fn max_people(&self, at_first: u32) -> u32 {
        let counts = self.events.iter().filter_map(|(_, event)| match event {
            ScriptEvent::People(count) => Some(*count),
            _ => None,
        });
        counts.fold(at_first, u32::max)
    }
}

/// The expression of person `index` of `people`. The counts of all people match `shares` up to rounding.
pub(super) fn assign_expression(shares: &[f64; 7], people: usize, index: usize) -> Expression {
    let position = (index as f64 + 0.5) / people.max(1) as f64;
    let mut sum = 0.0;
    for (share, expression) in shares.iter().zip(Expression::ALL) {
        sum += share;
        if position < sum {
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
    fn invalid_scripts_are_refused() {
        let script = |event| Script::new(vec![(S(0), event)], None);
        assert_eq!(script(ScriptEvent::Facing(1.1)), Err(ScriptError::Share(0)));
        assert_eq!(script(ScriptEvent::Facing(f64::NAN)), Err(ScriptError::Share(0)));
        assert_eq!(script(ScriptEvent::Expressions([0.5; 7])), Err(ScriptError::Share(0)));
        assert_eq!(script(ScriptEvent::People(61)), Err(ScriptError::People(0)));
        assert_eq!(Script::new(vec![], Some(Duration::ZERO)), Err(ScriptError::Repeat));
        assert_eq!(
            Script::new(vec![(S(0), ScriptEvent::People(1)); 257], None),
            Err(ScriptError::TooMany(257))
        );
    }

    #[test]
    fn spans_end_and_repeat() {
        let events = vec![
            (S(5), ScriptEvent::Frozen(S(2))),
            (S(1), ScriptEvent::Gone(S(2))),
            (S(8), ScriptEvent::LightsOut(Duration::MAX)),
            (S(8), ScriptEvent::People(3)),
        ];
        let script = Script::new(events, Some(S(10))).unwrap();
        let seen: Vec<_> = (10..20).map(|second| script.state(S(second), 9, 1.0)).collect();
        let seconds = |wanted: fn(&SceneState) -> bool| -> Vec<_> {
            seen.iter().enumerate().filter(|(_, state)| wanted(state)).map(|(index, _)| index).collect()
        };
        assert_eq!(seconds(|state| state.gone), [1, 2]);
        assert_eq!(seconds(|state| state.picture_at == S(15)), [5, 6]);
        assert_eq!(seconds(|state| state.dark && state.people == 3), [8, 9]);
    }

    #[test]
    fn expressions_are_assigned_in_proportion() {
        let of = |wanted| (0..20).filter(|index| assign_expression(&BRIGHT, 20, *index) == wanted).count();
        assert_eq!((of(Expression::Happy), of(Expression::Surprise), of(Expression::Neutral)), (13, 4, 3));
    }
}
