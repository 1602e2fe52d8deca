use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use image::GrayImage;

use super::source::{Pacer, Playback, Skipped};
use super::*;
use crate::{Camera, CameraSource, Size};
use moodring_config::File;
use moodring_runtime::Stop;

/// A rate without waiting time.
const AT_ONCE: f64 = f64::INFINITY;

fn camera(path: &Path, repeat: bool) -> Result<Box<dyn Camera>, CameraError> {
    let config = File { path: path.into(), frames_per_s: AT_ONCE, repeat };
    FileSource::new(&config, &Stop::default()).open()
}

/// First pixels of the next frames, until the camera fails, with its error.
fn play(camera: &mut dyn Camera, at_most: usize) -> (Vec<u8>, Option<String>) {
    let mut pixels = Vec::new();
    while pixels.len() < at_most {
        match camera.capture(Vec::new()) {
            Ok(frame) => {
                assert_eq!(frame.sequence, pixels.len() as u64 + 1);
                pixels.push(frame.data[0]);
            }
            Err(error) => return (pixels, Some(error.to_string())),
        }
    }
    (pixels, None)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, luma) in [("b.PNG", 20), ("a.png", 10), ("d.png", 40)] {
        GrayImage::from_pixel(4, 3, image::Luma([luma])).save(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("c.jpg"), "no picture").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not looked at").unwrap();
    std::fs::write(folder.path().join("._a.png"), b"\0\x05\x16\x07Mac OS X").unwrap();
    GrayImage::new(4, 3).save(folder.path().join("a.png.annotated.png")).unwrap();
    folder
}

#[test]
fn a_folder_is_played_in_order_once_or_repeatedly() {
    let folder = folder();
    let mut once = camera(folder.path(), false).unwrap();
    let ended = Some("camera gone: all pictures have been shown".to_owned());
    assert_eq!(play(&mut *once, 9), (vec![10, 20, 40], ended));
    let mut repeated = camera(folder.path(), true).unwrap();
    assert_eq!(play(&mut *repeated, 5), (vec![10, 20, 40, 10, 20], None));
}

#[test]
fn a_single_picture_is_repeated_in_the_given_buffer() {
    let folder = folder();
    let mut camera = camera(&folder.path().join("b.PNG"), true).unwrap();
    assert_eq!(camera.capture(Vec::new()).unwrap().data, [20; 12]);
    let buffer = Vec::with_capacity(1000);
    let (address, frame) = (buffer.as_ptr(), camera.capture(buffer).unwrap());
    assert!(std::ptr::eq(frame.data.as_ptr(), address));
    assert_eq!((frame.data, frame.sequence), (vec![20; 12], 2));
}

#[test]
fn unreadable_inputs_are_reported() {
    let fault = |path: &Path| camera(path, true).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(fault(Path::new("/nowhere/a.jpg")), "camera not found: /nowhere/a.jpg does not exist");
    let folder = tempfile::tempdir().unwrap();
    assert!(fault(folder.path()).ends_with(" contains no .jpg, .jpeg, .png or .webp file"));
    let broken = folder.path().join("a.webp");
    std::fs::write(&broken, [0; 9]).unwrap();
    let (none, why) = play(&mut *camera(&broken, true).unwrap(), 1);
    assert_eq!(
        (none.len(), why.as_deref()),
        (
            0,
            Some(
                format!(
                    "camera cannot be used: none of 1 pictures can be read; the first: {} is not a JPEG, PNG or WebP picture",
                    broken.display()
                )
                .as_str()
            )
        )
    );
}

