//! Display and lights in one terminal: drawn in place below everything printed before.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// The lines that stay in place.
#[derive(Debug, Default)]
pub(super) struct Terminal {
    panel: Mutex<Panel>,
}

#[derive(Debug, Default)]
struct Panel {
    display: Vec<String>,
    light: Option<String>,
    /// Lines drawn last time, over which the next are drawn.
    drawn: usize,
}

impl Terminal {
    /// Whether there is a terminal at all. Into a file or a pipe nothing is drawn.
    pub(super) fn is_there() -> bool {
        std::io::stdout().is_terminal()
    }

    /// Replaces the picture of the small screen.
    pub(super) fn show_display(&self, lines: Vec<String>) -> std::io::Result<()> {
        self.redraw(|panel| panel.display = lines)
    }

    /// Replaces the ring of light.
    pub(super) fn show_light(&self, line: String) -> std::io::Result<()> {
        self.redraw(|panel| panel.light = Some(line))
    }

    fn redraw(&self, change: impl FnOnce(&mut Panel)) -> std::io::Result<()> {
        let mut panel = self.panel.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut panel);
        let text = panel.render();
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

impl Panel {
    /// Up over the old lines, each new one with the rest of its row erased, then what remains below.
    fn render(&mut self) -> String {
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        let lines: Vec<&String> = self.display.iter().chain(&self.light).collect();
        for line in &lines {
            text.push('\r');
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        self.drawn = lines.len();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_drawings_go_over_the_earlier_ones() {
        let mut panel = Panel { display: vec!["a".into(), "b".into()], ..Panel::default() };
        assert_eq!(panel.render(), "\ra\x1b[K\n\rb\x1b[K\n\x1b[J");
        panel.light = Some("c".into());
        assert_eq!(panel.render(), "\x1b[2A\ra\x1b[K\n\rb\x1b[K\n\rc\x1b[K\n\x1b[J");
        panel.display.clear();
        assert_eq!(panel.render(), "\x1b[3A\rc\x1b[K\n\x1b[J");
    }
}
