//! `moodring pair`: a code with which a phone is paired, where the button or the display is out of reach. For who
//! administers the machine.

use crate::control::console;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: super::OptionalConfig,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    let code = console::ask_to_pair(&config.storage)?;
    let scheme = if config.web.is_https() { "https" } else { "http" };
    println!("pair: open {scheme}://{}/pair on the phone and type {code}", config.web.listen);
    println!("pair: the code is good for one phone, for {} s", config.button.pairing_s);
    Ok(())
}
