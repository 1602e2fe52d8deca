//! The report as one self-contained HTML file: no script, no external resource, light and dark colours, printable.

mod curves;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::baseline::Spread;
use super::moments::percent;
use super::report::NOTE;
use super::{PaceSpan, Report};
use moodring_contract::Mode;
use moodring_contract::lesson::{Cause, Metric};
use moodring_contract::{Level, Pace};

/// Style sheet of a report: the palette that the live page shares, and the report's own rules.
pub const STYLE: &str = concat!(include_str!("palette.css"), include_str!("page.css"));

/// The report as an HTML page; times are in `zone`.
pub fn html(report: &Report, zone: &TimeZone) -> String {
    let title = format!("{}, {}", name(report), date(report.lesson.begun_at, zone));
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report, zone))
                main {
                    @if report.lesson.mode.has_word() { (overview(report)) } @else { (counted(report)) }
                    (metrics(report))
                    (moments(report, zone))
                    @if has_facing(report) { (curves::facing(report, zone)) }
                    @if report.lesson.mode == Mode::Mood { (curves::expressions(report, zone)) }
                    (curves::signals(report, zone))
                    (curves::people(report, zone))
                    (quality(report))
                }
                footer { p { (NOTE) } p.hint { "Written by moodring. It contains values of the class as a whole and nothing about any person." } }
            }
        }
    }
    .into_string()
}

fn name(report: &Report) -> &str {
    let title = report.lesson.title.trim();
    if title.is_empty() { "A lesson" } else { title }
}

