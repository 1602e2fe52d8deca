//! `moodring notice`: writes the notice for the people in the room, or the data sheet for the privacy officer.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;

use crate::law;
use crate::notice::{ModelFacts, data_sheet, poster};
use moodring_config::Config;
use moodring_contract::Mode;
use moodring_vision::model_card::{ModelCard, Task, directory};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file of the device that the page describes
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print the data sheet for an impact assessment instead of the notice for the door
    #[arg(long)]
    data_sheet: bool,
    /// File to write; without it standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    // A notice about a configuration that is not permitted to run would be false.
    law::permit(&config)?;
    let text = if arguments.data_sheet {
        let file = arguments.config.display().to_string();
        data_sheet(&config, &models(&config), &file, Timestamp::now())
    } else {
        poster(&config)
    };
    match &arguments.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
        }
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

/// Facts about the networks that the configuration loads. A network without a model card on this machine is left out.
fn models(config: &Config) -> Vec<ModelFacts> {
    let folder = directory(&config.models.directory, &config.models.heads);
    let mut cards = vec![(&config.models.heads, Task::Heads)];
    if config.mood.mode == Mode::Mood {
        cards.push((&config.models.expression, Task::Expression));
    }
    let read = |(path, task): (&PathBuf, Task)| ModelCard::read(&folder.join(path), task).ok();
    cards.into_iter().filter_map(read).map(|card| ModelFacts::from(&card)).collect()
}
