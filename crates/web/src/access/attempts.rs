//! Limits wrong pairing codes, so that the wrong codes of one address do not use up the offer of another.
//!
//! The first code of each address is always checked. Further codes of an address have a limit of their own and one that
//! all addresses share. With a million codes, the at most 80 guesses succeed in one of 12 500 offers, and each offer takes
//! a press of the device's button.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::cookie::Key;

/// Maximum number of wrong codes from one address per offer.
const MAX_PER_ADDRESS: u32 = 5;
/// Maximum number of wrong codes per offer that are not the first of their address.
const MAX_REPEATED: u32 = 16;
/// Maximum number of addresses with wrong codes per offer.
const MAX_ADDRESSES: usize = 64;

/// Result of a typed code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is the code.
    Right,
    /// It is not.
    Wrong,
    /// Too many wrong codes came from this address, or from those that send several; the code was not checked.
    TooMany,
    /// Wrong codes came from too many addresses; no further code is checked for this offer.
    Exhausted,
    /// Pairing is not offered.
    NotOffered,
}

/// Wrong codes for the current offer.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// End of the offer that they belong to, which identifies the offer.
    until: Option<Instant>,
    wrong: HashMap<IpAddr, u32>,
}

impl Attempts {
    /// Checks the code `typed` at the address `from` against `code`, which is offered until `until`.
    pub(super) fn check(
        &mut self,
        key: &Key,
        code: &str,
        until: Instant,
        typed: &str,
        from: IpAddr,
    ) -> Guess {
        if self.until != Some(until) {
            *self = Self { until: Some(until), wrong: HashMap::new() };
        }
        if self.wrong.len() >= MAX_ADDRESSES {
            return Guess::Exhausted;
        }
        let repeated: u32 = self.wrong.values().map(|count| count.saturating_sub(1)).sum();
        if self.wrong.get(&from).is_some_and(|count| *count >= MAX_PER_ADDRESS || repeated >= MAX_REPEATED) {
            return Guess::TooMany;
        }
        if key.is_equal(code.as_bytes(), typed.trim().as_bytes()) {
            return Guess::Right;
        }
        *self.wrong.entry(from).or_default() += 1;
        if self.wrong.len() >= MAX_ADDRESSES { Guess::Exhausted } else { Guess::Wrong }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_thousand_wrong_codes_pair_no_phone_and_take_no_memory() {
        let (key, until) = (Key::of([7; 32]), Instant::now() + Duration::from_secs(120));
        let mut attempts = Attempts::default();
        let mut checked = 0;
        for number in 0..10_000u32 {
            let from = IpAddr::from([10, 0, (number % 250) as u8, (number / 250) as u8]);
            let result = attempts.check(&key, "481516", until, &format!("{number:06}"), from);
            assert_ne!(result, Guess::Right);
            checked += u32::from(result == Guess::Wrong);
        }
        assert!(checked < 80 && attempts.wrong.len() <= MAX_ADDRESSES, "{checked}");
        // Now the right code is refused too.
        assert_eq!(attempts.check(&key, "481516", until, "481516", [10, 1, 1, 1].into()), Guess::Exhausted);
    }

    #[test]
    fn one_address_may_send_five_wrong_codes_and_another_still_pairs() {
        let (key, until) = (Key::of([7; 32]), Instant::now());
        let mut attempts = Attempts::default();
        let check = |attempts: &mut Attempts, typed: &str, host: u8| {
            attempts.check(&key, "481516", until, typed, [10, 0, 0, host].into())
        };
        for _ in 0..MAX_PER_ADDRESS {
            assert_eq!(check(&mut attempts, "000000", 1), Guess::Wrong);
        }
        assert_eq!(check(&mut attempts, "481516", 1), Guess::TooMany);
        for wrong in ["", "48151", "4815160", "481516\0", "４８１５１６"] {
            assert_eq!(check(&mut attempts, wrong, 2), Guess::Wrong, "{wrong}");
        }
        assert_eq!(check(&mut attempts, " 481516 ", 3), Guess::Right);
    }

    #[test]
    fn wrong_codes_of_others_do_not_refuse_the_right_one() {
        let (key, until) = (Key::of([7; 32]), Instant::now());
        let mut attempts = Attempts::default();
        let mut check =
            |typed: &str, host: u8| attempts.check(&key, "481516", until, typed, [10, 0, 0, host].into());
        // Ten machines send all that they may, and more.
        for round in 0..100 {
            for host in 1..=10 {
                let result = check("000000", host);
                assert_eq!(result == Guess::Wrong, round < 2 || (round == 2 && host <= 6), "{round} {host}");
                assert_ne!(result, Guess::Exhausted);
            }
        }
        assert_eq!(check("481516", 1), Guess::TooMany);
        assert_eq!(check("481516", 11), Guess::Right);
    }

    #[test]
    fn a_new_offer_resets_the_limits() {
        let (key, now) = (Key::of([7; 32]), Instant::now());
        let mut attempts = Attempts::default();
        for _ in 0..MAX_PER_ADDRESS {
            attempts.check(&key, "481516", now, "000000", [10, 0, 0, 1].into());
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(attempts.check(&key, "234200", later, "234200", [10, 0, 0, 1].into()), Guess::Right);
    }
}
