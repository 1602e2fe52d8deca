//! Calendars as people export them, and faulty ones.

use super::*;

fn parse(events: &str) -> Result<Calendar, CalendarError> {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{events}END:VCALENDAR\n");
    Calendar::parse(&text.replace('\n', "\r\n"), &TimeZone::get("Asia/Kolkata").unwrap())
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:one\nDTSTAMP:20260101T000000Z\n{lines}END:VEVENT\n")
}

fn begins(calendar: &Calendar, from: &str, to: &str) -> Vec<String> {
    let periods = calendar.periods(from.parse().unwrap(), to.parse().unwrap());
    periods.iter().map(|period| period.begin.to_string()).collect()
}

#[test]
fn single_appointments_are_lessons_in_their_own_zone() {
    let events = event("SUMMARY:Maths 7b\nDTSTART:20261123T080000Z\nDTEND:20261123T084500Z\n")
        + &event("SUMMARY:local\nDTSTART:20261124T080000\nDURATION:PT45M\n")
        + &event(
            "SUMMARY:zoned\nDTSTART;TZID=Europe/Berlin:20261125T080000\n\
             DTEND;TZID=Europe/Berlin:20261125T093000\n",
        )
        + &event("SUMMARY:holiday\nDTSTART;VALUE=DATE:20261126\nDTEND;VALUE=DATE:20261127\n")
        + &event("SUMMARY:off\nSTATUS:CANCELLED\nDTSTART:20261126T080000Z\nDTEND:20261126T084500Z\n");
    let calendar = parse(&events).unwrap();
    let periods =
        calendar.periods("2026-11-01T00:00:00Z".parse().unwrap(), "2026-12-01T00:00:00Z".parse().unwrap());
    let lessons: Vec<_> =
        periods.iter().map(|period| format!("{} {} {}", period.title, period.begin, period.end)).collect();
    assert_eq!(
        lessons,
        [
            "Maths 7b 2026-11-23T08:00:00Z 2026-11-23T08:45:00Z",
            "local 2026-11-24T02:30:00Z 2026-11-24T03:15:00Z",
            "zoned 2026-11-25T07:00:00Z 2026-11-25T08:30:00Z"
        ]
    );
}

#[test]
fn repeated_appointments_repeat_except_where_moved_or_excluded() {
    let events = event(
        "SUMMARY:weekly\nDTSTART;TZID=Europe/Berlin:20261012T080000\n\
         DTEND;TZID=Europe/Berlin:20261012T084500\nRRULE:FREQ=WEEKLY;BYDAY=MO\n\
         EXDATE;TZID=Europe/Berlin:20261019T080000\n",
    ) + &event(
        "SUMMARY:moved\nRECURRENCE-ID;TZID=Europe/Berlin:20261102T080000\n\
         DTSTART;TZID=Europe/Berlin:20261103T100000\nDTEND;TZID=Europe/Berlin:20261103T104500\n",
    );
    let calendar = parse(&events).unwrap();
    let mut found = begins(&calendar, "2026-10-01T00:00:00Z", "2026-11-10T00:00:00Z");
    found.sort();
    // Clocks are set back on 25 October: 08:00 is 06:00 UTC before and 07:00 UTC after.
    let expected =
        ["2026-10-12T06:00:00Z", "2026-10-26T07:00:00Z", "2026-11-03T09:00:00Z", "2026-11-09T07:00:00Z"];
    assert_eq!(found, expected);
}

