//! When does a lesson begin, when is it over? By the timetable, by people, by command; a function of times.

use jiff::{SignedDuration, Timestamp};

use super::{Beginning, Cause, Command, Timetable, seconds};
use crate::config::{LessonBegin, Lessons};

/// What is to happen now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// Nothing changes.
    Stay,
    /// A lesson begins.
    Begin(Beginning),
    /// The lesson under way is over, since `at`.
    End {
        /// When it was over: now, or when the class had left.
        at: Timestamp,
        /// What ended it.
        cause: Cause,
    },
}

/// The lesson under way, as far as its end depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) begun_at: Timestamp,
    pub(super) begun_by: Cause,
    /// When the last mood was taken in.
    pub(super) last_at: Timestamp,
}

/// Follows who is in the room and what the timetable says.
#[derive(Debug)]
pub(super) struct Session {
    begin: LessonBegin,
    begin_after_s: f64,
    end_after_s: f64,
    longest: SignedDuration,
    timetable: Timetable,
    /// Since when a class has been in the room, with short gaps, if one is.
    class_since: Option<Timestamp>,
    /// When a class was last seen.
    last_seen: Option<Timestamp>,
    /// After an end by command: no lesson of this cause begins until the class has left, or the period is over.
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

    /// Goes by other rules; who was seen, and what was ended by hand, is known on.
    pub(super) fn adopt(&mut self, lessons: &Lessons, timetable: Timetable) {
        let (class_since, last_seen, held_until) = (self.class_since, self.last_seen, self.held_until);
        *self = Self { class_since, last_seen, held_until, ..Self::new(lessons, timetable) };
    }

    /// A lesson goes on after a restart at `at`: its class gets the time that any gap gets to be seen again.
    pub(super) fn resume(&mut self, at: Timestamp) {
        self.last_seen = Some(at);
    }

    /// What happens at `at`, with or without a class in the room, beside the lesson under way.
    pub(super) fn decide(&mut self, at: Timestamp, class_seen: bool, lesson: Option<UnderWay>) -> Decision {
        self.follow_class(at, class_seen);
        match lesson {
            Some(lesson) => self.end_of(lesson, at),
            None => self.begin_at(at),
        }
    }

    /// What a command at `at` leads to; a begin while a lesson is under way ends that one first.
    pub(super) fn command(&mut self, command: &Command, at: Timestamp, under_way: bool) -> Vec<Decision> {
        let end = Decision::End { at, cause: Cause::Command };
        let mut decisions = if under_way { vec![end] } else { Vec::new() };
        let title = match command {
            Command::Begin { title } => Some(title.clone()),
            Command::Toggle if !under_way => Some(String::new()),
            Command::Toggle | Command::End => None,
        };
        if let Some(title) = title {
            self.held_until = None;
            decisions.push(Decision::Begin(Beginning { at, title, cause: Cause::Command }));
        } else if under_way {
            // Who ends a lesson by hand does not want the next one at once.
            self.held_until = Some(match self.timetable.at(at) {
                Some(period) => Hold::PeriodEnds(period.end),
                None => Hold::ClassLeaves,
            });
        }
        decisions
    }

