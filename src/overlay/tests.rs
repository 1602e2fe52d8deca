//! What is taken from afar, and what is not.

use tokio::time::{Duration, timeout};

use super::*;
use crate::outputs::{EventKind, Events};
use crate::supervisor::Stop;

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
        config.fleet.overlay_key = self.key.public().unwrap().to_string();
        config.storage.directory = self.folder.path().join("state");
        config
    }

    fn message(&self, topic: &str, serial: u64, toml: &str) -> Vec<u8> {
        serde_json::to_vec(&Overlay::sign(&self.key, topic, serial, toml)).unwrap()
    }
}

const SITE: &str = "moodring/north/overlay";
const ROOM: &str = "moodring/north/b-214/overlay";

fn refused(overlays: &Overlays, scope: Scope, message: &[u8]) -> String {
    overlays.take(scope, message).unwrap_err().to_string()
}

#[test]
fn what_is_signed_holds_from_the_next_start_on_the_room_s_over_the_site_s() {
    let admin = Administrator::new();
    let overlays = Overlays::of(&admin.device()).unwrap();
    let site = admin.message(SITE, 1, "[mood]\npublish_every_s = 5\n[night]\nlights = 0.1\n");
    let room = admin.message(
        ROOM,
        9,
        "mood.publish_every_s = 2\n[[lessons.timetable]]\nbegin = \"0 8 * * MON-FRI\"\nminutes = 45\n",
    );
    assert_eq!(overlays.take(Scope::Site, &site).unwrap().unwrap().serial, 1);
    assert!(overlays.take(Scope::Room, &room).unwrap().is_some());
    let (config, told) = Overlays::of(&admin.device()).unwrap().configuration();
    assert_eq!((config.mood.publish_every_s, config.night.lights), (2.0, 0.1));
    assert_eq!(config.lessons.timetable.len(), 1);
    assert_eq!(config.night.display, admin.device().night.display, "the rest stays");
    let expected = ["overlay 1 of the site: mood.publish_every_s, night.lights", "overlay 9 of the room: "];
    assert!(told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)), "{told:?}");
    // The broker delivers it again on every connection.
    assert_eq!(overlays.take(Scope::Site, &site).unwrap(), None);
    // One without keys takes it back.
    assert!(overlays.take(Scope::Room, &admin.message(ROOM, 10, "")).unwrap().is_some());
    assert_eq!(overlays.configuration().0.mood.publish_every_s, 5.0);
}

#[test]
fn nobody_else_s_word_holds() {
    let (admin, stranger) = (Administrator::new(), Administrator::new());
    let overlays = Overlays::of(&admin.device()).unwrap();
    let fine = "mood.publish_every_s = 5";
    let told = refused(&overlays, Scope::Site, &stranger.message(SITE, 1, fine));
    assert!(
        told.contains("not signed with the key of fleet.overlay_key for moodring/north/overlay"),
        "{told}"
    );
    // That of another room, played to this one; and one of which a letter was changed.
    assert!(refused(&overlays, Scope::Room, &admin.message(SITE, 1, fine)).contains("not signed"));
    let message = String::from_utf8(admin.message(SITE, 1, fine)).unwrap();
    for changed in [message.replace("= 5", "= 6"), message.replace("\"serial\":1", "\"serial\":2")] {
        assert!(refused(&overlays, Scope::Site, changed.as_bytes()).contains("not signed"), "{changed}");
    }
    assert!(refused(&overlays, Scope::Site, b"{}").contains("it is no moodring.overlay/1"));
    let large = admin.message(SITE, 1, &"# \n".repeat(8000));
    assert!(refused(&overlays, Scope::Site, &large).contains("at most 16384"));
    overlays.take(Scope::Site, &admin.message(SITE, 7, fine)).unwrap();
    let told = refused(&overlays, Scope::Site, &admin.message(SITE, 6, "mood.publish_every_s = 1"));
    assert!(told.contains("its serial is 6, and 7 holds already"), "{told}");
    assert!(Overlays::of(&Config::default()).is_none(), "without a key there are none");
}

