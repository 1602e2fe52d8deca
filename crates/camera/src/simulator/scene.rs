//! The class as a function of time: `draw` gives the picture, `truth` the ground truth of it.
//!
//! The background (room or gallery, and shoulders) is drawn once. A frame is a copy of it with the heads from their
//! sprites and the noise of the camera. A sprite is repainted only if its view, expression or size changes.

use std::time::Duration;

use super::canvas::Sprite;
use super::face_space::{FaceSpace, FaceSpaceError, SIDE, Texture};
use super::gallery::Layout;
use super::head::{Appearance, View, face_box};
use super::script::{SceneState, Script, assign_expression};
use super::seating::Seat;
use super::setting::Setting;
use crate::PixelBox;
use crate::Size;
use moodring_config as config;
use moodring_config::CameraView;
use moodring_contract::Expression;
use moodring_runtime::Rng;

/// Time after which one person turns away and another one turns to the front, and after which expressions move on to
/// other people.
const TURN_EVERY: Duration = Duration::from_secs(9);
const CHANGE_EVERY: Duration = Duration::from_secs(13);
/// Time for which a head is hidden. Then another head is hidden.
const HIDDEN_FOR: Duration = Duration::from_secs(12);
/// A raised sheet of paper hides a head: half its width and half its height in heads, its luma, and the luma of its
/// lines.
const SHEET: (f32, f32) = (0.62, 0.70);
const SHEET_LUMA: u8 = 196;
const LINE_LUMA: u8 = 150;
/// Time and number of steps in which a new expression forms.
const EXPRESSION_FADE: Duration = Duration::from_millis(600);
const FADE_STEPS: u32 = 3;
/// Standard deviation of the camera noise in grey levels, and number of precomputed values.
const NOISE: f32 = 1.6;
const NOISE_VALUES: usize = 1 << 15;

/// Ground truth of one person in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruthPerson {
    /// Index of the person's seat from 0. It never changes.
    pub seat: usize,
    /// Box of the head including hair.
    pub head: PixelBox,
    /// Whether this person faces the front.
    pub faces_front: bool,
    /// Box of the face. `None` if the person does not face the front.
    pub face: Option<PixelBox>,
    /// Whether a sheet of paper hides this head.
    pub hidden: bool,
    /// The expression, also of people whose face is not visible.
    pub expression: Expression,
}

/// Ground truth of a picture. While the lights are out it describes the same picture with light.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruth {
    /// All people in the room, back row first; in a gallery all people whose camera is on.
    pub people: Vec<GroundTruthPerson>,
}

/// Everything that determines the contents of a sprite. If it changes, the sprite is repainted.
#[derive(Clone, Copy, PartialEq)]
struct SpriteKey {
    view: View,
    weights: [f32; 7],
    /// Height of the head in pixels.
    head: f32,
}

/// Position and view of one person's head at one time.
struct Pose {
    x: f32,
    y: f32,
    /// Horizontal centre of the seat in pixels.
    seat_x: f32,
    /// Sine of the head's roll angle.
    sine: f32,
    sprite_key: SpriteKey,
}

/// A simulated class that follows a script.
pub struct Scene {
    size: Size,
    seed: u64,
    people: u32,
    facing: f64,
    script: Script,
    setting: Setting,
    appearances: Vec<Appearance>,
    /// Rank of each seat for: arrival, turning away, assignment of expressions, and hiding.
    arrival: Vec<usize>,
    turning: Vec<usize>,
    wearing: Vec<usize>,
    hiding: Vec<usize>,
    space: FaceSpace,
    sprites: Vec<(Option<SpriteKey>, Sprite)>,
    texture: Box<Texture>,
    background: Vec<u8>,
    /// Layout for which the background was drawn.
    background_layout: Option<Layout>,
    present: Vec<bool>,
    noise: Vec<i8>,
}

