//! Background of a room: walls, desks and the shoulders of the people. It is drawn once for each set of people.

use super::canvas::{Canvas, ellipse, mix, rounded_box, smoothstep, value_noise};
use super::head::Appearance;
use super::seating::{Seat, Seating};
use crate::Size;
use moodring_runtime::Rng;

/// Draws the room, and the people up to their necks. `present` says for each seat whether it is taken.
pub(super) fn draw(
    size: Size,
    seating: &Seating,
    appearances: &[Appearance],
    present: &[bool],
    seed: u64,
) -> Canvas {
    let mut canvas = Canvas::new(size);
    let top = seating.rows.first().map_or(size.height as f32 / 2.0, |(y, head)| y - head * 0.2);
    walls(&mut canvas, top, seed);
    for (row, (y, head)) in seating.rows.iter().enumerate() {
        let seats = || seating.seats.iter().enumerate().filter(move |(_, seat)| seat.row == row);
        for (_, seat) in seats() {
            chair(&mut canvas, seat);
        }
        for (index, seat) in seats().filter(|(index, _)| present[*index]) {
            shoulders(&mut canvas, seat, &appearances[index], Rng::for_item(seed, 2, index as u64));
        }
        let row_seats = || seats().map(|(_, seat)| seat);
        desk(&mut canvas, row_seats(), *y, *head);
        for (index, seat) in seats().filter(|(index, _)| present[*index]) {
            forearms(&mut canvas, seat, &appearances[index], Rng::for_item(seed, 3, index as u64));
        }
    }
    vignette(&mut canvas);
    canvas.soften(0.8);
    canvas
}

/// Back wall with boards, side walls with windows on the left and a door on the right, floor and ceiling.
fn walls(canvas: &mut Canvas, top: f32, seed: u64) {
    let (width, height) = (canvas.size.width as f32, canvas.size.height as f32);
    let foot = top.max(height * 0.12);
    let (left, right, ceiling) = (width * 0.17, width * 0.86, foot * 0.16);
    let unit = height / 720.0;
    let plaster = move |x: f32, y: f32| 2.5 * value_noise(x / (90.0 * unit), y / (90.0 * unit), seed as u32);
    canvas.paint((0.0, 0.0, width, height), |x, y| {
        (mix(92.0, 62.0, (y - foot) / (height - foot)) + plaster(x, y), 1.0)
    });
    canvas.polygon(&[(0.0, 0.0), (width, 0.0), (right, ceiling), (left, ceiling)], |_, y| {
        196.0 - 30.0 * y / ceiling.max(1.0)
    });
    canvas.polygon(&[(left, ceiling), (right, ceiling), (right, foot), (left, foot)], |x, y| {
        172.0 - 34.0 * (x - left) / (right - left) + plaster(x, y)
    });
    let slope = height * 0.92;
    canvas.polygon(&[(0.0, 0.0), (left, ceiling), (left, foot), (0.0, slope)], |x, y| {
        122.0 + 12.0 * x / left + plaster(x, y)
    });
    canvas.polygon(&[(right, ceiling), (width, 0.0), (width, slope), (right, foot)], |x, y| {
        118.0 + 24.0 * (x - right) / (width - right) + plaster(x, y)
    });
    windows(canvas, left, ceiling, foot);
    door(canvas, right, ceiling, foot);
    board(canvas, (left, ceiling, right, foot), unit);
}

/// Three bright windows on the left wall, in perspective.
fn windows(canvas: &mut Canvas, left: f32, ceiling: f32, foot: f32) {
    let height = canvas.size.height as f32;
    let lower = |x: f32| mix(height * 0.50, foot * 0.86, x / left);
    let upper = |x: f32| mix(height * 0.03, ceiling + (foot - ceiling) * 0.16, x / left);
    for index in 0..3 {
        let from = left * (0.06 + 0.33 * index as f32);
        let to = from + left * 0.26;
        let frame = left * 0.018;
        let quad = |a: f32, b: f32, inset: f32| {
            [(a, upper(a) + inset), (b, upper(b) + inset), (b, lower(b) - inset), (a, lower(a) - inset)]
        };
        canvas.polygon(&quad(from, to, 0.0), |_, _| 84.0);
        let middle = (from + to) / 2.0;
        for (a, b) in [(from + frame, middle - frame * 0.4), (middle + frame * 0.4, to - frame)] {
            canvas.polygon(&quad(a, b, frame * 1.6), |x, y| {
                let sky = 246.0 - 40.0 * smoothstep(upper(x), lower(x), y);
                sky - 34.0
                    * smoothstep(0.1, 0.5, value_noise(x / (left * 0.09), y / (left * 0.12), 77))
                    * smoothstep(0.45, 0.75, y / lower(x))
            });
        }
    }
}