#[test]
fn only_harmless_keys_can_be_set_and_what_protects_people_only_tightened() {
    let admin = Administrator::new();
    let mut file = admin.device();
    file.mood.min_people = 8;
    file.mood.mode = Mode::Occupancy;
    let overlays = Overlays::of(&file).unwrap();
    for (toml, told) in [
        ("web.listen = \"0.0.0.0:80\"", "web.listen cannot be set from afar; possible are mood.mode"),
        ("[mqtt]\nhost = \"elsewhere\"", "mqtt.host cannot be set from afar"),
        ("[purpose]\nconsent = \"everybody\"", "purpose.consent cannot be set from afar"),
        ("[privacy]\ni_accept_small_groups = true", "privacy.i_accept_small_groups cannot"),
        ("nightly = 1", "nightly cannot be set"),
        ("[night.x]\ny = 1", "unknown field"),
        ("mood.min_people = 5", "mood.min_people can be made stricter from afar, but not looser"),
        ("mood.mode = \"mood\"", "mood.mode can be made stricter"),
        ("mqtt.lesson_titles = true", "mqtt.lesson_titles can be made stricter"),
        ("lessons.keep_days = 1000", "lessons.keep_days can be made stricter"),
        ("mood.publish_every_s = 900", "mood.publish_every_s is 900, but must be from 0.2 to 60"),
        ("= 5", "TOML parse error"),
    ] {
        let refusal = refused(&overlays, Scope::Site, &admin.message(SITE, 1, toml));
        assert!(refusal.contains(told), "{toml}: {refusal}");
    }
    let stricter = "mood.min_people = 10\nlessons.keep_days = 7\n";
    overlays.take(Scope::Site, &admin.message(SITE, 1, stricter)).unwrap();
    let (config, _) = overlays.configuration();
    assert_eq!((config.mood.min_people, config.lessons.keep_days), (10, 7));
}

#[test]
fn what_was_kept_and_does_not_hold_any_more_is_left_out_and_told() {
    let admin = Administrator::new();
    let mut file = admin.device();
    let overlays = Overlays::of(&file).unwrap();
    overlays.take(Scope::Site, &admin.message(SITE, 1, "mood.min_people = 10")).unwrap();
    // Somebody made the file stricter than the overlay.
    file.mood.min_people = 20;
    let (config, told) = Overlays::of(&file).unwrap().configuration();
    assert_eq!(config.mood.min_people, 20);
    assert!(told[0].contains("left out: mood.min_people can be made stricter"), "{told:?}");
    // Another administrator's key.
    file.fleet.overlay_key = Administrator::new().key.public().unwrap().to_string();
    let (_, told) = Overlays::of(&file).unwrap().configuration();
    assert!(told[0].contains("not signed"), "{told:?}");
}

#[tokio::test]
async fn a_refusal_and_an_application_are_told_and_only_the_latter_begins_anew() {
    let admin = Administrator::new();
    let (events, mut told) = Events::channel();
    let (inbox, arrivals) = Inbox::channel();
    let overlays = Overlays::of(&admin.device()).unwrap();
    let task = tokio::spawn(obey(overlays, arrivals, events, Stop::default()));
    for message in [Vec::new(), b"rubbish".to_vec(), admin.message(SITE, 1, "night.lights = 0.0")] {
        inbox.put(Arrival { scope: Scope::Site, message });
    }
    assert!(timeout(Duration::from_secs(30), task).await.unwrap().unwrap());
    let (first, second) = (told.recv().await.unwrap(), told.recv().await.unwrap());
    assert_eq!((first.kind, second.kind), (EventKind::ConfigurationRefused, EventKind::ConfigurationApplied));
    assert_eq!(second.detail.as_deref(), Some("overlay 1 of the site: night.lights"));
    assert!(told.recv().await.is_none());
}

#[test]
fn a_key_is_written_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let admin = Administrator::new();
    let path = admin.folder.path().join("key");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(PrivateKey::create(&path).is_err(), "a key is never overwritten");
    assert_eq!(PrivateKey::read(&path).unwrap().public(), admin.key.public());
    std::fs::write(&path, "nothing").unwrap();
    let told = PrivateKey::read(&path).err().unwrap().to_string();
    assert!(told.contains("holds no key"), "{told}");
    assert!(PublicKey::parse("+1").is_none() && PublicKey::parse(&"0".repeat(63)).is_none());
}
