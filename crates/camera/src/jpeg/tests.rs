use super::testing::{SAMPLINGS, SceneJpeg, smooth_scene};
use super::*;

fn decode(jpeg: &[u8]) -> Result<Vec<u8>, JpegError> {
    let mut luma = Vec::new();
    super::decode(jpeg, &Layout::parse(jpeg)?, &mut luma).map(|()| luma)
}

#[test]
fn the_end_is_found_and_later_bytes_are_ignored() {
    for sampling in SAMPLINGS {
        let mut jpeg = SceneJpeg { sampling, restart_interval: 2, ..SceneJpeg::default() }.encode();
        let expected = decode(&jpeg).unwrap();
        let end = jpeg.len();
        // The rest of an older picture including its end marker, as in a camera's buffer.
        jpeg.extend_from_within(end / 2..);
        assert_eq!(Layout::parse(&jpeg).unwrap().end, end);
        assert_eq!(decode(&jpeg).unwrap(), expected);
    }
}

/// The first `keep` bytes, with or without an end marker.
fn cut(jpeg: &[u8], keep: usize, end_marker: bool) -> Vec<u8> {
    let kept = &jpeg[..keep];
    // A single FF would make another marker of the end marker.
    let mut cut = kept.strip_suffix(&[0xff]).unwrap_or(kept).to_vec();
    cut.extend_from_slice(if end_marker { &[0xff, END_OF_IMAGE] } else { &[] });
    cut
}

fn scenes() -> impl Iterator<Item = SceneJpeg> {
    SAMPLINGS.into_iter().chain([Some((4, 1))]).flat_map(|sampling| {
        let scene = SceneJpeg { sampling, ..SceneJpeg::default() };
        let kinds = [
            SceneJpeg { restart_interval: 3, ..scene },
            SceneJpeg { progressive: true, ..scene },
            SceneJpeg { separate_scans: true, ..scene },
        ];
        kinds.into_iter().chain([scene])
    })
}

#[test]
fn a_picture_is_whole_if_its_last_block_is_there_with_or_without_an_end_marker() {
    for scene in scenes() {
        let jpeg = scene.encode();
        let expected = decode(&jpeg).unwrap();
        assert_eq!(decode(&jpeg[..jpeg.len() - 2]).unwrap(), expected, "{scene:?} without end marker");
        let mut padded = jpeg[..jpeg.len() - 2].to_vec();
        padded.resize(jpeg.len() + 4096, 0);
        assert_eq!(decode(&padded).unwrap(), expected, "{scene:?} in a buffer of zeros");
    }
}

#[test]
fn a_cut_picture_is_refused_with_or_without_an_end_marker() {
    for scene in scenes() {
        let jpeg = scene.encode();
        let scan = jpeg.windows(2).position(|pair| pair == [0xff, START_OF_SCAN]).unwrap();
        // The luma of separate and of progressive scans is complete before the chroma.
        let in_turn = scene.separate_scans || scene.progressive || scene.sampling == Some((4, 1));
        let luma_share = if in_turn { 4 } else { 1 };
        let end = scan + (jpeg.len() - scan) / luma_share * 9 / 10;
        for keep in (2..end).step_by(7) {
            for end_marker in [false, true] {
                let cut = cut(&jpeg, keep, end_marker);
                let refused = decode(&cut).err();
                assert!(
                    matches!(refused, Some(JpegError::Cut { .. } | JpegError::Damaged(_))),
                    "{scene:?}, {keep} bytes, {end_marker}: {refused:?}"
                );
                let mut padded = cut;
                padded.resize(jpeg.len(), 0);
                assert!(end_marker || decode(&padded).is_err(), "{scene:?}, {keep} bytes and zeros");
            }
        }
    }
    assert_eq!(decode(b"\xff"), Err(JpegError::NotJpeg));
    assert_eq!(decode(b""), Err(JpegError::NotJpeg));
}

#[test]
fn the_line_in_which_the_data_end_is_named() {
    let size = Size::new(64, 480);
    let jpeg = SceneJpeg { size, ..SceneJpeg::default() }.encode();
    let Err(JpegError::Cut { lines, height: 480 }) = decode(&cut(&jpeg, jpeg.len() / 2, true)) else {
        panic!("is cut")
    };
    assert!((150..330).contains(&lines), "{lines}");
}

#[test]
fn a_lost_restart_interval_is_noticed() {
    let scene = SceneJpeg { restart_interval: 2, ..SceneJpeg::default() };
    let jpeg = scene.encode();
    let marker = |number: u8| jpeg.windows(2).position(|pair| pair == [0xff, 0xd0 + number]).unwrap();
    let mut lossy = jpeg.clone();
    lossy.drain(marker(1)..marker(2));
    let error = decode(&lossy).expect_err("has lost two units").to_string();
    assert!(error.contains("a restart marker is absent"), "{error}");
}

