use std::sync::{Arc, Mutex};

use super::glass::Glass;
use super::*;
use moodring_contract::{Pace, Word};

const BRIGHT: Appearance = Appearance { brightness: 1.0, shift: (0, 0) };
const ADDRESS: u8 = 0x3c;

fn overview(word: Word, people: u32) -> Page {
    Page::Overview { word, people: Some(people), facing: None, pace: Pace::Fine }
}

fn oled(glass: &Glass, kind: Kind, flip: bool) -> impl Screen + use<> {
    let glass = glass.clone();
    let config = OledConfig { kind, bus: "/dev/i2c-1".into(), address: ADDRESS, flip };
    Oled::new(config, move || Ok(glass.clone()))
}

#[test]
fn the_visible_picture_is_the_drawn_one_on_both_controllers_and_rotations() {
    for kind in [Kind::Ssd1306, Kind::Sh1106] {
        for flip in [false, true] {
            let glass = Glass::new(kind, ADDRESS);
            let mut oled = oled(&glass, kind, flip);
            for page in [overview(Word::Calm, 28), overview(Word::Calm, 29), overview(Word::Restless, 3)] {
                oled.show(&page, BRIGHT).unwrap();
                let drawn = small::render(&page).to_ascii();
                // Rotated by 180 degrees: the last pixel comes first.
                let expected = if flip {
                    drawn.lines().rev().map(|line| line.chars().rev().collect::<String>() + "\n").collect()
                } else {
                    drawn
                };
                assert!(glass.chip().seen() == expected, "{kind:?} {flip}\n{}", glass.chip().seen());
            }
            let moved = Appearance { brightness: 0.2, shift: (-2, 1) };
            oled.show(&overview(Word::Calm, 28), moved).unwrap();
            assert_eq!(glass.chip().contrast, 51);
            oled.darken().unwrap();
            assert!(!glass.chip().seen().contains('#') && !glass.chip().on);
        }
    }
}

#[test]
fn only_changes_are_sent() {
    for kind in [Kind::Ssd1306, Kind::Sh1106] {
        let glass = Glass::new(kind, ADDRESS);
        let mut oled = oled(&glass, kind, false);
        let whole = oled.show(&overview(Word::Calm, 28), BRIGHT).unwrap();
        assert!((1024..1400).contains(&whole), "{kind:?}: {whole}");
        let digit = oled.show(&overview(Word::Calm, 29), BRIGHT).unwrap();
        assert!(digit < 80, "{kind:?}: {digit}");
        let nothing = oled.show(&overview(Word::Calm, 29), BRIGHT).unwrap();
        assert!((3..=12).contains(&nothing), "{kind:?}: {nothing}");
        println!("{kind:?}: whole {whole}, one digit {digit}, nothing {nothing} bytes");
        assert!(glass.chip().seen() == small::render(&overview(Word::Calm, 29)).to_ascii());
    }
}

#[test]
fn after_a_failure_at_any_transaction_the_next_picture_is_complete() {
    for kind in [Kind::Ssd1306, Kind::Sh1106] {
        let page = overview(Word::Strained, 17);
        let whole = {
            let glass = Glass::new(kind, ADDRESS);
            oled(&glass, kind, false).show(&page, BRIGHT).unwrap();
            glass.chip().transactions
        };
        assert!(whole > 8);
        for failing in 0..whole {
            let glass = Glass::new(kind, ADDRESS);
            let mut oled = oled(&glass, kind, false);
            glass.chip().script = std::iter::repeat_n(None, failing).chain([Some(BusError::Nack)]).collect();
            let error = oled.show(&page, BRIGHT).unwrap_err().to_string();
            assert!(error.starts_with("no display answers at 0x3c on /dev/i2c-1; check"), "{error}");
            glass.chip().lose_power();
            oled.show(&page, BRIGHT).unwrap();
            assert!(glass.chip().seen() == small::render(&page).to_ascii(), "after {failing}");
        }
    }
}

#[test]
fn errors_distinguish_wrong_address_hanging_bus_and_missing_bus() {
    let glass = Glass::new(Kind::Ssd1306, 0x3d);
    let mut wrong = oled(&glass, Kind::Ssd1306, false);
    let page = overview(Word::Calm, 28);
    assert!(wrong.show(&page, BRIGHT).unwrap_err().to_string().contains("display.address (0x3c or 0x3d)"));
    let glass = Glass::new(Kind::Sh1106, ADDRESS);
    glass.chip().script = [Some(BusError::Stuck("timed out".into()))].into();
    let error = oled(&glass, Kind::Sh1106, false).show(&page, BRIGHT).unwrap_err().to_string();
    assert_eq!(error, "/dev/i2c-1 hangs (the bus hangs: timed out); switch the display's power off and on");
    let config = OledConfig { kind: Kind::Sh1106, bus: String::new(), address: ADDRESS, flip: false };
    let mut gone = Oled::new(config, || Err::<Glass, _>("/dev/i2c-1 is not there".to_owned()));
    assert_eq!(gone.show(&page, BRIGHT).unwrap_err().to_string(), "/dev/i2c-1 is not there");
}

#[test]
fn the_bus_is_reopened_only_after_a_failure() {
    let glass = Glass::new(Kind::Ssd1306, ADDRESS);
    let opened = Arc::new(Mutex::new(0));
    let config = OledConfig { kind: Kind::Ssd1306, bus: String::new(), address: ADDRESS, flip: false };
    let mut oled = Oled::new(config, {
        let (glass, opened) = (glass.clone(), Arc::clone(&opened));
        move || {
            *opened.lock().unwrap() += 1;
            Ok(glass.clone())
        }
    });
    for people in 0..5 {
        oled.show(&overview(Word::Calm, people), BRIGHT).unwrap();
    }
    assert_eq!(*opened.lock().unwrap(), 1);
    glass.chip().script = [Some(BusError::Nack)].into();
    assert!(oled.show(&overview(Word::Calm, 5), BRIGHT).is_err());
    oled.show(&overview(Word::Calm, 5), BRIGHT).unwrap();
    assert_eq!(*opened.lock().unwrap(), 2);
}

#[test]
fn short_gaps_are_sent_and_long_ones_are_skipped() {
    let held: Memory = [[0; WIDTH]; PAGES];
    let mut wanted = held;
    for column in [3, 5, 5 + MAX_GAP + 1, 100] {
        wanted[2][column] = 1;
    }
    wanted[7][127] = 1;
    let run = |page, columns| Run { page, columns };
    assert_eq!(runs(Some(&held), &wanted), [run(2, 3..15), run(2, 100..101), run(7, 127..128)]);
    assert!(runs(Some(&held), &held).is_empty());
    assert_eq!(runs(None, &held).len(), PAGES);
}
