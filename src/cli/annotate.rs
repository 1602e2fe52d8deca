//! Draws the results of vision onto a picture: boxes, labels, and the seven probabilities as bars.

use std::convert::Infallible;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_8X13};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::{GrayImage, Rgb, RgbImage};

use moodring_camera::PixelBox;
use moodring_config::{Zone, ZoneKind};
use moodring_contract::Expression;
use moodring_vision::{Expressions, Person, Readability};

/// Pictures narrower than this, in pixels, are enlarged by a whole factor, so that labels are legible.
const MIN_WIDTH: u32 = 1_000;
const LEGEND_HEIGHT: u32 = 22;
const STRIP_HEIGHT: i32 = 14;
const BAR_WIDTH: i32 = 4;
const BARS_HEIGHT: i32 = STRIP_HEIGHT - 2;

const FACING: Rgb888 = Rgb888::new(0x56, 0xb4, 0xe9);
const AWAY: Rgb888 = Rgb888::new(0xe6, 0x9f, 0x00);
const FACE: Rgb888 = Rgb888::new(0xff, 0xff, 0xff);
const IGNORED: Rgb888 = Rgb888::new(0xcc, 0x79, 0xa7);
const ONLY: Rgb888 = Rgb888::new(0x00, 0x9e, 0x73);
/// Distance of the lines of a hatched zone, in pixels.
const HATCH: u32 = 12;
const SHADE: Rgb888 = Rgb888::new(0x14, 0x16, 0x1a);
const TEXT: Rgb888 = Rgb888::new(0xf2, 0xf2, 0xf2);

/// The colour of an expression. People with red-green colour blindness can distinguish the colours (after Okabe and
/// Ito, "Color Universal Design", 2008).
const fn colour(expression: Expression) -> Rgb888 {
    match expression {
        Expression::Angry => Rgb888::new(0xd5, 0x5e, 0x00),
        Expression::Disgust => Rgb888::new(0x00, 0x9e, 0x73),
        Expression::Fear => Rgb888::new(0xcc, 0x79, 0xa7),
        Expression::Happy => Rgb888::new(0xf0, 0xe4, 0x42),
        Expression::Sad => Rgb888::new(0x00, 0x72, 0xb2),
        Expression::Surprise => Rgb888::new(0xff, 0xb0, 0x70),
        Expression::Neutral => Rgb888::new(0xbb, 0xbb, 0xbb),
    }
}

/// Returns the picture in colour with zones and people marked, and a legend below.
pub(super) fn annotate(picture: &GrayImage, people: &[Person], zones: &[Zone]) -> RgbImage {
    let factor = MIN_WIDTH.div_ceil(picture.width().max(1)).clamp(1, 4);
    let (width, height) = (picture.width() * factor, picture.height() * factor);
    let mut canvas = Canvas(RgbImage::from_fn(width, height + LEGEND_HEIGHT, |x, y| {
        let luma = if y < height { picture.get_pixel(x / factor, y / factor).0[0] } else { 0x14 };
        Rgb([luma; 3])
    }));
    let Ok(()) = mark_zones(&mut canvas, zones, Size::new(width, height));
    let Ok(()) = draw(&mut canvas, people, factor, height);
    canvas.0
}

fn draw(canvas: &mut Canvas, people: &[Person], factor: u32, height: u32) -> Result<(), Infallible> {
    for person in people {
        let head = scaled(person.head, factor);
        let colour = if person.faces_front() { FACING } else { AWAY };
        head.into_styled(PrimitiveStyle::with_stroke(colour, 2)).draw(canvas)?;
        if let Some(face) = person.face {
            scaled(face.bounds, factor).into_styled(PrimitiveStyle::with_stroke(FACE, 1)).draw(canvas)?;
        }
    }
    // Labels last, so that a neighbour's box does not cross them.
    for person in people {
        if let Some(reading) = person.reading {
            label(canvas, scaled(person.head, factor), &reading.expressions)?;
        } else if !matches!(person.readability, Readability::Ok | Readability::Turned) {
            // `Turned` needs no caption: the colour of the box shows it.
            caption(canvas, scaled(person.head, factor).top_left, person.readability.name(), TEXT)?;
        }
    }
    legend(canvas, people, height)
}

