//! `moodring package-files`: writes the package files that are generated from the program itself.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use moodring_config::annotated_defaults;

/// Shells that get a completion script.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder to write to; created if it does not exist
    directory: PathBuf,
}

/// Writes manual pages to `man/`, completions to `completions/`, and every key with its default to `moodring.toml`.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = &arguments.directory;
    let pages = folder(directory, "man")?;
    clap_mangen::generate_to(Cli::command(), &pages)
        .with_context(|| format!("cannot write manual pages to {}", pages.display()))?;
    let scripts = folder(directory, "completions")?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut Cli::command(), "moodring", &scripts)
            .with_context(|| format!("cannot write completions for {shell} to {}", scripts.display()))?;
    }
    let example = directory.join("moodring.toml");
    std::fs::write(&example, annotated_defaults())
        .with_context(|| format!("cannot write {}", example.display()))
}

fn folder(directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot create the folder {}", path.display()))?;
    Ok(path)
}
