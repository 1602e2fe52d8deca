//! Sequence numbers that are never given twice, whatever happens to the disk or to the power.
//!
//! Before a number is given, a block that holds it stands on the disk as given. Where the disk cannot say so in time,
//! the spool takes a new random name and counts from 1: name and number together are what must be unique.

/// Numbers reserved with one write: an hour of a lesson. So many may be skipped by a power cut.
pub(super) const BLOCK: u64 = 64;

/// Gives numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    id: String,
    next: u64,
    /// The last number that may be given; `None`: this name is in memory only.
    reserved: Option<u64>,
}

impl Numbers {
    /// A new name that no disk knows.
    pub(super) fn unlimited() -> Self {
        Self { id: new_id(), next: 1, reserved: None }
    }

    /// Goes on with the name `id` at `next`; numbers up to `reserved` stand on the disk as given.
    pub(super) fn reserved(id: String, next: u64, reserved: u64) -> Self {
        Self { id, next, reserved: Some(reserved) }
    }

    /// The next number, and the name it belongs to.
    pub(super) fn take(&mut self) -> (&str, u64) {
        if self.reserved.is_some_and(|reserved| self.next > reserved) {
            *self = Self::unlimited();
        }
        let number = self.next;
        self.next += 1;
        (&self.id, number)
    }

    /// The number that was given last; 0 before the first.
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

    /// What the disk should say is given, so that some numbers can be.
    pub(super) fn wanted(&self) -> u64 {
        self.last() + BLOCK
    }

    /// The disk says that the numbers of `id` are given up to `reserved`.
    pub(super) fn are_reserved(&mut self, id: &str, reserved: u64) {
        if self.id == id {
            self.reserved = Some(reserved);
        }
    }
}

/// Eight hexadecimal digits at random.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        // Only before a kernel has gathered any entropy; time and address space are random enough for a name.
        use std::hash::{BuildHasher, RandomState};
        let bits = RandomState::new().hash_one(std::time::SystemTime::now());
        bytes = (bits as u32).to_le_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_reserved_is_given_under_another_name() {
        let mut numbers = Numbers::reserved("00000001".into(), 10, 11);
        assert_eq!(numbers.take(), ("00000001", 10));
        assert!(numbers.runs_short());
        assert_eq!(numbers.take(), ("00000001", 11));
        let (id, number) = numbers.take();
        assert!(id != "00000001" && id.len() == 8 && number == 1, "{id}");
        numbers.are_reserved("00000001", 100);
        assert!(numbers.runs_short(), "what belongs to the old name is of no use");
        let id = numbers.id().to_owned();
        numbers.are_reserved(&id, numbers.wanted());
        assert!(!numbers.runs_short());
        assert_eq!((numbers.take().1, numbers.last()), (2, 2));
    }
}
