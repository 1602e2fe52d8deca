//! The class as a function of time: `draw` gives the picture, `truth` what is to be seen in it.
//!
//! Room (or gallery) and shoulders are drawn once; a frame copies them, adds the heads from their sprites and the
//! camera's noise. A sprite is painted anew only when its view, expression or size changes.

use std::time::Duration;

use super::canvas::Sprite;
use super::dice::Dice;
use super::face_space::{FaceSpace, FaceSpaceError, SIDE, Texture};
use super::gallery::Layout;
use super::head::{Looks, View, face_box};
use super::script::{Moment, Script, hand_out};
use super::seating::Seat;
use super::setting::Setting;
use crate::camera::Size;
use crate::config::{self, CameraView};
use crate::vision::{Expression, PixelBox};

/// Every so often one person turns away and another to the front, and expressions change hands.
const TURN_EVERY: Duration = Duration::from_secs(9);
const CHANGE_EVERY: Duration = Duration::from_secs(13);
/// Somebody who is hidden is so for this long; then it is somebody else's turn.
const HIDDEN_FOR: Duration = Duration::from_secs(12);
/// What hides a head is a raised sheet: half its width and height in heads, its luma, and that of its lines.
const SHEET: (f32, f32) = (0.62, 0.70);
const SHEET_LUMA: u8 = 196;
const LINE_LUMA: u8 = 150;
/// An expression takes this long to form, in so many steps.
const FORMS_WITHIN: Duration = Duration::from_millis(600);
const STEPS: u32 = 3;
/// Deviation of the camera's noise in grey levels, and how many values are kept ready.
const NOISE: f32 = 1.6;
const NOISE_VALUES: usize = 1 << 15;

/// One person as drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct TruePerson {
    /// Which seat this person has, from 0 on; the same throughout.
    pub seat: usize,
    /// The head with its hair.
    pub head: PixelBox,
    /// Whether this person looks to the front.
    pub faces_front: bool,
    /// The face, of those who look to the front.
    pub face: Option<PixelBox>,
    /// Whether something is held in front of this head.
    pub hidden: bool,
    /// The expression worn, also by those whose face is not to be seen.
    pub expression: Expression,
}

/// What is to be seen in a picture. While the lights are out it says what would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Everybody in the room, back row first; in a gallery everybody whose camera is on.
    pub people: Vec<TruePerson>,
}

/// What a sprite shows; a difference has it painted anew.
#[derive(Clone, Copy, PartialEq)]
struct Shown {
    view: View,
    weights: [f32; 7],
    /// Height of the head in pixels.
    head: f32,
}

/// Somebody on a seat at one time.
struct Pose {
    x: f32,
    y: f32,
    /// Where the middle of the seat is.
    chair_x: f32,
    sine: f32,
    shown: Shown,
}

/// A scripted class on its seats.
pub struct Scene {
    size: Size,
    seed: u64,
    people: u32,
    facing: f64,
    script: Script,
    setting: Setting,
    looks: Vec<Looks>,
    /// Order in which seats are taken, people turn away, expressions are handed out, and people hide.
    arrival: Vec<usize>,
    turning: Vec<usize>,
    wearing: Vec<usize>,
    hiding: Vec<usize>,
    space: FaceSpace,
    sprites: Vec<(Option<Shown>, Sprite)>,
    texture: Box<Texture>,
    background: Vec<u8>,
    /// For which layout the background was drawn.
    furnished: Option<Layout>,
    present: Vec<bool>,
    noise: Vec<i8>,
}

