//! Splits the text of a calendar into appointments, with their line numbers: `lines ──▶ unfolded lines ──▶ RawEvent`.
//!
//! The parser of appointments sees one appointment at a time and only its properties that matter. So depth, length and
//! memory are bounded here, whatever the file holds.

use super::fault::Faults;

/// Deeper nesting does not occur: a calendar holds appointments, and these hold alarms.
const MAX_DEPTH: usize = 8;
/// Longest property in bytes: a list of several thousand exceptions.
const MAX_PROPERTY_BYTES: usize = 64 * 1024;
/// More appointments than a room has in ten years of lessons.
const MAX_EVENTS: usize = 20_000;
/// The properties that decide when a lesson takes place, and its title.
const PROPERTIES: [&str; 11] = [
    "UID",
    "SUMMARY",
    "STATUS",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "EXRULE",
    "RECURRENCE-ID",
];

/// An appointment as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawEvent {
    /// Line of its begin, counted from 1.
    pub(super) line: usize,
    /// Its properties, one a line, without continuation lines.
    pub(super) text: String,
}

/// The appointments in `text`.
pub(super) fn events(text: &str, faults: &mut Faults) -> Vec<RawEvent> {
    let mut scanner = Scanner { open: Vec::new(), event: None, events: Vec::new() };
    for (line, property) in unfolded(text) {
        if faults.are_full() || !scanner.take(line, &property, faults) {
            return scanner.events;
        }
    }
    if let Some((line, name)) = scanner.open.last() {
        faults.add(*line, format!("BEGIN:{name} has no END:{name}; the file is probably cut off"));
    }
    scanner.events
}

/// The lines of `text` with their continuation lines (RFC 5545, section 3.1), each with the number of its first line.
fn unfolded(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (index, first) = lines.next()?;
        let mut whole = first.to_owned();
        while let Some((_, rest)) = lines.next_if(|(_, line)| line.starts_with([' ', '\t'])) {
            // What is longer is a fault, so the rest is not kept.
            if whole.len() <= MAX_PROPERTY_BYTES {
                whole.push_str(rest.get(1..).unwrap_or_default());
            }
        }
        Some((index + 1, whole))
    })
}

/// The name of a property: the text before its parameters and value.
fn name(property: &str) -> &str {
    property.split([':', ';']).next().unwrap_or_default().trim()
}

struct Scanner {
    /// Lines and names of the components that are open, the outermost first.
    open: Vec<(usize, String)>,
    event: Option<RawEvent>,
    events: Vec<RawEvent>,
}

impl Scanner {
    /// Takes the next line; false if the rest cannot be read.
    fn take(&mut self, line: usize, property: &str, faults: &mut Faults) -> bool {
        let name = name(property).to_ascii_uppercase();
        let value = property.split_once(':').map_or("", |(_, value)| value.trim()).to_ascii_uppercase();
        match name.as_str() {
            "" if property.trim().is_empty() => true,
            "BEGIN" => self.begin(line, value, faults),
            "END" => self.end(line, &value, faults),
            _ if self.open.is_empty() => {
                faults
                    .add(line, "is outside of BEGIN:VCALENDAR and END:VCALENDAR; is this an iCalendar file?");
                false
            }
            _ => {
                self.keep(line, &name, property, faults);
                true
            }
        }
    }

    fn begin(&mut self, line: usize, name: String, faults: &mut Faults) -> bool {
        if self.open.len() >= MAX_DEPTH {
            faults.add(line, format!("BEGIN:{name} is nested more than {MAX_DEPTH} deep"));
            return false;
        }
        if name == "VEVENT" {
            if let Some((outer, _)) = self.open.iter().find(|(_, name)| name == "VEVENT") {
                let message =
                    format!("BEGIN:VEVENT is within the appointment of line {outer}, which has no end");
                faults.add(line, message);
                return false;
            }
            self.event = Some(RawEvent { line, text: String::new() });
        }
        self.open.push((line, name));
        true
    }

