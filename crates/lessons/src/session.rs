//! Decides when a lesson begins and ends: by timetable, by people in the room, or by command.
//!
//! The current time is an argument; nothing here reads a clock.

use jiff::{SignedDuration, Timestamp};
use moodring_contract::LessonCommand;

use super::{Beginning, Timetable, seconds};
use moodring_config::{LessonBegin, Lessons};
use moodring_contract::lesson::Cause;

/// Result of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// Nothing changes.
    Stay,
    /// A lesson begins.
    Begin(Beginning),
    /// The current lesson ended at `at`.
    End {
        /// Now, or the time at which the class left.
        at: Timestamp,
        /// Cause of the end.
        cause: Cause,
    },
}

/// What the end of the current lesson depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) begun_at: Timestamp,
    pub(super) begun_by: Cause,
    /// Time of the last mood.
    pub(super) last_at: Timestamp,
}

/// Tracks the presence of a class and the timetable.
#[derive(Debug)]
pub(super) struct Session {
    begin: LessonBegin,
    begin_after_s: f64,
    end_after_s: f64,
    longest: SignedDuration,
    timetable: Timetable,
    /// Since when a class has been in the room; short gaps do not interrupt its stay.
    class_since: Option<Timestamp>,
    /// When a class was last seen.
    last_seen: Option<Timestamp>,
    /// After an end by command: no lesson begins by timetable or people until this is over.
    held_until: Option<Hold>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Hold {
    ClassLeaves,
    PeriodEnds(Timestamp),
}

impl Session {
    pub(super) fn new(lessons: &Lessons, timetable: Timetable) -> Self {
        Self {
            begin: lessons.begin,
            begin_after_s: lessons.begin_after_s,
            end_after_s: lessons.end_after_s,
            longest: SignedDuration::from_mins(lessons.longest_min.into()),
            timetable,
            class_since: None,
            last_seen: None,
            held_until: None,
        }
    }

    /// Applies a new configuration; keeps presence and manual-end state.
    pub(super) fn reconfigure(&mut self, lessons: &Lessons, timetable: Timetable) {
        let (class_since, last_seen, held_until) = (self.class_since, self.last_seen, self.held_until);
        *self = Self { class_since, last_seen, held_until, ..Self::new(lessons, timetable) };
    }

    /// Continues a lesson after a restart at `at`. The class counts as present at `at`: the lesson ends only if the
    /// class is not seen for `end_after_s` from then on.
    pub(super) fn resume(&mut self, at: Timestamp) {
        self.last_seen = Some(at);
    }

    /// Moves what is known about the presence of the class by `shift`, by which the clock was set.
    pub(super) fn shift(&mut self, shift: SignedDuration) {
        for at in [&mut self.class_since, &mut self.last_seen] {
            *at = at.and_then(|at| at.checked_add(shift).ok());
        }
        if self.held_until.is_some() {
            self.held_until = Some(Hold::ClassLeaves);
        }
    }

    /// The decision at `at`, given whether a class is seen and the current `lesson`.
    pub(super) fn decide(&mut self, at: Timestamp, class_seen: bool, lesson: Option<Progress>) -> Decision {
        self.track_class(at, class_seen);
        match lesson {
            Some(lesson) => self.end_of(lesson, at),
            None => self.begin_at(at),
        }
    }

    /// The decisions for a command at `at`; a begin while a lesson is in progress ends that lesson first.
    pub(super) fn command(
        &mut self,
        command: &LessonCommand,
        at: Timestamp,
        in_progress: bool,
    ) -> Vec<Decision> {
        let end = Decision::End { at, cause: Cause::Command };
        let mut decisions = if in_progress { vec![end] } else { Vec::new() };
        let title = match command {
            LessonCommand::Begin { title } => Some(title.clone()),
            LessonCommand::Toggle if !in_progress => Some(String::new()),
            LessonCommand::Toggle | LessonCommand::End => None,
        };
        if let Some(title) = title {
            self.held_until = None;
            decisions.push(Decision::Begin(Beginning { at, title, cause: Cause::Command }));
        } else if in_progress {
            // After a manual end the next lesson must not begin immediately.
            self.held_until = Some(match self.timetable.at(at) {
                Some(period) => Hold::PeriodEnds(period.end),
                None => Hold::ClassLeaves,
            });
        }
        decisions
    }

