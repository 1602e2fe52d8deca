//! `moodring pair`: prints a pairing code for devices without a button or display in reach. Only the service's
//! user or root can run it.

use crate::control::console;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: super::OptionalConfig,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    let code = console::request_pairing_code(&config.storage)?;
    let scheme = if config.web.is_https() { "https" } else { "http" };
    println!("pair: open {scheme}://{}/pair on the phone and type {code}", config.web.listen);
    println!("pair: the code is valid for one phone, for {} s", config.button.pairing_s);
    Ok(())
}
