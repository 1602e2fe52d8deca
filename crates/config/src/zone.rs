//! `[[zone]]`: areas of the picture in which heads are ignored, or the only areas in which heads are counted.
//!
//! A zone is a polygon in shares of the frame's width and height, so that it fits every resolution of the same camera.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest number of zones, and of corners of one zone: every head is tested against all of them.
const MAX_ZONES: usize = 32;
const MAX_POINTS: usize = 32;
/// Smallest area of a zone as a share of the picture: 0.1 percent, the size of a small head. A smaller zone is an
/// error.
const MIN_AREA: f64 = 0.001;
/// Number of sample points along each side of the picture for [`admitted_share`].
const PROBES: usize = 100;

/// An area of the picture in which heads are ignored, or the only area in which heads are counted. The section may be
/// repeated.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Name of the zone in `analyze --annotate` and `doctor`, such as poster, corridor window or class.
    pub name: String,
    /// Effect of the zone. `ignore`: heads inside are not counted. `only`: heads outside all zones of this kind are not
    /// counted.
    pub kind: ZoneKind,
    /// Corners in order, 3 to 32 pairs of x and y, each 0 to 1: shares of the frame's width and height from its upper
    /// left corner. The centre of its box decides whether a head is inside.
    pub points: Vec<[f64; 2]>,
}

/// Effects of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ZoneKind {
    /// Heads inside are not counted.
    Ignore,
    /// Heads outside all zones of this kind are not counted.
    Only,
}

impl ZoneKind {
    /// The name in the configuration file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Only => "only",
        }
    }
}

/// Whether a head whose centre is at `point` (shares of width and height) is counted. `ignore` zones take precedence.
pub fn admits(zones: &[Zone], point: [f64; 2]) -> bool {
    let mut within_only = None;
    for zone in zones {
        match zone.kind {
            ZoneKind::Ignore if zone.contains(point) => return false,
            ZoneKind::Ignore => {}
            ZoneKind::Only => within_only = Some(within_only == Some(true) || zone.contains(point)),
        }
    }
    within_only != Some(false)
}

/// The share of the picture in which heads are counted, 0 to 1, sampled in steps of a hundredth of each side.
pub fn admitted_share(zones: &[Zone]) -> f64 {
    let coordinate = |index: usize| (index as f64 + 0.5) / PROBES as f64;
    let row = |y: usize| (0..PROBES).filter(|&x| admits(zones, [coordinate(x), coordinate(y)])).count();
    (0..PROBES).map(row).sum::<usize>() as f64 / (PROBES * PROBES) as f64
}

/// A fault of one zone or of all zones together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFault {
    /// Index of the zone from 0; `None` if the fault concerns all zones together.
    pub zone: Option<usize>,
    /// Reason code: `corners`, `outside`, `crossing`, `tiny`, `too_many` or `nothing_left`.
    pub reason: &'static str,
    /// The configuration key.
    pub key: String,
    /// The message that follows the key.
    pub message: String,
}