impl Scene {
    /// The class of `config` in this `view`, following `script`. Values out of range are clamped.
    ///
    /// # Errors
    /// The embedded face space is damaged.
    pub(super) fn new(
        config: &config::Simulator,
        view: CameraView,
        script: Script,
    ) -> Result<Self, FaceSpaceError> {
        let size = Size::new(config.width.clamp(320, 1920) & !1, config.height.clamp(240, 1080) & !1);
        let max_people = Setting::max_people(view);
        let people = config.people.clamp(1, max_people as u32);
        let seats = (script.max_people(people) as usize).min(max_people);
        let order = |topic| {
            let mut order: Vec<_> = (0..seats).collect();
            Rng::for_item(config.seed, topic, 0).shuffle(&mut order);
            order
        };
        let arrival = order(4);
        let mut rng = Rng::for_item(config.seed, 7, 0);
        Ok(Self {
            size,
            seed: config.seed,
            people,
            facing: if config.facing.is_nan() { 1.0 } else { config.facing.clamp(0.0, 1.0) },
            script,
            appearances: (0..seats as u64).map(|index| Appearance::new(config.seed, index)).collect(),
            setting: Setting::new(view, size, config.seed, &arrival),
            arrival,
            turning: order(5),
            wearing: order(6),
            hiding: order(11),
            space: FaceSpace::embedded()?,
            sprites: (0..seats).map(|_| (None, Sprite::default())).collect(),
            texture: Box::new([0.0; SIDE * SIDE]),
            background: Vec::new(),
            background_layout: None,
            present: Vec::new(),
            noise: (0..NOISE_VALUES).map(|_| (rng.clamped_normal() * NOISE).round() as i8).collect(),
        })
    }

    /// Size of the picture: the configured size, rounded down to even numbers.
    pub fn size(&self) -> Size {
        self.size
    }

    /// State of the script at `at`.
    pub(super) fn state(&self, at: Duration) -> SceneState {
        self.script.state(at, self.people, self.facing)
    }

    /// Draws the picture at `at` into `luma`, row by row without padding. Does nothing if `luma` is too short.
    pub fn draw(&mut self, at: Duration, luma: &mut [u8]) {
        let mut state = self.state(at);
        let dark = state.dark;
        if state.picture_at < at {
            state = self.state(state.picture_at);
        }
        let at = state.picture_at;
        if luma.len() < self.size.area() {
            return;
        }
        let luma = &mut luma[..self.size.area()];
        self.update_background(&state);
        luma.copy_from_slice(&self.background);
        for seat in 0..self.appearances.len() {
            if self.present[seat] {
                let pose = self.pose(seat, at, &state);
                self.update_sprite(seat, &pose);
                self.sprites[seat].1.place(luma, self.size, (pose.x, pose.y), pose.sine);
            }
        }
        for seat in 0..self.appearances.len() {
            if self.present[seat] && self.is_hidden(seat, at, &state) {
                let pose = self.pose(seat, at, &state);
                raise_sheet(luma, self.size, (pose.x, pose.y), pose.sprite_key.head);
            }
        }
        self.add_noise(luma, at, dark);
    }

    /// Ground truth of the picture at `at`.
    pub fn truth(&self, at: Duration) -> GroundTruth {
        let state = self.state(self.state(at).picture_at);
        let seats = 0..self.appearances.len();
        let present = seats.filter(|seat| self.is_present(*seat, &state));
        GroundTruth { people: present.map(|seat| self.true_person(seat, &state)).collect() }
    }

    fn true_person(&self, seat: usize, state: &SceneState) -> GroundTruthPerson {
        let pose = self.pose(seat, state.picture_at, state);
        let head = self.appearances[seat].head_box((pose.x, pose.y), pose.sprite_key.head);
        let faces_front = pose.sprite_key.view == View::Front;
        let mut expression = Expression::Neutral;
        let mut max_weight = 0.0;
        for (weight, candidate) in pose.sprite_key.weights.iter().zip(Expression::ALL) {
            if *weight > max_weight {
                (max_weight, expression) = (*weight, candidate);
            }
        }
        let hidden = self.is_hidden(seat, state.picture_at, state);
        GroundTruthPerson {
            seat,
            head,
            faces_front,
            face: faces_front.then(|| face_box(head)),
            hidden,
            expression,
        }
    }

    fn is_present(&self, seat: usize, state: &SceneState) -> bool {
        self.arrival[seat] < state.people as usize && self.setting.shows(self.arrival[seat])
    }

    fn layout(&self, state: &SceneState) -> Layout {
        Layout { people: (state.people as usize).min(self.appearances.len()), slide: state.slide }
    }

    /// Position and head size of `seat`.
    fn seat_position(&self, seat: usize, state: &SceneState) -> Seat {
        self.setting.seat(seat, self.layout(state))
    }

