//! Every file of the list, damaged in every way.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::control::PersistedPause;
use crate::overlay::{Overlay, Overlays, PrivateKey};
use moodring_config::{Config, Storage};
use moodring_contract::Mode;
use moodring_runtime::text_file;

/// Damages an intact file.
type Damage = (&'static str, fn(&Path));

const DAMAGES: &[Damage] = &[
    ("one flipped bit", |path| change(path, |bytes| bytes[10] ^= 0x40)),
    ("cut in half", |path| change(path, |bytes| bytes.truncate(bytes.len() / 2))),
    ("emptied", |path| change(path, Vec::clear)),
    ("filled with zeros", |path| change(path, |bytes| bytes.fill(0))),
    ("not readable", |path| {
        // Root may read every file, so a folder stands for one that cannot be read.
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }),
];

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// An intact file of each kind in the list, as its part writes it.
fn write_intact(file: &StateFile, folder: &Path) -> PathBuf {
    let path = folder.join(
        file.name.replace("lesson-*", "lesson-1").replace("password*", "password").replace('*', "site"),
    );
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    match file.kind {
        Kind::Sealed | Kind::Protective(_) => state_file::write(&path, b"{\"schema\":\"intact\"}").unwrap(),
        Kind::Copied | Kind::CopiedOrRefused => {
            state_file::write_with_copy(&path, b"{\"schema\":\"intact\"}").unwrap();
        }
        Kind::Database => {
            drop(moodring_lessons::Store::open(path.parent().unwrap()).unwrap());
            if !path.exists() {
                std::fs::rename(path.with_file_name(moodring_lessons::FILE_NAME), &path).unwrap();
            }
        }
        Kind::Line => std::fs::write(&path, "moodring/intact topic\n").unwrap(),
        Kind::Settings | Kind::Output => std::fs::write(&path, "# intact\n[room]\nname = \"7b\"\n").unwrap(),
    }
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    folder
}

#[test]
fn every_damaged_file_is_set_aside_and_reported() {
    for file in FILES {
        let folder = private_folder();
        let path = write_intact(file, folder.path());
        assert_eq!(mend(folder.path()), [""; 0], "{}: an intact file", file.name);
        for (what, damage) in DAMAGES {
            // SQLite has no checksums, and a letter of a line may be any letter.
            let is_noticed = !matches!(
                (file.kind, *what),
                (Kind::Database | Kind::Line, "one flipped bit") | (Kind::Line, "cut in half")
            );
            if matches!(file.kind, Kind::Settings | Kind::Output) || !is_noticed {
                continue;
            }
            let folder = private_folder();
            let path = write_intact(file, folder.path());
            damage(&path);
            let reports = mend(folder.path());
            let aside =
                path.with_file_name(format!("{}.damaged", path.file_name().unwrap().to_str().unwrap()));
            assert!(aside.exists(), "{}, {what}", file.name);
            assert!(
                reports.iter().any(|report| report.contains(&path.display().to_string())),
                "{}, {what}: {reports:?}",
                file.name
            );
            assert_eq!(mend(folder.path()), [""; 0], "{}, {what}: reported once", file.name);
            if matches!(file.kind, Kind::Copied | Kind::CopiedOrRefused) {
                assert_eq!(
                    state_file::read(&path, 99).unwrap().unwrap(),
                    b"{\"schema\":\"intact\"}",
                    "{}, {what}",
                    file.name
                );
            }
        }
        assert!(path.exists());
    }
}

#[test]
fn what_replaces_a_file_that_protects_people_is_safe() {
    for (what, damage) in DAMAGES {
        let folder = private_folder();
        let storage = Storage { directory: folder.path().into() };
        for file in
            FILES.iter().filter(|file| !matches!(file.kind, Kind::Settings | Kind::Output | Kind::Database))
        {
            let path = write_intact(file, folder.path());
            damage(&path);
            if matches!(file.kind, Kind::Copied | Kind::CopiedOrRefused) {
                damage(&state_file::copy_of(&path));
            }
        }
        mend(folder.path());
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Paused, "{what}");
        let config = Config { storage, ..Config::default() };
        let health = moodring_runtime::Health::new("disclosure");
        let withheld = moodring_mood::PublicationRecord::open(&config, health).1;
        assert!(withheld > std::time::Duration::from_secs(600), "{what}: {withheld:?}");
        for name in ["page.key", "page.key.copy", "paired.json", "paired.json.copy"] {
            assert!(!folder.path().join(name).exists(), "{what}: {name} is begun anew");
        }
    }
}

