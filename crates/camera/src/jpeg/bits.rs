//! Bits and Huffman codes of the entropy-coded data of a scan (T.81 annexes C and F).
//!
//! The reader stops at the next marker and at the end of the data, and supplies zeros from there on. It counts them, so
//! that the caller can distinguish a value that was read from one that was made up.

/// Reasons why the next value cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No code of the table begins with these bits, or a value is out of range.
    Invalid,
    /// The data refer to a Huffman table that was not sent.
    NoTable,
}

/// Reads bits, the most significant first, and removes the zero byte after each FF.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Offset of the next byte.
    at: usize,
    /// The next bits, right-aligned.
    buffer: u64,
    /// Number of bits in `buffer`.
    length: u32,
    /// Number of zeros in `buffer` that are not in the data.
    surplus: u32,
    /// Whether zeros were returned that are not in the data.
    overrun: bool,
}

impl<'a> BitReader<'a> {
    /// Reads `data` from the offset `at`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, length: 0, surplus: 0, overrun: false }
    }

    /// Whether more bits were read than there are.
    pub(super) fn overrun(&self) -> bool {
        self.overrun
    }

    /// Offset from which the next marker can be searched.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next 16 bits, without consuming them.
    fn peek(&mut self) -> u32 {
        if self.length < 16 {
            self.refill();
        }
        (self.buffer >> (self.length - 16)) as u32 & 0xffff
    }

    fn refill(&mut self) {
        while self.length <= 48 {
            let byte = match self.data.get(self.at) {
                Some(0xff) if self.data.get(self.at + 1) == Some(&0) => {
                    self.at += 2;
                    0xff
                }
                Some(0xff) | None => {
                    self.surplus += 8;
                    0
                }
                Some(byte) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.length += 8;
        }
    }

    /// Consumes `count` bits that were peeked at, at most 16.
    fn consume(&mut self, count: u32) {
        self.length -= count;
        if self.length < self.surplus {
            self.overrun = true;
            self.surplus = self.length;
        }
    }

    /// The next `count` bits, at most 16.
    pub(super) fn bits(&mut self, count: u32) -> i32 {
        let value = self.peek() >> (16 - count);
        self.consume(count);
        value as i32
    }

    /// A value of `count` bits, at most 16, whose first bit is its sign (T.81 figure F.12).
    pub(super) fn signed(&mut self, count: u32) -> i32 {
        if count == 0 {
            return 0;
        }
        let value = self.bits(count);
        if value < 1 << (count - 1) { value - (1 << count) + 1 } else { value }
    }

    /// The symbol of the next code.
    pub(super) fn symbol(&mut self, table: Option<&HuffmanTable>) -> Result<u8, Fault> {
        let table = table.ok_or(Fault::NoTable)?;
        let next = self.peek();
        let (length, symbol) = table.find(next).ok_or(Fault::Invalid)?;
        self.consume(length);
        Ok(symbol)
    }
}

/// Number of bits that the lookup table decodes at once. Longer codes are rare.
const LOOKUP_BITS: u32 = 9;

/// A Huffman table, for decoding.
#[derive(Clone)]
pub(super) struct HuffmanTable {
    /// Length and symbol of the code with which these bits begin; length 0: it is longer.
    lookup: Box<[(u8, u8); 1 << LOOKUP_BITS]>,
    /// For each length: the first 16-bit value that is beyond the codes of this length.
    limits: [u32; 17],
    /// For each length: index of a symbol is the code plus this.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// The table with `counts[n]` codes of `n + 1` bits. `None` if the counts are inconsistent.
    pub(super) fn new(counts: [u8; 16], symbols: &[u8]) -> Option<Self> {
        let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
        let symbols = symbols.get(..total).filter(|_| total <= 256)?.to_vec();
        let mut table =
            Self { lookup: Box::new([(0, 0); 1 << LOOKUP_BITS]), limits: [0; 17], offsets: [0; 17], symbols };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.offsets[length as usize] = index as i32 - code as i32;
            for code in code..code + count {
                if length <= LOOKUP_BITS {
                    let first = (code << (LOOKUP_BITS - length)) as usize;
                    let entries = table.lookup.get_mut(first..first + (1 << (LOOKUP_BITS - length)))?;
                    entries.fill((length as u8, table.symbols[index]));
                }
                index += 1;
            }
            code += count;
            if code > 1 << length {
                return None;
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Length and symbol of the code with which these 16 bits begin.
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, symbol) = self.lookup[(bits >> (16 - LOOKUP_BITS)) as usize];
        if length > 0 {
            return Some((length.into(), symbol));
        }
        let length = (LOOKUP_BITS + 1..=16).find(|length| bits < self.limits[*length as usize])?;
        let index = (bits >> (16 - length)) as i32 + self.offsets[length as usize];
        Some((length, *self.symbols.get(usize::try_from(index).ok()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_zeros_are_removed_and_bits_beyond_a_marker_are_reported() {
        let mut bits = BitReader::new(&[0xff, 0x00, 0xa0, 0xff, 0xd9], 0);
        assert_eq!((bits.bits(8), bits.bits(4), bits.signed(3)), (0xff, 0xa, -7));
        assert!(!bits.overrun());
        assert_eq!((bits.bits(1), bits.overrun()), (0, false), "the last bit");
        assert_eq!((bits.bits(1), bits.overrun()), (0, true));
        assert_eq!(bits.position(), 3);
    }

    #[test]
    fn codes_of_all_lengths_are_found_and_others_are_invalid() {
        // 0, 10, 110, … 16 bits: one code of each length.
        let table = HuffmanTable::new([1; 16], &(1..=16).collect::<Vec<u8>>()).unwrap();
        for length in 1..=16_u32 {
            let code = (0xffff << (17 - length)) & 0xffff;
            assert_eq!(table.find(code), Some((length, length as u8)));
        }
        assert_eq!(table.find(0xffff), None);
        assert!(HuffmanTable::new([3; 16], &[0; 48]).is_none(), "three codes of one bit");
        assert!(HuffmanTable::new([1; 16], &[0; 3]).is_none(), "symbols are missing");
    }
}
