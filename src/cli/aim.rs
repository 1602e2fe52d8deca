//! `moodring aim`: lets the page show what the camera sees, for ten minutes. For who administers the machine.

use crate::control::console;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: super::OptionalConfig,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    console::ask_to_aim(&config.storage)?;
    let scheme = if config.web.is_https() { "https" } else { "http" };
    println!("aim: offered for ten minutes: open {scheme}://{}/aim", config.web.listen);
    println!(
        "aim: only an administrator's phone, or who sits at the device, can see it; heads are unrecognisable"
    );
    Ok(())
}
