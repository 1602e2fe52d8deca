//! Display and lights in one terminal, redrawn in place below earlier output.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// The redrawn lines.
#[derive(Debug, Default)]
pub struct Terminal {
    panel: Mutex<Panel>,
}

#[derive(Debug, Default)]
struct Panel {
    display: Vec<String>,
    light: Option<String>,
    /// Number of lines drawn last time; the next drawing overwrites them.
    drawn: usize,
}

impl Terminal {
    /// Whether standard output is a terminal. Nothing is drawn into a file or a pipe.
    pub fn is_there() -> bool {
        std::io::stdout().is_terminal()
    }

    /// Replaces the picture of the display.
    pub fn show_display(&self, lines: Vec<String>) -> std::io::Result<()> {
        self.redraw(|panel| panel.display = lines)
    }

    /// Replaces the line of the light.
    pub fn show_light(&self, line: String) -> std::io::Result<()> {
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
    /// Moves up over the old lines, writes each new line and erases the rest of its row, then erases the rows below.
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
    fn a_new_drawing_overwrites_the_previous_one() {
        let mut panel = Panel { display: vec!["a".into(), "b".into()], ..Panel::default() };
        assert_eq!(panel.render(), "\ra\x1b[K\n\rb\x1b[K\n\x1b[J");
        panel.light = Some("c".into());
        assert_eq!(panel.render(), "\x1b[2A\ra\x1b[K\n\rb\x1b[K\n\rc\x1b[K\n\x1b[J");
        panel.display.clear();
        assert_eq!(panel.render(), "\x1b[3A\rc\x1b[K\n\x1b[J");
    }
}