    fn track_class(&mut self, at: Timestamp, seen: bool) {
        // After the clock was set back, `last_seen` can lie in the future; it is ignored then.
        let last = self.last_seen.filter(|last| *last <= at);
        // A short gap (a lost camera, a person in front of it) does not count as leaving.
        let left = last.is_none_or(|last| seconds(last, at) > self.end_after_s);
        if left {
            self.class_since = None;
        }
        self.last_seen = last;
        if seen {
            self.class_since.get_or_insert(at);
            self.last_seen = Some(at);
        }
        let over = match self.held_until {
            Some(Hold::ClassLeaves) => self.class_since.is_none(),
            Some(Hold::PeriodEnds(end)) => at >= end,
            None => false,
        };
        if over {
            self.held_until = None;
        }
    }

    fn begin_at(&mut self, at: Timestamp) -> Decision {
        if self.held_until.is_some() {
            return Decision::Stay;
        }
        match self.begin {
            LessonBegin::Timetable => match self.timetable.at(at) {
                Some(period) => {
                    let title = period.title.clone();
                    Decision::Begin(Beginning { at, title, cause: Cause::Timetable })
                }
                None => Decision::Stay,
            },
            LessonBegin::Automatic => match self.class_since {
                // The class must be seen right now: it may have left since.
                Some(since) if seconds(since, at) >= self.begin_after_s && self.last_seen == Some(at) => {
                    Decision::Begin(Beginning { at, title: String::new(), cause: Cause::People })
                }
                _ => Decision::Stay,
            },
            LessonBegin::Command => Decision::Stay,
        }
    }