    fn follow_class(&mut self, at: Timestamp, seen: bool) {
        // A clock that was set back leaves times in the future, which say nothing.
        let last = self.last_seen.filter(|last| *last <= at);
        // A short gap (a lost camera, somebody in front of it) is no leaving.
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
                // Seen right now: nobody begins a lesson with a class that may have left.
                Some(since) if seconds(since, at) >= self.begin_after_s && self.last_seen == Some(at) => {
                    Decision::Begin(Beginning { at, title: String::new(), cause: Cause::People })
                }
                _ => Decision::Stay,
            },
            LessonBegin::Command => Decision::Stay,
        }
    }

    fn end_of(&mut self, lesson: UnderWay, at: Timestamp) -> Decision {
        if at < lesson.last_at {
            return Decision::End { at: lesson.last_at, cause: Cause::ClockSet };
        }
        if at.duration_since(lesson.begun_at) >= self.longest {
            return Decision::End { at: lesson.begun_at + self.longest, cause: Cause::TooLong };
        }
        let own = self.timetable.at(lesson.begun_at).cloned();
        let now = self.timetable.at(at).map(|period| period.begin);
        let another = now != own.as_ref().map(|period| period.begin);
        match (lesson.begun_by, own) {
            (Cause::Timetable, Some(period)) => {
                return match another {
                    true => Decision::End { at: period.end.min(at), cause: Cause::Timetable },
                    false => Decision::Stay,
                };
            }
            _ if another && now.is_some() => return Decision::End { at, cause: Cause::Timetable },
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
    use crate::config::TimetableEntry;

    fn session(lessons: Lessons) -> Session {
        let timetable = Timetable::new(&lessons).unwrap();
        Session::new(&lessons, timetable)
    }

    fn at(second: i64) -> Timestamp {
        // A Monday, 08:00 UTC.
        "2026-11-23T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    /// Plays seconds `0..until`; `seen` says whether a class is there. Tells each begin and end by second and cause.
    fn play(
        session: &mut Session,
        until: i64,
        seen: impl Fn(i64) -> bool,
    ) -> Vec<(i64, &'static str, Cause)> {
        let (mut lesson, mut told) = (None::<UnderWay>, Vec::new());
        let since = |time: Timestamp| time.as_second() - at(0).as_second();
        for second in 0..until {
            match session.decide(at(second), seen(second), lesson) {
                Decision::Stay => {}
                Decision::Begin(Beginning { at, cause, .. }) => {
                    lesson = Some(UnderWay { begun_at: at, begun_by: cause, last_at: at });
                    told.push((since(at), "begin", cause));
                }
                Decision::End { at, cause } => {
                    lesson = None;
                    told.push((since(at), "end", cause));
                }
            }
            if let Some(lesson) = &mut lesson {
                lesson.last_at = at(second);
            }
        }
        told
    }

    #[test]
    fn a_lesson_begins_when_people_stay_and_ends_when_they_left() {
        let mut session = session(Lessons::default());
        // Somebody crosses the room, then a class comes, with a gap, and leaves.
        let seen = |second| matches!(second, 10..70 | 600..1500 | 1700..3300);
        let told = play(&mut session, 5000, seen);
        // 10..70 is forgotten after end_after_s, so the class counts from 600 on.
        assert_eq!(told, [(720, "begin", Cause::People), (3299, "end", Cause::People)]);
    }

    #[test]
    fn a_timetabled_lesson_begins_and_ends_on_the_minute_whoever_is_there() {
        let timetable = vec![TimetableEntry { begin: "10 8 * * *".into(), minutes: 45, title: "x".into() }];
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            time_zone: "UTC".into(),
            timetable,
            ..Lessons::default()
        };
        let told = play(&mut session(lessons), 5000, |_| true);
        assert_eq!(told, [(600, "begin", Cause::Timetable), (3300, "end", Cause::Timetable)]);
    }

    #[test]
    fn two_lessons_without_a_break_are_two() {
        let entry = |begin: &str| TimetableEntry { begin: begin.into(), minutes: 30, title: begin.into() };
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            time_zone: "UTC".into(),
            timetable: vec![entry("0 8 * * *"), entry("30 8 * * *")],
            ..Lessons::default()
        };
        let told = play(&mut session(lessons), 4000, |_| true);
        let seconds: Vec<_> = told.iter().map(|(second, what, _)| (*second, *what)).collect();
        assert_eq!(seconds, [(0, "begin"), (1800, "end"), (1801, "begin"), (3600, "end")]);
    }

    #[test]
    fn no_lesson_is_longer_than_the_longest() {
        let lessons = Lessons { longest_min: 20, ..Lessons::default() };
        let told = play(&mut session(lessons), 1400, |_| true);
        assert_eq!(
            told,
            [(120, "begin", Cause::People), (1320, "end", Cause::TooLong), (1321, "begin", Cause::People)]
        );
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_lesson() {
        let mut session = session(Lessons::default());
        let lesson = UnderWay { begun_at: at(0), begun_by: Cause::People, last_at: at(600) };
        assert_eq!(
            session.decide(at(300), true, Some(lesson)),
            Decision::End { at: at(600), cause: Cause::ClockSet }
        );
    }

    #[test]
    fn an_end_by_hand_holds_until_the_class_left() {
        let mut session = session(Lessons::default());
        assert_eq!(play(&mut session, 200, |_| true), [(120, "begin", Cause::People)]);
        let ended = session.command(&Command::End, at(200), true);
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
    fn a_toggle_ends_what_is_under_way_and_else_begins() {
        let mut session = session(Lessons::default());
        let begun = Beginning { at: at(10), title: String::new(), cause: Cause::Command };
        assert_eq!(session.command(&Command::Toggle, at(10), false), [Decision::Begin(begun)]);
        let ended = Decision::End { at: at(20), cause: Cause::Command };
        assert_eq!(session.command(&Command::Toggle, at(20), true), [ended]);
        assert_eq!(session.decide(at(21), true, None), Decision::Stay, "as after any end by hand");
        assert!(matches!(session.command(&Command::Toggle, at(30), false)[..], [Decision::Begin(_)]));
    }

    #[test]
    fn a_begin_by_hand_ends_what_is_under_way_and_needs_no_timetable() {
        let lessons = Lessons { begin: LessonBegin::Command, ..Lessons::default() };
        let mut session = session(lessons);
        assert_eq!(play(&mut session, 1000, |_| true), []);
        let title = "Guest".to_owned();
        let decisions = session.command(&Command::Begin { title: title.clone() }, at(1000), true);
        let begin = Beginning { at: at(1000), title, cause: Cause::Command };
        let end = Decision::End { at: at(1000), cause: Cause::Command };
        assert_eq!(decisions, [end, Decision::Begin(begin)]);
        assert_eq!(session.command(&Command::End, at(1010), false), []);
    }
}
