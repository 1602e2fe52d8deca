//! `moodring mqtt`: prints the device's name, or deletes the device's retained messages from the broker.

use anyhow::{Context, anyhow, bail};

use moodring_config::BrokerKind;
use moodring_mqtt::{Address, Target, forget};
use moodring_runtime::DeviceId;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Delete this device's retained messages, which also removes it from Home Assistant; stop the service first
    Forget(super::OptionalConfig),
    /// Print the device's name, which is also its client id at the broker
    Id(super::OptionalConfig),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (Arguments::Forget(config) | Arguments::Id(config)) = arguments;
    let config = config.load()?;
    let device = DeviceId::detect(&config.storage.directory());
    if matches!(arguments, Arguments::Id(_)) {
        println!("{device}");
        return Ok(());
    }
    if config.mqtt.broker != BrokerKind::External {
        bail!("mqtt.broker is not \"external\": there is no external broker with retained messages");
    }
    let address = Address { host: config.mqtt.host.clone(), port: config.mqtt.port };
    let (mode, publishes_facing) = (config.mood.mode, config.publishes_facing());
    let target = Target { address, room: config.room, device, config: config.mqtt, mode, publishes_facing };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot create the asynchronous runtime")?;
    let deleted = runtime.block_on(forget(&target));
    let Address { host, port } = &target.address;
    for topic in deleted.map_err(|error| anyhow!("MQTT broker at {host}:{port}: {error}"))? {
        println!("deleted: {topic}");
    }
    Ok(())
}
