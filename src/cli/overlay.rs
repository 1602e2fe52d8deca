//! `moodring overlay`: creates signing keys and signs configuration overlays, on the administrator's computer.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

use crate::overlay::{Overlay, PrivateKey};
use moodring_config::Config;
use moodring_contract::OverlayScope;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Create a signing key and print its public part, the value of overlays.public_key on each device
    Key {
        /// New file for the private key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check settings against a device's configuration, sign them, and print the message to publish as retained
    Sign(SignArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct SignArguments {
    /// Private key from `moodring overlay key`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Site, as in room.site
    #[arg(long)]
    site: String,
    /// Room, as in room.name; without it the overlay is for all devices of the site
    #[arg(long)]
    room: Option<String>,
    /// Serial number; must be higher than that of the last overlay on the same topic
    #[arg(long)]
    serial: u64,
    /// Configuration file of a device, to check the overlay against; without it the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Settings to sign, TOML
    #[arg(value_name = "FILE")]
    settings: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments {
        Arguments::Key { file } => {
            let key = PrivateKey::create(file)?;
            let public = key.public().ok_or_else(|| anyhow!("the new key cannot be used"))?;
            println!("public_key = \"{public}\"");
            Ok(())
        }
        Arguments::Sign(arguments) => sign(arguments),
    }
}

fn sign(arguments: &SignArguments) -> anyhow::Result<()> {
    let key = PrivateKey::read(&arguments.key)?;
    let file = &arguments.settings;
    let settings =
        std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let topic = match &arguments.room {
        Some(room) => OverlayScope::Room.topic(&arguments.site, room),
        None => OverlayScope::Site.topic(&arguments.site, ""),
    };
    let overlay = Overlay::sign(&key, &topic, arguments.serial, &settings);
    let config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    overlay.merge_into(&config).with_context(|| file.display().to_string())?;
    eprintln!("publish on {topic}, retained, QoS 1: mosquitto_pub -r -q 1 -t '{topic}' -s");
    println!("{}", serde_json::to_string(&overlay)?);
    Ok(())
}