impl Scene {
    /// The class that `config` describes, seen as `view` says and playing `script`. Numbers out of bounds are brought
    /// within.
    ///
    /// # Errors
    /// When the embedded face space is damaged.
    pub(super) fn new(
        config: &config::Simulator,
        view: CameraView,
        script: Script,
    ) -> Result<Self, FaceSpaceError> {
        let size = Size::new(config.width.clamp(320, 1920) & !1, config.height.clamp(240, 1080) & !1);
        let most = Setting::most_people(view);
        let people = config.people.clamp(1, most as u32);
        let seats = (script.most_people(people) as usize).min(most);
        let order = |topic| {
            let mut order: Vec<_> = (0..seats).collect();
            Dice::new(config.seed, topic, 0).shuffle(&mut order);
            order
        };
        let arrival = order(4);
        let mut dice = Dice::new(config.seed, 7, 0);
        Ok(Self {
            size,
            seed: config.seed,
            people,
            facing: if config.facing.is_nan() { 1.0 } else { config.facing.clamp(0.0, 1.0) },
            script,
            looks: (0..seats as u64).map(|index| Looks::new(config.seed, index)).collect(),
            setting: Setting::new(view, size, config.seed, &arrival),
            arrival,
            turning: order(5),
            wearing: order(6),
            hiding: order(11),
            space: FaceSpace::embedded()?,
            sprites: (0..seats).map(|_| (None, Sprite::default())).collect(),
            texture: Box::new([0.0; SIDE * SIDE]),
            background: Vec::new(),
            furnished: None,
            present: Vec::new(),
            noise: (0..NOISE_VALUES).map(|_| (dice.normal() * NOISE).round() as i8).collect(),
        })
    }

    /// Size of the picture: that of the configuration, made even.
    pub fn size(&self) -> Size {
        self.size
    }

    /// What the script says about `at`.
    pub(super) fn moment(&self, at: Duration) -> Moment {
        self.script.moment(at, self.people, self.facing)
    }

    /// Draws the picture at `at` into `luma`, row by row without gaps; what does not fit is left out.
    pub fn draw(&mut self, at: Duration, luma: &mut [u8]) {
        let mut moment = self.moment(at);
        let dark = moment.dark;
        if moment.shown < at {
            moment = self.moment(moment.shown);
        }
        let at = moment.shown;
        if luma.len() < self.size.area() {
            return;
        }
        let luma = &mut luma[..self.size.area()];
        self.furnish(&moment);
        luma.copy_from_slice(&self.background);
        for seat in 0..self.looks.len() {
            if self.present[seat] {
                let pose = self.pose(seat, at, &moment);
                self.refresh(seat, &pose);
                self.sprites[seat].1.place(luma, self.size, (pose.x, pose.y), pose.sine);
            }
        }
        for seat in 0..self.looks.len() {
            if self.present[seat] && self.is_hidden(seat, at, &moment) {
                let pose = self.pose(seat, at, &moment);
                raise_sheet(luma, self.size, (pose.x, pose.y), pose.shown.head);
            }
        }
        self.add_noise(luma, at, dark);
    }

    /// What is to be seen at `at`.
    pub fn truth(&self, at: Duration) -> Truth {
        let moment = self.moment(self.moment(at).shown);
        let seats = 0..self.looks.len();
        let present = seats.filter(|seat| self.is_present(*seat, &moment));
        Truth { people: present.map(|seat| self.true_person(seat, &moment)).collect() }
    }

    fn true_person(&self, seat: usize, moment: &Moment) -> TruePerson {
        let pose = self.pose(seat, moment.shown, moment);
        let head = self.looks[seat].head_box((pose.x, pose.y), pose.shown.head);
        let faces_front = pose.shown.view == View::Front;
        let mut expression = Expression::Neutral;
        let mut most = 0.0;
        for (weight, candidate) in pose.shown.weights.iter().zip(Expression::ALL) {
            if *weight > most {
                (most, expression) = (*weight, candidate);
            }
        }
        let hidden = self.is_hidden(seat, moment.shown, moment);
        TruePerson { seat, head, faces_front, face: faces_front.then(|| face_box(head)), hidden, expression }
    }

    fn is_present(&self, seat: usize, moment: &Moment) -> bool {
        self.arrival[seat] < moment.people as usize && self.setting.shows(self.arrival[seat])
    }

    fn layout(&self, moment: &Moment) -> Layout {
        Layout { people: (moment.people as usize).min(self.looks.len()), slide: moment.slide }
    }

