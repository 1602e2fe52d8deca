//! A person's head: random appearance, painted once into a sprite for each view and expression.
//!
//! Coordinates are in head heights from the centre of the head. Edges come from signed distances, so a head has the
//! same shape at 20 and at 150 pixels.

use super::canvas::{Sprite, ellipse, mix, smoothstep, value_noise};
use super::face_space::{SIDE, Texture, sample};
use crate::PixelBox;
use moodring_runtime::Rng;

/// Half the side of the square sprite in head heights, with space for long hair.
const REACH: f32 = 0.78;
/// Top edge and side of the face texture in head heights. The eyes are at 0.02, the chin at 0.46.
const TEXTURE_TOP: f32 = -0.245;
const TEXTURE_SIDE: f32 = 0.75;
/// Largest number of components of a face space.
const MAX_COEFFICIENTS: usize = 64;
/// Variation of faces around the mean face, in standard deviations of the components. A larger value gives more varied
/// faces that are harder to read (docs/reference/simulator.md).
const VARIETY: f32 = 0.45;

/// Visible side of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The face.
    Front,
    /// The back of the head: the person has turned round.
    Back,
    /// The crown: the person is bent over the desk and writes.
    Down,
}

/// Properties of a person that do not change.
pub(super) struct Appearance {
    /// Luma of lit skin.
    pub(super) skin: f32,
    hair: f32,
    /// Whether the hair reaches the shoulders.
    long_hair: bool,
    /// Half width of the hair, in head heights.
    breadth: f32,
    /// Height of the hairline above the centre, in head heights.
    hairline: f32,
    /// Position of the parting, -0.2..=0.2 head heights.
    parting: f32,
    /// Contrast of the face.
    contrast: f32,
    salt: u32,
    /// View of this person while not facing the front.
    pub(super) turned: View,
    /// Position in the face space.
    pub(super) coefficients: [f32; MAX_COEFFICIENTS],
}

