//! A person's head: looks drawn from the dice, painted once into a sprite for each view and expression.
//!
//! Coordinates are head heights from the middle of the head; edges come from distances, so a head looks
//! the same at 20 and at 150 pixels.

use super::canvas::{Sprite, ellipse, grain, mix, ramp};
use super::dice::Dice;
use super::face_space::{SIDE, Texture, sample};
use crate::vision::PixelBox;

/// Half the size of the sprite's square, in head heights: room for long hair.
const REACH: f32 = 0.78;
/// Where the face texture's top edge lies, and its side, in head heights: eyes at 0.02, chin at 0.46.
const TEXTURE_TOP: f32 = -0.245;
const TEXTURE_SIDE: f32 = 0.75;
/// The most components that a face space may have.
const MOST_COEFFICIENTS: usize = 64;
/// How far persons differ from the mean face, in standard deviations of the components: wider is more
/// varied and harder to read (docs/reference/simulator.md).
const VARIETY: f32 = 0.45;

/// Which side of the head is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The face.
    Front,
    /// The back of the head: turned round.
    Back,
    /// The crown: bent over the desk, writing.
    Down,
}

/// What does not change about a person.
pub(super) struct Looks {
    /// Luma of lit skin.
    pub(super) skin: f32,
    hair: f32,
    /// Hair falls to the shoulders.
    long_hair: bool,
    /// Half width of the hair, in head heights.
    breadth: f32,
    /// Height of the hairline above the middle, in head heights.
    hairline: f32,
    /// Where the parting is, -0.2..=0.2.
    parting: f32,
    /// Contrast of the face.
    contrast: f32,
    salt: u32,
    /// How this person looks when not facing the front.
    pub(super) turned: View,
    /// Position in the face space.
    pub(super) coefficients: [f32; MOST_COEFFICIENTS],
}