#[test]
fn inputs_are_recognized_by_name_or_contents() {
    let folder = folder();
    let unnamed = folder.path().join("unnamed");
    std::fs::copy(folder.path().join("a.png"), &unnamed).unwrap();
    assert_eq!(Input::inspect(&unnamed).unwrap(), Input::Picture(unnamed));
    let text = Input::inspect(&folder.path().join("notes.txt")).expect_err("is text").to_string();
    assert!(text.ends_with("notes.txt is a text file, not a picture or a clip"), "{text}");
    let clip = folder.path().join("c.mp4");
    std::fs::write(&clip, b"\0\0\0\x20ftypisom").unwrap();
    assert_eq!(Input::inspect(&clip).unwrap(), Input::Clip(clip.clone()));
    std::fs::write(&clip, b"").unwrap();
    assert!(Input::inspect(&clip).is_err_and(|error| error.to_string().ends_with("c.mp4 is empty")));
    let stream = PathBuf::from("rtsp://camera/live");
    assert_eq!(Input::inspect(&stream).unwrap(), Input::Clip(stream));
}

#[test]
fn pictures_are_due_at_even_intervals_and_delays_are_not_made_up_for() {
    let (start, ms) = (Instant::now(), Duration::from_millis);
    let mut pacer = Pacer::new(10.0);
    assert_eq!(pacer.delay(start), ms(0));
    assert_eq!(pacer.delay(start + ms(30)), ms(70));
    assert_eq!(pacer.delay(start + ms(250)), ms(0), "late by half an interval");
    assert_eq!(pacer.delay(start + ms(260)), ms(40));
    assert_eq!(pacer.delay(start + ms(900)), ms(0), "late by many intervals");
    assert_eq!(pacer.delay(start + ms(910)), ms(90));
}

#[test]
fn waiting_ends_with_the_request_to_stop() {
    let stop = Stop::default();
    let mut pacer = Pacer::new(0.01);
    assert!(pacer.wait(&stop).is_ok(), "the first picture is due at once");
    stop.request();
    assert!(matches!(pacer.wait(&stop), Err(CameraError::Gone(_))));
}

/// A clip of six pictures, each brighter than the one before. `None` if ffmpeg is not installed.
fn clip(folder: &Path) -> Option<PathBuf> {
    let path = folder.join("clip 1: brighter.mkv");
    let source = "color=black:s=64x48:r=5:d=1.2,format=gray,geq=lum='40*N'";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-c:v", "ffv1"]);
    match ffmpeg.arg(format!("file:{}", path.display())).status() {
        Ok(status) => {
            assert!(status.success());
            Some(path)
        }
        Err(_) => {
            // Written to stderr directly, because the test harness captures the usual output of a passed test.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: ffmpeg is not installed\n");
            None
        }
    }
}

#[test]
fn a_clip_delivers_each_of_its_pictures_and_then_ends() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = clip(folder.path()) else { return };
    let mut clip = Clip::open(&path, Speed::Fastest, &Stop::default()).unwrap();
    assert_eq!(clip.size(), Size::new(64, 48));
    for expected in [0u8, 40, 80, 120, 160, 200] {
        let frame = clip.next_frame(Vec::new()).unwrap().expect("six pictures");
        assert_eq!((frame.size, frame.stride, frame.data.len()), (Size::new(64, 48), 64, 64 * 48));
        assert!(frame.data.iter().all(|luma| luma.abs_diff(expected) <= 2), "{expected}");
    }
    assert!(clip.next_frame(Vec::new()).unwrap().is_none());
    let mut once = Playback::open(path.clone(), false, Stop::default()).unwrap();
    assert_eq!(play(&mut once, 99).0.len(), 6);
    let mut repeated = Playback::open(path, true, Stop::default()).unwrap();
    assert_eq!(play(&mut repeated, 13).0.len(), 13);
}

/// The number of pictures, and the error at the end.
fn read_all(path: &Path) -> (usize, Option<InputError>) {
    let mut clip = match Clip::open(path, Speed::Fastest, &Stop::default()) {
        Ok(clip) => clip,
        Err(error) => return (0, Some(error)),
    };
    let mut pictures = 0;
    loop {
        match clip.next_frame(Vec::new()) {
            Ok(Some(_)) => pictures += 1,
            Ok(None) => return (pictures, None),
            Err(error) => return (pictures, Some(error)),
        }
    }
}

/// Runs ffmpeg in `folder`.
fn ffmpeg(folder: &Path, arguments: &str) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(arguments.split(' ')).current_dir(folder);
    assert!(command.status().unwrap().success(), "{arguments}");
}

