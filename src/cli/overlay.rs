//! `moodring overlay`: settings for many devices, made and signed where the administrator sits.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

use crate::config::{Config, Room};
use crate::overlay::{Overlay, PrivateKey, Scope};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Make a key for signing, and print what devices are given as fleet.overlay_key
    Key {
        /// New file for the private key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check a part of a configuration against a device's file, sign it, and print the message to be retained
    Sign(Signing),
}

#[derive(Debug, clap::Args)]
pub(super) struct Signing {
    /// Private key that `moodring overlay key` made
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Site as in room.site
    #[arg(long)]
    site: String,
    /// Room as in room.name; without it for every device of the site
    #[arg(long)]
    room: Option<String>,
    /// Number of this overlay, higher than the last of its topic
    #[arg(long)]
    serial: u64,
    /// A device's configuration that the overlay must go with; without it the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The settings, TOML
    #[arg(value_name = "FILE")]
    settings: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments {
        Arguments::Key { file } => {
            let key = PrivateKey::create(file)?;
            let public = key.public().ok_or_else(|| anyhow!("the key that was made is of no use"))?;
            println!("overlay_key = \"{public}\"");
            Ok(())
        }
        Arguments::Sign(signing) => sign(signing),
    }
}

fn sign(signing: &Signing) -> anyhow::Result<()> {
    let key = PrivateKey::read(&signing.key)?;
    let file = &signing.settings;
    let settings =
        std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let room = Room { site: signing.site.clone(), name: signing.room.clone().unwrap_or_default() };
    let topic = if signing.room.is_some() { Scope::Room } else { Scope::Site }.topic(&room);
    let overlay = Overlay::sign(&key, &topic, signing.serial, &settings);
    let config = signing.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    overlay.over(&config).with_context(|| file.display().to_string())?;
    eprintln!("for {topic}; to be published retained, QoS 1: mosquitto_pub -r -q 1 -t '{topic}' -s");
    println!("{}", serde_json::to_string(&overlay)?);
    Ok(())
}
