use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use embedded_hal::spi::{ErrorKind, ErrorType as SpiErrorType, Operation};

use super::*;
use moodring_contract::{Pace, Word};

const BRIGHT: Appearance = Appearance { brightness: 1.0, shift: (0, 0) };
/// Columns and rows of the chip's memory; the panel of 240x240 shows its upper part.
const COLUMNS: usize = 240;
const ROWS: usize = 320;

/// Simulated chip: decodes the bytes and returns the visible picture.
struct Chip {
    memory: Vec<u16>,
    data: bool,
    command: u8,
    arguments: Vec<u8>,
    /// First and last column and row of the address window, and the position of the next pixel.
    columns: (usize, usize),
    rows: (usize, usize),
    at: (usize, usize),
    half: Option<u8>,
    address_mode: u8,
    inverted: bool,
    on: bool,
    backlight: bool,
    resets: usize,
    script: VecDeque<Result<(), ErrorKind>>,
}

#[derive(Clone)]
struct Glass(Arc<Mutex<Chip>>);

impl Glass {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Chip {
            memory: vec![0x5a5a; COLUMNS * ROWS],
            data: false,
            command: 0,
            arguments: Vec::new(),
            columns: (0, 0),
            rows: (0, 0),
            at: (0, 0),
            half: None,
            address_mode: 0,
            inverted: false,
            on: false,
            backlight: false,
            resets: 0,
            script: VecDeque::new(),
        })))
    }

    fn chip(&self) -> std::sync::MutexGuard<'_, Chip> {
        self.0.lock().unwrap()
    }

    fn screen(&self, rotation: Rotation) -> impl Screen + use<> {
        let glass = self.clone();
        St7789::new(move || Ok((glass.clone(), glass.clone())), rotation, NoDelay)
    }
}

impl Chip {
    fn take(&mut self, byte: u8) {
        if !self.data {
            self.command = byte;
            self.arguments.clear();
            match byte {
                0x01 => self.reset(),
                0x20 | 0x21 => self.inverted = byte == 0x21,
                0x28 | 0x29 => self.on = byte == 0x29,
                0x2c => self.at = (self.columns.0, self.rows.0),
                0x11 | 0x13 | 0x2a | 0x2b | 0x36 | 0x3a => {}
                other => panic!("no command {other:#04x}"),
            }
            return;
        }
        self.arguments.push(byte);
        let edges = |bytes: &[u8]| {
            let edge = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low]));
            (edge(bytes[0], bytes[1]), edge(bytes[2], bytes[3]))
        };
        match (self.command, self.arguments.len()) {
            (0x2a, 4) => self.columns = edges(&self.arguments),
            (0x2b, 4) => self.rows = edges(&self.arguments),
            (0x36, 1) => self.address_mode = byte,
            (0x3a, 1) => assert_eq!(byte, 0x55, "16 bits a pixel"),
            (0x2c, _) => {
                self.arguments.clear();
                match self.half.take() {
                    None => self.half = Some(byte),
                    Some(high) => self.pixel(u16::from_be_bytes([high, byte])),
                }
            }
            _ => {}
        }
    }

    fn pixel(&mut self, colour: u16) {
        let (x, y) = self.at;
        // MADCTL (data sheet, 9.1.28): MV exchanges columns and rows, MX and MY mirror.
        let (x, y) = if self.address_mode & 0x20 == 0 { (x, y) } else { (y, x) };
        let x = if self.address_mode & 0x40 == 0 { x } else { COLUMNS - 1 - x };
        let y = if self.address_mode & 0x80 == 0 { y } else { ROWS - 1 - y };
        self.memory[y * COLUMNS + x] = colour;
        self.at.0 += 1;
        if self.at.0 > self.columns.1 {
            self.at = (self.columns.0, self.at.1 + 1);
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
        self.on = false;
        self.address_mode = 0;
    }

    /// The visible pixels, row by row, with the module upright.
    fn seen(&self) -> Vec<u16> {
        let visible = self.on && self.inverted && self.backlight;
        if visible { self.memory[..SIDE * COLUMNS].to_vec() } else { vec![0; SIDE * SIDE] }
    }
}

impl SpiErrorType for Glass {
    type Error = ErrorKind;
}

impl SpiDevice for Glass {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let mut chip = self.chip();
        chip.script.pop_front().unwrap_or(Ok(()))?;
        for operation in operations {
            let Operation::Write(bytes) = operation else { panic!("these screens are never read") };
            assert!(bytes.len() <= MAX_TRANSFER_BYTES);
            bytes.iter().for_each(|byte| chip.take(*byte));
        }
        Ok(())
    }
}

impl Wires for Glass {
    fn set_data(&mut self, data: bool) -> Result<(), String> {
        self.chip().data = data;
        Ok(())
    }

