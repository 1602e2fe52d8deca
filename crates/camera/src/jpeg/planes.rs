//! From the blocks of a scan to luma: at once where one component is the luma, otherwise from stored coefficients.

use super::header::{Colour, Component, FrameHeader, Quantization};
use super::scan::{Block, Blocks, Coverage, Scan};
use super::{JpegError, MAX_PIXELS, idct};

/// Largest size of stored coefficients and samples: two bytes for each pixel of the largest picture, and its padding.
const MAX_STORED_BYTES: usize = 2 * MAX_PIXELS + 8_000_000;

/// The luma of a colour as JPEG defines it (JFIF 1.02: ITU-R BT.601, full range), in 16-bit fixed point, rounded.
pub(crate) fn luma_of_rgb([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768) >> 16) as u8
}

/// Writes the blocks of component 0 to the luma as they arrive.
pub(super) struct Direct<'a> {
    quantization: Quantization,
    scratch: Block,
    plane: Plane<&'a mut [u8]>,
}

impl<'a> Direct<'a> {
    pub(super) fn new(
        frame: &FrameHeader,
        quantization: &[Option<Quantization>; 4],
        luma: &'a mut [u8],
    ) -> Result<Self, JpegError> {
        let quantization = table(quantization, &frame.components[0])?;
        let plane =
            Plane { width: frame.size.width as usize, height: frame.size.height as usize, samples: luma };
        Ok(Self { quantization, scratch: [0; 64], plane })
    }
}

impl Blocks for Direct<'_> {
    fn block(&mut self, _component: usize, _x: usize, _y: usize) -> &mut Block {
        self.scratch = [0; 64];
        &mut self.scratch
    }

    fn done(&mut self, component: usize, x: usize, y: usize) {
        if component == 0 {
            self.plane.write(&self.scratch, &self.quantization, x, y);
        }
    }
}

/// Keeps the coefficients of the components that make the luma, until all scans are decoded.
pub(super) struct Stored {
    colour: Colour,
    /// One for each component of the frame; those that are not needed share a scratch block.
    components: Vec<StoredComponent>,
    scratch: Block,
}

#[derive(Default)]
struct StoredComponent {
    /// Empty if the component is not needed.
    blocks: Vec<Block>,
    /// Number of blocks in a line.
    stride: usize,
    quantization: Option<Quantization>,
    coverage: Coverage,
}

impl Stored {
    pub(super) fn new(frame: &FrameHeader, colour: Colour) -> Result<Self, JpegError> {
        let needed = |index: usize| colour.needed().contains(&index);
        let padded =
            |component: &Component| (frame.units.0 * component.across, frame.units.1 * component.down);
        let blocks = |(index, component): (usize, &Component)| {
            if needed(index) { padded(component).0 * padded(component).1 } else { 0 }
        };
        // Two bytes for each coefficient, one for each sample.
        let bytes: usize = frame.components.iter().enumerate().map(blocks).sum::<usize>() * 64 * 2;
        let samples = if colour == Colour::Luma { 0 } else { bytes / 2 };
        if bytes + samples > MAX_STORED_BYTES {
            return Err(JpegError::TooManyBytes(frame.size));
        }
        let components = frame.components.iter().enumerate().map(|(index, component)| StoredComponent {
            blocks: vec![[0; 64]; blocks((index, component))],
            stride: padded(component).0,
            ..StoredComponent::default()
        });
        Ok(Self { colour, components: components.collect(), scratch: [0; 64] })
    }

    /// Notes what `scan` brings.
    pub(super) fn begin(
        &mut self,
        frame: &FrameHeader,
        scan: &Scan,
        tables: &[Option<Quantization>; 4],
    ) -> Result<(), JpegError> {
        for component in
            scan.components.iter().filter(|component| self.colour.needed().contains(&component.index))
        {
            let stored = &mut self.components[component.index];
            // The table may be replaced for a later component, but not for this one.
            if stored.quantization.is_none() {
                stored.quantization = Some(table(tables, &frame.components[component.index])?);
            }
            stored.coverage.add(scan)?;
        }
        Ok(())
    }

