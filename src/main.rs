//! The `moodring` command.

fn main() {}
