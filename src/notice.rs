//! Makes the notice for the people in the room and the data sheet for the privacy officer from the running
//! configuration.
//!
//! Both pages are generated, never written by hand, so that they match what the device does. A fact that the
//! configuration does not contain becomes a line to fill in.

mod data_sheet;
mod poster;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use data_sheet::{ModelFacts, data_sheet};
pub use poster::poster;

const STYLE: &str = include_str!("notice/page.css");

/// A self-contained HTML page.
fn page(title: &str, class: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body class=(class) { (body) }
        }
    }
    .into_string()
}

/// `text`; if it is empty, a line to write on.
fn or_blank(text: &str) -> Markup {
    let text = text.trim();
    html! { @if text.is_empty() { span.blank {} } @else { (text) } }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use moodring_config::{AttentionDetail, BrokerKind, CameraView, Config, Institution};
    use moodring_contract::Mode;

    fn config(mode: Mode) -> Config {
        let mut config = Config::default();
        config.mood.mode = mode;
        config.mood.min_people = 8;
        config.lessons.keep_days = 42;
        config.purpose.jurisdiction = "IN".into();
        config.purpose.institution = Some(Institution::Education);
        config.purpose.consent = "parents agreed <in writing>".into();
        config.purpose.contact = "Office, room 12".into();
        config.mqtt.broker = BrokerKind::External;
        config.mqtt.host = "campus.example".into();
        config
    }

    fn pages(config: &Config) -> [String; 2] {
        [poster(config), data_sheet(config, &[], "moodring.toml", Timestamp::UNIX_EPOCH)]
    }

    #[test]
    fn both_pages_state_the_configuration() {
        for page in pages(&config(Mode::Mood)) {
            for fact in [
                "8 people",
                "42 days",
                "Office, room 12",
                "parents agreed &lt;in writing&gt;",
                "campus.example",
            ] {
                assert!(page.contains(fact), "{fact} is missing: {page}");
            }
            for foreign in ["<script", "http:", "https:", "url("] {
                assert!(!page.contains(foreign), "{foreign}");
            }
        }
    }

    #[test]
    fn both_pages_say_that_no_expression_is_read() {
        for page in pages(&config(Mode::Occupancy)) {
            assert!(page.contains("No expression is read"), "{page}");
        }
    }

    #[test]
    fn both_pages_say_that_people_are_only_counted() {
        let mut config = config(Mode::Count);
        for page in pages(&config) {
            assert!(page.contains("nothing else"), "{page}");
            assert!(!page.contains("face the front") && !page.contains("mood word"), "{page}");
        }
        config.privacy.i_accept_facing_under_the_ai_act = true;
        let [poster, sheet] = pages(&config);
        assert!(poster.contains("face the front") && sheet.contains("own risk"), "{poster}{sheet}");
    }

    #[test]
    fn both_pages_say_how_precisely_attention_points() {
        let mut config = config(Mode::Mood);
        for page in pages(&config) {
            assert!(!page.contains("turned away") && !page.contains("help may be needed"), "{page}");
        }
        config.attention.enabled = true;
        let [poster, sheet] = pages(&config);
        assert!(poster.contains("in which parts of the class") && poster.contains("one person"));
        assert!(sheet.contains("in which at least 5 people sit"), "{sheet}");
        config.attention.detail = AttentionDetail::Seat;
        let [poster, sheet] = pages(&config);
        assert!(poster.contains("at which seats") && !poster.contains("one person"), "{poster}");
        assert!(sheet.contains("points at a person"), "{sheet}");
    }

    #[test]
    fn a_video_call_is_named() {
        let mut config = config(Mode::Mood);
        assert!(pages(&config).iter().all(|page| !page.contains("video call")));
        config.camera.view = CameraView::Gallery;
        assert!(pages(&config).iter().all(|page| page.contains("call")));
        let poster = poster(&config);
        assert!(poster.contains("looks at this video call") && !poster.contains("this room"), "{poster}");
        assert!(
            !poster.contains("cover the camera") && poster.contains("switch your camera off"),
            "{poster}"
        );
    }

    #[test]
    fn disabled_outputs_are_not_named() {
        let mut config = config(Mode::Mood);
        config.lessons.enabled = false;
        config.mqtt.broker = BrokerKind::Off;
        for page in pages(&config) {
            assert!(!page.contains("42 days") && !page.contains("campus.example"), "{page}");
        }
    }

    #[test]
    fn an_unknown_fact_is_a_line_to_fill_in() {
        assert!(poster(&Config::default()).contains("class=\"blank\""));
    }
}
