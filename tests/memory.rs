//! In a pause nothing of a picture stays in the memory of the daemon.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Process, TIMEOUT, base_config, free_port, moodring, next, skipped, subscribe};
use image::GrayImage;

/// Bytes of a line of the picture that are searched for; they occur nowhere by chance.
const NEEDLE: std::ops::Range<usize> = 100..148;
const SIZE: (u32, u32) = (640, 384);

/// A picture of noise, of which no two lines are equal.
fn noise() -> GrayImage {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    GrayImage::from_fn(SIZE.0, SIZE.1, |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        image::Luma([state as u8])
    })
}

/// How often lines of `picture` are in the memory of `process`; `None` if this user may not read it.
fn lines_in_memory(process: u32, picture: &GrayImage) -> Option<usize> {
    let lines: Vec<&[u8]> =
        (10..384).step_by(25).map(|y| &picture.as_raw()[y * SIZE.0 as usize..][NEEDLE]).collect();
    let mut memory = std::fs::File::open(format!("/proc/{process}/mem")).ok()?;
    let mut found = 0;
    for region in std::fs::read_to_string(format!("/proc/{process}/maps")).ok()?.lines() {
        let mut fields = region.split(' ');
        let (range, access) = (fields.next()?, fields.next()?);
        let (start, end) = range.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        // Only memory that the process may write can have got a picture.
        if !access.starts_with("rw") || memory.seek(SeekFrom::Start(start)).is_err() {
            continue;
        }
        let mut bytes = Vec::new();
        let _ = (&mut memory).take(end - start).read_to_end(&mut bytes);
        found += lines.iter().map(|line| count(&bytes, line)).sum::<usize>();
    }
    Some(found)
}

fn count(bytes: &[u8], line: &[u8]) -> usize {
    bytes.windows(line.len()).filter(|window| window[0] == line[0] && *window == line).count()
}

#[test]
fn in_a_pause_no_picture_stays_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (port, clip) = (free_port(), directory.path().join("noise.mkv"));
    let picture = noise();
    let png = directory.path().join("noise.png");
    picture.save(&png).unwrap();
    let encoded = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-loop", "1", "-framerate", "5", "-t", "120", "-i"])
        .arg(&png)
        .args(["-c:v", "ffv1", "-pix_fmt", "gray"])
        .arg(&clip)
        .status();
    if !encoded.is_ok_and(|status| status.success()) {
        return skipped("ffmpeg is not installed; `make test` installs it");
    }
    let config = directory.path().join("moodring.toml");
    std::fs::write(
        &config,
        format!(
            "{}[camera]\nsource = \"file\"\n[camera.file]\npath = {clip:?}\nframes_per_s = 5\n[vision]\n\
             detection_width = 640\n[mood]\npublish_every_s = 0.2\n[mqtt]\nbroker = \"embedded\"\nport = {port}\n\
             [web]\nenabled = false\n",
            base_config(directory.path())
        ),
    )
    .unwrap();
    let mut command = moodring(&["run", "--config", config.to_str().unwrap()]);
    let mut daemon = Process(command.stdout(Stdio::null()).spawn().unwrap());
    let messages = subscribe(port);
    let in_state = |state: &'static str| {
        move |message: &common::Message| message.topic.ends_with("/mood") && message.json()["state"] == state
    };
    next(&messages, |message| message.topic.ends_with("/mood") && message.json()["state"] != "starting");
    // The newest frame may be between two buffers.
    let found = (0..20).find_map(|_| match lines_in_memory(daemon.0.id(), &picture) {
        Some(0) => {
            std::thread::sleep(Duration::from_millis(100));
            None
        }
        found => Some(found),
    });
    let Some(Some(found)) = found else {
        assert!(found.is_some(), "the search finds no picture while the camera is open");
        return skipped("this user may not read the memory of the daemon");
    };
    assert!(found > 0);
    daemon.signal("USR1");
    next(&messages, in_state("paused"));
    let deadline = Instant::now() + TIMEOUT;
    while let Some(left @ 1..) = lines_in_memory(daemon.0.id(), &picture) {
        assert!(Instant::now() < deadline, "{left} lines of the picture are in memory");
        std::thread::sleep(Duration::from_millis(500));
    }
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}