#[test]
fn repeated_local_times_are_in_the_configured_zone() {
    let events = event("DTSTART:20261123T080000\nDTEND:20261123T084500\nRRULE:FREQ=DAILY;COUNT=3\n");
    let found = begins(&parse(&events).unwrap(), "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(found, ["2026-11-23T02:30:00Z", "2026-11-24T02:30:00Z", "2026-11-25T02:30:00Z"]);
}

/// Line and message of each fault.
fn faults(events: &str) -> Vec<(usize, String)> {
    match parse(events) {
        Err(CalendarError::Faults(faults)) => {
            faults.into_iter().map(|fault| (fault.line, fault.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn faults_name_the_line_the_appointment_and_what_is_wrong() {
    let fine = event("SUMMARY:fine\nDTSTART:20261123T080000Z\nDTEND:20261123T084500Z\n");
    for (lines, expected) in [
        (
            "DTSTART;TZID=Mars Standard Time:20261123T080000\nDURATION:PT45M\n",
            "unknown time zone \"Mars Standard Time\"",
        ),
        ("DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=SOMETIMES\n", "invalid repetition"),
        ("DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=DAILY;INTERVAL=x\n", "invalid repetition"),
        (
            "DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=DAILY;UNTIL=20200101T000000Z\n",
            "invalid repetition",
        ),
        (
            "DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=DAILY\nEXDATE:yesterday\n",
            "invalid repetition",
        ),
        ("DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=MINUTELY\n", "more than 24 times a day"),
        (
            "DTSTART:20200101T080000Z\nDURATION:PT45M\nRRULE:FREQ=SECONDLY;COUNT=4294967295\n",
            "more than 24 times a day",
        ),
        ("DTSTART:20261123T080000Z\nDURATION:PT2562047788015215H\n", "must be a length such as PT45M"),
        ("DTSTART:20261123T080000Z\nDURATION:three quarters\n", "must be a length such as PT45M"),
        ("DTSTART:99981231T235959Z\nDURATION:PT45M\n", "between the years 1970 and 2199"),
        ("DTSTART:00010101T000000Z\nDURATION:PT45M\n", "between the years 1970 and 2199"),
        ("DTSTART:20261323T080000Z\nDURATION:PT45M\n", "no date of the form"),
        ("DTSTART:20261123T080000Z\nDTEND:20261123T070000Z\n", "ends before it begins"),
        ("DTEND:20261123T070000Z\n", "it has no DTSTART"),
    ] {
        let found = match parse(&(fine.clone() + &event(&format!("SUMMARY:Art\n{lines}")))) {
            Err(CalendarError::Faults(faults)) => faults,
            other => panic!("{lines}: {other:?}"),
        };
        let [fault] = &found[..] else { panic!("{lines}: {found:?}") };
        assert!(fault.line == 11 && fault.message.contains("\"Art\""), "{lines}: {fault:?}");
        assert!(fault.message.contains(expected), "{lines}: {fault:?}");
    }
    assert!(matches!(parse(""), Err(CalendarError::Empty)));
    let zone = TimeZone::UTC;
    for text in ["<html>not found</html>", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "\0\0\0\0"] {
        assert!(matches!(Calendar::parse(text, &zone), Err(CalendarError::Faults(_))), "{text}");
    }
}

#[test]
fn all_faults_are_reported_up_to_a_limit() {
    let strange = event("SUMMARY:x\nDTSTART:never\n");
    assert_eq!(faults(&strange.repeat(3)).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 10, 16]);
    assert_eq!(faults(&strange.repeat(5000)).len(), 20);
}

#[test]
fn a_rule_that_expands_to_a_whole_year_of_seconds_is_refused_at_once() {
    let all = |until: u32| (0..until).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let rule =
        format!("FREQ=YEARLY;BYHOUR={};BYMINUTE={};BYSECOND={};BYDAY=MO,TU", all(24), all(60), all(60));
    let found = faults(&event(&format!("DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:{rule}\n")));
    assert!(found[0].1.contains("more than 24 times a day"), "{found:?}");
}

#[test]
fn thousands_of_minutely_appointments_and_a_school_in_one_file_are_refused() {
    let minutely = event("DTSTART:20261123T080000Z\nDURATION:PT1M\nRRULE:FREQ=MINUTELY\n");
    assert_eq!(faults(&minutely.repeat(6000)).len(), 20);
    let rooms: String = (0..101)
        .map(|room| event(&format!("SUMMARY:room {room}\nDTSTART:20261123T080000Z\nDURATION:PT45M\n")))
        .collect();
    let error = parse(&rooms).unwrap_err().to_string();
    assert!(error.contains("more than 100 lessons within a day from 2026-11-23T08:00:00Z on"), "{error}");
    let daily = event("DTSTART:20260101T080000Z\nDURATION:PT45M\nRRULE:FREQ=DAILY\n");
    let error = parse(&daily.repeat(30)).unwrap_err().to_string();
    assert!(error.contains("more than 100000 lessons"), "{error}");
}

#[test]
fn a_lesson_that_has_repeated_for_decades_takes_place_today() {
    let events = event("DTSTART:19700105T080000Z\nDURATION:PT45M\nRRULE:FREQ=DAILY\n");
    let found = begins(&parse(&events).unwrap(), "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z");
    assert_eq!(found, ["2026-11-23T08:00:00Z"]);
}

#[test]
fn a_rule_that_never_matches_ends() {
    let events =
        event("DTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\n");
    assert!(matches!(parse(&events), Err(CalendarError::Empty)));
}

#[test]
fn titles_are_one_line_of_limited_length() {
    let events = event(&format!(
        "SUMMARY:two\\nlines {}\nDTSTART:20261123T080000Z\nDURATION:PT45M\n",
        "x".repeat(500)
    ));
    let calendar = parse(&events).unwrap();
    let periods =
        calendar.periods("2026-11-01T00:00:00Z".parse().unwrap(), "2026-12-01T00:00:00Z".parse().unwrap());
    assert!(
        periods[0].title.starts_with("two lines xx") && periods[0].title.chars().count() == 100,
        "{:?}",
        periods[0]
    );
}

#[test]
fn files_of_another_encoding_or_size_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("room.ics");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Calendar::load(&path, &TimeZone::UTC).unwrap_err().to_string()
    };
    let utf16: Vec<u8> = "BEGIN:VCALENDAR".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(load(&utf16).contains("UTF-16"));
    assert!(load(b"BEGIN:VCALENDAR\nX:caf\xe9").contains("Latin-1"));
    assert!(load(&vec![b'\n'; 9 << 20]).contains("larger than 8 MiB"));
    assert!(load(b"").contains("no appointment"));
}

/// Random rules: the crate that expands them must not panic, and no file may take long.
#[test]
fn random_rules_neither_panic_nor_take_long() {
    let mut random = moodring_runtime::Rng::new(7);
    let started = std::time::Instant::now();
    let frequencies = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"];
    let parts = [
        "INTERVAL=0",
        "INTERVAL=65535",
        "COUNT=0",
        "COUNT=7",
        "UNTIL=20271123T080000Z",
        "BYDAY=MO,-1FR",
        "BYDAY=53SU",
        "BYMONTHDAY=-31,31",
        "BYYEARDAY=-366,366",
        "BYWEEKNO=53,-53",
        "BYSETPOS=-1",
        "BYSETPOS=366",
        "BYHOUR=23,0",
        "BYMONTH=2",
        "WKST=SU",
        "BYMINUTE=59",
        "BYSECOND=60",
        "BYEASTER=0",
    ];
    let starts = ["19700101T000000Z", "21991231T235959Z", "20280229T235959Z", "20261025T023000"];
    for _ in 0..150 {
        let mut pick = |list: &[&str]| list[(random.next_u64() % list.len() as u64) as usize].to_owned();
        let rule =
            [format!("FREQ={}", pick(&frequencies)), pick(&parts), pick(&parts), pick(&parts)].join(";");
        let start = pick(&starts);
        let _ = parse(&event(&format!("DTSTART:{start}\nDURATION:PT45M\nRRULE:{rule}\n")));
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}
