//! `moodring baseline`: shows and deletes the baseline of the room.

use anyhow::Context;

use moodring_mood::baseline::store::BaselineStore;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Show the baseline
    Show(super::OptionalConfig),
    /// Delete the baseline; a running daemon starts a new one within minutes
    Reset(super::OptionalConfig),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (Arguments::Show(config) | Arguments::Reset(config)) = arguments;
    let config = config.load()?;
    let store = BaselineStore::new(&config);
    let (site, room) = (&config.room.site, &config.room.name);
    let failure = || format!("cannot open {}", store.path().display());
    match arguments {
        Arguments::Show(_) => match store.load().with_context(failure)? {
            Some(baseline) => {
                println!("baseline of {site}/{room}, from {:.0} minutes:", baseline.minutes());
                for (metric, mean, deviation) in baseline.rows() {
                    println!("  {metric:<13} {mean:>5.2}  ± {deviation:.2}");
                }
            }
            None => println!("baseline of {site}/{room}: none yet"),
        },
        Arguments::Reset(_) => {
            let existed = store.reset().with_context(failure)?;
            let outcome = if existed { "deleted" } else { "none yet" };
            println!("baseline of {site}/{room}: {outcome}");
        }
    }
    Ok(())
}
