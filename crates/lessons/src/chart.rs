//! Charts of a report as inline SVG.
//!
//! Each colour in a drawing stands for a role. The page's style sheet maps it to the light or dark palette, so one
//! drawing serves both.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use moodring_contract::Level;

/// Text and axes.
pub(super) const QUIET: RGBColor = RGBColor(89, 98, 115);
/// Lines of the grid.
pub(super) const GRID: RGBColor = RGBColor(225, 228, 234);
/// Markers of moments.
pub(super) const TEXT: RGBColor = RGBColor(23, 26, 33);
/// Background of the card; also the numbers on markers.
pub(super) const CARD: RGBColor = RGBColor(255, 255, 255);
/// The plotted metric.
pub(super) const METRIC: RGBColor = RGBColor(0, 114, 178);
/// Opacity of the 90 % interval.
const BAND: f64 = 0.2;
/// Font size in pixels of the drawing, which is shown at about half its size.
const FONT_SIZE: u32 = 23;
/// Width of the value labels left of the plot, in pixels.
const LEFT: u32 = 88;
/// Height of the time labels below the plot, in pixels.
const BELOW: u32 = 44;

/// One metric over the minutes of a lesson.
pub(super) struct Chart<'a> {
    /// Size of the drawing in pixels.
    pub(super) size: (u32, u32),
    /// Length of the lesson in minutes.
    pub(super) minutes: u32,
    /// Ends of the value axis.
    pub(super) scale: (f64, f64),
    /// Label of a value.
    pub(super) label: fn(f64) -> String,
    /// Label of a minute.
    pub(super) time: &'a dyn Fn(u32) -> String,
    /// Number of labels on the time axis.
    pub(super) times: usize,
    /// Minute and value, in order; a missing minute is a gap.
    pub(super) points: &'a [(u32, Level)],
    /// The room's baseline by minute, drawn dashed.
    pub(super) baseline: &'a [Option<f64>],
    /// Minutes with a marker; markers are numbered from 1.
    pub(super) marks: &'a [u32],
}

type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type DrawError<'b> = DrawingAreaErrorKind<<SVGBackend<'b> as DrawingBackend>::ErrorType>;

/// The chart as an `<svg>` element; empty if drawing fails, which does not happen for a valid lesson.
pub(super) fn svg(chart: &Chart<'_>) -> String {
    let mut text = String::new();
    if let Err(error) = draw(chart, &mut text) {
        tracing::warn!("cannot draw a chart: {error}");
        return String::new();
    }
    text
}

fn draw<'b>(chart: &Chart<'_>, text: &'b mut String) -> Result<(), DrawError<'b>> {
    let area = SVGBackend::with_string(text, chart.size).into_drawing_area();
    let mut context = ChartBuilder::on(&area)
        .margin_top(if chart.marks.is_empty() { 10 } else { 40 })
        .margin_right(24)
        .x_label_area_size(BELOW)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..f64::from(chart.minutes.max(1)), chart.scale.0..chart.scale.1)?;
    let letters = ("sans-serif", FONT_SIZE).into_font().color(&QUIET);
    let (label, time) =
        (|value: &f64| (chart.label)(*value), |value: &f64| (chart.time)(value.round() as u32));
    context
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(2))
        .light_line_style(TRANSPARENT)
        .axis_style(GRID.stroke_width(2))
        .x_labels(chart.times)
        .y_labels(3)
        .y_label_formatter(&label)
        .x_label_formatter(&time)
        .label_style(letters)
        .draw()?;
    let baseline: Vec<(f64, f64)> = (0_u32..)
        .zip(chart.baseline)
        .take_while(|(minute, _)| *minute < chart.minutes)
        .filter_map(|(minute, value)| Some((f64::from(minute) + 0.5, (*value)?)))
        .collect();
    if !baseline.is_empty() {
        context.draw_series(DashedLineSeries::new(baseline, 10, 9, QUIET.stroke_width(3)))?;
    }
    for run in runs(chart.points) {
        draw_run(&mut context, run, chart.scale.1)?;
    }
    for (index, minute) in chart.marks.iter().enumerate() {
        mark(&mut context, index + 1, f64::from(*minute) + 0.5, chart.scale)?;
    }
    area.present()
}