#[test]
fn a_damaged_overlay_lets_no_old_one_in() {
    for (what, damage) in DAMAGES {
        let folder = private_folder();
        let key = PrivateKey::create(&folder.path().join("key")).unwrap();
        let mut config = Config::default();
        config.overlays.public_key = key.public().unwrap().to_string();
        config.storage.directory = folder.path().join("state");
        let message = |serial, toml: &str| {
            serde_json::to_vec(&Overlay::sign(&key, "moodring/school/overlay", serial, toml)).unwrap()
        };
        let overlays = Overlays::from_config(&config).unwrap();
        let site = moodring_contract::OverlayScope::Site;
        overlays.accept(site, &message(7, "mood.min_people = 9")).unwrap();
        let path = config.storage.directory.join("overlays/site.json");
        damage(&path);
        mend(&config.storage.directory);
        assert_eq!(overlays.configuration().0.mood.min_people, 9, "{what}: restored");
        let refused = overlays.accept(site, &message(6, "")).unwrap_err().to_string();
        assert!(refused.contains("serial 7 is already stored"), "{what}: {refused}");
        // Both are damaged: nothing is accepted, and only people are counted.
        damage(&path);
        damage(&state_file::copy_of(&path));
        let reports = mend(&config.storage.directory);
        assert!(reports.iter().any(|report| report.contains("delete both files")), "{what}: {reports:?}");
        let refused = overlays.accept(site, &message(8, "")).unwrap_err().to_string();
        assert!(refused.contains("delete both files"), "{what}: {refused}");
        assert_eq!(overlays.configuration().0.mood.mode, Mode::Count, "{what}");
        // As the report says.
        for file in [path.clone(), state_file::copy_of(&path)] {
            let _ = std::fs::remove_file(&file);
            let _ = std::fs::remove_dir(&file);
        }
        assert!(overlays.accept(site, &message(8, "")).unwrap().is_some(), "{what}");
    }
}

#[test]
fn damaged_settings_of_the_page_are_replaced_by_the_last_ones_that_worked() {
    let folder = private_folder();
    let (file, state) = (folder.path().join("moodring.toml"), folder.path().join("state"));
    let declared = "[purpose]\njurisdiction = \"IN\"\ninstitution = \"education\"\nconsent = \"all\"\n";
    std::fs::write(&file, format!("{declared}[storage]\ndirectory = {state:?}\n")).unwrap();
    std::fs::create_dir(&state).unwrap();
    let layer = state.join("setup.toml");
    let settings = "[room]\nname = \"7b\"\n[mood]\nmode = \"count\"\n";
    for (what, damage) in DAMAGES
        .iter()
        .chain(&[("a typing error", (|path| std::fs::write(path, "[room\n").unwrap()) as fn(&Path))])
    {
        let _ = std::fs::remove_dir_all(&layer);
        let _ = std::fs::remove_file(&layer);
        atomic(&layer, settings);
        let (config, _) = crate::setup::recover(&file).unwrap();
        assert_eq!((config.room.name.as_str(), config.mood.mode), ("7b", Mode::Count), "{what}");
        damage(&layer);
        let (config, reports) = crate::setup::recover(&file).unwrap();
        assert_eq!((config.room.name.as_str(), config.mood.mode), ("7b", Mode::Count), "{what}: {reports:?}");
        assert!(reports.iter().any(|report| report.contains("setup.toml.damaged")), "{what}: {reports:?}");
        // Without a copy no purpose is declared, so no camera is opened.
        damage(&layer);
        let _ = std::fs::remove_file(state_file::copy_of(&layer));
        let (config, reports) = crate::setup::recover(&file).unwrap();
        assert!(crate::law::permit(&config).is_err(), "{what}: {reports:?}");
        assert!(text_file::read(&layer, MAX_BYTES).unwrap().contains("Set the device up again"));
    }
}

fn atomic(path: &Path, text: &str) {
    moodring_runtime::atomic_file::write(path, text.as_bytes()).unwrap();
}

#[test]
fn open_permissions_are_closed_and_reported() {
    let folder = private_folder();
    let path = write_intact(&FILES[0], folder.path());
    for (path, open, closed) in [(folder.path(), 0o755, 0o700), (path.as_path(), 0o644, 0o600)] {
        std::fs::set_permissions(path, Permissions::from_mode(open)).unwrap();
        let reports = mend(folder.path());
        assert!(reports[0].contains("closed for other accounts"), "{reports:?}");
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, closed);
    }
}

#[test]
fn the_reference_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/state.md");
    if std::env::var_os("MOODRING_BLESS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == reference(),
        "docs/reference/state.md is not current: run this test with MOODRING_BLESS=1"
    );
}

#[test]
fn names_match_their_pattern() {
    for name in [
        "lessons.sqlite-wal",
        "webhooks/mine/spool.sqlite-shm",
        "overlays/room.json.copy",
        "page.key.new",
        "reports/lesson-12.html",
        "mqtt-password-2",
    ] {
        assert!(is_listed(name), "{name}");
    }
    for name in ["lessons.sqlite.bak", "overlays/x/room.json", "spool/spool.sqlite", "notes.txt"] {
        assert!(!is_listed(name), "{name}");
    }
}
