//! Decodes the detector's outputs into heads with faces, and merges duplicates to one box per head.
//!
//! Pure functions of tensors and boxes. Scores are compared as quantized integers; only the few cells above
//! the threshold are dequantized.

use super::engine::Quantization;
use super::model_card::ModelCard;
use moodring_camera::PixelBox;

/// Maximum number of candidates that are merged, the best first, so that any output takes bounded time.
const MAX_CANDIDATES: usize = 2048;

/// Maximum number of heads per picture: four times the largest class that the device is designed for.
pub const MAX_HEADS: usize = 256;

/// Minimum overlap, as a share of the smaller box, at which a box cut at a tile's edge is merged into another.
const CUT_COVER: f32 = 0.6;

/// A detected head. The network predicts a face box also when the face is not visible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// Head box.
    pub bounds: PixelBox,
    /// Probability that it is a head, 0..=1.
    pub score: f32,
    /// Face box.
    pub face: PixelBox,
    /// Probability that the face is visible, 0..=1.
    pub face_score: f32,
}

/// A head detected in one tile, before duplicates are merged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The head.
    pub head: Head,
    /// Whether an edge of the tile may have cut it.
    pub cut: bool,
    /// Index of the tile.
    pub tile: usize,
}

/// One of the detector's maps: index of the output and its quantization.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Map {
    output: usize,
    quantization: Quantization,
}

/// The four maps of one stride.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Level {
    stride: usize,
    head_score: Map,
    head_box: Map,
    face_score: Map,
    face_box: Map,
}

/// Decodes the outputs of a detector according to its card.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoder {
    levels: Vec<Level>,
}

impl Decoder {
    /// A decoder for the outputs of `card`.
    ///
    /// # Errors
    /// Names the map that is missing or has a wrong number of channels.
    pub fn new(card: &ModelCard) -> Result<Self, String> {
        let find = |name: &str, stride: usize, channels: usize| {
            let name = format!("{name}/{stride}");
            let found = card.outputs.iter().enumerate().find(|(_, output)| output.name == name);
            match found {
                Some((index, output)) if output.channels == channels => {
                    Ok(Map { output: index, quantization: output.quantization() })
                }
                Some(_) => Err(format!("output {name} must have {channels} channels")),
                None => Err(format!("there is no output {name}")),
            }
        };
        let mut strides: Vec<usize> = card.outputs.iter().filter_map(|output| output.stride()).collect();
        strides.sort_unstable();
        strides.dedup();
        if strides.is_empty() {
            return Err("there is no output head_score/STRIDE".into());
        }
        let level = |stride: usize| {
            Ok(Level {
                stride,
                head_score: find("head_score", stride, 1)?,
                head_box: find("head_box", stride, 4)?,
                face_score: find("face_score", stride, 1)?,
                face_box: find("face_box", stride, 4)?,
            })
        };
        Ok(Self { levels: strides.into_iter().map(level).collect::<Result<_, String>>()? })
    }

    /// Calls `found` for each cell whose head score is at least `threshold`. Boxes are in pixels of the
    /// network's input, which is `input_width` pixels wide. Outputs that are too short are decoded up to their
    /// end.
    pub fn decode(&self, outputs: &[&[i8]], input_width: usize, threshold: f32, mut found: impl FnMut(Head)) {
        let output = |map: Map| outputs.get(map.output).copied().unwrap_or_default();
        for level in &self.levels {
            let columns = (input_width / level.stride).max(1);
            let bound = level.head_score.quantization.at_least(threshold);
            let (head_box, face_score, face_box) =
                (output(level.head_box), output(level.face_score), output(level.face_box));
            for (cell, &score) in output(level.head_score).iter().enumerate() {
                if i32::from(score) < bound {
                    continue;
                }
                let (Some(head), Some(&face), Some(face_box)) = (
                    head_box.get(cell * 4..cell * 4 + 4),
                    face_score.get(cell),
                    face_box.get(cell * 4..cell * 4 + 4),
                ) else {
                    break;
                };
                let centre = (cell % columns, cell / columns);
                found(Head {
                    bounds: decode_box(head, level.head_box.quantization, centre, level.stride),
                    score: level.head_score.quantization.real(score).clamp(0.0, 1.0),
                    face: decode_box(face_box, level.face_box.quantization, centre, level.stride),
                    face_score: level.face_score.quantization.real(face).clamp(0.0, 1.0),
                });
            }
        }
    }
}

