//! `moodring demo`: runs the daemon with a simulated class and the real networks; page and broker on loopback only.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemon::{self, Endpoints, Options};
use moodring_config::{BrokerKind, CameraKind, Config, DisplayKind, LightsKind};
use moodring_contract::{Mood, State};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Stop after this many seconds; without it the demo runs until Ctrl-C
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    run_for: Option<Duration>,
    /// People in the simulated class
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    people: u32,
    /// Read this picture, folder or clip instead of the simulated class
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Port of the page on 127.0.0.1; 0 selects a free port
    #[arg(long, default_value_t = 8080)]
    web_port: u16,
    /// Port of the broker on 127.0.0.1; 0 selects a free port
    #[arg(long, default_value_t = 0)]
    mqtt_port: u16,
    /// Draw display and lights in the terminal
    #[arg(long)]
    terminal: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = config(arguments);
    moodring_runtime::logging::start("warn")?;
    let options = Options { run_for: arguments.run_for, ephemeral: true, ..Options::default() };
    let report = daemon::run(&config, &options, |endpoints| print_endpoints(endpoints, &config))?;
    let class_size =
        if arguments.input.is_some() { String::new() } else { format!(" of {}", arguments.people) };
    println!("{}", summary(report.moods, report.last_live.as_deref(), &class_size));
    Ok(())
}

fn config(arguments: &Arguments) -> Config {
    let mut config = Config::default();
    config.room.site = "demo".into();
    config.room.name = "room-1".into();
    // A demo stores nothing.
    config.lessons.enabled = false;
    config.camera.simulator.people = arguments.people;
    if let Some(input) = &arguments.input {
        config.camera.source = CameraKind::File;
        config.camera.file.path = input.clone();
    }
    config.mqtt.broker = BrokerKind::Embedded;
    config.mqtt.port = arguments.mqtt_port;
    config.web.listen.set_port(arguments.web_port);
    // The simulated class has no room whose baseline could be learned, and a demo stores nothing.
    config.baseline.enabled = false;
    if arguments.terminal {
        config.display.kind = DisplayKind::Terminal;
        config.lights.kind = LightsKind::Terminal;
    }
    config
}

fn print_endpoints(endpoints: &Endpoints, config: &Config) {
    match endpoints.web {
        Some(address) => println!("demo: page     http://{address}/"),
        None => println!("demo: page     not served: its port is in use; choose another with --web-port"),
    }
    if let Some(broker) = &endpoints.mqtt {
        println!(
            "demo: messages mosquitto_sub -h {} -p {} -v -t 'moodring/{}/{}/#'",
            broker.host, broker.port, config.room.site, config.room.name
        );
    }
    println!("demo: press Ctrl-C to stop");
}

/// The last line of a demo. `class_size` is ` of N` for a simulated class of N people, else empty.
fn summary(moods: u64, last: Option<&Mood>, class_size: &str) -> String {
    let Some(Mood { people: Some(people), facing: Some(facing), dominant, state: State::Live, .. }) = last
    else {
        return format!("demo: {moods} moods published, no live mood among them");
    };
    let facing = (facing.share * f64::from(*people)).round();
    let dominant = dominant.map_or("unknown", |expression| expression.name());
    format!(
        "demo: {moods} moods published, {people} people seen{class_size}, facing {facing} of {people}, \
         dominant {dominant}"
    )
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (1.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("must be a number of seconds from 1 to 86400".into()),
    }
}
