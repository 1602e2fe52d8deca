//! The charts of a report: facing, expressions, signals, people.

use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, html as markup};

use super::super::Report;
use super::super::chart::{Chart, svg};
use super::super::moments::percent;
use super::clock;
use moodring_contract::Level;
use moodring_contract::Mode;
use moodring_contract::lesson::{Metric, Minute};

/// Minute and value of `metric` for each minute that has one.
fn points(report: &Report, metric: impl Fn(&Minute) -> Option<Level>) -> Vec<(u32, Level)> {
    report.minutes.iter().filter_map(|minute| Some((minute.number, metric(minute)?))).collect()
}

fn marks(report: &Report) -> Vec<u32> {
    report.moments.iter().map(|moment| moment.number).collect()
}

pub(super) fn facing(report: &Report, zone: &TimeZone) -> Markup {
    let length = report.summary.length_min.max(1);
    let baseline = report.baseline.as_ref().map_or(&[][..], |baseline| &baseline.facing_by_minute);
    let begin = report.lesson.begun_at;
    let chart = svg(&Chart {
        size: (1280, 340),
        minutes: length,
        scale: Metric::Facing.scale(),
        label: percent,
        time: &|minute| clock(begin + jiff::SignedDuration::from_mins(minute.into()), zone),
        times: 9,
        points: &points(report, |minute| minute.metrics.get(Metric::Facing)),
        baseline,
        marks: &marks(report),
    });
    markup! {
        section.card aria-labelledby="facing" {
            h2 id="facing" { "Facing the front" }
            (PreEscaped(chart))
            div.strip role="img" aria-label="The mood word of each minute" {
                @for number in 0..length { i class=(word_at(report, number)) {} }
            }
            ul.legend {
                li.line { "share of the class" }
                li.band { "90 % interval" }
                @if !baseline.is_empty() { li.dashed { "average lesson in this room" } }
                li.swatch { "mood word of each minute, in the colours of the ring" }
            }
        }
    }
}

fn word_at(report: &Report, number: u32) -> &'static str {
    let minute = report.minutes.iter().find(|minute| minute.number == number && minute.live > 0.0);
    minute.map_or("none", |minute| minute.word.name())
}

/// A chart in a row of small charts.
struct SmallChart {
    title: &'static str,
    points: Vec<(u32, Level)>,
    scale: (f64, f64),
    label: fn(f64) -> String,
    /// Mean over the whole lesson.
    mean: Option<Level>,
}

fn small(report: &Report, zone: &TimeZone, small: &SmallChart) -> Markup {
    let begin = report.lesson.begun_at;
    let chart = svg(&Chart {
        size: (640, 220),
        minutes: report.summary.length_min.max(1),
        scale: small.scale,
        label: small.label,
        time: &|minute| clock(begin + jiff::SignedDuration::from_mins(minute.into()), zone),
        times: 4,
        points: &small.points,
        baseline: &[],
        marks: &[],
    });
    markup! {
        figure {
            figcaption { (small.title) @if let Some(mean) = small.mean { b { ((small.label)(mean.value)) } } }
            (PreEscaped(chart))
        }
    }
}

fn small_of(report: &Report, metric: Metric) -> SmallChart {
    SmallChart {
        title: metric.name(),
        points: points(report, |minute| minute.metrics.get(metric)),
        scale: metric.scale(),
        label: if metric.is_share() { percent } else { level },
        mean: report.summary.metrics.get(metric),
    }
}

/// A level with one decimal and a typographic minus sign.
fn level(value: f64) -> String {
    let text = format!("{value:.1}");
    if text == "-0.0" { "0.0".to_owned() } else { text.replace('-', "\u{2212}") }
}

pub(super) fn expressions(report: &Report, zone: &TimeZone) -> Markup {
    let mut charts = Metric::EXPRESSIONS.map(|metric| small_of(report, metric));
    let highest =
        charts.iter().flat_map(|chart| &chart.points).map(|(_, share)| share.high).fold(0.0, f64::max);
    // All seven share one scale, so that they can be compared.
    let top = ((highest * 5.0).ceil() / 5.0).clamp(0.4, 1.0);
    charts.iter_mut().for_each(|chart| chart.scale = (0.0, top));
    markup! {
        section.card aria-labelledby="expressions" {
            h2 id="expressions" { "Expressions in the class" }
            @if charts.iter().all(|chart| chart.points.is_empty()) {
                p { "No expressions could be estimated: too few faces could be read." }
            } @else {
                div.small {
                    @for chart in &charts { (small(report, zone, chart)) }
                    p.hint.aside { "Share of the class with each expression, with its 90 % interval, all on one scale; the seven add up to 100\u{a0}%." }
                }
            }
        }
    }
}

/// The charts of the signals (engagement, valence, arousal, restlessness); in occupancy mode only restlessness.
pub(super) fn signals(report: &Report, zone: &TimeZone) -> Markup {
    let charts = Metric::SIGNALS.map(|metric| small_of(report, metric));
    let drawn: Vec<&SmallChart> = charts.iter().filter(|chart| !chart.points.is_empty()).collect();
    markup! {
        @if !drawn.is_empty() {
            section.card aria-labelledby="signals" {
                h2 id="signals" { "How the class was doing" }
                div.small { @for chart in &drawn { (small(report, zone, chart)) } }
                p.hint.below {
                    @if report.lesson.mode == Mode::Mood {
                        "Engagement: facing the front times how engaged the expressions look, 0 to 1. Valence: how pleasant the expressions are. Arousal: how lively they are. Both range from \u{2212}1 to 1. "
                    }
                    "Restlessness: how much heads move, from 0 (not at all) to 1."
                }
            }
        }
    }
}

pub(super) fn people(report: &Report, zone: &TimeZone) -> Markup {
    let begin = report.lesson.begun_at;
    let points = points(report, |minute| minute.people.map(Level::exact));
    let max = points.iter().map(|(_, people)| people.value).fold(10.0, f64::max);
    let chart = svg(&Chart {
        size: (1280, 220),
        minutes: report.summary.length_min.max(1),
        scale: (0.0, (max / 10.0).ceil() * 10.0),
        label: |people| format!("{people:.0}"),
        time: &|minute| clock(begin + jiff::SignedDuration::from_mins(minute.into()), zone),
        times: 9,
        points: &points,
        baseline: &[],
        marks: &[],
    });
    markup! {
        section.card aria-labelledby="people" { h2 id="people" { "People in the room" } (PreEscaped(chart)) }
    }
}
