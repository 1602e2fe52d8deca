//! Starts the outputs, which show and report the mood: broker and webhooks, display, lights, page.
//!
//! Each output takes the newest mood from a watch, in its own task or thread. No output waits for another. One that
//! fails logs it once, backs off and tries again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use moodring_config::{Config, DisplayKind, LightsKind, Settings};
use moodring_contract::lesson::Record;
use moodring_contract::{DeviceEvent, Mood};
use moodring_hardware::board::Board;
use moodring_hardware::terminal::Terminal;
use moodring_hardware::{display, lights};
use moodring_mqtt::{Address, OverlayInbox, ReportSources};
use moodring_runtime::{
    Backoff, CameraPreview, CommandSender, DeviceStatus, Health, Moods, Pairing, StatusBoard, Supervisor,
    Telemetry,
};
use moodring_web::setup::SetupService;
use moodring_web::{Archive, AttentionUpdates, Web};
use tokio::sync::mpsc;

/// Scale of `/display.png`: image pixels for one pixel of the display.
const DISPLAY_SCALE: u32 = 6;

/// What the outputs get from the rest of the device.
pub(super) struct OutputSources {
    pub(super) moods: Moods,
    pub(super) settings: Settings,
    pub(super) telemetry: Telemetry,
    pub(super) commands: CommandSender,
    pub(super) pairing: Pairing,
    pub(super) preview: CameraPreview,
    /// Records of lessons.
    pub(super) records: mpsc::Receiver<Record>,
    /// Events of the device.
    pub(super) events: mpsc::Receiver<DeviceEvent>,
    /// Places where help may be needed, if the configuration enables it. Only the page gets them.
    pub(super) attention: Option<AttentionUpdates>,
    /// Answers the set-up page; `None`: there is no set-up page.
    pub(super) setup: Option<SetupService>,
    /// Receives overlays from the broker; `None`: overlays are not enabled.
    pub(super) overlays: Option<OverlayInbox>,
}

/// The outputs that were started, and their addresses.
#[derive(Debug)]
pub(super) struct Outputs {
    /// The broker to which moods are published.
    pub(super) mqtt: Option<Address>,
    /// Address of the page. `None` also while its port is in use, which is a problem on the status board.
    pub(super) web: Option<SocketAddr>,
    /// Whether an output receives the records of lessons.
    pub(super) receives_records: bool,
}

/// Starts the outputs that `config` enables. A fault that may be temporary (broker unreachable, port in use, display
/// that does not answer) is not an error: it is published on `status` and retried.
///
/// # Errors
/// The embedded broker cannot listen, or a thread cannot be started.
pub(super) async fn start(
    config: &Config,
    board: &Board,
    status: &StatusBoard,
    sources: OutputSources,
    supervisor: &Supervisor,
) -> anyhow::Result<Outputs> {
    let OutputSources {
        moods,
        settings,
        telemetry,
        commands,
        pairing,
        preview,
        records,
        events,
        attention,
        setup,
        overlays,
    } = sources;
    let report = ReportSources {
        moods: moods.clone(),
        telemetry: telemetry.clone(),
        commands: Some(commands.clone()),
        records,
        events,
        overlays,
    };
    let reporting = moodring_mqtt::start(config, report, supervisor, status)?;
    let mut starter = Starter {
        config,
        board,
        status,
        supervisor,
        moods: moods.clone(),
        settings,
        zone: config.clock.zone(),
        terminal: Arc::default(),
        health: reporting.health,
    };
    starter.display(&pairing)?;
    starter.lights()?;
    // Last, because the page shows the health of the other outputs.
    let web = if config.web.enabled {
        let health = starter.new_health("web");
        let directory = config.storage.directory();
        let page = Web {
            config: config.web.clone(),
            room: config.room.name.clone(),
            moods,
            updates: status.subscribe(),
            pairing,
            storage: directory.clone(),
            mood_every: Duration::from_secs_f64(config.mood.publish_every_s.clamp(0.2, 60.0)),
            telemetry,
            commands: Some(commands),
            preview,
            zones: config.zone.clone(),
            attention,
            setup,
            archive: config.lessons.enabled.then(|| Archive { directory, zone: starter.zone.clone() }),
            display_image: Some(Arc::new(display_image)),
            health,
            all_health: starter.health,
            stop: supervisor.stop().clone(),
        };
        serve(page, supervisor).await
    } else {
        None
    };
    if let Some(address) = web {
        status.update(|status| status.page = Some(address));
    }
    Ok(Outputs { mqtt: reporting.broker, web, receives_records: reporting.receives_records })
}