impl Appearance {
    /// The appearance of person `index` in the class `seed`.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut rng = Rng::for_item(seed, 1, index);
        let long_hair = rng.chance(0.42);
        let skin = rng.within(104.0, 158.0);
        let hair = if rng.chance(0.22) { rng.within(60.0, 105.0) } else { rng.within(18.0, 52.0) };
        Self {
            skin,
            hair: hair.min(skin * 0.6),
            long_hair,
            breadth: if long_hair { rng.within(0.375, 0.405) } else { rng.within(0.345, 0.37) },
            hairline: rng.within(0.20, 0.27),
            parting: rng.within(-0.2, 0.2),
            contrast: rng.within(0.30, 0.34),
            salt: rng.next_u64() as u32,
            turned: if rng.chance(0.35) { View::Back } else { View::Down },
            coefficients: std::array::from_fn(|_| VARIETY * rng.clamped_normal()),
        }
    }

    /// Box in pixels of the head with its centre at (`x`, `y`), as human annotators draw it: with hair and chin,
    /// without hair on the shoulders.
    pub(super) fn head_box(&self, (x, y): (f32, f32), head: f32) -> PixelBox {
        let width = 2.0 * self.breadth * head;
        PixelBox { x: x - width / 2.0, y: y - head / 2.0, width, height: head }
    }

    /// Paints this head with a height of `head` pixels. `light`: direction of the light, left (-1) to right (1).
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
        let blend_over = |value: f32, alpha: f32, luma: &mut f32, cover: &mut f32| {
            *luma = if *cover > 0.0 { mix(*luma, value, alpha) } else { value };
            *cover = alpha.max(*cover);
        };
        let ear = ellipse(x.abs() - 0.275, y - 0.07, 0.045, 0.085);
        blend_over(self.shaded(0.80, x, y, light), smoothstep(soft, -soft, ear), &mut luma, &mut cover);
        let skin = self.face_shape(x, y);
        blend_over(self.face_luma(x, y, light, face), smoothstep(soft, -soft, skin), &mut luma, &mut cover);
        let (hair, alpha) = self.hair_before(x, y, soft, light);
        blend_over(hair, alpha, &mut luma, &mut cover);
        (luma, cover)
    }

    /// Signed distance to the outline of face and skull: an ellipse that narrows towards the chin.
    fn face_shape(&self, x: f32, y: f32) -> f32 {
        let jaw = if y > 0.1 { 1.0 - 0.75 * (y - 0.1) * (y - 0.1) } else { 1.0 };
        ellipse(x / jaw, y - 0.0, 0.272, 0.485)
    }

    fn shaded(&self, level: f32, x: f32, y: f32, light: f32) -> f32 {
        self.skin * level * (1.0 + 0.35 * light * x - 0.12 * y)
    }

    /// Luma of the face: the texture in the centre, plain skin around it.
    fn face_luma(&self, x: f32, y: f32, light: f32, face: &Texture) -> f32 {
        let scale = SIDE as f32 / TEXTURE_SIDE;
        let (u, v) = (x * scale + 23.5, (y - TEXTURE_TOP) * scale);
        let level = ((u - 23.5) / 17.0).hypot((v - 24.5) / 22.0);
        let texture = 1.0 + self.contrast * sample(face, u, v).clamp(-2.6, 2.2);
        let rim = 1.08 - 0.30 * smoothstep(0.7, 1.15, level);
        let edge = ellipse(x, y, 0.272, 0.485).min(0.0);
        let limb = 1.0 - 0.22 * smoothstep(-0.09, 0.0, edge);
        self.shaded(mix(texture, rim, smoothstep(0.80, 1.06, level)) * limb, x, y, light)
    }

    /// Luma of the hair with its strands and a highlight on the crown.
    fn hair_luma(&self, x: f32, y: f32, light: f32) -> f32 {
        let (angle, radius) = ((x - self.parting * 0.5).atan2(0.75 - y), x.hypot(y - 0.1));
        let strands = value_noise(angle * 34.0, radius * 3.0, self.salt)
            + 0.5 * value_noise(angle * 90.0, radius * 5.0, self.salt);
        let shine = (-(((y + 0.36) / 0.10).powi(2)) - ((x + 0.1 - 0.22 * light) / 0.22).powi(2)).exp();
        self.hair * (1.0 + 0.22 * strands + 0.25 * light * x - 0.3 * (y + 0.1))
            + (14.0 + self.hair * 0.6) * shine
    }

    /// Signed distance to the outline of the hair, for every view.
    fn hair_outline(&self, x: f32, y: f32) -> f32 {
        let rough = 0.010 * value_noise(x * 16.0, y * 16.0, self.salt ^ 5);
        ellipse(x, y + 0.06, self.breadth, 0.44) + rough
    }

    fn hair_behind(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let cap = self.hair_outline(x, y).max(y - 0.16);
        let outline = if self.long_hair {
            // Two strands in front of the shoulders that leave the neck visible.
            let strand = ellipse(
                x.abs() - 0.275,
                y - 0.20,
                0.125,
                0.46 + 0.02 * value_noise(x * 30.0, 0.5, self.salt),
            );
            cap.min(strand)
        } else {
            cap
        };
        (self.hair_luma(x, y, light) * 0.72, smoothstep(soft, -soft, outline))
    }

    /// The hair around the forehead.
    fn hair_before(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let aside = (x - self.parting * 0.4).abs();
        let sides = if self.long_hair { 0.30 } else { 0.24 };
        let fringe = 0.018 * value_noise(x * 38.0, 0.5, self.salt ^ 9);
        let line = -self.hairline - 0.03 + 1.1 * aside * aside + 2.6 * (aside - sides).max(0.0) + fringe;
        let inner = (y - line).max(y - if self.long_hair { 0.34 } else { 0.03 });
        let alpha =
            smoothstep(soft, -soft, self.hair_outline(x, y)) * smoothstep(0.012 + soft, -0.012 - soft, inner);
        (self.hair_luma(x, y, light), alpha)
    }

    fn back(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let long = if self.long_hair { ellipse(x, y - 0.20, self.breadth * 0.93, 0.48) } else { 1.0 };
        let nape = if self.long_hair { 1.0 } else { ellipse(x, y - 0.10, 0.26, 0.34) };
        let hair = self.hair_outline(x, y).max(y - 0.30 + 0.25 * x.abs()).min(long).min(nape);
        let ear = ellipse(x.abs() - 0.315, y - 0.05, 0.04, 0.08);
        let neck = (x.abs() - 0.17).max(y - 0.6).max(0.1 - y);
        let under = ear.min(neck);
        let alpha = smoothstep(soft, -soft, hair);
        let skin = self.shaded(0.72, x, y, light);
        let fade = 1.0 - 0.35 * smoothstep(0.05, 0.4, y);
        (mix(skin, self.hair_luma(x, y, light) * fade, alpha), alpha.max(smoothstep(soft, -soft, under)))
    }

    /// Head bent forward: the crown with its whorl, a strip of forehead, no face.
    fn down(&self, x: f32, y: f32, soft: f32, light: f32) -> (f32, f32) {
        let hair = ellipse(x, y + 0.02, self.breadth * 0.98, 0.44).min(if self.long_hair {
            ellipse(x.abs() - 0.24, y - 0.14, 0.13, 0.40)
        } else {
            1.0
        });
        let hair = hair + 0.010 * value_noise(x * 16.0, y * 16.0, self.salt ^ 5);
        let forehead = ellipse(x, y - 0.30, 0.20, 0.20);
        let alpha = smoothstep(soft, -soft, hair) * smoothstep(-0.02, 0.02, -(y - 0.36 + 0.9 * x * x));
        let part = 1.0 + 0.5 * (-((x - self.parting) / 0.02).powi(2)).exp() * smoothstep(0.1, -0.2, y);
        let skin = self.shaded(0.58, x, y, light);
        let crown = self.hair_luma(x, y, light) * part * (1.0 - 0.3 * smoothstep(-0.1, 0.4, y));
        (mix(skin, crown, alpha), alpha.max(smoothstep(soft, -soft, forehead)))
    }
}

/// Box of the face in the box of a head, as a face detector draws it. The proportions are the medians of 7,176 faces in
/// heads of more than 40 pixels in pictures of classrooms.
pub(super) fn face_box(head: PixelBox) -> PixelBox {
    let width = 0.56 * head.height;
    PixelBox {
        x: head.x + (head.width - width) / 2.0,
        y: head.y + 0.27 * head.height,
        width,
        height: 0.69 * head.height,
    }
}
