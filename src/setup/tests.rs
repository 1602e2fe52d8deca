use serde_json::json;

use super::*;

const FILE: &str = "# Our school.\n[purpose]\n#jurisdiction = \"IN\"   # two letters\n\n# The room.\n[room]\n\
                    name = \"room-1\" # as on the door\nsite = \"north\"\n\n[storage]\n";

struct Device {
    directory: tempfile::TempDir,
    setup: SetupFiles,
}

fn device() -> Device {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("moodring.toml");
    let state = directory.path().join("state");
    std::fs::write(&file, format!("{FILE}directory = {state:?}\n")).unwrap();
    Device { directory, setup: SetupFiles { file } }
}

fn form(values: serde_json::Value) -> SetupForm {
    let mut all = json!({
        "purpose.jurisdiction": "IN", "purpose.institution": "education", "purpose.consent": "parents agreed",
    });
    all.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    SetupForm { values: serde_json::from_value(all).unwrap(), password: String::new() }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_administrators_file_keeps_its_comments_order_and_permissions() {
    let Device { directory: _directory, setup } = device();
    std::fs::set_permissions(&setup.file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let draft = setup
        .draft(&form(json!({
            "room.name": "7 \"b\"", "mood.min_people": 8, "lessons.begin": "timetable",
            "lessons.timetable": [{ "begin": "0 8 * * MON-FRI", "minutes": 45, "title": "Maths" }],
        })))
        .unwrap();
    assert_eq!(draft.target, setup.file);
    for text in
        ["# Our school.", "#jurisdiction = \"IN\"   # two letters", " # as on the door\nsite = \"north\""]
    {
        assert!(draft.after.contains(text), "{}", draft.after);
    }
    assert!(draft.after.contains("[purpose]\nconsent = "), "{}", draft.after);
    assert!(
        draft.after.contains(
            "timetable = [\n  { begin = \"0 8 * * MON-FRI\", minutes = 45, title = \"Maths\" },\n]"
        )
    );
    let changed: Vec<_> = difference(&draft.before, &draft.after)
        .into_iter()
        .filter(|line| line.change == Change::Old)
        .map(|line| line.text)
        .collect();
    assert_eq!(changed, ["name = \"room-1\" # as on the door"], "nothing else is removed");
    assert_eq!(std::fs::read_to_string(&setup.file).unwrap(), draft.before, "nothing is written yet");
    setup.save(&draft, "").unwrap();
    assert_eq!(mode(&setup.file), 0o640);
    assert_eq!(setup.current().unwrap(), draft.config);
    assert_eq!((draft.config.room.name.as_str(), draft.config.mood.min_people), ("7 \"b\"", 8));
    // The same form once more changes nothing.
    let repeated = setup.draft(&form(json!({ "room.name": "7 \"b\"" }))).unwrap();
    assert_eq!(repeated.after, repeated.before);
}

#[test]
fn an_existing_set_up_file_in_the_storage_folder_is_edited() {
    let Device { directory, setup } = device();
    // An existing set-up file is edited, as in a service that may not write the configuration file.
    let layer = directory.path().join("state/setup.toml");
    std::fs::create_dir(directory.path().join("state")).unwrap();
    std::fs::write(&layer, "# mine\n[room]\nname = \"a\"\n").unwrap();
    let draft = setup.draft(&form(json!({ "room.name": "b", "room.site": "north" }))).unwrap();
    assert_eq!(draft.target, layer);
    assert!(draft.after.starts_with("# mine\n[room]\nname = \"b\"\n\n[purpose]\n"), "{}", draft.after);
    assert!(!draft.after.contains("north"), "values of the configuration file are not repeated");
    setup.save(&draft, "").unwrap();
    assert_eq!(setup.current().unwrap().room.name, "b");
    assert_eq!(std::fs::read_to_string(&setup.file).unwrap().matches("room-1").count(), 1);
}

#[test]
fn a_password_is_written_to_a_file_that_only_its_owner_can_read() {
    let Device { directory, setup } = device();
    let mut form = form(json!({ "mqtt.broker": "external", "mqtt.host": "broker", "mqtt.username": "me" }));
    form.password = "secret \"1\"".into();
    let draft = setup.draft(&form).unwrap();
    assert!(!draft.after.contains("secret"));
    setup.save(&draft, &form.password).unwrap();
    let path = directory.path().join("state/mqtt-password");
    assert_eq!(setup.current().unwrap().mqtt.password_file, path);
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("secret \"1\"\n", 0o600));
    form.password = "two\nlines".into();
    assert_eq!(setup.draft(&form).unwrap_err()[0].key, "mqtt.password_file");
}

#[test]
fn a_stored_password_is_sent_only_to_the_broker_user_and_encryption_it_was_typed_for() {
    let Device { directory, setup } = device();
    let broker = json!({ "mqtt.broker": "external", "mqtt.host": "broker", "mqtt.username": "me", "mqtt.tls.enabled": true });
    let typed = SetupForm { password: "secret".into(), ..form(broker.clone()) };
    setup.save(&setup.draft(&typed).unwrap(), &typed.password).unwrap();
    assert!(setup.draft(&form(broker)).is_ok(), "the same broker needs no password");
    for (values, key) in [
        (json!({ "mqtt.host": "elsewhere" }), "mqtt.host"),
        (json!({ "mqtt.port": 1884 }), "mqtt.port"),
        (json!({ "mqtt.username": "you" }), "mqtt.username"),
        (json!({ "mqtt.tls.enabled": false }), "mqtt.tls.enabled"),
    ] {
        let refused = setup.draft(&form(values.clone())).unwrap_err();
        assert_eq!((refused.len(), refused[0].key.as_str()), (1, "mqtt.password_file"), "{refused:?}");
        assert!(refused[0].message.contains(key) && !refused[0].message.contains("secret"), "{refused:?}");
        let typed = SetupForm { password: "other".into(), ..form(values) };
        assert!(setup.draft(&typed).is_ok());
    }
    // If the configuration cannot be written, the present broker does not get the password that was typed for another.
    let typed = SetupForm { password: "other".into(), ..form(json!({ "mqtt.host": "elsewhere" })) };
    let draft = setup.draft(&typed).unwrap();
    let obstacle = directory.path().join("moodring.toml.new");
    std::fs::create_dir(&obstacle).unwrap();
    setup.save(&draft, &typed.password).unwrap_err();
    std::fs::remove_dir(&obstacle).unwrap();
    let present = setup.current().unwrap().mqtt;
    assert_eq!(
        (present.host.as_str(), std::fs::read_to_string(&present.password_file).unwrap().as_str()),
        ("broker", "secret\n")
    );
    // The change in two steps: first without a broker, then with the other one.
    let off = setup.draft(&form(json!({ "mqtt.broker": "off", "mqtt.host": "elsewhere" }))).unwrap();
    setup.save(&off, "").unwrap();
    let refused = setup.draft(&form(json!({ "mqtt.broker": "external" }))).unwrap_err();
    assert!(refused[0].message.contains("mqtt.broker"), "{refused:?}");
    // Without a user name the file is not named any more, so that a later user name does not send it.
    let nobody = setup.draft(&form(json!({ "mqtt.broker": "external", "mqtt.username": "" }))).unwrap();
    setup.save(&nobody, "").unwrap();
    let other = setup.draft(&form(json!({ "mqtt.username": "me" }))).unwrap();
    assert_eq!(other.config.mqtt.password_file, PathBuf::new());
}

#[test]
fn no_path_but_that_of_a_camera_is_taken_from_the_page() {
    let Device { directory: _directory, setup } = device();
    for (key, path) in [
        ("mqtt.password_file", "/etc/shadow"),
        ("mqtt.password_file", ""),
        ("mqtt.tls.ca_file", "/etc/shadow"),
        ("mqtt.tls.key_file", "/etc/shadow"),
        ("web.certificate_key_file", "/etc/shadow"),
        ("camera.file.path", "/etc/shadow"),
        ("storage.directory", "/tmp"),
    ] {
        let mut values =
            json!({ "mqtt.broker": "external", "mqtt.host": "elsewhere", "mqtt.username": "me" });
        values[key] = path.into();
        let refused = setup.draft(&form(values)).unwrap_err();
        assert!(refused[0].message.contains(&format!("{key} cannot be set on the page")), "{refused:?}");
    }
    for path in
        ["/etc/shadow", "/dev/video", "/dev/video0/../sda", "/dev/v4l/by-id/../../sda", "/dev/v4l/by-id/.."]
    {
        let refused = setup.draft(&form(json!({ "camera.v4l2.device": path }))).unwrap_err();
        assert_eq!(refused[0].key, "camera.v4l2.device", "{path}");
    }
    for path in
        ["/dev/video0", "/dev/v4l/by-id/usb-046d_C270-video-index0", "/dev/v4l/by-path/platform-xhci.0-usb:1"]
    {
        assert!(setup.draft(&form(json!({ "camera.v4l2.device": path }))).is_ok(), "{path}");
    }
}

#[test]
fn a_fault_of_check_is_reported_at_its_field_with_the_same_message() {
    let Device { directory: _directory, setup } = device();
    for (values, key, expected) in [
        (json!({ "room.name": "a/b" }), "room.name", "room.name is \"a/b\""),
        (json!({ "mood.min_people": 2 }), "mood.min_people", "mood.min_people is 2"),
        (json!({ "purpose.consent": "" }), "purpose.consent", "without a declared purpose"),
        (json!({ "purpose.jurisdiction": "DE" }), "mood.mode", "Article 5(1)(f)"),
        (json!({ "purpose.jurisdiction": "DE", "mood.mode": "occupancy" }), "mood.mode", "Article 5(1)(f)"),
        (json!({ "purpose.jurisdiction": "Mars" }), "purpose.jurisdiction", "ISO 3166-1"),
        (json!({ "mqtt.broker": "external", "mqtt.host": "" }), "mqtt.host", "is needed"),
        (json!({ "lessons.begin": "timetable" }), "lessons.begin", "both empty"),
        (
            json!({ "lessons.begin": "timetable", "lessons.timetable": [{ "begin": "x", "minutes": 45, "title": "" }] }),
            "lessons.timetable",
            "entry 1: begin is \"x\"",
        ),
        (json!({ "mqtt.port": "x" }), "mqtt.port", "whole number"),
        (json!({ "room.name": "a\u{1b}[2J" }), "room.name", "one line"),
        (json!({ "web.listen": "0.0.0.0:80" }), "", "web.listen cannot be set on the page"),
    ] {
        let refused = setup.draft(&form(values.clone())).unwrap_err();
        assert_eq!(refused[0].key, key, "{values}: {refused:?}");
        assert!(refused[0].message.contains(expected), "{refused:?}");
    }
    let counts = form(json!({ "purpose.jurisdiction": "DE", "mood.mode": "count" }));
    assert!(setup.draft(&counts).is_ok());
}