/// The box whose left, top, right and bottom edges are `edges` strides away from the centre of `cell`.
fn decode_box(edges: &[i8], quantization: Quantization, cell: (usize, usize), stride: usize) -> PixelBox {
    let stride = stride as f32;
    let distance = |index: usize| quantization.real(edges[index]) * stride;
    let (centre_x, centre_y) = ((cell.0 as f32 + 0.5) * stride, (cell.1 as f32 + 0.5) * stride);
    PixelBox {
        x: centre_x - distance(0),
        y: centre_y - distance(1),
        width: (distance(0) + distance(2)).max(0.0),
        height: (distance(1) + distance(3)).max(0.0),
    }
}

/// Non-maximum suppression within and across tiles: keeps one candidate per head.
///
/// A head that lies completely in one tile wins over a cut one regardless of the scores, because the detector
/// sees only a part of a cut head. The result has this order and does not depend on the input order. Boxes
/// without area are dropped. At most [`MAX_HEADS`] remain.
pub fn merge(candidates: &mut Vec<Candidate>, nms_iou: f32) {
    let has_area = |PixelBox { width, height, .. }| width > 0.0 && height > 0.0;
    candidates.retain(|candidate| has_area(candidate.head.bounds));
    candidates.sort_unstable_by(order);
    candidates.truncate(MAX_CANDIDATES);
    let mut kept = 0;
    for index in 0..candidates.len() {
        let candidate = candidates[index];
        let duplicate = candidates[..kept].iter().any(|better| is_same_head(better, &candidate, nms_iou));
        if !duplicate && kept < MAX_HEADS {
            candidates[kept] = candidate;
            kept += 1;
        }
    }
    candidates.truncate(kept);
}

/// Uncut before cut, then by falling score, then by position, so that equal scores have a defined order.
fn order(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    let key = |c: &Candidate| {
        let PixelBox { x, y, width, height } = c.head.bounds;
        let face = c.head.face;
        [x, y, width, height, c.head.face_score, face.x, face.y, face.width, face.height]
    };
    let by_place = || {
        let differing = key(a).into_iter().zip(key(b)).map(|(a, b)| a.total_cmp(&b));
        differing.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    };
    a.cut
        .cmp(&b.cut)
        .then_with(|| b.head.score.total_cmp(&a.head.score))
        .then_with(by_place)
        .then_with(|| a.tile.cmp(&b.tile))
}

