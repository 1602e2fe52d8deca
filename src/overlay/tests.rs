//! Which overlays are accepted, and which are refused.

use tokio::time::{Duration, timeout};

use super::*;
use moodring_config::Room;
use moodring_contract::EventKind;
use moodring_contract::Mode;
use moodring_runtime::DeviceEvents;
use moodring_runtime::Stop;

struct Administrator {
    key: PrivateKey,
    folder: tempfile::TempDir,
}

impl Administrator {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { key: PrivateKey::create(&folder.path().join("key")).unwrap(), folder }
    }

    /// A device of room b-214 that trusts this administrator.
    fn device(&self) -> Config {
        let room = Room { site: "north".into(), name: "b-214".into() };
        let mut config = Config { room, ..Config::default() };
        config.overlays.public_key = self.key.public().unwrap().to_string();
        config.storage.directory = self.folder.path().join("state");
        config
    }

    fn message(&self, topic: &str, serial: u64, toml: &str) -> Vec<u8> {
        serde_json::to_vec(&Overlay::sign(&self.key, topic, serial, toml)).unwrap()
    }
}

const SITE: &str = "moodring/north/overlay";
const ROOM: &str = "moodring/north/b-214/overlay";

fn refused(overlays: &Overlays, scope: OverlayScope, message: &[u8]) -> String {
    overlays.accept(scope, message).unwrap_err().to_string()
}

#[test]
fn signed_overlays_apply_at_the_next_start_and_the_room_overrides_the_site() {
    let admin = Administrator::new();
    let overlays = Overlays::from_config(&admin.device()).unwrap();
    let site = admin.message(SITE, 1, "[mood]\npublish_every_s = 5\n[night]\nlights = 0.1\n");
    let room = admin.message(
        ROOM,
        9,
        "mood.publish_every_s = 2\n[[lessons.timetable]]\nbegin = \"0 8 * * MON-FRI\"\nminutes = 45\n",
    );
    assert_eq!(overlays.accept(OverlayScope::Site, &site).unwrap().unwrap().serial, 1);
    assert!(overlays.accept(OverlayScope::Room, &room).unwrap().is_some());
    let (config, messages) = Overlays::from_config(&admin.device()).unwrap().configuration();
    assert_eq!((config.mood.publish_every_s, config.night.lights), (2.0, 0.1));
    assert_eq!(config.lessons.timetable.len(), 1);
    assert_eq!(config.night.display, admin.device().night.display, "the rest stays");
    let expected = ["overlay 1 of the site: mood.publish_every_s, night.lights", "overlay 9 of the room: "];
    let matches = messages.iter().zip(expected).all(|(message, expected)| message.starts_with(expected));
    assert!(matches, "{messages:?}");
    // The broker delivers it again on every connection.
    assert_eq!(overlays.accept(OverlayScope::Site, &site).unwrap(), None);
    // An overlay without keys removes it.
    assert!(overlays.accept(OverlayScope::Room, &admin.message(ROOM, 10, "")).unwrap().is_some());
    assert_eq!(overlays.configuration().0.mood.publish_every_s, 5.0);
}

#[test]
fn overlays_of_others_are_refused() {
    let (admin, stranger) = (Administrator::new(), Administrator::new());
    let overlays = Overlays::from_config(&admin.device()).unwrap();
    let fine = "mood.publish_every_s = 5";
    let refusal = refused(&overlays, OverlayScope::Site, &stranger.message(SITE, 1, fine));
    assert!(
        refusal.contains("not signed with the key of overlays.public_key for moodring/north/overlay"),
        "{refusal}"
    );
    // The overlay of another room that is replayed to this one, and one in which a character was changed.
    assert!(refused(&overlays, OverlayScope::Room, &admin.message(SITE, 1, fine)).contains("not signed"));
    let message = String::from_utf8(admin.message(SITE, 1, fine)).unwrap();
    for changed in [message.replace("= 5", "= 6"), message.replace("\"serial\":1", "\"serial\":2")] {
        assert!(
            refused(&overlays, OverlayScope::Site, changed.as_bytes()).contains("not signed"),
            "{changed}"
        );
    }
    assert!(refused(&overlays, OverlayScope::Site, b"{}").contains("not a valid moodring.overlay/1 message"));
    let large = admin.message(SITE, 1, &"# \n".repeat(8000));
    assert!(refused(&overlays, OverlayScope::Site, &large).contains("at most 16384"));
    overlays.accept(OverlayScope::Site, &admin.message(SITE, 7, fine)).unwrap();
    let refusal = refused(&overlays, OverlayScope::Site, &admin.message(SITE, 6, "mood.publish_every_s = 1"));
    assert!(refusal.contains("its serial is 6, but serial 7 is already stored"), "{refusal}");
    assert!(Overlays::from_config(&Config::default()).is_none(), "without a key there are none");
}