    /// Rank of this seat among the people present, and their number. The order is that of `rank`, rotated by one place
    /// every `period`.
    fn rank_among_present(
        &self,
        seat: usize,
        at: Duration,
        state: &SceneState,
        rank: &[usize],
        period: Duration,
    ) -> (usize, usize) {
        let mut present = 0;
        let mut before = 0;
        for other in 0..rank.len() {
            if self.is_present(other, state) {
                present += 1;
                before += usize::from(rank[other] < rank[seat]);
            }
        }
        let turns = (at.as_millis() / period.as_millis()) as usize;
        ((before + turns) % present.max(1), present)
    }

    fn view(&self, seat: usize, at: Duration, state: &SceneState) -> View {
        let (rank, present) = self.rank_among_present(seat, at, state, &self.turning, TURN_EVERY);
        let front = rank < (state.facing * present as f64).round() as usize;
        if front { View::Front } else { self.appearances[seat].turned }
    }

    fn is_hidden(&self, seat: usize, at: Duration, state: &SceneState) -> bool {
        let (_, present) = self.rank_among_present(seat, at, state, &self.hiding, HIDDEN_FOR);
        let hidden = (state.hidden * present as f64).round() as u32;
        let (rank, _) = self.rank_among_present(seat, at, state, &self.hiding, HIDDEN_FOR / hidden.max(1));
        rank < hidden as usize
    }

    /// Weights of the expressions: the mean over the last [`EXPRESSION_FADE`], so that a new expression forms in steps.
    fn weights(&self, seat: usize, at: Duration) -> [f32; 7] {
        let mut weights = [0.0; 7];
        for step in 0..FADE_STEPS {
            let then = at.saturating_sub(EXPRESSION_FADE * step / (FADE_STEPS - 1));
            let state = self.state(then);
            if !self.is_present(seat, &state) {
                continue;
            }
            let (rank, present) = self.rank_among_present(seat, then, &state, &self.wearing, CHANGE_EVERY);
            weights[assign_expression(&state.expressions, present, rank) as usize] += 1.0;
        }
        let sum: f32 = weights.iter().sum();
        weights.map(|weight| weight / sum.max(1.0))
    }

    /// Pose of the head. Heads sway, nod and tilt slowly.
    fn pose(&self, seat: usize, at: Duration, state: &SceneState) -> Pose {
        let position = self.seat_position(seat, state);
        let mut rng = Rng::for_item(self.seed, 8, seat as u64);
        let mut wave = |amplitude: f32, slow: f32, fast: f32| {
            let period = f64::from(rng.within(slow, fast));
            let phase = f64::from(rng.within(0.0, 1.0));
            amplitude * ((at.as_secs_f64() / period + phase).fract() * std::f64::consts::TAU).sin() as f32
        };
        let (sway, nod, tilt) = (wave(0.05, 7.0, 13.0), wave(0.02, 2.0, 5.0), wave(0.06, 6.0, 11.0));
        let view = self.view(seat, at, state);
        let bent = if view == View::Down { 0.12 } else { 0.0 };
        let weights = self.weights(seat, at);
        let offset = Rng::for_item(self.seed, 9, seat as u64).within(-0.06, 0.06);
        Pose {
            x: position.x + position.head * (sway + offset),
            y: position.y + position.head * (nod + bent),
            seat_x: position.x,
            sine: tilt,
            sprite_key: SpriteKey { view, weights, head: position.head },
        }
    }

    /// Repaints the sprite of `seat` if its contents have changed.
    fn update_sprite(&mut self, seat: usize, pose: &Pose) {
        let (key, sprite) = &mut self.sprites[seat];
        let same = match (&*key, pose.sprite_key.view) {
            (Some(before), View::Front) => *before == pose.sprite_key,
            (Some(before), view) => before.view == view && before.head == pose.sprite_key.head,
            (None, _) => false,
        };
        if same {
            return;
        }
        *key = Some(pose.sprite_key);
        let appearance = &self.appearances[seat];
        self.space.identity(&appearance.coefficients[..self.space.components()], &mut self.texture);
        self.space.express(&pose.sprite_key.weights, &mut self.texture);
        let light = self.setting.light(seat, pose.seat_x / self.size.width as f32);
        appearance.paint(sprite, pose.sprite_key.view, pose.sprite_key.head, light, &self.texture);
    }

    /// Redraws the background if the layout has changed.
    fn update_background(&mut self, state: &SceneState) {
        let layout = self.layout(state);
        if self.background_layout.replace(layout) == Some(layout) {
            return;
        }
        self.present = (0..self.appearances.len()).map(|seat| self.is_present(seat, state)).collect();
        let canvas = self.setting.draw(self.size, &self.appearances, &self.present, layout, self.seed);
        self.background = canvas.luma.iter().map(|luma| luma.round() as u8).collect();
    }