    /// Where `seat` is.
    fn chair(&self, seat: usize, moment: &Moment) -> Seat {
        self.setting.seat(seat, self.layout(moment))
    }

    /// This seat's place among those present, in the order `rank`, moved on by one every `period`.
    fn place(
        &self,
        seat: usize,
        at: Duration,
        moment: &Moment,
        rank: &[usize],
        period: Duration,
    ) -> (usize, usize) {
        let mut present = 0;
        let mut before = 0;
        for other in 0..rank.len() {
            if self.is_present(other, moment) {
                present += 1;
                before += usize::from(rank[other] < rank[seat]);
            }
        }
        let turns = (at.as_millis() / period.as_millis()) as usize;
        ((before + turns) % present.max(1), present)
    }

    fn view(&self, seat: usize, at: Duration, moment: &Moment) -> View {
        let (place, present) = self.place(seat, at, moment, &self.turning, TURN_EVERY);
        let front = place < (moment.facing * present as f64).round() as usize;
        if front { View::Front } else { self.looks[seat].turned }
    }

    fn is_hidden(&self, seat: usize, at: Duration, moment: &Moment) -> bool {
        let (_, present) = self.place(seat, at, moment, &self.hiding, HIDDEN_FOR);
        let hidden = (moment.hidden * present as f64).round() as u32;
        let (place, _) = self.place(seat, at, moment, &self.hiding, HIDDEN_FOR / hidden.max(1));
        place < hidden as usize
    }

    /// The expression is the mean of what was worn during the last moments, so it forms in steps.
    fn weights(&self, seat: usize, at: Duration) -> [f32; 7] {
        let mut weights = [0.0; 7];
        for step in 0..STEPS {
            let then = at.saturating_sub(FORMS_WITHIN * step / (STEPS - 1));
            let moment = self.moment(then);
            if !self.is_present(seat, &moment) {
                continue;
            }
            let (place, present) = self.place(seat, then, &moment, &self.wearing, CHANGE_EVERY);
            weights[hand_out(&moment.expressions, present, place) as usize] += 1.0;
        }
        let sum: f32 = weights.iter().sum();
        weights.map(|weight| weight / sum.max(1.0))
    }

    /// People shift slowly in their seats and nod.
    fn pose(&self, seat: usize, at: Duration, moment: &Moment) -> Pose {
        let chair = self.chair(seat, moment);
        let mut dice = Dice::new(self.seed, 8, seat as u64);
        let mut wave = |amplitude: f32, slow: f32, fast: f32| {
            let period = f64::from(dice.within(slow, fast));
            let phase = f64::from(dice.within(0.0, 1.0));
            amplitude * ((at.as_secs_f64() / period + phase).fract() * std::f64::consts::TAU).sin() as f32
        };
        let (sway, nod, tilt) = (wave(0.05, 7.0, 13.0), wave(0.02, 2.0, 5.0), wave(0.06, 6.0, 11.0));
        let view = self.view(seat, at, moment);
        let bent = if view == View::Down { 0.12 } else { 0.0 };
        let weights = self.weights(seat, at);
        let offset = Dice::new(self.seed, 9, seat as u64).within(-0.06, 0.06);
        Pose {
            x: chair.x + chair.head * (sway + offset),
            y: chair.y + chair.head * (nod + bent),
            chair_x: chair.x,
            sine: tilt,
            shown: Shown { view, weights, head: chair.head },
        }
    }

    fn refresh(&mut self, seat: usize, pose: &Pose) {
        let (shown, sprite) = &mut self.sprites[seat];
        let same = match (&*shown, pose.shown.view) {
            (Some(before), View::Front) => *before == pose.shown,
            (Some(before), view) => before.view == view && before.head == pose.shown.head,
            (None, _) => false,
        };
        if same {
            return;
        }
        *shown = Some(pose.shown);
        let looks = &self.looks[seat];
        self.space.identity(&looks.coefficients[..self.space.components()], &mut self.texture);
        self.space.express(&pose.shown.weights, &mut self.texture);
        let light = self.setting.light(seat, pose.chair_x / self.size.width as f32);
        looks.paint(sprite, pose.shown.view, pose.shown.head, light, &self.texture);
    }