#[test]
fn each_picture_is_read_once_whatever_the_time_base() {
    let folder = tempfile::tempdir().unwrap();
    if clip(folder.path()).is_none() {
        return;
    }
    // Durations of 1 s in a time base of 1/100 s, and of irregular milliseconds.
    ffmpeg(folder.path(), "-f lavfi -i testsrc=s=64x48:r=1:d=3 slow.gif");
    let irregular =
        "-f lavfi -i testsrc=s=64x48:r=10:d=2 -vf setpts=PTS+0.03*mod(N\\,3)/TB -vsync passthrough";
    ffmpeg(folder.path(), &format!("{irregular} -c:v ffv1 irregular.mkv"));
    assert_eq!(read_all(&folder.path().join("slow.gif")).0, 3);
    assert_eq!(read_all(&folder.path().join("irregular.mkv")).0, 20);
}

#[test]
fn anamorphic_pictures_get_square_pixels_and_the_largest_track_is_read() {
    let folder = tempfile::tempdir().unwrap();
    if clip(folder.path()).is_none() {
        return;
    }
    let size =
        |name: &str| Clip::open(&folder.path().join(name), Speed::Fastest, &Stop::default()).unwrap().size();
    ffmpeg(folder.path(), "-f lavfi -i testsrc=s=72x57:r=5:d=1 -vf setsar=16/11 -c:v ffv1 wide.mkv");
    ffmpeg(folder.path(), "-f lavfi -i testsrc=s=72x57:r=5:d=1 -vf setsar=1/2 -c:v ffv1 tall.mkv");
    assert_eq!((size("wide.mkv"), size("tall.mkv")), (Size::new(105, 57), Size::new(72, 114)));
    ffmpeg(
        folder.path(),
        "-f lavfi -i color=s=32x32:r=5:d=1 -f lavfi -i testsrc=s=64x48:r=5:d=1 -map 0 -map 1 -c:v ffv1 -disposition:v 0 two.mkv",
    );
    assert_eq!(size("two.mkv"), Size::new(64, 48));
}

#[test]
fn a_cut_clip_is_reported_after_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    if clip(folder.path()).is_none() {
        return;
    }
    ffmpeg(folder.path(), "-f lavfi -i testsrc=s=320x240:r=10:d=3 -c:v ffv1 whole.mkv");
    ffmpeg(folder.path(), "-f lavfi -i testsrc=s=320x240:r=10:d=3 -c:v mjpeg -movflags faststart whole.mov");
    for name in ["whole.mkv", "whole.mov"] {
        let whole = folder.path().join(name);
        assert!(matches!(read_all(&whole), (30, None)), "{name}: {:?}", read_all(&whole));
        let bytes = std::fs::read(&whole).unwrap();
        let cut = folder.path().join(format!("cut-{name}"));
        std::fs::write(&cut, &bytes[..bytes.len() * 6 / 10]).unwrap();
        let (pictures, error) = read_all(&cut);
        let message = error.expect("is incomplete").to_string();
        assert!(
            (5..30).contains(&pictures) && message.contains(" is incomplete, only "),
            "{pictures}: {message}"
        );
        assert!(message.contains("the file is cut"), "{message}");
        // As a camera it is repeated up to there.
        let mut camera = Playback::open(cut, true, Stop::default()).unwrap();
        assert!(camera.capture(Vec::new()).is_ok());
    }
}

#[test]
fn sound_alone_contains_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    if clip(folder.path()).is_none() {
        return;
    }
    ffmpeg(folder.path(), "-f lavfi -i sine=d=1 sound.wav");
    let (_, error) = read_all(&folder.path().join("sound.wav"));
    assert!(error.expect("is sound").to_string().ends_with("sound.wav: it contains no video"));
}

