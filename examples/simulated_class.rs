//! Writes frames of simulated classes with their ground truth into a folder, to measure other programs:
//!
//! `cargo run --example simulated_class -- DIR PEOPLE WIDTH HEIGHT SEED [FRAMES [room|gallery]]`
//!
//! Each frame becomes `NAME.pgm` and `NAME.csv` (`x,y,width,height,faces_front,expression`, one line per head).
//! All seven expressions are equally frequent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moodring_camera::simulator::{Scene, Script, ScriptEvent, SimulatorSource};
use moodring_config::{CameraView, Simulator};

/// Simulated time between two frames: long enough for people to turn and to change their expression.
const BETWEEN_FRAMES: Duration = Duration::from_millis(7_300);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ensure!(
        (5..=7).contains(&arguments.len()),
        "usage: simulated_class DIR PEOPLE WIDTH HEIGHT SEED [FRAMES [room|gallery]]"
    );
    let number = |index: usize| -> Result<u32> {
        arguments.get(index).map_or("1", String::as_str).parse().context("not a number")
    };
    let config = Simulator {
        people: number(1)?,
        width: number(2)?,
        height: number(3)?,
        seed: u64::from(number(4)?),
        ..Simulator::default()
    };
    let script = Script::new(vec![(Duration::ZERO, ScriptEvent::Expressions([1.0 / 7.0; 7]))], None)?;
    let view = match arguments.get(6).map_or("room", String::as_str) {
        "room" => CameraView::Room,
        "gallery" => CameraView::Gallery,
        other => bail!("there is no view {other}"),
    };
    let mut scene = SimulatorSource::new(&config).with_view(view).with_script(script).scene()?;
    let directory = Path::new(&arguments[0]);
    std::fs::create_dir_all(directory)?;
    let mut luma = vec![0; scene.size().area()];
    for index in 0..number(5)? {
        let name = format!("{:02}_{}_{}_{index}", config.people, scene.size(), config.seed);
        write_frame(&mut scene, BETWEEN_FRAMES * (index + 1), &mut luma, &directory.join(name))?;
    }
    let frames = 50;
    let begun = Instant::now();
    (0..frames).for_each(|index| scene.draw(Duration::from_millis(60_000 + 100 * index), &mut luma));
    writeln!(
        std::io::stderr(),
        "{:.2} ms per frame at 10 frames/s",
        begun.elapsed().as_secs_f64() * 1e3 / frames as f64
    )?;
    Ok(())
}

fn write_frame(scene: &mut Scene, at: Duration, luma: &mut [u8], path: &Path) -> Result<()> {
    scene.draw(at, luma);
    let size = scene.size();
    let mut picture = format!("P5 {} {} 255\n", size.width, size.height).into_bytes();
    picture.extend_from_slice(luma);
    std::fs::write(path.with_extension("pgm"), picture)?;
    let mut truth = String::new();
    for person in scene.truth(at).people {
        let (head, front) = (person.head, u8::from(person.faces_front));
        let expression = person.expression.name();
        writeln!(truth, "{},{},{},{},{front},{expression}", head.x, head.y, head.width, head.height)?;
    }
    std::fs::write(path.with_extension("csv"), truth)?;
    Ok(())
}