fn date(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%A, %-d %B %Y").to_string()
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

fn header(report: &Report, zone: &TimeZone) -> Markup {
    let lesson = &report.lesson;
    let end = lesson.ended_at.map_or_else(|| "in progress".to_owned(), |end| clock(end, zone));
    markup! {
        header {
            div {
                h1 { (name(report)) }
                p.place {
                    (date(lesson.begun_at, zone)) ", " (clock(lesson.begun_at, zone)) "–" (end)
                    " · " (lesson.site) ", " (lesson.room)
                }
            }
            p.brand { "moodring" }
        }
    }
}

fn has_facing(report: &Report) -> bool {
    report.lesson.mode.has_word() || report.summary.metrics.get(Metric::Facing).is_some()
}

/// The overview of a lesson in which only people were counted.
fn counted(report: &Report) -> Markup {
    let people = report.summary.people;
    markup! {
        section.card aria-label="The lesson at a glance" {
            p.headline {
                @match people {
                    Some(people) => { "About " (format!("{people:.0}")) " people in " (report.summary.length_min) " minutes." },
                    None => "No results for this lesson: there were never enough people in the picture.",
                }
            }
            p.hint { "The device only counted people. It estimated nothing else." }
        }
    }
}

/// The ring of the lesson: one segment per minute in the colour of its word, clockwise from the top.
fn overview(report: &Report) -> Markup {
    let length = report.summary.length_min.max(1);
    markup! {
        section.card.overview aria-label="The lesson at a glance" {
            div.hero {
                svg.ring viewBox="0 0 240 240" role="img" aria-label="The mood word of each minute" {
                    circle.track cx="120" cy="120" r="100" {}
                    @for minute in report.minutes.iter().filter(|minute| minute.live > 0.0) {
                        circle class=(minute.word.name()) cx="120" cy="120" r="100" pathLength=(length * 10)
                            stroke-dasharray=(format!("9.2 {}", length * 10)) stroke-dashoffset=(format!("-{}", minute.number * 10)) {}
                    }
                }
                div.centre { p.word { (report.summary.word.name()) } p.hint { (length) " minutes" } }
            }
            div.story {
                p.headline { (headline(report)) }
                ul.words {
                    @for (word, count) in &report.summary.words {
                        li class=(word.name()) { (word.name()) " " b { (count) " min" } }
                    }
                }
                (paces(report))
            }
        }
    }
}

/// The lesson in one or two sentences.
fn headline(report: &Report) -> String {
    let Some(facing) = report.summary.metrics.get(Metric::Facing) else {
        return "No results for this lesson: there were never enough people in the picture.".into();
    };
    let mut text = format!("{} faced the front", percent(facing.value));
    if let Some(baseline) = report.baseline.as_ref().and_then(|baseline| baseline.facing) {
        text += &match compare(facing.value, baseline) {
            Comparison::Similar => format!(", as usual here ({})", percent(baseline.mean)),
            Comparison::More => format!(", more than usual here ({})", percent(baseline.mean)),
            Comparison::Less => format!(", fewer than usual here ({})", percent(baseline.mean)),
        };
    }
    text += ".";
    if report.moments.is_empty() {
        text += " An even lesson: no moment stood out.";
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Similar,
    More,
    Less,
}

/// A lesson is similar to the others within one standard deviation between lessons, or within 0.05 if that is larger.
fn compare(value: f64, baseline: Spread) -> Comparison {
    let difference = value - baseline.mean;
    if difference.abs() <= baseline.deviation.max(0.05) {
        Comparison::Similar
    } else if difference > 0.0 {
        Comparison::More
    } else {
        Comparison::Less
    }
}

fn paces(report: &Report) -> Markup {
    let text = |span: &PaceSpan| {
        let what = if span.pace == Pace::TooFast { "too fast" } else { "too slow" };
        match span.last - span.first {
            0 => format!("{what} in minute {}", span.first + 1),
            _ => format!("{what} in minutes {} to {}", span.first + 1, span.last + 1),
        }
    };
    let estimated =
        report.minutes.iter().filter(|minute| minute.live > 0.0 && minute.pace != Pace::Unsure).count();
    markup! {
        p.pace {
            b { "Pace: " }
            @if estimated == 0 { "could not be estimated." }
            @else if report.pace.is_empty() { "seemed right throughout (estimated for " (estimated) " minutes)." }
            @else {
                "seemed "
                @for (index, span) in report.pace.iter().enumerate() {
                    @if index > 0 { ", " }
                    (text(span))
                }
                "; otherwise right or not estimated."
            }
        }
    }
}

fn metrics(report: &Report) -> Markup {
    let (summary, baseline) = (&report.summary, report.baseline.as_ref());
    let people = summary.people.map(|people| format!("{people:.0}"));
    let usually = |spread: Option<Spread>| spread.map(|spread| percent(spread.mean));
    markup! {
        section.figures aria-label="Figures" {
            (card("People", people, baseline.and_then(|b| b.people).map(|p| format!("{:.0}", p.mean)), None))
            @if has_facing(report) {
                (share_card("Facing the front", summary.metrics.get(Metric::Facing), usually(baseline.and_then(|b| b.facing))))
            }
            @if report.lesson.mode == Mode::Mood {
                (share_card("Happy or surprised", summary.pleasant, usually(baseline.and_then(|b| b.pleasant))))
                (share_card("Strained", summary.strained, usually(baseline.and_then(|b| b.strained))))
            }
        }
    }
}

fn share_card(title: &str, share: Option<Level>, usually: Option<String>) -> Markup {
    let interval = share.map(|share| format!("{:.0}–{:.0} %", share.low * 100.0, share.high * 100.0));
    card(title, share.map(|share| percent(share.value)), usually, interval)
}

fn card(title: &str, value: Option<String>, usually: Option<String>, interval: Option<String>) -> Markup {
    markup! {
        div.card {
            h2 { (title) }
            p.number { (value.as_deref().unwrap_or("–")) }
            p.hint {
                @if let Some(interval) = interval { (interval) }
                @if let Some(usually) = usually { span.usual { "usually " (usually) } }
            }
        }
    }
}

fn moments(report: &Report, zone: &TimeZone) -> Markup {
    markup! {
        @if !report.moments.is_empty() {
            section.card aria-labelledby="moments" {
                h2 id="moments" { "Moments worth remembering" }
                ol.moments {
                    @for moment in &report.moments {
                        li {
                            p.when { (clock(moment.at, zone)) span.hint { "minute " (moment.number + 1) } }
                            p { (moment.sentence().replace(" %", "\u{a0}%")) }
                        }
                    }
                }
            }
        }
    }
}

fn quality(report: &Report) -> Markup {
    let quality = &report.quality;
    let half =
        |width: Option<f64>| width.map_or("–".to_owned(), |width| format!("± {:.0} points", width * 100.0));
    let gaps = [
        (quality.too_few_min, "too few people"),
        (quality.paused_min, "paused"),
        (quality.no_picture_min, "no picture"),
        (quality.off_min, "device off"),
    ];
    let ended = match report.lesson.ended_by {
        Some(Cause::Interrupted) => Some("The device was switched off before the lesson was over."),
        Some(Cause::ClockSet) => {
            Some("The device's clock was changed during the lesson, so times may be wrong.")
        }
        Some(Cause::TooLong) => Some("The lesson was ended at the configured maximum length."),
        None => Some("The lesson is still in progress."),
        Some(Cause::Timetable | Cause::People | Cause::Command) => None,
    };
    markup! {
        section.card aria-labelledby="quality" {
            h2 id="quality" { "How far to trust this" }
            dl {
                @if report.lesson.mode == Mode::Mood {
                    div { dt { "Faces that could be read" } dd { (quality.coverage.map_or("–".to_owned(), percent)) " of the class" } }
                    div { dt { "90 % interval, expressions" } dd { (half(quality.expressions_half_width)) } }
                }
                @if has_facing(report) { div { dt { "90 % interval, facing" } dd { (half(quality.facing_half_width)) } } }
                div { dt { "Minutes with results" } dd { (quality.live_min) " of " (report.summary.length_min) } }
                @for (minutes, reason) in gaps {
                    @if minutes > 0 { div { dt { "No results: " (reason) } dd { (minutes) " min" } } }
                }
                div { dt { "Compared with" } dd {
                    @match &report.baseline {
                        Some(baseline) => { (baseline.lessons) " earlier lessons in this room" },
                        None => "nothing yet: too few earlier lessons in this room",
                    }
                } }
            }
            @if let Some(ended) = ended { p.hint { (ended) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expressive_minutes, lesson, minutes};
    use super::*;
    use moodring_contract::Word;
    use moodring_contract::lesson::Metrics;

    fn zone() -> TimeZone {
        TimeZone::UTC
    }

    #[test]
    fn the_page_fetches_nothing() {
        let rows =
            expressive_minutes(45, |minute| if minute == 20 { (0.8, 0.9, 0.0) } else { (0.8, 0.1, 0.05) });
        let page = html(&Report::of(lesson(45), rows, &[]), &zone());
        for external in ["http:", "https:", "<script", "<link", "url(", "@import"] {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(external), "{external}");
        }
        assert!(
            page.contains(NOTE) && page.contains("08:00–08:45") && page.contains("Monday, 23 November 2026")
        );
        assert_eq!(page.matches("<svg").count(), 1 + 1 + 7 + 4 + 1);
    }

    #[test]
    fn titles_are_escaped() {
        let mut lesson = lesson(45);
        lesson.title = "<script>alert(1)</script> & more".into();
        let page = html(&Report::of(lesson, minutes(45, |_| 0.8), &[]), &zone());
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"));
    }

    #[test]
    fn an_occupancy_lesson_does_not_mention_expressions() {
        let mut lesson = lesson(45);
        lesson.mode = Mode::Occupancy;
        let page = html(&Report::of(lesson, minutes(45, |_| 0.8), &[]), &zone());
        assert!(!page.contains("Expressions in the class") && !page.contains("Strained"));
    }

    #[test]
    fn a_lesson_that_was_only_counted_has_people_and_no_judgement() {
        let mut lesson = lesson(45);
        lesson.mode = Mode::Count;
        let mut rows = minutes(45, |_| 0.8);
        for row in &mut rows {
            (row.metrics, row.word, row.pace) = (Metrics::default(), Word::Unsure, Pace::Unsure);
        }
        let page = html(&Report::of(lesson, rows, &[]), &zone());
        assert!(page.contains("People in the room") && page.contains("only counted people"), "{page}");
        for word in
            ["acing", "Pace", "unsure", "Strained", "Expressions", "How the class was doing", "moment"]
        {
            assert!(!page.replace(STYLE, "").contains(word), "{word}");
        }
    }

    #[test]
    fn a_lesson_without_results_is_reported_as_such() {
        let page = html(&Report::of(lesson(45), Vec::new(), &[]), &zone());
        assert!(page.contains("No results for this lesson"));
    }

    #[test]
    fn a_lesson_is_compared_with_the_baseline() {
        let baseline = Spread { mean: 0.7, deviation: 0.02 };
        assert_eq!(compare(0.74, baseline), Comparison::Similar);
        assert_eq!(compare(0.8, baseline), Comparison::More);
        assert_eq!(compare(0.6, baseline), Comparison::Less);
        let earlier = vec![minutes(20, |_| 0.6), minutes(20, |_| 0.62), minutes(20, |_| 0.64)];
        let page = html(&Report::of(lesson(45), minutes(45, |_| 0.8), &earlier), &zone());
        assert!(page.contains("more than usual here (62 %)"), "no comparison");
        assert!(page.contains("3 earlier lessons"));
    }
}
