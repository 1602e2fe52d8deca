//! What would change in a file, line by line.

use serde::Serialize;

/// Lines of a file that are compared; a longer one is shown as replaced.
const MOST_LINES: usize = 1500;
/// Unchanged lines that are shown around a change.
const AROUND: usize = 2;

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It stays.
    Same,
    /// It goes.
    Old,
    /// It comes.
    New,
    /// Lines that stay are left out here.
    Gap,
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What happens to it.
    pub change: Change,
    /// The line.
    pub text: String,
}

/// The lines that go and come between `before` and `after`, with those around them. Empty: nothing changes.
pub fn difference(before: &str, after: &str) -> Vec<Line> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let lines =
        if old.len().max(new.len()) > MOST_LINES { replaced(&old, &new) } else { compared(&old, &new) };
    let near = |index: usize| {
        let around = lines[index.saturating_sub(AROUND)..(index + AROUND + 1).min(lines.len())].iter();
        around.clone().any(|(change, _)| *change != Change::Same)
    };
    let mut shown: Vec<Line> = Vec::new();
    for (index, (change, text)) in lines.iter().enumerate() {
        if near(index) {
            shown.push(Line { change: *change, text: (*text).to_owned() });
        } else if shown.last().is_some_and(|last| last.change != Change::Gap) {
            shown.push(Line { change: Change::Gap, text: String::new() });
        }
    }
    if shown.last().is_some_and(|last| last.change == Change::Gap) {
        shown.pop();
    }
    shown
}

fn replaced<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Change, &'a str)> {
    let gone = old.iter().map(|line| (Change::Old, *line));
    gone.chain(new.iter().map(|line| (Change::New, *line))).collect()
}

/// By the longest common subsequence.
fn compared<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Change, &'a str)> {
    // longest[i][j]: of old[i..] and new[j..].
    let mut longest = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if old[i] == new[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((Change::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push((Change::Old, old[i]));
            i += 1;
        } else {
            lines.push((Change::New, new[j]));
            j += 1;
        }
    }
    lines
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
    fn what_goes_and_what_comes_is_shown_with_its_surroundings() {
        assert_eq!(shown("a\nb\n", "a\nb\n"), "");
        assert_eq!(shown("", "a\n"), "+a");
        assert_eq!(shown("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"), " 3 4-5+five 6 7");
        assert_eq!(shown("1\n2\n3\n4\n5\n6\n7\n8\n", "0\n2\n3\n4\n5\n6\n7\n9\n"), "-1+0 2 3~ 6 7-8+9");
    }
}