/// Draws a strip with the seven bars and the dominant expression. It is above the head's box because it seldom covers
/// the face of a person behind there.
fn label(canvas: &mut Canvas, head: Rectangle, expressions: &Expressions) -> Result<(), Infallible> {
    let name = expressions.dominant().name();
    let bars = BAR_WIDTH * 7 + 2;
    let text_width = i32::try_from(name.len()).unwrap_or(0) * 6 + 3;
    let corner = Point::new(head.top_left.x, (head.top_left.y - STRIP_HEIGHT).max(0));
    fill(canvas, corner, bars + text_width, STRIP_HEIGHT, SHADE)?;
    for (index, expression) in Expression::ALL.into_iter().enumerate() {
        let length = (expressions.0[index] * BARS_HEIGHT as f32).round().max(1.0) as i32;
        let top = corner + Point::new(2 + index as i32 * BAR_WIDTH, 1 + BARS_HEIGHT - length);
        fill(canvas, top, BAR_WIDTH - 1, length, colour(expression))?;
    }
    let style = MonoTextStyle::new(&FONT_6X10, colour(expressions.dominant()));
    Text::with_baseline(name, corner + Point::new(bars, 2), style, Baseline::Top).draw(canvas)?;
    Ok(())
}

/// Draws text on a dark strip above `corner`.
fn caption(canvas: &mut Canvas, corner: Point, text: &str, colour: Rgb888) -> Result<(), Infallible> {
    let corner = Point::new(corner.x, (corner.y - STRIP_HEIGHT).max(0));
    let width = i32::try_from(text.chars().count()).unwrap_or(0) * 6 + 5;
    fill(canvas, corner, width, STRIP_HEIGHT, SHADE)?;
    let style = MonoTextStyle::new(&FONT_6X10, colour);
    Text::with_baseline(text, corner + Point::new(3, 2), style, Baseline::Top).draw(canvas)?;
    Ok(())
}

/// Draws outlines and names of the zones; ignored zones are hatched.
fn mark_zones(canvas: &mut Canvas, zones: &[Zone], size: Size) -> Result<(), Infallible> {
    let to_pixels = |[x, y]: [f64; 2]| {
        Point::new((x * f64::from(size.width)).round() as i32, (y * f64::from(size.height)).round() as i32)
    };
    for zone in zones {
        let colour = if zone.kind == ZoneKind::Ignore { IGNORED } else { ONLY };
        if zone.kind == ZoneKind::Ignore {
            hatch(canvas, zone, size, colour)?;
        }
        let style = PrimitiveStyle::with_stroke(colour, 2);
        for (from, to) in zone.points.iter().zip(zone.points.iter().cycle().skip(1)) {
            Line::new(to_pixels(*from), to_pixels(*to)).into_styled(style).draw(canvas)?;
        }
        let top = zone.points.iter().copied().min_by(|a, b| a[1].total_cmp(&b[1]));
        let name = format!("{} ({})", zone.name, zone.kind.name());
        caption(canvas, to_pixels(top.unwrap_or_default()) + Point::new(0, STRIP_HEIGHT + 3), &name, colour)?;
    }
    Ok(())
}

/// Draws diagonal lines within the zone: in each row, one pixel of every [`HATCH`].
fn hatch(canvas: &mut Canvas, zone: &Zone, size: Size, colour: Rgb888) -> Result<(), Infallible> {
    let share = |value: u32, of: u32| (f64::from(value) + 0.5) / f64::from(of.max(1));
    let diagonal = (0..size.height).flat_map(|y| {
        let first = (HATCH - y % HATCH) % HATCH;
        (first..size.width).step_by(HATCH as usize).map(move |x| (x, y))
    });
    let within = diagonal.filter(|(x, y)| zone.contains([share(*x, size.width), share(*y, size.height)]));
    canvas.draw_iter(within.map(|(x, y)| Pixel(Point::new(x.cast_signed(), y.cast_signed()), colour)))
}

fn legend(canvas: &mut Canvas, people: &[Person], top: u32) -> Result<(), Infallible> {
    let facing = people.iter().filter(|person| person.faces_front()).count();
    let y = i32::try_from(top).unwrap_or(i32::MAX) + 5;
    let mut x = 8;
    let mut write = |canvas: &mut Canvas, text: &str, colour| -> Result<(), Infallible> {
        let style = MonoTextStyle::new(&FONT_8X13, colour);
        let end = Text::with_baseline(text, Point::new(x, y), style, Baseline::Top).draw(canvas)?;
        x = end.x + 12;
        Ok(())
    };
    write(canvas, &format!("{} people", people.len()), TEXT)?;
    write(canvas, &format!("{facing} face the front"), FACING)?;
    write(canvas, &format!("{} turned away", people.len() - facing), AWAY)?;
    for expression in Expression::ALL {
        write(canvas, expression.name(), colour(expression))?;
    }
    Ok(())
}