/// A door on the right wall.
fn door(canvas: &mut Canvas, right: f32, ceiling: f32, foot: f32) {
    let (width, height) = (canvas.size.width as f32, canvas.size.height as f32);
    let (from, to) = (mix(right, width, 0.30), mix(right, width, 0.72));
    let upper = |x: f32| mix(ceiling + (foot - ceiling) * 0.25, height * 0.10, (x - right) / (width - right));
    let lower = |x: f32| mix(foot, height * 0.92, (x - right) / (width - right));
    canvas.polygon(&[(from, upper(from)), (to, upper(to)), (to, lower(to)), (from, lower(from))], |x, _| {
        76.0 + 14.0 * (x - from) / (to - from)
    });
}

/// A pin board and posters on the back wall.
fn board(canvas: &mut Canvas, (left, ceiling, right, foot): (f32, f32, f32, f32), unit: f32) {
    let (wide, high) = (right - left, foot - ceiling);
    let mut frame = |x: f32, y: f32, width: f32, height: f32, rim: f32, inner: f32, salt: u32| {
        let corner = (left + wide * x, ceiling + high * y);
        let (w, h) = (wide * width, high * height);
        let rect = |d: f32| {
            [
                (corner.0 + d, corner.1 + d),
                (corner.0 + w - d, corner.1 + d),
                (corner.0 + w - d, corner.1 + h - d),
                (corner.0 + d, corner.1 + h - d),
            ]
        };
        canvas.polygon(&rect(0.0), |_, _| rim);
        canvas.polygon(&rect(3.0 * unit), |x, y| {
            inner + 5.0 * value_noise(x / (40.0 * unit), y / (14.0 * unit), salt)
        });
    };
    frame(0.30, 0.10, 0.36, 0.48, 112.0, 70.0, 3);
    frame(0.08, 0.14, 0.10, 0.34, 120.0, 198.0, 4);
    frame(0.20, 0.20, 0.06, 0.26, 120.0, 150.0, 5);
    frame(0.76, 0.12, 0.12, 0.40, 108.0, 186.0, 6);
}

/// The back of a chair.
fn chair(canvas: &mut Canvas, seat: &Seat) {
    let (x0, y0, head) = (seat.x, seat.y + seat.head * 0.95, seat.head);
    canvas.paint((x0 - head * 0.6, y0 - head * 0.6, x0 + head * 0.6, y0 + head * 0.6), |x, y| {
        let edge = rounded_box(x - x0, y - y0, head * 0.48, head * 0.42, head * 0.12);
        (70.0 + 12.0 * smoothstep(-head * 0.4, head * 0.4, y0 - y), smoothstep(0.7, -0.7, edge))
    });
}

