//! Faults of configuration texts, with line, column and remedy.

use super::*;

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::parse("", "x.toml"), Ok(Config::default()));
}

#[test]
fn every_fault_is_reported_with_its_position() {
    let text = "[room]\nsite = \"a/b\"\ncolour = 1\n\n[camera]\nsource = \"vhs\"\n\n\
                [camera.simulator]\npeople = 400\nwidth = \"wide\"\n\n[mood]\nmin_people = 2\n\
                [nonsense]\nx = 1\n";
    let error = Config::parse(text, "x.toml").unwrap_err();
    let positions: Vec<_> = error.faults.iter().map(|fault| fault.position.unwrap()).collect();
    assert_eq!(positions, [(2, 8), (3, 1), (6, 10), (9, 10), (10, 9), (13, 14), (14, 2)], "{error}");
    let text = error.to_string();
    assert!(text.contains("x.toml:9:10: camera.simulator.people is 400, but must be from 1 to 60"));
    assert!(text.contains("vhs") && text.contains("colour") && text.contains("nonsense"));
}

#[test]
fn syntax_faults_and_range_faults_are_reported_together() {
    let error = Config::parse("[room\n[mood]\nmin_people = 1\n", "x.toml").unwrap_err();
    assert!(error.faults.len() >= 2, "{error}");
}

#[test]
fn groups_below_five_need_an_explicit_key_and_three_is_the_minimum() {
    let parse = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
    let refused = parse("[mood]\nmin_people = 4\n").unwrap_err();
    assert!(refused.contains("x.toml:2:14: mood.min_people is 4: in a group that small"), "{refused}");
    assert!(refused.contains("privacy.i_accept_small_groups = true"), "{refused}");
    assert!(parse("[mood]\nmin_people = 4\n[privacy]\ni_accept_small_groups = true\n").is_ok());
    let refused = parse("[mood]\nmin_people = 2\n[privacy]\ni_accept_small_groups = true\n").unwrap_err();
    assert!(refused.contains("mood.min_people is 2, but must be from 3 to 100"), "{refused}");
}

#[test]
fn zone_faults_are_reported_with_their_position() {
    let text = "[[zone]]\nname = \"desk\"\nkind = \"ignore\"\npoints = [[0, 0], [0.5, 0], [0.5, 1]]\n\
                [[zone]]\nname = \"class\"\nkind = \"only\"\npoints = [[0, 0], [7, 0], [0.5, 1]]\n";
    let error = Config::parse(text, "x.toml").unwrap_err();
    assert_eq!(error.faults.len(), 1, "{error}");
    assert!(error.to_string().starts_with("x.toml:8:10: zone.1.points of zone \"class\""), "{error}");
    let error = Config::parse(&text.replace("only", "never").replace('7', "1"), "x.toml").unwrap_err();
    assert!(error.to_string().contains("x.toml:7:8:") && error.to_string().contains("never"), "{error}");
    assert!(Config::parse(&text.replace('7', "1"), "x.toml").is_ok());
}

#[test]
fn a_gallery_refuses_attention_and_more_than_49_tiles() {
    let parse = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
    let gallery = "[camera]\nview = \"gallery\"\n";
    assert_eq!(parse(gallery).unwrap().camera.view, CameraView::Gallery);
    let refused = parse(&format!("{gallery}[attention]\nenabled = true\n")).unwrap_err();
    assert!(
        refused.starts_with("x.toml:4:11: attention.enabled must be false if camera.view is \"gallery\""),
        "{refused}"
    );
    let refused = parse(&format!("{gallery}[camera.simulator]\npeople = 50\n")).unwrap_err();
    assert!(
        refused.contains("x.toml:4:10: camera.simulator.people is 50") && refused.contains("camera.view")
    );
    let refused = parse("[camera]\nview = \"theatre\"\n").unwrap_err();
    assert!(refused.contains("x.toml:2:8:") && refused.contains("`room` or `gallery`"), "{refused}");
}

#[test]
fn timetable_faults_name_the_entry_and_the_remedy() {
    let text = "[lessons]\ntimetable = [\n  { begin = \"0 8 * * MON-FRI\", minutes = 45 },\n  \
                { begin = \"0 25 * * *\", minutes = 45 },\n  { begin = \"* * * * * *\", minutes = 3 },\n]\n\
                [clock]\ntime_zone = \"Mars/Olympus\"\n";
    let message = Config::parse(text, "x.toml").unwrap_err().to_string();
    assert!(message.contains("x.toml:2:13: lessons.timetable entry 2: begin is \"0 25 * * *\""), "{message}");
    assert!(message.contains("entry 3: begin is") && message.contains("entry 3: minutes is 3"), "{message}");
    assert!(message.contains("x.toml:8:13: clock.time_zone is \"Mars/Olympus\""), "{message}");
    let message = Config::parse("[lessons]\nbegin = \"timetable\"\n", "x.toml").unwrap_err().to_string();
    assert!(message.contains("lessons.timetable and lessons.calendar are both empty"), "{message}");
    let message =
        Config::parse("lessons.timetable = [{ minutes = 45 }]\n", "x.toml").unwrap_err().to_string();
    assert!(message.contains("begin"), "{message}");
}

#[test]
fn a_jurisdiction_is_a_country_code() {
    for good in ["", "IN", "de", "US-IL", "EU", "EEA", "GB-SCT"] {
        let text = format!("[purpose]\njurisdiction = {good:?}\n");
        assert!(Config::parse(&text, "x.toml").is_ok(), "{good}");
    }
    for bad in ["Germany", "XX", "US-", "US-ILLINOIS", "-", " "] {
        let text = format!("[purpose]\njurisdiction = {bad:?}\n");
        let message = Config::parse(&text, "x.toml").unwrap_err().to_string();
        assert!(
            message.contains("x.toml:2:16: purpose.jurisdiction is") && message.contains("\"IN\""),
            "{message}"
        );
    }
}

#[test]
fn broker_faults_are_reported_with_their_position() {
    let parse = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
    assert!(parse("[mqtt]\nbroker = \"external\"\nprotocol = 5\n[mqtt.tls]\nenabled = true\n").is_ok());
    for (text, fault) in [
        ("[mqtt]\nprotocol = 3\n", "x.toml:2:12: protocol is 3, but must be 4 (MQTT 3.1.1) or 5"),
        ("[mqtt]\nhealth_every_s = 1\n", "x.toml:2:18: mqtt.health_every_s is 1, but must be from 10"),
        ("[mqtt]\nspool_entries = 0\n", "x.toml:2:17: mqtt.spool_entries is 0"),
        ("[mqtt]\ndiscovery_prefix = \"a/b\"\n", "x.toml:2:20: mqtt.discovery_prefix is \"a/b\""),
        ("[mqtt.tls]\nca_file = \"ca.pem\"\n", "x.toml:2:11: mqtt.tls.ca_file is set, but mqtt.tls.enabled"),
        ("[mqtt.tls]\nenabled = true\nkey_file = \"k\"\n", "mqtt.tls.certificate_file is needed if"),
        ("[mqtt]\npassword_file = \"p\"\n", "mqtt.username is needed if mqtt.password_file is set"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn nan_is_out_of_every_range() {
    assert!(Config::parse("[mood]\nwindow_s = nan\n", "x").is_err());
}