#[test]
fn rgb_is_converted_to_luma() {
    let scene = SceneJpeg { sampling: Some((1, 1)), ..SceneJpeg::default() };
    for separate_scans in [false, true] {
        let jpeg = SceneJpeg { separate_scans, ..scene }.encode();
        // Without JFIF, with the components R, G and B.
        let mut named = jpeg.clone();
        named[3] = 0xef;
        let mut at = 2;
        while at < named.len() - 1 {
            match named[at + 1] {
                0xc0 => (0..3).for_each(|index| named[at + 10 + 3 * index] = b"RGB"[index]),
                START_OF_SCAN => {
                    for index in 0..usize::from(named[at + 4]) {
                        let id = &mut named[at + 5 + 2 * index];
                        *id = b"RGB"[usize::from(*id)];
                    }
                }
                END_OF_IMAGE => break,
                _ => {}
            }
            at += 2 + usize::from(u16::from_be_bytes([named[at + 2], named[at + 3]]));
            at = next_marker(&named, at).unwrap().1;
        }
        // With the marker segment of Adobe: transform 0.
        let mut adobe = jpeg;
        adobe[3] = 0xef;
        adobe.splice(2..2, *b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0");
        let luma = smooth_scene(scene.size, 0);
        for jpeg in [named, adobe] {
            for (found, y) in decode(&jpeg).unwrap().iter().zip(&luma) {
                let expected = luma_of_rgb([*y, 255 - *y, 40 + *y / 2]);
                assert!(found.abs_diff(expected) <= 3, "{found} for {expected}");
            }
        }
    }
}

#[test]
fn an_end_marker_without_pixels_is_an_error() {
    let damaged = Err(JpegError::Damaged("it ends before its pixels begin".into()));
    assert_eq!(decode(&[0xff, 0xd8, 0xff, 0xd9]), damaged);
}

#[test]
fn padding_between_restart_intervals_is_ignored() {
    // Common webcams add such padding. libjpeg reports it as "extraneous bytes before marker".
    let scene = SceneJpeg { restart_interval: 2, ..SceneJpeg::default() };
    let mut jpeg = scene.encode();
    let end = jpeg.len();
    jpeg.splice(end - 2..end - 2, [0x00, 0x11, 0x22]);
    assert_eq!(decode(&jpeg).unwrap(), decode(&scene.encode()).unwrap());
}

#[test]
fn unsupported_kinds_are_named() {
    let with = |offset: usize, value: u8| {
        let mut jpeg = SceneJpeg::default().encode();
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + offset] = value;
        jpeg[frame + 6] *= u8::from(offset != 5);
        decode(&jpeg).expect_err("is refused").to_string()
    };
    assert_eq!(with(1, 0xc3), "JPEG picture cannot be read as luma: it uses lossless coding");
    assert_eq!(with(1, 0xc9), "JPEG picture cannot be read as luma: it uses arithmetic coding");
    assert_eq!(with(4, 12), "JPEG picture cannot be read as luma: it does not have 8 bits per sample");
    assert_eq!(with(9, 4), "JPEG picture is damaged: its frame header is invalid");
    assert_eq!(
        with(9, 2),
        "JPEG picture cannot be read as luma: it does not have one, three or four components"
    );
    assert_eq!(with(11, 0x51), "JPEG picture is damaged: its frame header is invalid");
    assert_eq!(with(5, 0), "JPEG picture is damaged: its size is 64x0");
    let short = with(5, 0xff);
    assert!(short.starts_with("JPEG picture is incomplete: its data end in line "), "{short}");
}

/// The sizes include less than a block, whole blocks, one pixel more, odd and even.
#[test]
fn every_size_and_sampling_is_decoded_correctly() {
    const LENGTHS: [u32; 8] = [1, 7, 8, 9, 16, 17, 33, 64];
    let sizes = LENGTHS.iter().flat_map(|width| LENGTHS.map(|height| Size::new(*width, height)));
    for (size, scene) in sizes.flat_map(|size| scenes().map(move |scene| (size, scene))) {
        let scene = SceneJpeg { size, ..scene };
        let luma = decode(&scene.encode()).unwrap_or_else(|error| panic!("{scene:?}: {error}"));
        let mut pairs = luma.iter().zip(smooth_scene(size, 0));
        assert!(pairs.all(|(luma, expected)| luma.abs_diff(expected) <= 2), "{scene:?}");
    }
}

#[test]
fn a_picture_without_huffman_tables_is_decoded_with_the_standard_ones() {
    for restart_interval in [0, 4] {
        let scene = SceneJpeg { without_tables: true, restart_interval, ..SceneJpeg::default() };
        let with_tables = SceneJpeg { without_tables: false, ..scene };
        assert!(scene.encode().len() + 400 < with_tables.encode().len());
        assert_eq!(decode(&scene.encode()).unwrap(), decode(&with_tables.encode()).unwrap());
        let (luma, expected) = (decode(&scene.encode()).unwrap(), smooth_scene(scene.size, 0));
        assert!(luma.iter().zip(&expected).all(|(luma, expected)| luma.abs_diff(*expected) <= 2));
    }
}

#[test]
fn cmyk_is_converted_to_luma() {
    let size = Size::new(40, 24);
    let inks: Vec<[u8; 4]> =
        smooth_scene(size, 5).iter().map(|y| [*y, 255 - *y, *y / 2, 20 + *y / 4]).collect();
    for colour in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        for progressive in [false, true] {
            let mut jpeg = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 100);
            encoder.set_progressive(progressive);
            encoder.encode(inks.as_flattened(), 40, 24, colour).unwrap();
            for (found, [c, m, y, k]) in decode(&jpeg).unwrap().iter().zip(&inks) {
                let light = luma_of_rgb([255 - c, 255 - m, 255 - y]);
                let expected = u32::from(light) * u32::from(255 - k) / 255;
                assert!(u32::from(*found).abs_diff(expected) <= 4, "{colour:?}: {found} for {expected}");
            }
            assert!(decode(&cut(&jpeg, jpeg.len() * 2 / 3, true)).is_err());
        }
    }
}