    fn end_of(&mut self, lesson: Progress, at: Timestamp) -> Decision {
        if at < lesson.last_at {
            return Decision::End { at: lesson.last_at, cause: Cause::ClockSet };
        }
        if at.duration_since(lesson.begun_at) >= self.longest {
            return Decision::End { at: lesson.begun_at + self.longest, cause: Cause::TooLong };
        }
        let own_period = self.timetable.at(lesson.begun_at).cloned();
        let now = self.timetable.at(at).map(|period| period.begin);
        let other_period = now != own_period.as_ref().map(|period| period.begin);
        match (lesson.begun_by, own_period) {
            (Cause::Timetable, Some(period)) => {
                return match other_period {
                    true => Decision::End { at: period.end.min(at), cause: Cause::Timetable },
                    false => Decision::Stay,
                };
            }
            _ if other_period && now.is_some() => return Decision::End { at, cause: Cause::Timetable },
            _ => {}
        }
        let last_seen = self.last_seen.map_or(lesson.begun_at, |last| last.max(lesson.begun_at));
        if seconds(last_seen, at) > self.end_after_s {
            return Decision::End { at: last_seen, cause: Cause::People };
        }
        Decision::Stay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_config::TimetableEntry;

    fn session(lessons: Lessons) -> Session {
        let timetable = Timetable::new(&lessons, &jiff::tz::TimeZone::UTC).unwrap();
        Session::new(&lessons, timetable)
    }

    fn at(second: i64) -> Timestamp {
        // A Monday, 08:00 UTC.
        "2026-11-23T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    /// Plays seconds `0..until`; `seen` returns whether a class is there. Returns second, kind and cause of each
    /// begin and end.
    fn play(
        session: &mut Session,
        until: i64,
        seen: impl Fn(i64) -> bool,
    ) -> Vec<(i64, &'static str, Cause)> {
        let (mut lesson, mut events) = (None::<Progress>, Vec::new());
        let since = |time: Timestamp| time.as_second() - at(0).as_second();
        for second in 0..until {
            match session.decide(at(second), seen(second), lesson) {
                Decision::Stay => {}
                Decision::Begin(Beginning { at, cause, .. }) => {
                    lesson = Some(Progress { begun_at: at, begun_by: cause, last_at: at });
                    events.push((since(at), "begin", cause));
                }
                Decision::End { at, cause } => {
                    lesson = None;
                    events.push((since(at), "end", cause));
                }
            }
            if let Some(lesson) = &mut lesson {
                lesson.last_at = at(second);
            }
        }
        events
    }

    #[test]
    fn a_lesson_begins_when_people_stay_and_ends_when_they_leave() {
        let mut session = session(Lessons::default());
        // One person crosses the room; then a class comes, with a gap, and leaves.
        let seen = |second| matches!(second, 10..70 | 600..1500 | 1700..3300);
        let events = play(&mut session, 5000, seen);
        // 10..70 is forgotten after end_after_s, so the class counts from 600 on.
        assert_eq!(events, [(720, "begin", Cause::People), (3299, "end", Cause::People)]);
    }

    #[test]
    fn a_timetabled_lesson_begins_and_ends_on_the_minute_regardless_of_people() {
        let timetable = vec![TimetableEntry { begin: "10 8 * * *".into(), minutes: 45, title: "x".into() }];
        let lessons = Lessons { begin: LessonBegin::Timetable, timetable, ..Lessons::default() };
        let events = play(&mut session(lessons), 5000, |_| true);
        assert_eq!(events, [(600, "begin", Cause::Timetable), (3300, "end", Cause::Timetable)]);
    }

    #[test]
    fn two_lessons_without_a_break_are_two() {
        let entry = |begin: &str| TimetableEntry { begin: begin.into(), minutes: 30, title: begin.into() };
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            timetable: vec![entry("0 8 * * *"), entry("30 8 * * *")],
            ..Lessons::default()
        };
        let events = play(&mut session(lessons), 4000, |_| true);
        let seconds: Vec<_> = events.iter().map(|(second, what, _)| (*second, *what)).collect();
        assert_eq!(seconds, [(0, "begin"), (1800, "end"), (1801, "begin"), (3600, "end")]);
    }

    #[test]
    fn no_lesson_is_longer_than_the_longest() {
        let lessons = Lessons { longest_min: 20, ..Lessons::default() };
        let events = play(&mut session(lessons), 1400, |_| true);
        assert_eq!(
            events,
            [(120, "begin", Cause::People), (1320, "end", Cause::TooLong), (1321, "begin", Cause::People)]
        );
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_lesson() {
        let mut session = session(Lessons::default());
        let lesson = Progress { begun_at: at(0), begun_by: Cause::People, last_at: at(600) };
        assert_eq!(
            session.decide(at(300), true, Some(lesson)),
            Decision::End { at: at(600), cause: Cause::ClockSet }
        );
    }

    #[test]
    fn after_a_manual_end_no_lesson_begins_until_the_class_has_left() {
        let mut session = session(Lessons::default());
        assert_eq!(play(&mut session, 200, |_| true), [(120, "begin", Cause::People)]);
        let ended = session.command(&LessonCommand::End, at(200), true);
        assert_eq!(ended, [Decision::End { at: at(200), cause: Cause::Command }]);
        for second in 200..900 {
            assert_eq!(session.decide(at(second), true, None), Decision::Stay);
        }
        for second in 900..1300 {
            assert_eq!(session.decide(at(second), false, None), Decision::Stay);
        }
        for second in 1300..1420 {
            assert_eq!(session.decide(at(second), true, None), Decision::Stay);
        }
        assert!(matches!(session.decide(at(1420), true, None), Decision::Begin(_)));
    }

    #[test]
    fn a_toggle_ends_the_current_lesson_or_begins_one() {
        let mut session = session(Lessons::default());
        let begun = Beginning { at: at(10), title: String::new(), cause: Cause::Command };
        assert_eq!(session.command(&LessonCommand::Toggle, at(10), false), [Decision::Begin(begun)]);
        let ended = Decision::End { at: at(20), cause: Cause::Command };
        assert_eq!(session.command(&LessonCommand::Toggle, at(20), true), [ended]);
        assert_eq!(session.decide(at(21), true, None), Decision::Stay, "a manual end holds back the next");
        assert!(matches!(session.command(&LessonCommand::Toggle, at(30), false)[..], [Decision::Begin(_)]));
    }

    #[test]
    fn a_manual_begin_ends_the_current_lesson_and_needs_no_timetable() {
        let lessons = Lessons { begin: LessonBegin::Command, ..Lessons::default() };
        let mut session = session(lessons);
        assert_eq!(play(&mut session, 1000, |_| true), []);
        let title = "Guest".to_owned();
        let decisions = session.command(&LessonCommand::Begin { title: title.clone() }, at(1000), true);
        let begin = Beginning { at: at(1000), title, cause: Cause::Command };
        let end = Decision::End { at: at(1000), cause: Cause::Command };
        assert_eq!(decisions, [end, Decision::Begin(begin)]);
        assert_eq!(session.command(&LessonCommand::End, at(1010), false), []);
    }
}
