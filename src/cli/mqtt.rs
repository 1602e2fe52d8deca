//! `moodring mqtt`: what a broker keeps of this device.

use anyhow::{Context, anyhow, bail};

use crate::config::BrokerKind;
use crate::device::DeviceId;
use crate::outputs::mqtt::{Address, Target, forget};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Delete what the broker keeps of this device, and take it out of Home Assistant; stop the service first
    Forget(super::OptionalConfig),
    /// Print the device's name, which is also its client id at the broker
    Id(super::OptionalConfig),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (Arguments::Forget(config) | Arguments::Id(config)) = arguments;
    let config = config.load()?;
    let device = DeviceId::here(&config.storage.directory());
    if matches!(arguments, Arguments::Id(_)) {
        println!("{device}");
        return Ok(());
    }
    if config.mqtt.broker != BrokerKind::External {
        bail!("mqtt.broker is not \"external\": there is no broker that keeps anything");
    }
    let address = Address { host: config.mqtt.host.clone(), port: config.mqtt.port };
    let target = Target { address, room: config.room, device, config: config.mqtt };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no asynchronous runtime can be had from the system")?;
    let forgotten = runtime.block_on(forget(&target));
    let Address { host, port } = &target.address;
    for topic in forgotten.map_err(|error| anyhow!("MQTT broker at {host}:{port}: {error}"))? {
        println!("forgotten: {topic}");
    }
    Ok(())
}