    fn set_reset(&mut self, _: bool) -> Result<bool, String> {
        Ok(false)
    }

    fn set_backlight(&mut self, on: bool) -> Result<(), String> {
        self.chip().backlight = on;
        Ok(())
    }
}

/// Returns at once.
struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

fn overview(word: Word, people: u32) -> Page {
    Page::Overview { word, people: Some(people), facing: None, pace: Pace::Fine }
}

fn drawn(page: &Page, brightness: f64) -> Vec<u16> {
    large::render(page).to_rgb565(brightness)
}

#[test]
fn the_visible_picture_is_the_drawn_one_in_each_rotation() {
    let page = overview(Word::Attentive, 28);
    let upright = drawn(&page, 1.0);
    let pixel = |x: usize, y: usize| upright[y * SIDE + x];
    let last = SIDE - 1;
    let rotated = |rotation, x: usize, y: usize| match rotation {
        Rotation::Deg0 => pixel(x, y),
        Rotation::Deg90 => pixel(y, last - x),
        Rotation::Deg180 => pixel(last - x, last - y),
        Rotation::Deg270 => pixel(last - y, x),
    };
    for rotation in [Rotation::Deg0, Rotation::Deg90, Rotation::Deg180, Rotation::Deg270] {
        let glass = Glass::new();
        glass.screen(rotation).show(&page, BRIGHT).unwrap();
        let expected: Vec<u16> =
            (0..SIDE * SIDE).map(|place| rotated(rotation, place % SIDE, place / SIDE)).collect();
        assert!(glass.chip().seen() == expected, "{rotation:?}");
    }
}

#[test]
fn only_changed_bands_are_sent_and_brightness_is_applied() {
    let glass = Glass::new();
    let mut screen = glass.screen(Rotation::Deg0);
    let whole = screen.show(&overview(Word::Calm, 28), BRIGHT).unwrap();
    assert!((115_200..116_000).contains(&whole), "{whole}");
    let digit = screen.show(&overview(Word::Calm, 29), BRIGHT).unwrap();
    assert!((500..12_000).contains(&digit), "{digit}");
    println!("whole {whole}, one digit {digit} bytes");
    assert_eq!(screen.show(&overview(Word::Calm, 29), BRIGHT).unwrap(), 0);
    assert!(glass.chip().seen() == drawn(&overview(Word::Calm, 29), 1.0));
    screen.show(&overview(Word::Calm, 29), Appearance { brightness: 0.2, ..BRIGHT }).unwrap();
    assert!(glass.chip().seen() == drawn(&overview(Word::Calm, 29), 0.2));
    screen.darken().unwrap();
    assert!(!glass.chip().backlight && glass.chip().seen().iter().all(|pixel| *pixel == 0));
}

#[test]
fn an_invalidated_screen_is_initialized_without_a_reset() {
    let glass = Glass::new();
    let mut screen = glass.screen(Rotation::Deg180);
    screen.show(&overview(Word::Calm, 28), BRIGHT).unwrap();
    assert_eq!(glass.chip().resets, 1);
    *glass.chip() = Chip { resets: 1, ..Arc::into_inner(Glass::new().0).unwrap().into_inner().unwrap() };
    screen.show(&overview(Word::Calm, 29), BRIGHT).unwrap();
    assert!(glass.chip().seen().iter().all(|pixel| *pixel == 0));
    screen.invalidate();
    screen.show(&overview(Word::Calm, 30), BRIGHT).unwrap();
    let reversed: Vec<u16> = drawn(&overview(Word::Calm, 30), 1.0).into_iter().rev().collect();
    assert!(glass.chip().seen() == reversed && glass.chip().resets == 1);
}

#[test]
fn a_failing_bus_is_reopened_and_the_picture_is_sent_completely() {
    let glass = Glass::new();
    let mut screen = glass.screen(Rotation::Deg0);
    let page = overview(Word::Drowsy, 12);
    glass.chip().script = [Ok(()), Err(ErrorKind::Other)].into();
    let error = screen.show(&page, BRIGHT).unwrap_err().to_string();
    assert!(error.starts_with("cannot send to the screen: "), "{error}");
    screen.show(&page, BRIGHT).unwrap();
    assert!(glass.chip().seen() == drawn(&page, 1.0));
    glass.chip().script = std::iter::repeat_n(Ok(()), 3).chain([Err(ErrorKind::Other)]).collect();
    assert!(screen.show(&overview(Word::Bright, 30), BRIGHT).is_err());
    screen.show(&overview(Word::Bright, 30), BRIGHT).unwrap();
    assert!(glass.chip().seen() == drawn(&overview(Word::Bright, 30), 1.0));
}
