//! Decodes the scans of a picture: `entropy-coded data ──▶ coefficients of blocks` (T.81 annexes F and G).
//!
//! Each block must begin within the data. So a picture whose data end early is found out, with or without an end marker.

use super::bits::{BitReader, Fault};
use super::header::{Component, FrameHeader};
use super::tables::{Tables, ZIGZAG};
use super::{JpegError, next_marker};

/// Coefficients of a block, line by line.
pub(super) type Block = [i16; 64];

/// One component of a scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanComponent {
    /// Its index in the frame header.
    pub(super) index: usize,
    dc_table: usize,
    ac_table: usize,
}

/// The header of a scan (T.81 section B.2.3).
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient, in the order of transmission.
    first: usize,
    last: usize,
    /// Bits of the coefficients that earlier scans have sent down to; 0: this is the first scan.
    high: u32,
    /// Bits that later scans send.
    low: u32,
}

impl Scan {
    /// Reads the header in `segment`, which begins with its length.
    pub(super) fn parse(segment: &[u8], frame: &FrameHeader) -> Result<Self, JpegError> {
        let invalid = || JpegError::Damaged("a scan header is invalid".into());
        let [_, _, count, rest @ ..] = segment else { return Err(invalid()) };
        let count = usize::from(*count);
        let (listed, rest) = rest.split_at_checked(2 * count).ok_or_else(invalid)?;
        let [first, last, bits, ..] = rest else { return Err(invalid()) };
        let mut components: Vec<ScanComponent> = Vec::new();
        for entry in listed.chunks_exact(2) {
            let index = frame.components.iter().position(|component| component.id == entry[0]);
            let index = index.ok_or_else(invalid)?;
            let (dc_table, ac_table) = (usize::from(entry[1] >> 4 & 3), usize::from(entry[1] & 3));
            if components.iter().any(|component| component.index == index) {
                return Err(invalid());
            }
            components.push(ScanComponent { index, dc_table, ac_table });
        }
        let (first, last) =
            if frame.progressive { (usize::from(*first), usize::from(*last)) } else { (0, 63) };
        let (high, low) =
            if frame.progressive { (u32::from(bits >> 4), u32::from(bits & 15)) } else { (0, 0) };
        let mixed = frame.progressive && first == 0 && last != 0;
        let wide = first > 0 && components.len() != 1;
        let refines_wrongly = high > 0 && high != low + 1;
        if components.is_empty() || mixed || wide || refines_wrongly || last > 63 || first > last || low > 13
        {
            return Err(invalid());
        }
        Ok(Self { components, first, last, high, low })
    }
}

/// Receives the blocks of a scan.
pub(super) trait Blocks {
    /// The block of a component in column `x` and line `y` of its blocks, for the decoder to change.
    fn block(&mut self, component: usize, x: usize, y: usize) -> &mut Block;

    /// The last block is complete.
    fn done(&mut self, component: usize, x: usize, y: usize);
}

/// Decodes one scan.
pub(super) struct ScanDecoder<'a> {
    frame: &'a FrameHeader,
    tables: &'a Tables,
    scan: &'a Scan,
    data: &'a [u8],
    bits: BitReader<'a>,
    /// Previous DC value of each component of the frame.
    predictions: [i32; 4],
    /// Blocks that follow without a further coefficient in this band (progressive).
    end_of_band_run: u32,
}

impl<'a> ScanDecoder<'a> {
    /// The decoder of `scan`, whose data begin at the offset `at`.
    pub(super) fn new(
        frame: &'a FrameHeader,
        tables: &'a Tables,
        scan: &'a Scan,
        data: &'a [u8],
        at: usize,
    ) -> Self {
        let bits = BitReader::new(data, at);
        Self { frame, tables, scan, data, bits, predictions: [0; 4], end_of_band_run: 0 }
    }

