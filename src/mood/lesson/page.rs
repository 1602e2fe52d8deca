//! The report as one HTML file: no script, nothing fetched, light and dark, and it prints.

mod curves;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::moments::percent;
use super::report::NOTE;
use super::usual::Spread;
use super::{Cause, Figure, PaceSpan, Report};
use crate::config::Mode;
use crate::mood::{Level, Pace};

/// The colours that the live page has too, and the report's own style; what a report holds between `<style>` tags.
pub const STYLE: &str = concat!(include_str!("../palette.css"), include_str!("page.css"));

/// The report as a page; times are those of `zone`.
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
                    (overview(report))
                    (figures(report))
                    (moments(report, zone))
                    (curves::facing(report, zone))
                    @if report.lesson.mode == Mode::Mood { (curves::expressions(report, zone)) }
                    (curves::signals(report, zone))
                    (curves::people(report, zone))
                    (quality(report))
                }
                footer { p { (NOTE) } p.hint { "Written by moodring. It holds figures of the class as a whole, and nothing of anybody in it." } }
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
    let end = lesson.ended_at.map_or_else(|| "under way".to_owned(), |end| clock(end, zone));
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

/// The ring of the lesson: one segment a minute in the colour of its word, from the top on.
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

/// The lesson in a sentence or two.
fn headline(report: &Report) -> String {
    let Some(facing) = report.summary.figures.get(Figure::Facing) else {
        return "Nothing could be told of this lesson: there never were enough people in the picture.".into();
    };
    let mut text = format!("{} faced the front", percent(facing.value));
    if let Some(usual) = report.usual.as_ref().and_then(|usual| usual.facing) {
        text += &match compare(facing.value, usual) {
            Comparison::Alike => format!(", as usual here ({})", percent(usual.mean)),
            Comparison::More => format!(", more than usual here ({})", percent(usual.mean)),
            Comparison::Less => format!(", fewer than usual here ({})", percent(usual.mean)),
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
    Alike,
    More,
    Less,
}

/// Within one standard deviation between lessons (or five hundredths) it is a lesson like the others.
fn compare(value: f64, usual: Spread) -> Comparison {
    let difference = value - usual.mean;
    if difference.abs() <= usual.deviation.max(0.05) {
        Comparison::Alike
    } else if difference > 0.0 {
        Comparison::More
    } else {
        Comparison::Less
    }
}

fn paces(report: &Report) -> Markup {
    let of = |span: &PaceSpan| {
        let what = if span.pace == Pace::TooFast { "too fast" } else { "too slow" };
        match span.last - span.first {
            0 => format!("{what} in minute {}", span.first + 1),
            _ => format!("{what} in minutes {} to {}", span.first + 1, span.last + 1),
        }
    };
    let known =
        report.minutes.iter().filter(|minute| minute.live > 0.0 && minute.pace != Pace::Unsure).count();
    markup! {
        p.pace {
            b { "Pace: " }
            @if known == 0 { "could not be told." }
            @else if report.pace.is_empty() { "seemed right throughout, as far as it could be told (" (known) " minutes)." }
            @else {
                "seemed "
                @for (index, span) in report.pace.iter().enumerate() {
                    @if index > 0 { ", " }
                    (of(span))
                }
                "; else right or not to be told."
            }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let (summary, usual) = (&report.summary, report.usual.as_ref());
    let people = summary.people.map(|people| format!("{people:.0}"));
    let usually = |spread: Option<Spread>| spread.map(|spread| percent(spread.mean));
    markup! {
        section.figures aria-label="Figures" {
            (figure("People", people, usual.and_then(|u| u.people).map(|p| format!("{:.0}", p.mean)), None))
            (share_figure("Facing the front", summary.figures.get(Figure::Facing), usually(usual.and_then(|u| u.facing))))
            @if report.lesson.mode == Mode::Mood {
                (share_figure("Happy or surprised", summary.pleasant, usually(usual.and_then(|u| u.pleasant))))
                (share_figure("Strained", summary.strained, usually(usual.and_then(|u| u.strained))))
            }
        }
    }
}

fn share_figure(title: &str, share: Option<Level>, usual: Option<String>) -> Markup {
    let interval = share.map(|share| format!("{:.0}–{:.0} %", share.low * 100.0, share.high * 100.0));
    figure(title, share.map(|share| percent(share.value)), usual, interval)
}

fn figure(title: &str, value: Option<String>, usual: Option<String>, interval: Option<String>) -> Markup {
    markup! {
        div.card {
            h2 { (title) }
            p.number { (value.as_deref().unwrap_or("–")) }
            p.hint {
                @if let Some(interval) = interval { (interval) }
                @if let Some(usual) = usual { span.usual { "usually " (usual) } }
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
        (quality.too_few_min, "fewer people than may be told of"),
        (quality.paused_min, "paused"),
        (quality.no_picture_min, "no picture"),
        (quality.off_min, "device off"),
    ];
    let ended = match report.lesson.ended_by {
        Some(Cause::Interrupted) => Some("The device was switched off before the lesson was over."),
        Some(Cause::ClockSet) => Some("The device's clock was set during the lesson, so times may be wrong."),
        Some(Cause::TooLong) => Some("The lesson was cut at the longest length that is configured."),
        None => Some("The lesson is still under way."),
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
                div { dt { "90 % interval, facing" } dd { (half(quality.facing_half_width)) } }
                div { dt { "Minutes with figures" } dd { (quality.live_min) " of " (report.summary.length_min) } }
                @for (minutes, reason) in gaps {
                    @if minutes > 0 { div { dt { "Without: " (reason) } dd { (minutes) " min" } } }
                }
                div { dt { "Compared with" } dd {
                    @match &report.usual {
                        Some(usual) => { (usual.lessons) " earlier lessons in this room" },
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

    fn zone() -> TimeZone {
        TimeZone::UTC
    }

    #[test]
    fn the_page_stands_by_itself() {
        let rows =
            expressive_minutes(45, |minute| if minute == 20 { (0.8, 0.9, 0.0) } else { (0.8, 0.1, 0.05) });
        let page = html(&Report::of(lesson(45), rows, &[]), &zone());
        for foreign in ["http:", "https:", "<script", "<link", "url(", "@import"] {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(foreign), "{foreign}");
        }
        assert!(
            page.contains(NOTE) && page.contains("08:00–08:45") && page.contains("Monday, 23 November 2026")
        );
        assert_eq!(page.matches("<svg").count(), 1 + 1 + 7 + 4 + 1);
    }

    #[test]
    fn titles_are_text_whatever_they_hold() {
        let mut lesson = lesson(45);
        lesson.title = "<script>alert(1)</script> & more".into();
        let page = html(&Report::of(lesson, minutes(45, |_| 0.8), &[]), &zone());
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"));
    }

    #[test]
    fn an_occupancy_lesson_has_no_word_of_expressions() {
        let mut lesson = lesson(45);
        lesson.mode = Mode::Occupancy;
        let page = html(&Report::of(lesson, minutes(45, |_| 0.8), &[]), &zone());
        assert!(!page.contains("Expressions in the class") && !page.contains("Strained"));
    }

    #[test]
    fn a_lesson_without_figures_says_so() {
        let page = html(&Report::of(lesson(45), Vec::new(), &[]), &zone());
        assert!(page.contains("Nothing could be told of this lesson"));
    }

    #[test]
    fn a_lesson_is_compared_with_the_usual_one() {
        let usual = Spread { mean: 0.7, deviation: 0.02 };
        assert_eq!(compare(0.74, usual), Comparison::Alike);
        assert_eq!(compare(0.8, usual), Comparison::More);
        assert_eq!(compare(0.6, usual), Comparison::Less);
        let earlier = vec![minutes(20, |_| 0.6), minutes(20, |_| 0.62), minutes(20, |_| 0.64)];
        let page = html(&Report::of(lesson(45), minutes(45, |_| 0.8), &earlier), &zone());
        assert!(page.contains("more than usual here (62 %)"), "no comparison");
        assert!(page.contains("3 earlier lessons"));
    }
}
