//! Compares two versions of a file line by line.

use std::time::Duration;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// Time limit of the comparison. Lines that were not compared by then are shown as replaced.
const DIFF_TIMEOUT: Duration = Duration::from_millis(500);
/// Unchanged lines that are shown around a change.
const CONTEXT_LINES: usize = 2;

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Unchanged.
    Same,
    /// Removed.
    Old,
    /// Added.
    New,
    /// Unchanged lines are left out here.
    Gap,
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The change of the line.
    pub change: Change,
    /// The text of the line.
    pub text: String,
}

/// The removed and added lines between `before` and `after`, with the lines around them. Empty: nothing changes.
pub fn difference(before: &str, after: &str) -> Vec<Line> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let compared = TextDiff::configure().timeout(DIFF_TIMEOUT).diff_slices(&old, &new);
    let line = |change: similar::Change<&str>| Line {
        change: match change.tag() {
            ChangeTag::Equal => Change::Same,
            ChangeTag::Delete => Change::Old,
            ChangeTag::Insert => Change::New,
        },
        text: change.value().to_owned(),
    };
    let mut shown = Vec::new();
    for group in compared.grouped_ops(CONTEXT_LINES) {
        if !shown.is_empty() {
            shown.push(Line { change: Change::Gap, text: String::new() });
        }
        shown.extend(group.iter().flat_map(|operation| compared.iter_changes(operation)).map(line));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let mark = |change| match change {
            Change::Same => ' ',
            Change::Old => '-',
            Change::New => '+',
            Change::Gap => '~',
        };
        difference(before, after).iter().map(|line| format!("{}{}", mark(line.change), line.text)).collect()
    }

    #[test]
    fn removed_and_added_lines_are_shown_with_context() {
        assert_eq!(shown("a\nb\n", "a\nb\n"), "");
        assert_eq!(shown("", "a\n"), "+a");
        assert_eq!(shown("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"), " 3 4-5+five 6 7");
        assert_eq!(shown("1\n2\n3\n4\n5\n6\n7\n8\n", "0\n2\n3\n4\n5\n6\n7\n9\n"), "-1+0 2 3~ 6 7-8+9");
    }
}