    /// Draws what stands still when it was not yet, or when people came or left.
    fn furnish(&mut self, moment: &Moment) {
        let layout = self.layout(moment);
        if self.furnished.replace(layout) == Some(layout) {
            return;
        }
        self.present = (0..self.looks.len()).map(|seat| self.is_present(seat, moment)).collect();
        let canvas = self.setting.draw(self.size, &self.looks, &self.present, layout, self.seed);
        self.background = canvas.luma.iter().map(|luma| luma.round() as u8).collect();
    }

    fn add_noise(&self, luma: &mut [u8], at: Duration, dark: bool) {
        let mut dice = Dice::new(self.seed, 10, at.as_millis() as u64);
        for line in luma.chunks_exact_mut(self.size.width as usize) {
            let from = dice.next() as usize % (NOISE_VALUES - line.len());
            let noise = &self.noise[from..from + line.len()];
            if dark {
                line.iter_mut().for_each(|pixel| *pixel /= 24);
            }
            for (pixel, value) in line.iter_mut().zip(noise) {
                *pixel = pixel.saturating_add_signed(*value);
            }
        }
    }
}

/// Draws a sheet of paper in front of the head around (`x`, `y`).
fn raise_sheet(luma: &mut [u8], size: Size, (x, y): (f32, f32), head: f32) {
    let within = |middle: f32, half: f32, limit: u32| {
        let limit = limit as f32;
        (middle - half * head).clamp(0.0, limit) as usize..(middle + half * head).clamp(0.0, limit) as usize
    };
    let columns = within(x, SHEET.0, size.width);
    for row in within(y, SHEET.1, size.height) {
        let is_line = ((row as f32 - y) / head * 10.0).rem_euclid(1.0) < 0.3;
        let line = row * size.width as usize;
        luma[line + columns.start..line + columns.end].fill(if is_line { LINE_LUMA } else { SHEET_LUMA });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::simulator::Event;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn scene(people: u32, events: Vec<(Duration, Event)>) -> Scene {
        let config = config::Simulator { people, width: 640, height: 360, ..config::Simulator::default() };
        Scene::new(&config, CameraView::Room, Script::new(events, None).unwrap()).unwrap()
    }

    fn picture(scene: &mut Scene, at: Duration) -> Vec<u8> {
        let mut luma = vec![0; scene.size().area()];
        scene.draw(at, &mut luma);
        luma
    }

    #[test]
    fn a_picture_depends_on_class_and_time_only() {
        let mut straight = scene(12, vec![]);
        let mut roundabout = scene(12, vec![]);
        picture(&mut roundabout, S(50));
        assert!(picture(&mut straight, S(3)) == picture(&mut roundabout, S(3)));
        assert!(picture(&mut straight, S(3)) != picture(&mut straight, S(4)));
        straight.seed += 1;
        assert!(picture(&mut straight, S(3)) != picture(&mut roundabout, S(3)));
    }

    #[test]
    fn truth_says_what_was_asked_for() {
        let mut shares = [0.0; 7];
        (shares[3], shares[6]) = (0.25, 0.75);
        let events = vec![
            (S(0), Event::Expressions(shares)),
            (S(100), Event::People(7)),
            (S(100), Event::Facing(0.0)),
        ];
        let scene = scene(40, events);
        for second in [5, 33, 99] {
            let people = scene.truth(S(second)).people;
            assert_eq!(people.len(), 40);
            assert_eq!(people.iter().filter(|person| person.faces_front).count(), 32);
            assert!(people.iter().all(|person| person.faces_front == person.face.is_some()));
            let happy = people.iter().filter(|person| person.expression == Expression::Happy).count();
            assert_eq!(happy, 10, "at {second} s");
        }
        let few = scene.truth(S(101)).people;
        assert_eq!((few.len(), few.iter().filter(|person| person.faces_front).count()), (7, 0));
    }

    #[test]
    fn heads_hide_in_turn_and_no_more_of_them_than_were_asked_for() {
        let mut scene = scene(30, vec![(S(10), Event::Hidden(0.1))]);
        assert!(scene.truth(S(9)).people.iter().all(|person| !person.hidden));
        let mut times = vec![0; 30];
        for second in 10..130 {
            let people = scene.truth(S(second)).people;
            assert_eq!(people.iter().filter(|person| person.hidden).count(), 3, "at {second} s");
            times.iter_mut().zip(&people).for_each(|(times, person)| *times += u32::from(person.hidden));
        }
        assert!(times.iter().all(|times| *times == 12), "{times:?}");
        let truth = scene.truth(S(50)).people;
        let picture = picture(&mut scene, S(50));
        for person in truth {
            let (x, y) = person.head.centre();
            let luma = picture[y as usize * 640 + x as usize];
            assert!(!person.hidden || luma > 135, "{luma}");
        }
    }

    #[test]
    fn a_frozen_picture_stands_still_and_a_dark_room_is_dark() {
        let events = vec![(S(5), Event::Frozen(S(3))), (S(10), Event::LightsOut(S(1)))];
        let mut scene = scene(12, events);
        assert!(picture(&mut scene, S(5)) == picture(&mut scene, S(7)));
        assert_eq!(scene.truth(S(5)), scene.truth(S(7)));
        assert!(picture(&mut scene, S(7)) != picture(&mut scene, S(8)));
        assert!(picture(&mut scene, S(10)).iter().all(|luma| *luma < 32));
        assert!(picture(&mut scene, S(11)).iter().any(|luma| *luma > 128));
    }

    #[test]
    fn a_gallery_has_the_same_script_and_tells_who_has_the_camera_on() {
        let config =
            config::Simulator { people: 25, width: 640, height: 360, ..config::Simulator::default() };
        let events = vec![
            (S(0), Event::Facing(0.75)),
            (S(10), Event::People(30)),
            (S(20), Event::Slide(S(10))),
            (S(30), Event::People(55)),
            (S(40), Event::People(0)),
        ];
        let script = Script::new(events, None).unwrap();
        let mut scene = Scene::new(&config, CameraView::Gallery, script).unwrap();
        for (second, there) in [(5, 23), (15, 28), (25, 28), (35, 45), (45, 0)] {
            let people = scene.truth(S(second)).people;
            assert_eq!(people.len(), there, "at {second} s");
            let facing = people.iter().filter(|person| person.faces_front).count();
            assert_eq!(facing, (0.75 * there as f64).round() as usize);
        }
        picture(&mut scene, S(45));
        // Who is there throughout has another place each time.
        let place = |second| scene.truth(S(second)).people[0].head;
        assert!(place(5).iou(place(15)) < 0.5 && place(15).iou(place(25)) < 0.5);
        let slide = picture(&mut scene, S(25));
        let white = |luma: &[u8]| luma.iter().filter(|luma| **luma > 225).count();
        assert!(white(&slide) > 640 * 360 / 4 && white(&picture(&mut scene, S(31))) < 640 * 360 / 50);
    }

    #[test]
    fn any_configuration_is_brought_within_bounds() {
        for (people, side, facing) in [(0, 0, f64::NAN), (u32::MAX, u32::MAX, 9.0), (1, 321, -1.0)] {
            let config = config::Simulator {
                people,
                width: side,
                height: side,
                facing,
                ..config::Simulator::default()
            };
            for view in [CameraView::Room, CameraView::Gallery] {
                let mut scene = Scene::new(&config, view, Script::default()).unwrap();
                picture(&mut scene, Duration::MAX);
                scene.draw(S(0), &mut []);
                assert!((1..=60).contains(&scene.truth(S(0)).people.len()));
            }
        }
    }
}