fn is_same_head(better: &Candidate, candidate: &Candidate, nms_iou: f32) -> bool {
    let (a, b) = (better.head.bounds, candidate.head.bounds);
    let shared = a.shared_area(b);
    let (area_a, area_b) = (a.width * a.height, b.width * b.height);
    if shared > nms_iou * (area_a + area_b - shared) {
        return true;
    }
    // For a head on a tile's edge, both tiles see a part, or one sees the whole head. The parts cover each
    // other, but their union is much larger than their intersection, so IoU alone does not match them.
    candidate.cut && better.tile != candidate.tile && shared > CUT_COVER * area_a.min(area_b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_card::Task;
    use proptest::prelude::*;
    use std::path::Path;

    fn decoder() -> Decoder {
        let card = ModelCard::read(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/heads.toml")),
            Task::Heads,
        )
        .unwrap();
        Decoder::new(&card).unwrap()
    }

    fn candidate(x: f32, y: f32, size: f32, score: f32, cut: bool, tile: usize) -> Candidate {
        let bounds = PixelBox { x, y, width: size, height: size };
        Candidate { head: Head { bounds, score, face: bounds, face_score: score }, cut, tile }
    }

    #[test]
    fn a_cell_is_decoded_to_a_box() {
        let (width, height) = (64, 64);
        let mut outputs: Vec<Vec<i8>> = [8usize, 16, 32]
            .iter()
            .flat_map(|s| [1, 4, 1, 4].map(|channels| vec![-128i8; width / s * (height / s) * channels]))
            .collect();
        // Stride 8, column 3, row 2: centre (28, 20). All distances are 0 except right = 1.5 strides = 59 steps.
        let cell = 2 * 8 + 3;
        outputs[0][cell] = 76; // 204 / 256
        outputs[1][cell * 4..cell * 4 + 4].copy_from_slice(&[-108, -108, -108 + 59, -108]);
        outputs[2][cell] = 127;
        outputs[3][cell * 4..cell * 4 + 4].copy_from_slice(&[-55, -55, -55, -55 + 36]);
        let views: Vec<&[i8]> = outputs.iter().map(Vec::as_slice).collect();
        let mut heads = Vec::new();
        decoder().decode(&views, width, 0.5, |head| heads.push(head));
        assert_eq!(heads.len(), 1);
        let Head { bounds, score, face, face_score } = heads[0];
        assert_eq!((bounds.x, bounds.y, bounds.height), (28.0, 20.0, 0.0));
        assert!((bounds.width - 8.0 * 1.5).abs() < 0.05, "{bounds:?}");
        assert!((face.height - 8.0 * 36.0 * 0.027_450_98).abs() < 1e-4, "{face:?}");
        assert_eq!((score, face_score), (204.0 / 256.0, 255.0 / 256.0));
    }

    #[test]
    fn a_head_on_a_tile_edge_is_merged_into_the_uncut_box() {
        // The left tile ends at x = 640 and sees half of the head, with the higher score.
        let half = Candidate {
            head: Head {
                bounds: PixelBox { x: 620.0, y: 100.0, width: 20.0, height: 40.0 },
                ..candidate(0.0, 0.0, 1.0, 0.9, true, 0).head
            },
            cut: true,
            tile: 0,
        };
        let whole = candidate(620.0, 100.0, 40.0, 0.5, false, 1);
        let mut candidates = vec![half, whole];
        merge(&mut candidates, 0.5);
        assert_eq!(candidates, [whole]);
        // Two overlapping heads in one tile, one in front of the other, both remain.
        let (front, behind) =
            (candidate(0.0, 0.0, 40.0, 0.9, false, 0), candidate(16.0, 0.0, 40.0, 0.8, false, 0));
        let mut candidates = vec![behind, front];
        merge(&mut candidates, 0.5);
        assert_eq!(candidates, [front, behind]);
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0f32..300.0, 0f32..300.0, -5f32..80.0, 0f32..1.0, any::<bool>(), 0usize..4);
        let one = one.prop_map(|(x, y, size, score, cut, tile)| candidate(x, y, size, score, cut, tile));
        proptest::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn any_output_decodes_to_finite_boxes_and_scores(
            outputs in proptest::collection::vec(proptest::collection::vec(any::<i8>(), 0..200), 0..13),
            input_width in 0usize..700, threshold in -1f32..2.0,
        ) {
            let views: Vec<&[i8]> = outputs.iter().map(Vec::as_slice).collect();
            decoder().decode(&views, input_width, threshold, |head| {
                for bounds in [head.bounds, head.face] {
                    let PixelBox { x, y, width, height } = bounds;
                    assert!([x, y, width, height].iter().all(|value| value.is_finite()));
                    assert!(width >= 0.0 && height >= 0.0);
                }
                assert!((0.0..=1.0).contains(&head.score) && (0.0..=1.0).contains(&head.face_score));
                assert!(head.score >= threshold - 1e-5);
            });
        }

        #[test]
        fn merging_is_idempotent_ordered_and_independent_of_input_order(
            (original, shuffled) in candidates().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
        ) {
            let mut merged = original;
            merge(&mut merged, 0.5);
            let mut of_shuffled = shuffled;
            merge(&mut of_shuffled, 0.5);
            prop_assert_eq!(&merged, &of_shuffled);
            prop_assert!(merged.windows(2).all(|pair| (pair[0].cut, -pair[0].head.score) <= (pair[1].cut, -pair[1].head.score)));
            prop_assert!(merged.iter().all(|kept| kept.head.bounds.width > 0.0));
            let mut merged_twice = merged.clone();
            merge(&mut merged_twice, 0.5);
            prop_assert_eq!(merged, merged_twice);
        }
    }
}