impl Looks {
    /// The looks of person `index` of the class `seed`.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut dice = Dice::new(seed, 1, index);
        let long_hair = dice.chance(0.42);
        let skin = dice.within(104.0, 158.0);
        let hair = if dice.chance(0.22) { dice.within(60.0, 105.0) } else { dice.within(18.0, 52.0) };
        Self {
            skin,
            hair: hair.min(skin * 0.6),
            long_hair,
            breadth: if long_hair { dice.within(0.375, 0.405) } else { dice.within(0.345, 0.37) },
            hairline: dice.within(0.20, 0.27),
            parting: dice.within(-0.2, 0.2),
            contrast: dice.within(0.30, 0.34),
            salt: dice.next() as u32,
            turned: if dice.chance(0.35) { View::Back } else { View::Down },
            coefficients: std::array::from_fn(|_| VARIETY * dice.normal()),
        }
    }

    /// Box of the head around (`x`, `y`), as people draw it: hair and chin, without hair on the shoulders.
    pub(super) fn head_box(&self, (x, y): (f32, f32), head: f32) -> PixelBox {
        let width = 2.0 * self.breadth * head;
        PixelBox { x: x - width / 2.0, y: y - head / 2.0, width, height: head }
    }

    /// Paints this head, `head` pixels high, with the light from the left (-1) or right (1).
    pub(super) fn paint(&self, sprite: &mut Sprite, view: View, head: f32, light: f32, face: &Texture) {
        let side = (2.0 * REACH * head).ceil();
        sprite.draw(side as usize, side as usize, |column, row| {
            let (x, y) = ((column - side / 2.0) / head, (row - side / 2.0) / head);
            let soft = 0.9 / head;
            match view {
                View::Front => self.front(x, y, soft, light, face),
                View::Back => self.back(x, y, soft, light),
                View::Down => self.down(x, y, soft, light),
            }
        });
    }

    fn front(&self, x: f32, y: f32, soft: f32, light: f32, face: &Texture) -> (f32, f32) {
        let (mut luma, mut cover) = self.hair_behind(x, y, soft, light);
        let lay = |value: f32, alpha: f32, luma: &mut f32, cover: &mut f32| {
            *luma = if *cover > 0.0 { mix(*luma, value, alpha) } else { value };
            *cover = alpha.max(*cover);
        };
        let ear = ellipse(x.abs() - 0.275, y - 0.07, 0.045, 0.085);
        lay(self.shaded(0.80, x, y, light), ramp(soft, -soft, ear), &mut luma, &mut cover);
        let skin = self.face_shape(x, y);
        lay(self.face_luma(x, y, light, face), ramp(soft, -soft, skin), &mut luma, &mut cover);
        let (hair, alpha) = self.hair_before(x, y, soft, light);
        lay(hair, alpha, &mut luma, &mut cover);
        (luma, cover)
    }

    /// Distance to the outline of face and skull: an ellipse that narrows to the chin.
    fn face_shape(&self, x: f32, y: f32) -> f32 {
        let jaw = if y > 0.1 { 1.0 - 0.75 * (y - 0.1) * (y - 0.1) } else { 1.0 };
        ellipse(x / jaw, y - 0.0, 0.272, 0.485)
    }

    fn shaded(&self, level: f32, x: f32, y: f32, light: f32) -> f32 {
        self.skin * level * (1.0 + 0.35 * light * x - 0.12 * y)
    }

    /// The texture in the middle, plain skin around it.
    fn face_luma(&self, x: f32, y: f32, light: f32, face: &Texture) -> f32 {
        let scale = SIDE as f32 / TEXTURE_SIDE;
        let (u, v) = (x * scale + 23.5, (y - TEXTURE_TOP) * scale);
        let level = ((u - 23.5) / 17.0).hypot((v - 24.5) / 22.0);
        let texture = 1.0 + self.contrast * sample(face, u, v).clamp(-2.6, 2.2);
        let rim = 1.08 - 0.30 * ramp(0.7, 1.15, level);
        let edge = ellipse(x, y, 0.272, 0.485).min(0.0);
        let limb = 1.0 - 0.22 * ramp(-0.09, 0.0, edge);
        self.shaded(mix(texture, rim, ramp(0.80, 1.06, level)) * limb, x, y, light)
    }

    /// Hair and its strands, brighter where the light falls on the crown.
    fn hair_luma(&self, x: f32, y: f32, light: f32) -> f32 {
        let (angle, radius) = ((x - self.parting * 0.5).atan2(0.75 - y), x.hypot(y - 0.1));
        let strands =
            grain(angle * 34.0, radius * 3.0, self.salt) + 0.5 * grain(angle * 90.0, radius * 5.0, self.salt);
        let shine = (-(((y + 0.36) / 0.10).powi(2)) - ((x + 0.1 - 0.22 * light) / 0.22).powi(2)).exp();
        self.hair * (1.0 + 0.22 * strands + 0.25 * light * x - 0.3 * (y + 0.1))
            + (14.0 + self.hair * 0.6) * shine
    }

    /// Distance to the outline of the hair as seen from any side.
    fn hair_outline(&self, x: f32, y: f32) -> f32 {
        let rough = 0.010 * grain(x * 16.0, y * 16.0, self.salt ^ 5);
        ellipse(x, y + 0.06, self.breadth, 0.44) + rough
    }

    fn hair_behind(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let cap = self.hair_outline(x, y).max(y - 0.16);
        let outline = if self.long_hair {
            // Two strands that hang before the shoulders and leave the neck free.
            let strand =
                ellipse(x.abs() - 0.275, y - 0.20, 0.125, 0.46 + 0.02 * grain(x * 30.0, 0.5, self.salt));
            cap.min(strand)
        } else {
            cap
        };
        (self.hair_luma(x, y, light) * 0.72, ramp(soft, -soft, outline))
    }

    /// The hair that frames the forehead.
    fn hair_before(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let aside = (x - self.parting * 0.4).abs();
        let sides = if self.long_hair { 0.30 } else { 0.24 };
        let fringe = 0.018 * grain(x * 38.0, 0.5, self.salt ^ 9);
        let line = -self.hairline - 0.03 + 1.1 * aside * aside + 2.6 * (aside - sides).max(0.0) + fringe;
        let inner = (y - line).max(y - if self.long_hair { 0.34 } else { 0.03 });
        let alpha = ramp(soft, -soft, self.hair_outline(x, y)) * ramp(0.012 + soft, -0.012 - soft, inner);
        (self.hair_luma(x, y, light), alpha)
    }

    fn back(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let long = if self.long_hair { ellipse(x, y - 0.20, self.breadth * 0.93, 0.48) } else { 1.0 };
        let nape = if self.long_hair { 1.0 } else { ellipse(x, y - 0.10, 0.26, 0.34) };
        let hair = self.hair_outline(x, y).max(y - 0.30 + 0.25 * x.abs()).min(long).min(nape);
        let ear = ellipse(x.abs() - 0.315, y - 0.05, 0.04, 0.08);
        let neck = (x.abs() - 0.17).max(y - 0.6).max(0.1 - y);
        let under = ear.min(neck);
        let alpha = ramp(soft, -soft, hair);
        let skin = self.shaded(0.72, x, y, light);
        let fade = 1.0 - 0.35 * ramp(0.05, 0.4, y);
        (mix(skin, self.hair_luma(x, y, light) * fade, alpha), alpha.max(ramp(soft, -soft, under)))
    }

    /// Bent forward: the crown with its whorl, a strip of forehead, no face.
    fn down(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let hair = ellipse(x, y + 0.02, self.breadth * 0.98, 0.44).min(if self.long_hair {
            ellipse(x.abs() - 0.24, y - 0.14, 0.13, 0.40)
        } else {
            1.0
        });
        let hair = hair + 0.010 * grain(x * 16.0, y * 16.0, self.salt ^ 5);
        let forehead = ellipse(x, y - 0.30, 0.20, 0.20);
        let alpha = ramp(soft, -soft, hair) * ramp(-0.02, 0.02, -(y - 0.36 + 0.9 * x * x));
        let part = 1.0 + 0.5 * (-((x - self.parting) / 0.02).powi(2)).exp() * ramp(0.1, -0.2, y);
        let skin = self.shaded(0.58, x, y, light);
        let crown = self.hair_luma(x, y, light) * part * (1.0 - 0.3 * ramp(-0.1, 0.4, y));
        (mix(skin, crown, alpha), alpha.max(ramp(soft, -soft, forehead)))
    }
}

/// The face's box within a head's, as a face detector draws it: the medians of 7,176 faces in heads of
/// more than 40 pixels in pictures of classrooms.
pub(super) fn face_box(head: PixelBox) -> PixelBox {
    let width = 0.56 * head.height;
    PixelBox {
        x: head.x + (head.width - width) / 2.0,
        y: head.y + 0.27 * head.height,
        width,
        height: 0.69 * head.height,
    }
}
