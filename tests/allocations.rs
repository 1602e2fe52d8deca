//! A running cycle allocates next to nothing: counted by a heap profiler around the real networks.

use std::time::Instant;

use moodring::camera::simulator::SimulatorSource;
use moodring::camera::{CameraSource, Frame, Frames};
use moodring::config::Config;
use moodring::mood::Aggregator;
use moodring::vision::Vision;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Heap blocks that one cycle may take: the list of people, and what the aggregator sorts. A picture, a tile
/// or a crop taken anew each time would show in the bytes.
const MOST_BLOCKS: u64 = 40;
const MOST_BYTES: u64 = 16_384;

#[test]
fn a_cycle_takes_no_memory_for_pixels() {
    let mut config = Config::default();
    config.camera.simulator.people = 40;
    config.vision.reading_budget_s = 10.0;
    config.engine.threads = 1;
    let mut camera = SimulatorSource::new(&config.camera.simulator).unpaced().open().unwrap();
    let mut vision = Vision::new(&config).unwrap();
    let mut aggregator = Aggregator::new(config.room.clone(), config.mood.clone());
    let frames = Frames::default();
    let mut cycle = |frame: Frame| {
        let frame = Frame { captured_at: Instant::now(), ..frame };
        let observation = vision.observe(&frame).unwrap();
        aggregator.observe(&observation);
        frames.give_back(frame);
    };
    for _ in 0..5 {
        cycle(camera.capture(frames.buffer()).unwrap());
    }
    let profiler = dhat::Profiler::builder().testing().build();
    const CYCLES: u64 = 10;
    for _ in 0..CYCLES {
        cycle(camera.capture(frames.buffer()).unwrap());
    }
    let heap = dhat::HeapStats::get();
    drop(profiler);
    assert!(heap.total_blocks <= CYCLES * MOST_BLOCKS, "{} blocks in {CYCLES} cycles", heap.total_blocks);
    assert!(heap.total_bytes <= CYCLES * MOST_BYTES, "{} bytes in {CYCLES} cycles", heap.total_bytes);
}
