//! A vision cycle allocates no pixel buffers: a heap profiler counts the allocations with the real networks.

use std::time::Instant;

use moodring_camera::simulator::SimulatorSource;
use moodring_camera::{CameraSource, Frame, Frames};
use moodring_config::Config;
use moodring_mood::Aggregator;
use moodring_vision::Vision;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Heap blocks of one cycle: the list of people, and what the aggregator sorts. A picture, tile or crop that is allocated
/// in each cycle would exceed `MAX_BYTES`.
const MAX_BLOCKS: u64 = 40;
const MAX_BYTES: u64 = 16_384;

#[test]
fn a_cycle_allocates_no_memory_for_pixels() {
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
    assert!(heap.total_blocks <= CYCLES * MAX_BLOCKS, "{} blocks in {CYCLES} cycles", heap.total_blocks);
    assert!(heap.total_bytes <= CYCLES * MAX_BYTES, "{} bytes in {CYCLES} cycles", heap.total_bytes);
}
