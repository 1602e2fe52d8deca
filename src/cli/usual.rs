//! `moodring usual`: what the device has learned to be usual in its room, and forgetting it.

use anyhow::Context;

use crate::mood::usual::store::Store;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Show what is usual in the room
    Show(super::OptionalConfig),
    /// Forget it; a running daemon notices within minutes
    Reset(super::OptionalConfig),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (Arguments::Show(config) | Arguments::Reset(config)) = arguments;
    let config = config.load()?;
    let store = Store::new(&config);
    let (site, room) = (&config.room.site, &config.room.name);
    let place = || format!("{} is not to be had", store.path().display());
    match arguments {
        Arguments::Show(_) => match store.load().with_context(place)? {
            Some(baseline) => {
                println!("usual in {site}/{room}, learned in {:.0} minutes:", baseline.minutes());
                for (figure, mean, deviation) in baseline.rows() {
                    println!("  {figure:<13} {mean:>5.2}  give or take {deviation:.2}");
                }
            }
            None => println!("usual in {site}/{room}: nothing was learned yet"),
        },
        Arguments::Reset(_) => {
            let there = store.reset().with_context(place)?;
            println!(
                "usual in {site}/{room}: {}",
                if there { "forgotten" } else { "nothing was learned yet" }
            );
        }
    }
    Ok(())
}
