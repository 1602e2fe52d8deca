//! How often a code may be guessed: five times from one address, twenty times in all, then the offer is withdrawn.
//!
//! With a million codes twenty guesses find one in 50 000 offers, and each offer takes a hand at the device.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::cookie::Key;

/// From one address for one code.
const MOST_EACH: u32 = 5;
/// From all addresses for one code.
const MOST_TOGETHER: u32 = 20;

/// What became of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is the code.
    Right,
    /// It is not.
    Wrong,
    /// This address has guessed too often; it was not looked at.
    TooMany,
    /// It is not, and nobody may guess this code any more.
    Exhausted,
    /// No code is shown.
    NotOffered,
}

/// The wrong guesses at the code that is shown.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// The offer that they belong to.
    until: Option<Instant>,
    wrong: HashMap<IpAddr, u32>,
}

impl Attempts {
    /// A guess `from` somewhere at the `code` that is shown until `until`.
    pub(super) fn guess(
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
        if self.wrong.values().sum::<u32>() >= MOST_TOGETHER {
            return Guess::Exhausted;
        }
        if self.wrong.get(&from).is_some_and(|count| *count >= MOST_EACH) {
            return Guess::TooMany;
        }
        if key.alike(code.as_bytes(), typed.trim().as_bytes()) {
            return Guess::Right;
        }
        *self.wrong.entry(from).or_default() += 1;
        if self.wrong.values().sum::<u32>() >= MOST_TOGETHER { Guess::Exhausted } else { Guess::Wrong }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_thousand_wrong_codes_get_nobody_in_and_take_no_memory() {
        let (key, until) = (Key::of([7; 32]), Instant::now() + Duration::from_secs(120));
        let mut attempts = Attempts::default();
        let mut looked_at = 0;
        for number in 0..10_000u32 {
            let from = IpAddr::from([10, 0, (number % 250) as u8, (number / 250) as u8]);
            let guess = attempts.guess(&key, "481516", until, &format!("{number:06}"), from);
            assert_ne!(guess, Guess::Right);
            looked_at += u32::from(guess == Guess::Wrong);
        }
        assert!(looked_at < MOST_TOGETHER && attempts.wrong.len() <= MOST_TOGETHER as usize);
        // The right one comes too late.
        assert_eq!(attempts.guess(&key, "481516", until, "481516", [10, 1, 1, 1].into()), Guess::Exhausted);
    }

    #[test]
    fn one_address_has_five_guesses_and_another_still_gets_in() {
        let (key, until) = (Key::of([7; 32]), Instant::now());
        let mut attempts = Attempts::default();
        let guess = |attempts: &mut Attempts, typed: &str, host: u8| {
            attempts.guess(&key, "481516", until, typed, [10, 0, 0, host].into())
        };
        for _ in 0..MOST_EACH {
            assert_eq!(guess(&mut attempts, "000000", 1), Guess::Wrong);
        }
        assert_eq!(guess(&mut attempts, "481516", 1), Guess::TooMany);
        for wrong in ["", "48151", "4815160", "481516\0", "４８１５１６"] {
            assert_eq!(guess(&mut attempts, wrong, 2), Guess::Wrong, "{wrong}");
        }
        assert_eq!(guess(&mut attempts, " 481516 ", 3), Guess::Right);
    }

    #[test]
    fn a_new_code_begins_anew() {
        let (key, now) = (Key::of([7; 32]), Instant::now());
        let mut attempts = Attempts::default();
        for _ in 0..MOST_EACH {
            attempts.guess(&key, "481516", now, "000000", [10, 0, 0, 1].into());
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(attempts.guess(&key, "234200", later, "234200", [10, 0, 0, 1].into()), Guess::Right);
    }
}