#[test]
fn only_harmless_keys_can_be_set_and_protections_only_made_stricter() {
    let admin = Administrator::new();
    let mut file = admin.device();
    file.mood.min_people = 8;
    file.mood.mode = Mode::Occupancy;
    let overlays = Overlays::from_config(&file).unwrap();
    for (toml, expected) in [
        ("web.listen = \"0.0.0.0:80\"", "web.listen cannot be set by an overlay; allowed are mood.mode"),
        ("[mqtt]\nhost = \"elsewhere\"", "mqtt.host cannot be set by an overlay"),
        ("[purpose]\nconsent = \"everybody\"", "purpose.consent cannot be set by an overlay"),
        ("[privacy]\ni_accept_small_groups = true", "privacy.i_accept_small_groups cannot"),
        ("nightly = 1", "nightly cannot be set"),
        ("[night.x]\ny = 1", "unknown field"),
        ("mood.min_people = 5", "mood.min_people can be made stricter by an overlay, but not looser"),
        ("mood.mode = \"mood\"", "mood.mode can be made stricter"),
        ("mqtt.lesson_titles = true", "mqtt.lesson_titles can be made stricter"),
        ("lessons.keep_days = 1000", "lessons.keep_days can be made stricter"),
        ("mood.publish_every_s = 900", "mood.publish_every_s is 900, but must be from 0.2 to 60"),
        ("= 5", "TOML parse error"),
    ] {
        let refusal = refused(&overlays, OverlayScope::Site, &admin.message(SITE, 1, toml));
        assert!(refusal.contains(expected), "{toml}: {refusal}");
    }
    let stricter = "mood.min_people = 10\nlessons.keep_days = 7\n";
    overlays.accept(OverlayScope::Site, &admin.message(SITE, 1, stricter)).unwrap();
    let (config, _) = overlays.configuration();
    assert_eq!((config.mood.min_people, config.lessons.keep_days), (10, 7));
}

#[test]
fn a_stored_overlay_that_is_no_longer_acceptable_is_left_out_and_reported() {
    let admin = Administrator::new();
    let mut file = admin.device();
    let overlays = Overlays::from_config(&file).unwrap();
    overlays.accept(OverlayScope::Site, &admin.message(SITE, 1, "mood.min_people = 10")).unwrap();
    // Somebody made the file stricter than the overlay.
    file.mood.min_people = 20;
    let (config, messages) = Overlays::from_config(&file).unwrap().configuration();
    assert_eq!(config.mood.min_people, 20);
    assert!(messages[0].contains("left out: mood.min_people can be made stricter"), "{messages:?}");
    // The file names another administrator's key.
    file.overlays.public_key = Administrator::new().key.public().unwrap().to_string();
    let (_, messages) = Overlays::from_config(&file).unwrap().configuration();
    assert!(messages[0].contains("not signed"), "{messages:?}");
}

#[tokio::test]
async fn a_refusal_and_an_application_are_reported_and_only_the_latter_restarts() {
    let admin = Administrator::new();
    let (events, mut reported) = DeviceEvents::channel();
    let (inbox, arrivals) = moodring_mqtt::OverlayInbox::channel();
    let overlays = Overlays::from_config(&admin.device()).unwrap();
    let task = tokio::spawn(run(overlays, arrivals, events, Stop::default()));
    for message in [
        Vec::new(),
        b"rubbish".to_vec(),
        b"rubbish again".to_vec(),
        admin.message(SITE, 1, "night.lights = 0.0"),
    ] {
        inbox.put(OverlayArrival { scope: OverlayScope::Site, message });
    }
    assert!(timeout(Duration::from_secs(30), task).await.unwrap().unwrap());
    let (first, second) = (reported.recv().await.unwrap(), reported.recv().await.unwrap());
    assert_eq!((first.kind, second.kind), (EventKind::ConfigurationRefused, EventKind::ConfigurationApplied));
    assert_eq!(second.detail.as_deref(), Some("overlay 1 of the site: night.lights"));
    assert!(reported.recv().await.is_none());
}

#[test]
fn a_key_is_written_once_and_only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let admin = Administrator::new();
    let path = admin.folder.path().join("key");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(PrivateKey::create(&path).is_err(), "a key is never overwritten");
    assert_eq!(PrivateKey::read(&path).unwrap().public(), admin.key.public());
    std::fs::write(&path, "nothing").unwrap();
    let refusal = PrivateKey::read(&path).err().unwrap().to_string();
    assert!(refusal.contains("contains no key"), "{refusal}");
    assert!(PublicKey::parse("+1").is_none() && PublicKey::parse(&"0".repeat(63)).is_none());
}
