//! Sequence numbers that are never used twice, even after a power cut or a disk failure.
//!
//! Before a number is used, its block is recorded on the disk as used. If the disk cannot record it in time, the
//! spool takes a new random name and counts from 1: name and number together are unique.

/// SequenceNumbers reserved with one write: enough for an hour of lessons. A power cut may skip as many.
pub(super) const BLOCK: u64 = 64;

/// Allocates numbers.
#[derive(Debug)]
pub(super) struct SequenceNumbers {
    id: String,
    next: u64,
    /// The last number that may be used; `None`: the name is in memory only.
    reserved: Option<u64>,
}

impl SequenceNumbers {
    /// A new name that is in memory only.
    pub(super) fn unlimited() -> Self {
        Self { id: new_id(), next: 1, reserved: None }
    }

    /// Continues with the name `id` at `next`; the disk records the numbers up to `reserved` as used.
    pub(super) fn reserved(id: String, next: u64, reserved: u64) -> Self {
        Self { id, next, reserved: Some(reserved) }
    }

    /// Allocates the next number; returns it with its name.
    pub(super) fn take(&mut self) -> (&str, u64) {
        if self.reserved.is_some_and(|reserved| self.next > reserved) {
            *self = Self::unlimited();
        }
        let number = self.next;
        self.next += 1;
        (&self.id, number)
    }

    /// The number used last; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    /// Whether more should be reserved soon.
    pub(super) fn runs_short(&self) -> bool {
        self.reserved.is_none_or(|reserved| reserved + 1 < self.next + BLOCK / 2)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The last number that the disk should record as used, so that more numbers are available.
    pub(super) fn wanted(&self) -> u64 {
        self.last() + BLOCK
    }

    /// The disk has recorded the numbers of `id` up to `reserved` as used.
    pub(super) fn are_reserved(&mut self, id: &str, reserved: u64) {
        if self.id == id {
            self.reserved = Some(reserved);
        }
    }
}

/// Eight random hexadecimal digits.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        // Only before the kernel has entropy; time and hash keys are random enough for a name.
        use std::hash::{BuildHasher, RandomState};
        let bits = RandomState::new().hash_one(std::time::SystemTime::now());
        bytes = (bits as u32).to_le_bytes();
    }
    moodring_runtime::hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_reserved_is_used_under_a_new_name() {
        let mut numbers = SequenceNumbers::reserved("00000001".into(), 10, 11);
        assert_eq!(numbers.take(), ("00000001", 10));
        assert!(numbers.runs_short());
        assert_eq!(numbers.take(), ("00000001", 11));
        let (id, number) = numbers.take();
        assert!(id != "00000001" && id.len() == 8 && number == 1, "{id}");
        numbers.are_reserved("00000001", 100);
        assert!(numbers.runs_short(), "a reservation for the old name is ignored");
        let id = numbers.id().to_owned();
        numbers.are_reserved(&id, numbers.wanted());
        assert!(!numbers.runs_short());
        assert_eq!((numbers.take().1, numbers.last()), (2, 2));
    }
}