    fn end(&mut self, line: usize, name: &str, faults: &mut Faults) -> bool {
        match self.open.pop() {
            Some((_, open)) if open == name => {}
            open => {
                let expected = open.map_or("nothing is open".into(), |(line, name)| {
                    format!("BEGIN:{name} of line {line} is open")
                });
                faults.add(line, format!("END:{name} ends nothing: {expected}"));
                return false;
            }
        }
        if name == "VEVENT" {
            self.events.extend(self.event.take());
        }
        if self.events.len() > MAX_EVENTS {
            faults.add(
                line,
                format!("there are more than {MAX_EVENTS} appointments; export only the room's own calendar"),
            );
            return false;
        }
        true
    }

    /// Keeps a property of the appointment that is open, but not those of its alarms.
    fn keep(&mut self, line: usize, name: &str, property: &str, faults: &mut Faults) {
        let is_event = self.open.last().is_some_and(|(_, open)| open == "VEVENT");
        let Some(event) = self.event.as_mut().filter(|_| is_event && PROPERTIES.contains(&name)) else {
            return;
        };
        if property.len() > MAX_PROPERTY_BYTES {
            return faults.add(line, format!("{name} is longer than {} kB", MAX_PROPERTY_BYTES / 1024));
        }
        if let Some(control) = property.chars().find(|letter| letter.is_control() && *letter != '\t') {
            return faults
                .add(line, format!("{name} has the control character {}", control.escape_unicode()));
        }
        let value = property.find([':', ';']).and_then(|end| property.get(end..));
        for part in [name, value.unwrap_or(":"), "\r\n"] {
            event.text.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> (Vec<RawEvent>, Vec<String>) {
        let mut faults = Faults::default();
        let events = events(text, &mut faults);
        (events, faults.0.iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect())
    }

    #[test]
    fn appointments_have_their_line_and_only_properties_that_matter() {
        let (events, faults) = scan(
            "BEGIN:VCALENDAR\r\nPRODID:x\r\nBEGIN:VEVENT\r\nSUMMARY:Ma\r\n ths\r\nDESCRIPTION:a\r\nBEGIN:VALARM\r\n\
             DURATION:PT5M\r\nEND:VALARM\r\nDTSTART;TZID=UTC:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        );
        let text = "SUMMARY:Maths\r\nDTSTART;TZID=UTC:1\r\n".into();
        assert_eq!((events, faults), (vec![RawEvent { line: 3, text }], vec![]));
    }

    #[test]
    fn structural_faults_have_their_line() {
        let event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\n";
        for (text, expected) in [
            ("<html>not found</html>".to_owned(), "1: is outside of BEGIN:VCALENDAR"),
            (event.to_owned(), "2: BEGIN:VEVENT has no END:VEVENT; the file is probably cut off"),
            (
                format!("{event}END:VCALENDAR\n"),
                "3: END:VCALENDAR ends nothing: BEGIN:VEVENT of line 2 is open",
            ),
            (format!("{event}BEGIN:VEVENT\n"), "3: BEGIN:VEVENT is within the appointment of line 2"),
            (format!("{event}SUMMARY:a\0b\n"), "3: SUMMARY has the control character \\u{0}"),
            (format!("{event}SUMMARY:{}\n", "x".repeat(70_000)), "3: SUMMARY is longer than 64 kB"),
            (
                format!("{event}SUMMARY:x\n{}", " xxxxxxxxx\n".repeat(70_000)),
                "3: SUMMARY is longer than 64 kB",
            ),
            ("BEGIN:X\n".repeat(100_000), "9: BEGIN:X is nested more than 8 deep"),
            ("END:VEVENT\n".to_owned(), "1: END:VEVENT ends nothing: nothing is open"),
            (
                format!("BEGIN:VCALENDAR\n{}", "BEGIN:VEVENT\nEND:VEVENT\n".repeat(20_001)),
                "more than 20000 appointments",
            ),
        ] {
            let faults = scan(&text).1;
            assert!(faults.first().is_some_and(|fault| fault.contains(expected)), "{expected}: {faults:?}");
        }
    }
}