/// The zones as `[[zone]]` sections of a configuration file.
///
/// # Errors
/// The first fault of the zones.
pub fn to_toml(zones: &[Zone]) -> Result<String, ZoneFault> {
    use std::fmt::Write;
    if let Some(fault) = faults(zones).into_iter().next() {
        return Err(fault);
    }
    let mut text = String::new();
    for Zone { name, kind, points } in zones {
        // Three decimals: a finger cannot point more precisely than a thousandth of the picture.
        let corner = |[x, y]: &[f64; 2]| format!("[{x:.3}, {y:.3}]");
        let points = points.iter().map(corner).collect::<Vec<_>>().join(", ");
        let (name, kind) = (toml::Value::from(name.as_str()), kind.name());
        let _ = writeln!(text, "[[zone]]\nname = {name}\nkind = \"{kind}\"\npoints = [{points}]\n");
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// All faults of the zones.
pub(super) fn faults(zones: &[Zone]) -> Vec<ZoneFault> {
    let mut faults: Vec<_> = zones
        .iter()
        .enumerate()
        .filter_map(|(index, zone)| {
            let (reason, message) = zone.fault()?;
            Some(ZoneFault { zone: Some(index), reason, key: format!("zone.{index}.points"), message })
        })
        .collect();
    let overall = |reason, message| ZoneFault { zone: None, reason, key: "zone".into(), message };
    if zones.len() > MAX_ZONES {
        let message = format!("is given {} times, but at most {MAX_ZONES} zones are allowed", zones.len());
        faults.push(overall("too_many", message));
    } else if faults.is_empty() && admitted_share(zones) == 0.0 {
        let message =
            "leaves no area of the picture: make the \"ignore\" zones smaller or the \"only\" zones larger";
        faults.push(overall("nothing_left", message.into()));
    }
    faults
}

impl Zone {
    /// Whether `point` (shares of width and height) is inside, by the even-odd rule.
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        let mut inside = false;
        for ([from_x, from_y], [to_x, to_y]) in self.edges() {
            if (from_y > y) != (to_y > y) && x < from_x + (y - from_y) / (to_y - from_y) * (to_x - from_x) {
                inside = !inside;
            }
        }
        inside
    }

    /// The edges from corner to corner, and from the last corner to the first.
    fn edges(&self) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + '_ {
        self.points.iter().copied().zip(self.points.iter().copied().cycle().skip(1))
    }

    /// Area as a share of the picture (the shoelace formula).
    fn area(&self) -> f64 {
        self.edges().map(|(from, to)| from[0] * to[1] - to[0] * from[1]).sum::<f64>().abs() / 2.0
    }

    /// Reason code and message of the first fault.
    fn fault(&self) -> Option<(&'static str, String)> {
        let name = &self.name;
        if !(3..=MAX_POINTS).contains(&self.points.len()) {
            let count = self.points.len();
            let message =
                format!("of zone {name:?} has {count} corners, but must have 3 to {MAX_POINTS} pairs [x, y]");
            return Some(("corners", message));
        }
        let is_outside = |point: &&[f64; 2]| point.iter().any(|share| !(0.0..=1.0).contains(share));
        if let Some([x, y]) = self.points.iter().find(is_outside) {
            let message = format!(
                "of zone {name:?}: [{x}, {y}] is outside the picture; give shares of its width and height, 0 to 1"
            );
            return Some(("outside", message));
        }
        if let Some((first, second)) = self.crossing() {
            let message = format!(
                "of zone {name:?}: the edges after corners {} and {} cross; give the corners in order",
                first + 1,
                second + 1
            );
            return Some(("crossing", message));
        }
        let area = self.area();
        let message = || format!("of zone {name:?} encloses only {area:.5} of the picture; draw it larger");
        (area < MIN_AREA).then(|| ("tiny", message()))
    }

    /// The first two edges that cross or touch and are not neighbours.
    fn crossing(&self) -> Option<(usize, usize)> {
        let edges: Vec<_> = self.edges().collect();
        let count = edges.len();
        (0..count).find_map(|first| {
            let others = (first + 2..count).filter(|second| (second + 1) % count != first);
            others
                .into_iter()
                .find(|&second| touch(edges[first], edges[second]))
                .map(|second| (first, second))
        })
    }
}

