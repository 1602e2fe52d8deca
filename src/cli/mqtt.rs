//! `moodring mqtt`: prints the device's name, or deletes retained messages from the broker.

use anyhow::{Context, anyhow, bail};

use moodring_config::{BrokerKind, Config};
use moodring_contract::Topics;
use moodring_mqtt::{Address, Forgotten, Target, forget};
use moodring_runtime::DeviceId;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Delete this device's retained messages, also those of its former rooms, which also removes it from Home Assistant;
    /// stop the service first
    Forget(ForgetArguments),
    /// Print the device's name, which is also its client id at the broker
    Id(super::OptionalConfig),
}

#[derive(Debug, clap::Args)]
pub(super) struct ForgetArguments {
    #[command(flatten)]
    config: super::OptionalConfig,
    /// Instead of this device's, delete the messages of this room of the same site
    #[arg(long, value_name = "NAME", value_parser = level)]
    room: Option<String>,
    /// Instead of this device's, delete the announcement of this device (moodring-…) to Home Assistant
    #[arg(long, value_name = "NAME", value_parser = device)]
    device: Option<String>,
}

fn level(text: &str) -> Result<String, String> {
    if Topics::is_level(text) {
        return Ok(text.to_owned());
    }
    Err("must be the name of a room: 1 to 64 bytes without /, + and #".into())
}

fn device(text: &str) -> Result<String, String> {
    level(text).ok().filter(|name| name.starts_with("moodring-")).ok_or_else(|| {
        "must be the name of a device, as `moodring mqtt id` prints it: moodring- and 14 digits".into()
    })
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments {
        Arguments::Forget(arguments) => forget_messages(arguments),
        Arguments::Id(config) => {
            println!("{}", DeviceId::detect(&config.load()?.storage.directory()));
            Ok(())
        }
    }
}

fn forget_messages(arguments: &ForgetArguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    if config.mqtt.broker != BrokerKind::External {
        bail!("mqtt.broker is not \"external\": there is no external broker with retained messages");
    }
    let storage = config.storage.directory();
    let whom = match (arguments.room.as_deref(), arguments.device.as_deref()) {
        (None, None) => Forgotten::ThisDevice { storage: &storage },
        (room, device) => Forgotten::Other { room, device },
    };
    let target = target(config, DeviceId::detect(&storage));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot create the asynchronous runtime")?;
    let deleted = runtime.block_on(forget(&target, whom));
    let Address { host, port } = &target.address;
    for topic in deleted.map_err(|error| anyhow!("MQTT broker at {host}:{port}: {error}"))? {
        println!("deleted: {topic}");
    }
    Ok(())
}

fn target(config: Config, device: DeviceId) -> Target {
    let address = Address { host: config.mqtt.host.clone(), port: config.mqtt.port };
    let (mode, publishes_facing) = (config.mood.mode, config.publishes_facing());
    Target { address, room: config.room, device, config: config.mqtt, mode, publishes_facing, page: None }
}
