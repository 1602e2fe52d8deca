//! `moodring aim`: starts the camera preview of the running device for ten minutes. Only the service's user or
//! root can run it.

use crate::control::console;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: super::OptionalConfig,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    console::request_preview(&config.storage)?;
    let scheme = if config.web.is_https() { "https" } else { "http" };
    println!("aim: camera preview offered for ten minutes: open {scheme}://{}/aim", config.web.listen);
    println!(
        "aim: it is shown only to an administrator's phone or to a browser on the device; heads are pixelated"
    );
    Ok(())
}