    /// Computes the luma.
    ///
    /// # Errors
    /// [`JpegError::Cut`] if a scan is missing.
    pub(super) fn render(mut self, frame: &FrameHeader, luma: &mut [u8]) -> Result<(), JpegError> {
        let (width, height) = (frame.size.width as usize, frame.size.height as usize);
        let complete = |index: &usize| self.components[*index].coverage.is_complete();
        if !self.colour.needed().iter().all(complete) {
            return Err(JpegError::Cut { lines: 0, height: frame.size.height });
        }
        if self.colour == Colour::Luma && frame.is_full(0) {
            self.components[0].render(&mut Plane { width, height, samples: luma });
            return Ok(());
        }
        let mut planes: [Plane<Vec<u8>>; 4] = std::array::from_fn(|_| Plane::default());
        for index in self.colour.needed() {
            let Component { across, down, .. } = frame.components[*index];
            let (width, height) =
                ((width * across).div_ceil(frame.max.0), (height * down).div_ceil(frame.max.1));
            let mut plane = Plane { width, height, samples: vec![0; width * height] };
            self.components[*index].render(&mut plane);
            self.components[*index].blocks = Vec::new();
            planes[*index] = plane;
        }
        for (y, line) in luma.chunks_exact_mut(width).enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                let sample = |index: usize| {
                    let Component { across, down, .. } = frame.components[index];
                    planes[index].at(x * across / frame.max.0, y * down / frame.max.1)
                };
                *pixel = mix(self.colour, sample);
            }
        }
        Ok(())
    }
}

/// The luma of one pixel, whose components are `sample`.
fn mix(colour: Colour, sample: impl Fn(usize) -> u8) -> u8 {
    let darkened = |value: u8, black: u8| (u32::from(value) * u32::from(black) / 255) as u8;
    match colour {
        Colour::Luma => sample(0),
        Colour::Rgb => luma_of_rgb([sample(0), sample(1), sample(2)]),
        Colour::NegativeLuma => darkened(255 - sample(0), sample(3)),
        Colour::Cmyk { inverted } => {
            let light = |index| if inverted { sample(index) } else { 255 - sample(index) };
            darkened(luma_of_rgb([light(0), light(1), light(2)]), light(3))
        }
    }
}

impl StoredComponent {
    fn render(&self, plane: &mut Plane<impl AsMut<[u8]>>) {
        let Some(quantization) = &self.quantization else { return };
        for (at, block) in self.blocks.iter().enumerate() {
            plane.write(block, quantization, at % self.stride, at / self.stride);
        }
    }
}

impl Blocks for Stored {
    fn block(&mut self, component: usize, x: usize, y: usize) -> &mut Block {
        let stored = &mut self.components[component];
        let place = y * stored.stride + x;
        stored.blocks.get_mut(place).unwrap_or(&mut self.scratch)
    }

    fn done(&mut self, _component: usize, _x: usize, _y: usize) {}
}

/// Samples of a component, line by line, without padding.
#[derive(Default)]
struct Plane<S> {
    width: usize,
    height: usize,
    samples: S,
}

impl<S: AsMut<[u8]>> Plane<S> {
    /// Writes the part of a block that is within the plane; `x` and `y` count blocks.
    fn write(&mut self, block: &Block, quantization: &Quantization, x: usize, y: usize) {
        let (Some(across @ 1..), Some(down @ 1..)) =
            (self.width.checked_sub(8 * x), self.height.checked_sub(8 * y))
        else {
            return;
        };
        let coefficients = std::array::from_fn(|at| i32::from(block[at]) * i32::from(quantization[at]));
        let across = across.min(8);
        let samples = self.samples.as_mut();
        for (line, values) in idct::samples(&coefficients).chunks_exact(8).take(down).enumerate() {
            let start = (8 * y + line) * self.width + 8 * x;
            samples[start..start + across].copy_from_slice(&values[..across]);
        }
    }
}

impl Plane<Vec<u8>> {
    fn at(&self, x: usize, y: usize) -> u8 {
        self.samples[y * self.width + x]
    }
}

fn table(tables: &[Option<Quantization>; 4], component: &Component) -> Result<Quantization, JpegError> {
    tables[component.quantization].ok_or_else(|| JpegError::Damaged("a quantization table is missing".into()))
}