/// Neck and torso: shoulders, neckline, and sometimes stripes or an open collar.
pub(super) fn shoulders(canvas: &mut Canvas, seat: &Seat, appearance: &Appearance, mut rng: Rng) {
    let head = seat.head;
    let cloth = if rng.chance(0.3) { rng.within(150.0, 205.0) } else { rng.within(32.0, 120.0) };
    let (stripes, wide, collar) = (rng.chance(0.18), rng.within(0.60, 0.70), rng.within(0.10, 0.2));
    let salt = rng.next_u64() as u32;
    let window = (seat.x - head, seat.y + head * 0.2, seat.x + head, seat.y + head * 1.8);
    canvas.paint(window, |px, py| {
        let (x, y) = ((px - seat.x) / head, (py - seat.y) / head);
        let soft = 0.8 / head;
        let torso = rounded_box(x, y - 1.36, wide, 0.74, 0.34).min(ellipse(x, y - 0.82, wide * 0.86, 0.30));
        let neck = rounded_box(x, y - 0.50, 0.155, 0.20, 0.05);
        let opening = ellipse(x, y - 0.52, 0.19 - collar * 0.2, 0.12 + collar);
        let fold = 0.10 * value_noise(x * 5.0, y * 3.0, salt)
            - 0.28 * smoothstep(0.35, 0.75, x.abs())
            - 0.25 * (y - 0.9).max(0.0);
        let line = if stripes && (y * 9.0).fract() < 0.4 { 1.35 } else { 1.0 };
        let dress = (cloth * line * (1.0 + fold)).min(225.0);
        let throat = appearance.skin * (0.62 + 0.20 * smoothstep(0.45, 0.65, y) - 0.5 * x * x);
        let bare = smoothstep(soft, -soft, opening) * smoothstep(0.0, 0.02, y - 0.5);
        let worn = mix(dress, throat, bare);
        let (in_torso, in_neck) = (smoothstep(soft, -soft, torso), smoothstep(soft, -soft, neck));
        (mix(throat, worn, in_torso), in_torso.max(in_neck))
    });
}

/// One long desk with a front panel for a row.
fn desk<'a>(canvas: &mut Canvas, seats: impl Iterator<Item = &'a Seat>, y: f32, head: f32) {
    let ends = seats.fold((f32::MAX, f32::MIN), |ends, seat| (ends.0.min(seat.x), ends.1.max(seat.x)));
    if ends.0 > ends.1 {
        return;
    }
    let (left, right) = (ends.0 - head * 0.95, ends.1 + head * 0.95);
    let (edge, depth) = (y + head * 1.22, head * 0.20);
    let wood = move |x: f32, y: f32| 5.0 * value_noise(x / (head * 1.4), y / (head * 0.05), 31);
    let top = [
        (left + depth * 0.4, edge),
        (right - depth * 0.4, edge),
        (right, edge + depth),
        (left, edge + depth),
    ];
    canvas.polygon(&top, |x, y| 138.0 + wood(x, y));
    let panel = edge + depth + head * 0.62;
    canvas.polygon(&[(left, edge + depth), (right, edge + depth), (right, panel), (left, panel)], |x, y| {
        mix(84.0, 58.0, (y - edge - depth) / (head * 0.62)) + wood(x, y)
            - 22.0 * smoothstep(head * 0.05, 0.0, y - edge - depth)
    });
}

/// Arms on the desk, and sometimes a sheet of paper.
fn forearms(canvas: &mut Canvas, seat: &Seat, appearance: &Appearance, mut rng: Rng) {
    let (head, y0) = (seat.head, seat.y + seat.head * 1.27);
    if rng.chance(0.6) {
        let x0 = seat.x + rng.within(-0.18, 0.18) * head;
        let (w, h) = (head * 0.26, head * 0.10);
        let sheet = [
            (x0 - w, y0 - h * 0.4),
            (x0 + w, y0 - h * 0.4),
            (x0 + w * 1.12, y0 + h),
            (x0 - w * 1.12, y0 + h),
        ];
        canvas.polygon(&sheet, |_, _| 212.0);
    }
    for side in [-1.0, 1.0] {
        let x0 = seat.x + side * head * rng.within(0.34, 0.44);
        canvas.paint((x0 - head * 0.3, y0 - head * 0.2, x0 + head * 0.3, y0 + head * 0.2), |x, y| {
            let edge = ellipse(x - x0 + side * (y - y0) * 1.5, y - y0, head * 0.17, head * 0.062);
            (appearance.skin * (0.86 - 0.9 * (y - y0) / head), smoothstep(0.7, -0.7, edge))
        });
    }
}

/// Darkens the picture towards the corners, as a lens does.
fn vignette(canvas: &mut Canvas) {
    let (width, height) = (canvas.size.width as f32, canvas.size.height as f32);
    for (row, line) in canvas.luma.chunks_exact_mut(canvas.size.width as usize).enumerate() {
        let dy = row as f32 / height - 0.5;
        for (column, luma) in line.iter_mut().enumerate() {
            let dx = column as f32 / width - 0.5;
            *luma = (*luma * (1.06 - 0.42 * (dx * dx + dy * dy))).clamp(0.0, 255.0);
        }
    }
}
