use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// The file names the command that generated it.
const QUAPY: &str = include_str!("../../../../tests/golden/quapy.json");

#[derive(Deserialize)]
struct Golden {
    card: Quantification,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    posteriors: Vec<Seven>,
    emq: Seven,
    pacc: Seven,
}

fn farthest(a: &Seven, b: &Seven) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn em_and_pacc_agree_with_quapy() {
    let golden: Golden = serde_json::from_str(QUAPY).unwrap();
    for case in &golden.cases {
        let em = reference::em(&case.posteriors, &golden.card.prior);
        assert!(farthest(&em, &case.emq) < 1e-3, "EMQ: {em:?} is not {:?}", case.emq);
        let pacc = reference::pacc(&case.posteriors, &golden.card.confusion);
        assert!(farthest(&pacc, &case.pacc) < 1e-3, "PACC: {pacc:?} is not {:?}", case.pacc);
    }
    assert!(golden.cases.len() >= 4);
}

fn certain(index: usize) -> Expressions {
    Expressions(std::array::from_fn(|other| f32::from(u8::from(other == index))))
}

/// A class of 30, half sad and half neutral, read by a network with a prior of 10 % sad faces. The network classifies
/// 60 % of the sad and 4 % of the neutral faces as sad: 10 of 30.
fn half_sad() -> (Vec<Expressions>, Quantification) {
    let sad_rate = 0.1 * 0.6 + 0.9 * 0.04;
    let reading = |sad: f64| Expressions([0.0, 0.0, 0.0, 0.0, sad as f32, 0.0, 1.0 - sad as f32]);
    let (sad, neutral) = (reading(0.1 * 0.6 / sad_rate), reading(0.1 * 0.4 / (1.0 - sad_rate)));
    let beliefs = (0..30).map(|person| if person < 10 { sad } else { neutral }).collect();
    let prior = [0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.9];
    (beliefs, Quantification { prior, ..Quantification::default() })
}

#[test]
fn estimate_corrects_for_systematic_confusions() {
    let (beliefs, quantification) = half_sad();
    let people: Vec<Seven> = beliefs.iter().map(probabilities).collect();
    let counted = reference::classify_and_count(&people)[4];
    let estimate = estimate(&beliefs, 0, &quantification);
    assert!((counted - 1.0 / 3.0).abs() < 1e-9);
    assert!((0.43..0.57).contains(&estimate.shares[4]), "{:?}", estimate.shares);
    let share = estimate.share(4);
    assert!(share.low < 0.5 && 0.5 < share.high, "{share:?}");
}

#[test]
fn certain_readings_are_counted() {
    let beliefs: Vec<_> = (0..30).map(|i| certain(if i < 10 { 3 } else { 6 })).collect();
    let estimate = estimate(&beliefs, 0, &Quantification::default());
    assert!((estimate.shares[3] - 1.0 / 3.0).abs() < 0.01, "{:?}", estimate.shares);
    assert!(estimate.share(3).high - estimate.share(3).low < 0.1, "{:?}", estimate.share(3));
}

#[test]
fn unread_people_widen_the_interval_and_keep_the_share() {
    let beliefs: Vec<_> = (0..20).map(|i| certain(if i < 10 { 3 } else { 6 })).collect();
    let width = |unread| {
        let share = estimate(&beliefs, unread, &Quantification::default()).share(3);
        assert!((share.share - 0.5).abs() < 0.05, "{share:?}");
        share.high - share.low
    };
    assert!(width(0) < width(5) && width(5) < width(20));
}

#[test]
fn without_readings_the_prior_is_returned_with_a_wide_interval() {
    let quantification = Quantification::default();
    for unread in [0, 30] {
        let share = estimate(&[], unread, &quantification).share(3);
        assert!((share.share - 1.0 / 7.0).abs() < 1e-6 && share.high > 0.3, "{share:?}");
    }
}

#[test]
fn mean_of_returns_mean_and_deviation() {
    let (beliefs, quantification) = half_sad();
    let estimate = estimate(&beliefs, 0, &quantification);
    let (everybody, none) = estimate.mean_of(&[1.0; 7]);
    assert!((everybody - 1.0).abs() < 1e-9 && none < 1e-6, "the sum of all shares has no error");
    let (sad, deviation) = estimate.mean_of(&std::array::from_fn(|i| f64::from(u8::from(i == 4))));
    assert!((sad - estimate.shares[4]).abs() < 1e-12);
    assert!((deviation * deviation - estimate.covariance[4][4]).abs() < 1e-12);
}

fn beliefs(max: usize) -> impl Strategy<Value = Vec<Expressions>> {
    let belief = prop::array::uniform7(prop_oneof![0.0..1.0_f32, Just(0.0), Just(1.0), Just(f32::NAN)]);
    proptest::collection::vec(belief.prop_map(Expressions), 0..max)
}

proptest! {
    #[test]
    fn any_beliefs_give_valid_shares_and_intervals(
        beliefs in beliefs(60), unread in 0_usize..60, raw in prop::array::uniform7(0.0..1.0_f64)
    ) {
        let quantification = Quantification { prior: normalized(raw), ..Quantification::default() };
        let estimate = estimate(&beliefs, unread, &quantification);
        prop_assert!((estimate.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        for index in 0..7 {
            let Share { share, low, high } = estimate.share(index);
            prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0, "{:?}", estimate);
        }
    }

    #[test]
    fn order_of_people_does_not_matter(mut beliefs in beliefs(40), shift in 0_usize..40) {
        let quantification = Quantification { prior: [0.09, 0.01, 0.03, 0.29, 0.13, 0.1, 0.35], ..Quantification::default() };
        let before = estimate(&beliefs, 3, &quantification).shares;
        let by = shift % beliefs.len().max(1);
        beliefs.rotate_left(by);
        prop_assert!(farthest(&before, &estimate(&beliefs, 3, &quantification).shares) < 1e-3);
    }

    #[test]
    fn nearest_shares_are_valid_and_nearer_than_other_shares(
        point in prop::array::uniform7(-2.0..2.0_f64), other in prop::array::uniform7(0.0..1.0_f64)
    ) {
        let nearest = linear::nearest_shares(&point);
        prop_assert!((nearest.iter().sum::<f64>() - 1.0).abs() < 1e-9 && nearest.iter().all(|share| *share >= 0.0));
        let distance = |shares: &Seven| (0..7).map(|i| (shares[i] - point[i]).powi(2)).sum::<f64>();
        prop_assert!(distance(&nearest) <= distance(&normalized(other)) + 1e-9);
    }

    #[test]
    fn wilson_interval_contains_its_share(share in 0.0..=1.0_f64, people in 1_u32..200) {
        let Share { share, low, high } = wilson(share, people);
        prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0);
    }
}
