//! `moodring light-off`: switches the camera light off if the service ended without doing so.

use std::path::PathBuf;

use moodring_config::Config;
use moodring_hardware::board::{Board, Machine};
use moodring_hardware::camera_light;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let board = Board::of(&config.board, &Machine::detect());
    match camera_light::lamp(&config.camera.light, &board) {
        Some(mut lamp) => Ok(lamp.set(false)?),
        None => Ok(()),
    }
}