    /// Decodes all units of the scan into `blocks`. Returns the offset from which the next marker can be searched.
    ///
    /// # Errors
    /// [`JpegError::Cut`] if the data end before the last unit begins, `Damaged` if they are invalid.
    pub(super) fn run(mut self, blocks: &mut impl Blocks) -> Result<usize, JpegError> {
        let single = match self.scan.components.as_slice() {
            [only] => Some(only.index),
            _ => None,
        };
        // With one component a unit is a block, and blocks that are only padding are not sent (T.81 section A.2.2).
        let (across, down) = match single {
            Some(index) => self.frame.components[index].blocks,
            None => self.frame.units,
        };
        let mut expected_restart = 0;
        for unit in 0..across * down {
            let interval = self.tables.restart_interval;
            if interval > 0 && unit > 0 && unit % interval == 0 {
                self.restart(expected_restart, unit / across, down)?;
                expected_restart = (expected_restart + 1) % 8;
            }
            let (x, y) = (unit % across, unit / across);
            let decoded = match single {
                Some(index) => self.block(blocks, 0, index, x, y),
                None => self.unit(blocks, x, y),
            };
            // Some encoders do not fill the last byte, so the last unit may be short by bits.
            if self.bits.overrun() {
                if unit + 1 < across * down {
                    return Err(self.cut(y, down));
                }
            } else if let Err(fault) = decoded {
                return Err(JpegError::Damaged(match fault {
                    Fault::Invalid => format!("invalid data in line {}", self.line(y, down)),
                    Fault::NoTable => "a Huffman table is missing".into(),
                }));
            }
        }
        Ok(self.bits.position())
    }

    /// The first line of the picture in line `y` of `down` lines of units.
    fn line(&self, y: usize, down: usize) -> usize {
        y * self.frame.size.height as usize / down.max(1)
    }

    fn cut(&self, y: usize, down: usize) -> JpegError {
        JpegError::Cut { lines: self.line(y, down) as u32, height: self.frame.size.height }
    }

    /// Continues after the restart marker with the number `expected`. Another number shows that data are lost.
    fn restart(&mut self, expected: u8, y: usize, down: usize) -> Result<(), JpegError> {
        match next_marker(self.data, self.bits.position()) {
            Some((marker, at)) if marker == 0xd0 + expected => {
                self.bits = BitReader::new(self.data, at + 2);
                self.predictions = [0; 4];
                self.end_of_band_run = 0;
                Ok(())
            }
            Some((0xd0..=0xd7, _)) => {
                let line = self.line(y, down);
                Err(JpegError::Damaged(format!(
                    "data are missing in line {line}: a restart marker is absent"
                )))
            }
            _ => Err(self.cut(y, down)),
        }
    }