/// A camera that answers each request with this body, and the number of requests.
fn snapshot_server(body: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counter = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            counter.fetch_add(1, SeqCst);
            let header = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(header.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (address, requests)
}

#[test]
fn a_snapshot_address_is_read_and_its_secrets_stay_in_it() {
    let folder = tempfile::tempdir().unwrap();
    if clip(folder.path()).is_none() {
        return;
    }
    let jpeg = crate::jpeg::testing::SceneJpeg::default().encode();
    let (address, requests) = snapshot_server(jpeg);
    let input = format!("http://{address}/snapshot.jpg?user=admin&pwd=hunter2");
    let mut camera = Playback::open(input.into(), true, Stop::default()).unwrap();
    for _ in 0..2 {
        assert_eq!(camera.capture(Vec::new()).unwrap().size, Size::new(64, 48));
    }
    assert_eq!(requests.load(SeqCst), 2, "one request for a picture");
    // Nothing listens on port 9.
    let dead = "http://127.0.0.1:9/video.cgi?user=admin&pwd=hunter2";
    let error = read_all(Path::new(dead)).1.expect("does not answer").to_string();
    assert_eq!(error, "http://127.0.0.1:9: Connection refused");
    let source = FileSource::new(&File { path: dead.into(), ..File::default() }, &Stop::default());
    assert_eq!(format!("{source:?}"), "FileSource(http://127.0.0.1:9)");
}

#[test]
fn an_invalid_clip_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    if clip(folder.path()).is_none() {
        return;
    }
    let noise = folder.path().join("noise.mp4");
    std::fs::write(&noise, [0u8, 1, 2, 0xfe, 7].repeat(999)).unwrap();
    let error = camera(&noise, true).err().expect("is not a clip");
    assert!(matches!(error, CameraError::Unsupported(_)), "{error}");
    let message = error.to_string();
    assert!(message.contains("noise.mp4: its index is missing"), "{message}");
}

#[test]
fn names_are_sorted_as_people_count() {
    let mut names = [
        "IMG_10.jpg",
        "IMG_2.jpg",
        "IMG_02.jpg",
        "img_1.jpg",
        "IMG_2a.jpg",
        "IMG_.jpg",
        "9.jpg",
        "ü1",
        "10.jpg",
    ];
    names.sort_by(|a, b| natural_order(a, b));
    assert_eq!(
        names,
        [
            "9.jpg",
            "10.jpg",
            "IMG_.jpg",
            "IMG_02.jpg",
            "IMG_2.jpg",
            "IMG_2a.jpg",
            "IMG_10.jpg",
            "img_1.jpg",
            "ü1"
        ]
    );
}

#[test]
fn pipes_devices_and_pictures_in_tiles_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |path: &Path| Input::inspect(path).expect_err("is refused").to_string();
    let pipe = folder.path().join("pipe.jpg");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(fault(&pipe).ends_with("pipe.jpg is a pipe: write its data to a file first"));
    assert!(fault(Path::new("/dev/null")).starts_with("/dev/null is a device: "));
    // Also with the name of a picture.
    for name in ["class.heic", "class.jpg"] {
        let heic = folder.path().join(name);
        std::fs::write(&heic, b"\0\0\0\x24ftypheic\0\0\0\0mif1heic").unwrap();
        assert!(fault(&heic).contains(" is a HEIC or AVIF picture, "), "{}", fault(&heic));
    }
}

#[test]
fn unreadable_pictures_are_one_message_for_each_change_of_their_number() {
    let mut skipped = Skipped::default();
    let mut pass = |count: usize| {
        (0..count).for_each(|_| skipped.add("a.jpg is empty"));
        skipped.end_pass()
    };
    assert_eq!(
        [pass(0), pass(2), pass(2), pass(3), pass(0), pass(2)],
        [None, Some(2), None, Some(3), None, Some(2)]
    );
}

#[test]
fn a_stream_is_opened_once_a_second_at_most() {
    let (start, ms) = (Instant::now(), Duration::from_millis);
    let mut openings = Pacer::new(1.0);
    let waits = [0, 60, 1_060].map(|at| openings.delay(start + ms(at)));
    assert_eq!(waits, [ms(0), ms(940), ms(940)]);
}
