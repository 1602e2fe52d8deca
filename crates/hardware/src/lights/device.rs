//! Opens the light that the configuration names; an error names the key and the fix.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::led::LedClass;
use super::switched::Switched;
use super::terminal_ring::TerminalRing;
use super::{Ring, ring};
use crate::board::gpio::{LineAddress, Output};
use crate::board::{Board, Bus};
use crate::terminal::Terminal;
use moodring_config::{GpioLights, Lights, LightsKind, PwmLights};

/// Returns a function that opens the light that `config` names; each call is a new attempt.
pub fn opener(
    config: Lights,
    board: Board,
    terminal: Arc<Terminal>,
) -> impl FnMut() -> Result<Box<dyn Ring>, String> + Send {
    move || match config.kind {
        LightsKind::Off => Err("lights.kind is \"off\"".into()),
        LightsKind::Terminal => terminal_ring(&terminal),
        LightsKind::Ring => ws2812(&board, config.ring.count),
        LightsKind::Led => led(&config.led.path),
        LightsKind::Gpio => gpio(&board, &config.gpio),
        LightsKind::Pwm => pwm(&board, &config.pwm),
    }
}

fn terminal_ring(terminal: &Arc<Terminal>) -> Result<Box<dyn Ring>, String> {
    if !Terminal::is_there() {
        return Err("lights.kind is \"terminal\", but standard output is not a terminal".into());
    }
    Ok(Box::new(TerminalRing::new(Arc::clone(terminal))))
}

fn ws2812(board: &Board, count: u32) -> Result<Box<dyn Ring>, String> {
    let device = board.spi.as_deref().ok_or("no SPI device is known for the light ring: set board.spi")?;
    let refused = |error| format!("light ring (board.spi): {}", board.explain(Bus::Spi, device, &error));
    Ok(Box::new(ring::open(device, count).map_err(refused)?))
}

fn led(folder: &Path) -> Result<Box<dyn Ring>, String> {
    let refused = |error: std::io::Error| {
        let name = folder.display();
        match error.kind() {
            ErrorKind::NotFound => {
                format!("no light at lights.led.path {name}; `ls /sys/class/leds` lists the lights")
            }
            ErrorKind::PermissionDenied => format!(
                "no permission to write lights.led.path {name}: a udev rule must give its files to the service's group"
            ),
            _ => format!("lights.led.path {name}: {error}"),
        }
    };
    Ok(Box::new(LedClass::open(folder).map_err(refused)?))
}

fn gpio(board: &Board, config: &GpioLights) -> Result<Box<dyn Ring>, String> {
    let chip = board.gpio_chip(&config.chip);
    let line = |pin: &u8| {
        board.line_at_pin(*pin).ok_or_else(|| {
            format!("lights.gpio.pins: no line is known at pin {pin} of this board; set lights.gpio.lines")
        })
    };
    let lines = if config.lines.is_empty() {
        config.pins.iter().map(line).collect::<Result<Vec<_>, _>>()?
    } else {
        config.lines.clone()
    };
    let open = |line| Output::open(&LineAddress { chip: chip.clone(), line }, config.lit.into());
    let lamps = lines.into_iter().map(open).collect::<Result<Vec<_>, _>>();
    Ok(Box::new(Switched::new(lamps.map_err(|error| format!("lights.gpio: {error}"))?)))
}

fn pwm(board: &Board, config: &PwmLights) -> Result<Box<dyn Ring>, String> {
    let channels = &config.channels;
    let refused = |error| {
        format!("lights.pwm.channels {channels:?}: {}", board.explain(Bus::Pwm, &config.chip, &error))
    };
    #[cfg(feature = "pi")]
    let opened = super::pwm_rppal::open(channels);
    #[cfg(not(feature = "pi"))]
    let opened = super::pwm::open(&config.chip, channels);
    Ok(Box::new(opened.map_err(refused)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::machine;
    use moodring_config as config;

    fn error(config: Lights, model: &str) -> String {
        let (_root, machine) = machine(&[("/proc/device-tree/model", model)]);
        let board = Board::of(&config::Board::default(), &machine);
        opener(config, board, Arc::default())().err().unwrap_or_default()
    }

    fn lights(kind: LightsKind) -> Lights {
        Lights { kind, ..Lights::default() }
    }

    #[test]
    fn errors_name_device_key_and_fix() {
        let pi = "Raspberry Pi 5 Model B Rev 1.0";
        let ring = error(lights(LightsKind::Ring), pi);
        assert!(ring.contains("board.spi") && ring.contains("/dev/spidev0.0 is not there"), "{ring}");
        assert!(ring.contains("do_spi 0"), "{ring}");
        assert!(error(lights(LightsKind::Ring), "").contains("set board.spi"));
        let mut led = lights(LightsKind::Led);
        led.led.path = "/nowhere/mood".into();
        assert!(error(led, pi).contains("lights.led.path /nowhere/mood; `ls /sys/class/leds`"));
    }

    #[test]
    fn pins_need_a_known_header_and_lines_do_not() {
        let mut gpio = lights(LightsKind::Gpio);
        gpio.gpio.pins = vec![29];
        assert!(error(gpio.clone(), "").contains("no line is known at pin 29 of this board"));
        gpio.gpio.chip = "/dev/gpiochip77".into();
        assert!(error(gpio.clone(), "Raspberry Pi 4 Model B").contains("\"/dev/gpiochip77\" is not there"));
        gpio.gpio.lines = vec![5];
        assert!(error(gpio, "").contains("lights.gpio: the GPIO chip"));
    }
}
