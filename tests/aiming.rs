//! The camera preview of a simulated class, with the real networks: nobody in it can be recognised.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use moodring_camera::CameraSource;
use moodring_camera::PixelBox;
use moodring_camera::simulator::SimulatorSource;
use moodring_config::{Config, Zone, ZoneKind};
use moodring_runtime::{CameraPreview, PREVIEW_DURATION, PreviewImage, PreviewRefusal};
use moodring_vision::Vision;

fn class() -> Config {
    let mut config = Config::default();
    let simulator = &mut config.camera.simulator;
    (simulator.people, simulator.script) = (20, moodring_config::SimulatedScript::Steady);
    config.engine.threads = 1;
    config
}

/// Returns one preview image of the simulated class of `config`, if vision makes one.
async fn preview_image(config: &Config, preview: &CameraPreview) -> Option<std::sync::Arc<PreviewImage>> {
    let mut camera = SimulatorSource::new(&config.camera.simulator).unpaced().open().unwrap();
    let mut vision = Vision::new(config).unwrap().with_preview(preview.clone());
    let seen = tokio::spawn({
        let preview = preview.clone();
        async move { preview.next("test", 0).await }
    });
    tokio::task::yield_now().await;
    vision.observe(&camera.capture(Vec::new()).unwrap()).unwrap();
    seen.await.unwrap().ok()?.0
}

/// Mean absolute difference of horizontal neighbours within `area` of a grey picture: a measure of detail.
fn detail(picture: &image::GrayImage, area: PixelBox) -> f64 {
    let (from_x, to_x) = (area.x.max(0.0) as u32, ((area.x + area.width) as u32).min(picture.width() - 1));
    let (from_y, to_y) = (area.y.max(0.0) as u32, ((area.y + area.height) as u32).min(picture.height() - 1));
    let luma = |x, y| i32::from(picture.get_pixel(x, y).0[0]);
    let steps = (from_y..to_y).flat_map(|y| (from_x..to_x).map(move |x| (x, y)));
    let differences: Vec<i32> = steps.map(|(x, y)| (luma(x, y) - luma(x + 1, y)).abs()).collect();
    f64::from(differences.iter().sum::<i32>()) / differences.len().max(1) as f64
}

fn half(PixelBox { x, y, width, height }: PixelBox) -> PixelBox {
    PixelBox { x: x / 2.0, y: y / 2.0, width: width / 2.0, height: height / 2.0 }
}

#[tokio::test]
async fn no_face_in_the_preview_is_recognisable_and_every_head_has_a_box() {
    let config = class();
    let preview = CameraPreview::default();
    assert!(preview_image(&config, &preview).await.is_none(), "the preview was not offered");
    preview.offer(Instant::now() + PREVIEW_DURATION);
    let image = preview_image(&config, &preview).await.unwrap();
    assert_eq!(image.frame, (1280, 720));
    let seen = image::load_from_memory(&image.jpeg).unwrap();
    assert_eq!(seen.color(), image::ColorType::L8);
    let seen = seen.into_luma8();
    assert_eq!(seen.dimensions(), (640, 360));

    let mut source = SimulatorSource::new(&config.camera.simulator).unpaced();
    let truth = source.scene().unwrap().truth(Duration::ZERO);
    let frame = source.open().unwrap().capture(Vec::new()).unwrap();
    let sharp = image::GrayImage::from_raw(1280, 720, frame.data).unwrap();
    let sharp = image::imageops::resize(&sharp, 640, 360, image::imageops::FilterType::Triangle);
    let faces: Vec<_> = truth.people.iter().filter_map(|person| person.face.map(half)).collect();
    assert!(faces.len() > 10);
    for face in &faces {
        // Five blocks across a head leave at most four edges, where a sharp face has dozens.
        assert_few_edges(&seen, *face);
    }
    let mean = |picture| faces.iter().map(|face| detail(picture, *face)).sum::<f64>() / faces.len() as f64;
    assert!(mean(&seen) < 0.6 * mean(&sharp), "{} of {}", mean(&seen), mean(&sharp));

    let boxed = |head: PixelBox| {
        image.heads.iter().any(|found| {
            let found = PixelBox {
                x: found.x * 1280.0,
                y: found.y * 720.0,
                width: found.width * 1280.0,
                height: found.height * 720.0,
            };
            found.iou(head) > 0.4
        })
    };
    let found = truth.people.iter().filter(|person| boxed(person.head)).count();
    assert!(found + 1 >= truth.people.len(), "{found} of {}", truth.people.len());
}

/// Checks that a line through a face has few edges: one at each block border, and some that JPEG adds.
fn assert_few_edges(picture: &image::GrayImage, face: PixelBox) {
    let mut edges = 0;
    let y = (face.y + face.height / 2.0) as u32;
    let (from, to) = (face.x as u32, (face.x + face.width) as u32);
    for x in from..to {
        let step = i32::from(picture.get_pixel(x, y).0[0]) - i32::from(picture.get_pixel(x + 1, y).0[0]);
        edges += u32::from(step.abs() > 12);
    }
    assert!(edges <= 8, "{edges} edges in one line of a face");
}

#[tokio::test]
async fn ignored_heads_are_boxed_and_pixelated_in_the_preview_and_are_not_counted() {
    let mut config = class();
    let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    config.zone = vec![Zone { name: "left".into(), kind: ZoneKind::Ignore, points: left }];
    let preview = CameraPreview::default();
    preview.offer(Instant::now() + PREVIEW_DURATION);
    let with_zone = preview_image(&config, &preview).await.unwrap();
    let on_the_left = with_zone.heads.iter().filter(|head| head.x + head.width / 2.0 < 0.5).count();
    assert!(on_the_left > 4, "{on_the_left}");
    preview.end();
    assert_eq!(preview.next("test", 0).await.err(), Some(PreviewRefusal::NotOffered));
    let mut camera = SimulatorSource::new(&config.camera.simulator).unpaced().open().unwrap();
    let mut vision = Vision::new(&config).unwrap().with_preview(preview);
    let people = vision.observe(&camera.capture(Vec::new()).unwrap()).unwrap().people.len();
    assert_eq!(
        people,
        with_zone.heads.len() - on_the_left,
        "the number of people does not depend on the preview"
    );
}