/// Whether two segments have a point in common.
fn touch((a, b): ([f64; 2], [f64; 2]), (c, d): ([f64; 2], [f64; 2])) -> bool {
    // Sign: side of the line through p and q on which r lies. 0: r is on the line.
    let side =
        |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    let between = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        (0..2).all(|axis| (p[axis].min(q[axis])..=p[axis].max(q[axis])).contains(&r[axis]))
    };
    let (of_c, of_d, of_a, of_b) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
    let opposite = |one: f64, other: f64| (one > 0.0 && other < 0.0) || (one < 0.0 && other > 0.0);
    (opposite(of_c, of_d) && opposite(of_a, of_b))
        || (of_c == 0.0 && between(a, b, c))
        || (of_d == 0.0 && between(a, b, d))
        || (of_a == 0.0 && between(c, d, a))
        || (of_b == 0.0 && between(c, d, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(kind: ZoneKind, points: &[[f64; 2]]) -> Zone {
        Zone { name: "test".into(), kind, points: points.to_vec() }
    }

    const LEFT_HALF: [[f64; 2]; 4] = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];

    #[test]
    fn ignore_zones_take_precedence_over_only_zones() {
        let only = zone(ZoneKind::Only, &LEFT_HALF);
        let poster = zone(ZoneKind::Ignore, &[[0.1, 0.1], [0.3, 0.1], [0.3, 0.3], [0.1, 0.3]]);
        assert!(admits(&[], [0.9, 0.5]) && admits(std::slice::from_ref(&poster), [0.9, 0.5]));
        let both = [only.clone(), poster];
        assert!(admits(&both, [0.4, 0.5]) && !admits(&both, [0.2, 0.2]) && !admits(&both, [0.6, 0.5]));
        assert!((admitted_share(&both) - 0.46).abs() < 1e-9);
        // A head in any one of several `only` zones is counted.
        let right = zone(ZoneKind::Only, &[[0.8, 0.0], [1.0, 0.0], [1.0, 1.0], [0.8, 1.0]]);
        assert!(admits(&[only.clone(), right.clone()], [0.9, 0.5]) && admits(&[right, only], [0.1, 0.5]));
    }

    #[test]
    fn a_notch_of_a_concave_zone_is_outside() {
        let hollow = zone(ZoneKind::Ignore, &[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.2], [0.0, 1.0]]);
        assert!(hollow.fault().is_none());
        assert!(hollow.contains([0.1, 0.5]) && hollow.contains([0.5, 0.1]) && !hollow.contains([0.5, 0.5]));
    }

    #[test]
    fn invalid_zones_are_refused() {
        let fault = |points: &[[f64; 2]]| zone(ZoneKind::Ignore, points).fault().unwrap_or_default().1;
        assert!(fault(&[[0.0, 0.0], [1.0, 1.0]]).contains("must have 3 to 32"));
        assert!(fault(&[[0.0, 0.0], [1.2, 0.0], [0.0, 1.0]]).contains("outside the picture"));
        assert!(fault(&[[0.0, 0.0], [f64::NAN, 0.0], [0.0, 1.0]]).contains("outside the picture"));
        assert!(fault(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]).contains("corners 1 and 3 cross"));
        assert!(fault(&[[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]).contains("encloses only"));
        assert_eq!(fault(&LEFT_HALF), "");
        let all = zone(ZoneKind::Ignore, &[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]);
        assert!(faults(&[all])[0].message.contains("leaves no area"));
    }

    #[test]
    fn zones_survive_a_round_trip_through_toml() {
        let mut poster = zone(ZoneKind::Ignore, &[[0.1, 0.12345], [0.3, 0.1], [0.3, 0.3]]);
        poster.name = "poster \"1\"\n[web] \u{e0}".into();
        let zones = [poster, zone(ZoneKind::Only, &LEFT_HALF)];
        let text = to_toml(&zones).unwrap();
        let read = crate::Config::parse(&text, "x.toml").unwrap().zone;
        assert_eq!(read.len(), 2);
        assert_eq!(
            (&read[0].name, read[0].kind, read[1].kind),
            (&zones[0].name, ZoneKind::Ignore, ZoneKind::Only)
        );
        assert_eq!(read[0].points[0], [0.1, 0.123]);
        assert_eq!(to_toml(&[]).unwrap(), "");
        let crossed = zone(ZoneKind::Only, &[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]);
        let fault = to_toml(&[zones[1].clone(), crossed]).unwrap_err();
        assert_eq!((fault.zone, fault.reason, fault.key.as_str()), (Some(1), "crossing", "zone.1.points"));
    }

    proptest! {
        /// Definition: a point inside a convex polygon is on the same side of all its edges.
        #[test]
        fn a_point_is_inside_when_it_lies_on_one_side_of_all_edges(
            corners in 3_usize..12, (x, y) in (0.0..1.0_f64, 0.0..1.0_f64), turn in 0.0..std::f64::consts::TAU, backwards in any::<bool>()
        ) {
            let corner = |index: usize| {
                let angle = turn + index as f64 / corners as f64 * std::f64::consts::TAU;
                [0.5 + 0.4 * angle.cos(), 0.5 + 0.3 * angle.sin()]
            };
            let mut points: Vec<_> = (0..corners).map(corner).collect();
            let inside = (0..corners).all(|index| {
                let (a, b) = (points[index], points[(index + 1) % corners]);
                (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) > 0.0
            });
            if backwards {
                points.reverse();
            }
            let polygon = zone(ZoneKind::Ignore, &points);
            prop_assert_eq!(polygon.contains([x, y]), inside);
            prop_assert!(polygon.fault().is_none());
        }

        #[test]
        fn any_polygon_is_checked_without_panic(points in proptest::collection::vec(any::<[f64; 2]>(), 0..40), at in any::<[f64; 2]>()) {
            let polygon = zone(ZoneKind::Only, &points);
            let _ = (polygon.contains(at), polygon.fault(), admits(std::slice::from_ref(&polygon), at));
        }
    }
}
