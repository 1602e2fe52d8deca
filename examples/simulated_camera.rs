//! Writes the pictures of a camera in a simulated class, one JPEG file each. A loopback device can be fed with them:
//!
//! `cargo run --example simulated_camera -- DIR PEOPLE WIDTH HEIGHT FRAMES_PER_S FRAMES`
//!
//! The script is `steady` (no events), and everybody faces the front.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use moodring_camera::CameraSource;
use moodring_camera::simulator::SimulatorSource;
use moodring_config::{SimulatedFormat, SimulatedScript, Simulator};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ensure!(arguments.len() == 6, "usage: simulated_camera DIR PEOPLE WIDTH HEIGHT FRAMES_PER_S FRAMES");
    let number = |index: usize| arguments[index].parse::<u32>().context("not a number");
    let config = Simulator {
        people: number(1)?,
        width: number(2)?,
        height: number(3)?,
        frames_per_s: number(4)?,
        facing: 1.0,
        format: SimulatedFormat::Mjpeg,
        script: SimulatedScript::Steady,
        ..Simulator::default()
    };
    let directory = Path::new(&arguments[0]);
    std::fs::create_dir_all(directory)?;
    let mut camera = SimulatorSource::new(&config).unpaced().open()?;
    for index in 0..number(5)? {
        let frame = camera.capture(Vec::new())?;
        std::fs::write(directory.join(format!("{index:04}.jpg")), frame.data)?;
    }
    Ok(())
}
