//! The light ring as a coloured block in the terminal.

use std::sync::Arc;

use super::{Palette, Ring, srgb};
use crate::terminal::Terminal;

/// A block in 24-bit colour.
pub(crate) struct TerminalRing {
    terminal: Arc<Terminal>,
    shown: Option<[u8; 3]>,
}

impl TerminalRing {
    pub(crate) fn new(terminal: Arc<Terminal>) -> Self {
        Self { terminal, shown: None }
    }
}

impl Ring for TerminalRing {
    fn palette(&self) -> Palette {
        Palette::Colours
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        let rgb = light.map(srgb);
        if self.shown.replace(rgb) == Some(rgb) {
            return Ok(());
        }
        let [red, green, blue] = rgb;
        self.terminal.show_light(format!("\x1b[38;2;{red};{green};{blue}m{}\x1b[0m", "█".repeat(12)))
    }
}