/// Starts the page. Returns its address if its port is free.
async fn serve(page: Web, supervisor: &Supervisor) -> Option<SocketAddr> {
    let stop = supervisor.stop().clone();
    let listener = page.listen().await;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    supervisor.task("web", async move {
        page.run(listener).await;
        // Only a person can fix a page that cannot be served; the device continues without it.
        stop.requested().await;
        Ok(())
    });
    address
}

/// What the small display would show, as PNG. The pairing code is left out: it is only for people at the device.
fn display_image(mood: &Mood, status: &DeviceStatus) -> Result<Vec<u8>, String> {
    let pages = display::draw(mood, status, None, display::PageTimes::OVERVIEW, Instant::now());
    display::small(pages.first()).to_png(DISPLAY_SCALE).map_err(|error| error.to_string())
}

struct Starter<'a> {
    config: &'a Config,
    board: &'a Board,
    status: &'a StatusBoard,
    supervisor: &'a Supervisor,
    moods: Moods,
    settings: Settings,
    zone: TimeZone,
    terminal: Arc<Terminal>,
    health: Vec<Arc<Health>>,
}

impl Starter<'_> {
    fn new_health(&mut self, name: &'static str) -> Arc<Health> {
        let health = Arc::new(Health::on_board(self.status.clone(), name));
        self.health.push(Arc::clone(&health));
        health
    }

    fn display(&mut self, pairing: &Pairing) -> anyhow::Result<()> {
        if self.config.display.kind == DisplayKind::Off {
            return Ok(());
        }
        let health = self.new_health("display");
        let screen = match display::screen(self.config, self.board, &self.terminal) {
            Ok(Some(screen)) => screen,
            Ok(None) => return Ok(()),
            Err(problem) => {
                health.failed(&problem);
                return Ok(());
            }
        };
        let sources = display::Sources {
            moods: self.moods.clone(),
            updates: self.status.subscribe(),
            pairing: pairing.clone(),
            settings: self.settings.clone(),
            zone: self.zone.clone(),
        };
        self.supervisor.thread("display", move |heartbeat, stop| {
            display::run(screen, &sources, &health, heartbeat, stop);
            Ok(())
        })
    }

    fn lights(&mut self) -> anyhow::Result<()> {
        if self.config.lights.kind == LightsKind::Off {
            return Ok(());
        }
        let health = self.new_health("lights");
        let open = lights::opener(self.config.lights.clone(), self.board.clone(), Arc::clone(&self.terminal));
        let brightness = lights::Brightness { settings: self.settings.clone(), zone: self.zone.clone() };
        let (moods, updates) = (self.moods.clone(), self.status.subscribe());
        self.supervisor.thread("lights", move |heartbeat, stop| {
            let (moods, updates, health) = (&moods, &updates, &health);
            lights::LightLoop { open, brightness, moods, updates, health, heartbeat, stop }
                .run(Backoff::default());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_contract::{Word, samples};

    #[test]
    fn the_page_shows_the_picture_that_the_display_shows() {
        let (mood, status) = (samples::live(), DeviceStatus::default());
        let png = display_image(&mood, &status).unwrap();
        let shown = image::load_from_memory(&png).unwrap().into_rgb8();
        let pages = display::draw(&mood, &status, None, display::PageTimes::OVERVIEW, Instant::now());
        assert_eq!(shown, display::small(pages.first()).to_image(DISPLAY_SCALE));
    }

    #[test]
    fn the_page_has_the_colours_of_the_lights() {
        let css = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/crates/lessons/src/palette.css"));
        for word in [
            Word::Bright,
            Word::Attentive,
            Word::Calm,
            Word::Restless,
            Word::Strained,
            Word::Drowsy,
            Word::Unsure,
        ] {
            let [red, green, blue] = moodring_hardware::lights::colour(word);
            let rule = format!("--{}: #{red:02x}{green:02x}{blue:02x};", word.name());
            assert!(css.contains(&rule), "{rule} is missing in palette.css");
        }
    }
}