/// Splits `points` at gaps.
fn runs(points: &[(u32, Level)]) -> impl Iterator<Item = &[(u32, Level)]> {
    points.chunk_by(|(before, _), (after, _)| after - before == 1)
}

/// Draws the interval as a band and the value as a line; each minute is at its middle.
fn draw_run<'b>(context: &mut Context<'_, 'b>, run: &[(u32, Level)], top: f64) -> Result<(), DrawError<'b>> {
    let at = |minute: u32| f64::from(minute) + 0.5;
    let upper = run.iter().map(|(minute, level)| (at(*minute), level.high.min(top)));
    let lower = run.iter().rev().map(|(minute, level)| (at(*minute), level.low.min(top)));
    let band: Vec<(f64, f64)> = upper.chain(lower).collect();
    context.draw_series(std::iter::once(Polygon::new(band, METRIC.mix(BAND).filled())))?;
    let line = run.iter().map(|(minute, level)| (at(*minute), level.value.min(top)));
    context.draw_series(LineSeries::new(line, METRIC.stroke_width(5)))?;
    Ok(())
}

/// Draws a numbered marker above the plot, on a thin line.
fn mark<'b>(
    context: &mut Context<'_, 'b>,
    number: usize,
    x: f64,
    (bottom, top): (f64, f64),
) -> Result<(), DrawError<'b>> {
    let line = PathElement::new(vec![(x, bottom), (x, top)], TEXT.mix(0.45).stroke_width(2));
    context.draw_series(std::iter::once(line))?;
    let style = ("sans-serif", FONT_SIZE).into_font().color(&CARD).pos(Pos::new(HPos::Center, VPos::Center));
    let marker = EmptyElement::at((x, top))
        + Circle::new((0, -20), 18, TEXT.filled())
        + Text::new(number.to_string(), (0, -19), style);
    context.plotting_area().draw(&marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(value: f64) -> Level {
        Level { value, low: value - 0.1, high: value + 0.1 }
    }

    fn chart<'a>(points: &'a [(u32, Level)], baseline: &'a [Option<f64>], marks: &'a [u32]) -> Chart<'a> {
        Chart {
            size: (1200, 300),
            minutes: 45,
            scale: (0.0, 1.0),
            label: |value| format!("{:.0} %", value * 100.0),
            time: &|minute| format!("{minute} min"),
            times: 6,
            points,
            baseline,
            marks,
        }
    }

    #[test]
    fn a_gap_in_the_minutes_is_a_gap_in_the_line() {
        let whole: Vec<_> = (0..45).map(|minute| (minute, share(0.5))).collect();
        let gap: Vec<_> = whole.iter().copied().filter(|(minute, _)| !(10..20).contains(minute)).collect();
        let bands = |svg: &str| svg.matches("<polygon").count();
        assert_eq!(bands(&svg(&chart(&whole, &[], &[]))), 1);
        assert_eq!(bands(&svg(&chart(&gap, &[], &[]))), 2);
        assert_eq!(bands(&svg(&chart(&[], &[], &[]))), 0);
    }

    #[test]
    fn nothing_is_fetched_and_each_colour_has_a_role() {
        let points: Vec<_> = (0..45).map(|minute| (minute, share(0.5))).collect();
        let drawn = svg(&chart(&points, &vec![Some(0.6); 60], &[7, 30]));
        assert!(drawn.contains("45 min") || drawn.contains("40 min"), "{drawn}");
        assert!(drawn.contains("50 %") || drawn.contains("100 %"));
        let roles = ["#596273", "#E1E4EA", "#171A21", "#FFFFFF", "#0072B2", "none"];
        for attribute in ["fill=\"", "stroke=\""] {
            for colour in drawn.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(roles.contains(&colour), "{colour} has no role");
            }
        }
        assert!(!drawn.contains("href") && !drawn.contains("script"));
    }
}