fn fill(
    canvas: &mut Canvas,
    corner: Point,
    width: i32,
    height: i32,
    colour: Rgb888,
) -> Result<(), Infallible> {
    let size = Size::new(width.max(0).unsigned_abs(), height.max(0).unsigned_abs());
    Rectangle::new(corner, size).into_styled(PrimitiveStyle::with_fill(colour)).draw(canvas)
}

fn scaled(bounds: PixelBox, factor: u32) -> Rectangle {
    let scale = |value: f32| (value * factor as f32).round() as i32;
    let corner = Point::new(scale(bounds.x), scale(bounds.y));
    let size =
        Size::new(scale(bounds.width).max(1).unsigned_abs(), scale(bounds.height).max(1).unsigned_abs());
    Rectangle::new(corner, size)
}

/// Lets embedded-graphics draw on a picture; pixels outside are dropped.
struct Canvas(RgbImage);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y))
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_vision::{Face, Readability, Reading, SeatId};
    use std::time::{Duration, Instant};

    fn person(x: f32) -> Person {
        let head = PixelBox { x, y: 20.0, width: 60.0, height: 70.0 };
        let face = Face { bounds: PixelBox { x: x + 10.0, y: 35.0, width: 40.0, height: 45.0 }, score: 0.9 };
        let expressions = Expressions([0.05, 0.05, 0.05, 0.6, 0.05, 0.1, 0.1]);
        let reading = Reading { expressions, read_at: Instant::now() };
        Person {
            seat: SeatId(1),
            head,
            head_score: 0.9,
            unseen_for: Duration::ZERO,
            face: Some(face),
            facing: 0.9,
            motion: 0.0,
            readability: Readability::Ok,
            reading: Some(reading),
            belief: Some(expressions),
        }
    }

    #[test]
    fn boxes_bars_and_legend_are_drawn_and_clipped() {
        let picture = GrayImage::from_pixel(1000, 150, image::Luma([90]));
        let drawn = annotate(&picture, &[person(100.0), person(-30.0), person(980.0)], &[]);
        assert_eq!((drawn.width(), drawn.height()), (1000, 150 + LEGEND_HEIGHT));
        assert_eq!(drawn.get_pixel(130, 20).0, [0x56, 0xb4, 0xe9]);
        let happy = Rgb([0xf0, 0xe4, 0x42]);
        let bar = (6..20).filter(|y| *drawn.get_pixel(100 + 2 + 3 * 4, *y) == happy).count();
        assert_eq!(bar, 7, "60 % of 12 pixels");
    }

    #[test]
    fn zones_are_outlined_and_ignored_zones_are_hatched() {
        let points = vec![[0.2, 0.2], [0.6, 0.2], [0.6, 0.9], [0.2, 0.9]];
        let zone = |kind| Zone { name: "desk".into(), kind, points: points.clone() };
        let picture = GrayImage::from_pixel(1000, 200, image::Luma([90]));
        let inside = |drawn: &RgbImage, colour: Rgb888| {
            let colour = Rgb([colour.r(), colour.g(), colour.b()]);
            (300..500).filter(|x| *drawn.get_pixel(*x, 120) == colour).count()
        };
        let ignored = annotate(&picture, &[], &[zone(ZoneKind::Ignore)]);
        assert!((15..=18).contains(&inside(&ignored, IGNORED)), "{}", inside(&ignored, IGNORED));
        let only = annotate(&picture, &[], &[zone(ZoneKind::Only)]);
        assert_eq!(inside(&only, ONLY), 0);
        assert_eq!(only.get_pixel(200, 150).0, [0x00, 0x9e, 0x73]);
    }

    #[test]
    fn tiny_pictures_are_enlarged() {
        let drawn = annotate(&GrayImage::new(1, 1), &[], &[]);
        assert_eq!((drawn.width(), drawn.height()), (4, 4 + LEGEND_HEIGHT));
    }
}