    /// Decodes a unit of several components.
    fn unit(&mut self, blocks: &mut impl Blocks, x: usize, y: usize) -> Result<(), Fault> {
        for place in 0..self.scan.components.len() {
            let index = self.scan.components[place].index;
            let Component { across, down, .. } = self.frame.components[index];
            for (down_at, across_at) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                self.block(blocks, place, index, x * across + across_at, y * down + down_at)?;
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        blocks: &mut impl Blocks,
        place: usize,
        index: usize,
        x: usize,
        y: usize,
    ) -> Result<(), Fault> {
        let block = blocks.block(index, x, y);
        let component = self.scan.components[place];
        if !self.frame.progressive {
            self.whole_block(component, block)?;
        } else {
            match (self.scan.first, self.scan.high) {
                (0, 0) => block[0] = (self.dc(component)? << self.scan.low) as i16,
                (0, _) => block[0] |= (self.bits.bits(1) << self.scan.low) as i16,
                (_, 0) => self.first_band(component, block)?,
                _ => self.refine_band(component, block)?,
            }
        }
        blocks.done(index, x, y);
        Ok(())
    }

    /// The next DC value: the previous one of the component plus a difference.
    fn dc(&mut self, component: ScanComponent) -> Result<i32, Fault> {
        let length = self.bits.symbol(self.tables.dc[component.dc_table].as_ref())?;
        if length > 16 {
            return Err(Fault::Invalid);
        }
        let prediction = &mut self.predictions[component.index];
        *prediction = prediction.wrapping_add(self.bits.signed(length.into()));
        Ok(*prediction)
    }

    fn whole_block(&mut self, component: ScanComponent, block: &mut Block) -> Result<(), Fault> {
        block[0] = self.dc(component)? as i16;
        let table = self.tables.ac[component.ac_table].as_ref();
        let mut at = 1;
        while at < 64 {
            let symbol = self.bits.symbol(table)?;
            let (run, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, length) {
                (15, 0) => at += 16,
                (_, 0) => break,
                _ => {
                    at += run;
                    let place = *ZIGZAG.get(at).ok_or(Fault::Invalid)?;
                    block[usize::from(place)] = self.bits.signed(length) as i16;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// The high bits of a band of coefficients.
    fn first_band(&mut self, component: ScanComponent, block: &mut Block) -> Result<(), Fault> {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return Ok(());
        }
        let table = self.tables.ac[component.ac_table].as_ref();
        let mut at = self.scan.first;
        while at <= self.scan.last {
            let symbol = self.bits.symbol(table)?;
            let (run, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, length) {
                (15, 0) => at += 16,
                (_, 0) => {
                    self.end_of_band_run = (1 << run) - 1 + self.bits.bits(run as u32) as u32;
                    break;
                }
                _ => {
                    at += run;
                    let place = *ZIGZAG.get(at).ok_or(Fault::Invalid)?;
                    block[usize::from(place)] = (self.bits.signed(length) << self.scan.low) as i16;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of each coefficient of a band, and new coefficients (T.81 section G.1.2.3).
    fn refine_band(&mut self, component: ScanComponent, block: &mut Block) -> Result<(), Fault> {
        let bit = 1_i16 << self.scan.low;
        let mut at = self.scan.first;
        if self.end_of_band_run == 0 {
            let table = self.tables.ac[component.ac_table].as_ref();
            while at <= self.scan.last {
                let symbol = self.bits.symbol(table)?;
                let (mut run, length) = (u32::from(symbol >> 4), symbol & 15);
                let new = match length {
                    0 if run < 15 => {
                        self.end_of_band_run = (1 << run) + self.bits.bits(run) as u32;
                        break;
                    }
                    0 => 0,
                    1 if self.bits.bits(1) == 1 => bit,
                    1 => -bit,
                    _ => return Err(Fault::Invalid),
                };
                // The run counts coefficients that are zero; the others on the way get one bit each.
                while at <= self.scan.last {
                    let coefficient = &mut block[usize::from(ZIGZAG[at])];
                    at += 1;
                    if *coefficient != 0 {
                        refine(&mut self.bits, coefficient, bit);
                    } else if run == 0 {
                        *coefficient = new;
                        break;
                    } else {
                        run -= 1;
                    }
                }
            }
        }
        if self.end_of_band_run > 0 {
            for place in ZIGZAG.iter().take(self.scan.last + 1).skip(at) {
                let coefficient = &mut block[usize::from(*place)];
                if *coefficient != 0 {
                    refine(&mut self.bits, coefficient, bit);
                }
            }
            self.end_of_band_run -= 1;
        }
        Ok(())
    }
}

/// Reads one more bit of a coefficient that is not zero.
fn refine(bits: &mut BitReader<'_>, coefficient: &mut i16, bit: i16) {
    if bits.bits(1) == 1 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
    }
}

/// Which bits of the coefficients of a component have been received.
#[derive(Clone)]
pub(super) struct Coverage([Option<u32>; 64]);

impl Default for Coverage {
    fn default() -> Self {
        Self([None; 64])
    }
}

impl Coverage {
    /// Records a scan of this component.
    ///
    /// # Errors
    /// The scan refines bits that were not sent before.
    pub(super) fn add(&mut self, scan: &Scan) -> Result<(), JpegError> {
        for low in &mut self.0[scan.first..=scan.last] {
            if scan.high > 0 && *low != Some(scan.high) {
                return Err(JpegError::Damaged("a scan is missing".into()));
            }
            *low = Some(scan.low);
        }
        Ok(())
    }

    /// Whether all bits were received.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(|low| *low == Some(0))
    }
}