    fn add_noise(&self, luma: &mut [u8], at: Duration, dark: bool) {
        let mut rng = Rng::for_item(self.seed, 10, at.as_millis() as u64);
        for line in luma.chunks_exact_mut(self.size.width as usize) {
            let from = rng.next_u64() as usize % (NOISE_VALUES - line.len());
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

/// Draws a sheet of paper in front of the head with its centre at (`x`, `y`).
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
    use crate::simulator::ScriptEvent;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn scene(people: u32, events: Vec<(Duration, ScriptEvent)>) -> Scene {
        let config = config::Simulator { people, width: 640, height: 360, ..config::Simulator::default() };
        Scene::new(&config, CameraView::Room, Script::new(events, None).unwrap()).unwrap()
    }

    fn picture(scene: &mut Scene, at: Duration) -> Vec<u8> {
        let mut luma = vec![0; scene.size().area()];
        scene.draw(at, &mut luma);
        luma
    }

    #[test]
    fn a_picture_depends_only_on_class_and_time() {
        let mut straight = scene(12, vec![]);
        let mut roundabout = scene(12, vec![]);
        picture(&mut roundabout, S(50));
        assert!(picture(&mut straight, S(3)) == picture(&mut roundabout, S(3)));
        assert!(picture(&mut straight, S(3)) != picture(&mut straight, S(4)));
        straight.seed += 1;
        assert!(picture(&mut straight, S(3)) != picture(&mut roundabout, S(3)));
    }

    #[test]
    fn ground_truth_matches_the_script() {
        let mut shares = [0.0; 7];
        (shares[3], shares[6]) = (0.25, 0.75);
        let events = vec![
            (S(0), ScriptEvent::Expressions(shares)),
            (S(100), ScriptEvent::People(7)),
            (S(100), ScriptEvent::Facing(0.0)),
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
    fn heads_are_hidden_in_turn_and_in_the_scripted_number() {
        let mut scene = scene(30, vec![(S(10), ScriptEvent::Hidden(0.1))]);
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
    fn a_frozen_picture_does_not_change_and_a_dark_room_is_dark() {
        let events = vec![(S(5), ScriptEvent::Frozen(S(3))), (S(10), ScriptEvent::LightsOut(S(1)))];
        let mut scene = scene(12, events);
        assert!(picture(&mut scene, S(5)) == picture(&mut scene, S(7)));
        assert_eq!(scene.truth(S(5)), scene.truth(S(7)));
        assert!(picture(&mut scene, S(7)) != picture(&mut scene, S(8)));
        assert!(picture(&mut scene, S(10)).iter().all(|luma| *luma < 32));
        assert!(picture(&mut scene, S(11)).iter().any(|luma| *luma > 128));
    }

    #[test]
    fn a_gallery_follows_the_script_and_omits_people_whose_camera_is_off() {
        let config =
            config::Simulator { people: 25, width: 640, height: 360, ..config::Simulator::default() };
        let events = vec![
            (S(0), ScriptEvent::Facing(0.75)),
            (S(10), ScriptEvent::People(30)),
            (S(20), ScriptEvent::Slide(S(10))),
            (S(30), ScriptEvent::People(55)),
            (S(40), ScriptEvent::People(0)),
        ];
        let script = Script::new(events, None).unwrap();
        let mut scene = Scene::new(&config, CameraView::Gallery, script).unwrap();
        for (second, expected) in [(5, 23), (15, 28), (25, 28), (35, 45), (45, 0)] {
            let people = scene.truth(S(second)).people;
            assert_eq!(people.len(), expected, "at {second} s");
            let facing = people.iter().filter(|person| person.faces_front).count();
            assert_eq!(facing, (0.75 * expected as f64).round() as usize);
        }
        picture(&mut scene, S(45));
        // A person who stays in the call has another tile after each change of the layout.
        let head = |second| scene.truth(S(second)).people[0].head;
        assert!(head(5).iou(head(15)) < 0.5 && head(15).iou(head(25)) < 0.5);
        let slide = picture(&mut scene, S(25));
        let white = |luma: &[u8]| luma.iter().filter(|luma| **luma > 225).count();
        assert!(white(&slide) > 640 * 360 / 4 && white(&picture(&mut scene, S(31))) < 640 * 360 / 50);
    }

    #[test]
    fn values_out_of_range_are_clamped() {
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
