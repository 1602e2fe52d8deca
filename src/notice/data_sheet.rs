//! The data sheet for an impact assessment. It states all facts from the configuration and the model cards, and has
//! lines to fill in for what only the school knows.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{or_blank, page};
use crate::law;
use moodring_config::{AttentionDetail, BrokerKind, CameraView, Config, DisplayKind};
use moodring_contract::Mode;
use moodring_vision::model_card::ModelCard;

/// What the sheet states about a network.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// Name and version.
    pub name: String,
    /// The description from its model card.
    pub description: String,
    /// The training data.
    pub data: String,
    /// SHA-256 of its files.
    pub hashes: Vec<String>,
    /// Accuracy figures from its model card, one line each.
    pub accuracy: Vec<String>,
}

impl From<&ModelCard> for ModelFacts {
    fn from(card: &ModelCard) -> Self {
        let data = card.training.get("data").and_then(toml::Value::as_str).unwrap_or_default();
        let accuracy = card.accuracy.iter().map(|(key, value)| format!("{}: {value}", key.replace('_', " ")));
        Self {
            name: format!("{} {}", card.name, card.version),
            description: card.description.split_whitespace().collect::<Vec<_>>().join(" "),
            data: data.to_owned(),
            hashes: card.files.iter().map(|file| file.sha256.clone()).collect(),
            accuracy: accuracy.collect(),
        }
    }
}

/// The data sheet of the configuration that was read from `file`, dated `at`.
pub fn data_sheet(config: &Config, models: &[ModelFacts], file: &str, at: Timestamp) -> String {
    let body = html! {
        header {
            h1 { "Data sheet of a moodring" }
            p.lead {
                "For a data protection impact assessment. Made by moodring " (env!("CARGO_PKG_VERSION")) " on "
                (at.strftime("%Y-%m-%d").to_string()) " from the configuration " code { (file) } "."
            }
        }
        main {
            (answers(config)) (flow(config)) (measures(config)) (networks(models)) (risks(config)) (legal(config)) (limits(config.mood.mode))
            (to_fill_in())
        }
    };
    page("Data sheet of a moodring", "sheet", &body)
}

fn answers(config: &Config) -> Markup {
    let purpose = &config.purpose;
    let institution = purpose.institution.map_or("", |institution| institution.name());
    html! {
        section {
            h2 { "1 · What, where, who" }
            dl {
                div { dt { "Room" } dd { (config.room.site) ", " (config.room.name) } }
                div { dt { "Responsible person" } dd { (or_blank(&purpose.contact)) } }
                div { dt { "Institution" } dd { (or_blank(institution)) } }
                div { dt { "Jurisdiction" } dd { (or_blank(&purpose.jurisdiction)) } }
                div { dt { "Consent, as declared" } dd { (or_blank(&purpose.consent)) } }
                div { dt { "What the camera sees" } dd {
                    @match config.camera.view {
                        CameraView::Room => "The room",
                        CameraView::Gallery => "The gallery of a video call: people where they are, most often at home",
                    }
                } }
                div { dt { "What is estimated" } dd {
                    @match config.mood.mode {
                        Mode::Mood => "People, facing, shares of seven expressions in the class",
                        Mode::Occupancy => "People, facing and restlessness. No expression is read; the network is not loaded",
                        Mode::Count if config.publishes_facing() => "The number of people, and the share that faces the front, on the operator's own risk. No expression is read; the network is not loaded",
                        Mode::Count => "The number of people and nothing else. No expression is read; the network is not loaded",
                    }
                } }
            }
        }
    }
}

fn row(what: &str, place: &str, how_long: &str, who: &str) -> Markup {
    html! { tr { td { (what) } td { (place) } td { (how_long) } td { (who) } } }
}

fn flow(config: &Config) -> Markup {
    let (mood, lessons) = (&config.mood, &config.lessons);
    let window = format!("{} s", mood.window_s);
    let directory = config.storage.directory().display().to_string();
    html! {
        section {
            h2 { "2 · Data, where it is, how long, who can see it" }
            table {
                thead { tr { th { "data" } th { "where" } th { "how long" } th { "who" } } }
                tbody {
                    (row("Pictures (grey only, no colour, no sound)", "memory of the device", "until the next picture, below a second", "nobody"))
                    @if config.privacy.aiming && config.web.enabled {
                        (row("The picture while the device is aimed: small, grey, heads made unrecognisable; only after somebody at the device requested it", "memory of the device, one at a time", "until the next one; ten minutes in total, then only after a new request at the device", "one administrator at a time"))
                    }
                    (row(if mood.mode.has_word() { "Heads, faces, seats in the room" } else { "Heads and seats in the room" }, "memory of the device", "until the next picture; a seat while somebody sits there", "nobody"))
                    @if mood.mode == Mode::Mood {
                        (row("Expression probabilities of a seat", "memory of the device", &window, "nobody"))
                    }
                    (row(&format!("Class figures of at least {} people", mood.min_people), "memory; outputs in the next rows", "replaced every few seconds; 45 minutes for the page", "see the next rows"))
                    @match config.mqtt.broker {
                        BrokerKind::External => (row("Class figures as messages (MQTT)", &format!("{}, port {}", config.mqtt.host, config.mqtt.port), "the newest one, at the broker; its owner decides whether more are stored", "users whom the broker allows to read")),
                        BrokerKind::Embedded => (row("Class figures as messages (MQTT)", "a broker on the device, loopback only", "the newest one, in memory", "programs on the device")),
                        BrokerKind::Off => (row("Class figures as messages (MQTT)", "off", "–", "nobody")),
                    }
                    @if config.mqtt.broker == BrokerKind::External {
                        @if lessons.enabled {
                            (row("Minutes and summaries of lessons as messages (MQTT), class figures only", &format!("the same broker; until it has received them, {directory}/spool.sqlite"), "until the broker has received them, then overwritten; the broker's owner decides how long it stores them", "users whom the broker allows to read"))
                        }
                        (row("The device's name, health and events (MQTT), nothing of the class", "the same broker", "the newest health message; the broker's owner decides whether more are stored", "users whom the broker allows to read"))
                    }
                    @if config.web.enabled {
                        @if config.web.listen.ip().is_loopback() {
                            (row("Class figures on a page", &format!("{}, on the device only", config.web.listen), "45 minutes, in memory", "the user at the device"))
                        } @else {
                            (row("Class figures on a page", &format!("{}, in the local network", config.web.listen), "45 minutes, in memory", "users of phones that were paired at the device"))
                            (row("Paired phones: for each a random number, a role and an expiry date", &directory, "90 days", "the device's administrator"))
                        }
                    }
                    @if config.attention.enabled && config.web.enabled {
                        (row(&places(config), "memory, the page", "while they last; deleted at a pause and at the end of the lesson", "as for the page above"))
                    }
                    @if config.display.kind != DisplayKind::Off { (row(if mood.mode.has_word() { "The mood word and figures on the small display" } else { "The number of people on the small display" }, "in the room", "while shown", "everybody in the room")) }
                    @if lessons.enabled {
                        (row("Class figures of lessons, one row a minute, and their reports", &directory, &format!("{} days, then overwritten", lessons.keep_days), "the device's administrator, users of the page, and recipients of the report"))
                        @if config.web.enabled {
                            (row("Notes that a teacher writes about lessons; they are in no report", &directory, "as long as the lesson", "users of the page"))
                        }
                    } @else {
                        (row("Lessons", "not recorded", "–", "nobody"))
                    }
                    @if config.baseline.enabled && mood.mode.has_word() {
                        (row("The baseline of this room: slow means of class figures", &directory, "until it is reset", "the device's administrator"))
                    }
                    @if mood.mode == Mode::Mood {
                        (row("The time until which expressions were published", &directory, "replaced every two minutes", "the device's administrator"))
                    }
                    (row("Log: states and counters; no figures at the default level", "the system's journal", "as the journal is configured", "the device's administrator"))
                }
            }
        }
    }
}

/// What the device shows about places where help may be needed.
fn places(config: &Config) -> String {
    match config.attention.detail {
        AttentionDetail::Region => format!(
            "Where help may be needed: those of nine parts of the class in which at least {} people sit",
            config.attention.region_people
        ),
        AttentionDetail::Seat => {
            "Where help may be needed: single seats, which the school accepted explicitly in the configuration".into()
        }
    }
}

fn measures(config: &Config) -> Markup {
    html! {
        section {
            h2 { "3 · Measures that the program enforces" }
            ul {
                li { "Only one type of data can reach an output, and it holds aggregates; the types of pictures, boxes and seats cannot be serialised." }
                li { "Below " (config.mood.min_people) " people the device shows only that there are too few, not even their number; the program does not start with a lower limit than its documentation permits." }
                li { "Expressions are estimated over " (config.mood.window_s) " seconds, rounded to hundredths, and shown with a 90 % interval." }
                li { "There is no recognition: the device does not compare faces with each other, and never publishes seat numbers." }
                li { "A pause closes the camera and deletes the observations in memory." }
                li { "Only the program's own user can read its files; deleted data is overwritten in the file. Flash memory may hold old copies of a page until it reuses them: encrypt the card where that matters." }
                li { "The program does not start if a declaration is missing or if the law named in section 6 prohibits it." }
            }
        }
    }
}

fn networks(models: &[ModelFacts]) -> Markup {
    html! {
        section {
            h2 { "4 · Networks" }
            @if models.is_empty() { p { "The model cards were not found on this machine; docs/models.md describes the networks." } }
            @for model in models {
                h3 { (model.name) }
                p { (model.description) @if !model.data.is_empty() { " Trained with: " (model.data) "." } }
                ul.plain { @for line in &model.accuracy { li { (line) } } }
                p.hash { @for hash in &model.hashes { "SHA-256 " (hash) " " } }
            }
        }
    }
}

fn risks(config: &Config) -> Markup {
    let risk =
        |what: &str, measure: &str, left: &str| html! { tr { td { (what) } td { (measure) } td { (left) } } };
    html! {
        section {
            h2 { "5 · Risks" }
            table {
                thead { tr { th { "risk" } th { "measure" } th { "remaining risk" } } }
                tbody {
                    @if config.mood.mode == Mode::Mood {
                        (risk("Figures are taken for feelings, or for truth", "intervals, coverage and the word “unsure” in every output; this note in every report", "depends on how the school presents them"))
                        (risk("A network is less accurate for some groups of people", "shares are corrected by the known confusions; faces that cannot be read are left out", "training data is not balanced by age, skin or disability; never compare classes of different people"))
                        (risk("One person's expression is worked out from two messages", "at least k people, rounding, windows; nothing for ten minutes after a pause or a restart", "a person who knows all the others' expressions"))
                    }
                    @if config.attention.points_at_seats() {
                        (risk("The page points at a person", "off unless the configuration accepts it explicitly; shown for minutes, without history; never published", "real: users of the page can see which person is meant"))
                    }
                    (risk("People behave as if watched", "notice at the door, pause, cover, switch", "real; ask the class"))
                    (risk("Teachers are assessed with it", "each report states that it is no assessment; lessons are deleted after their storage period", "needs a rule of the institution: write it down in section 8"))
                    (risk("The device is stolen", "no picture and no person is stored", "class figures of the days that are stored"))
                    (risk("The device is tampered with to record", "signed packages are the administrator's task", "a person who controls the machine controls the camera"))
                }
            }
        }
    }
}

fn legal(config: &Config) -> Markup {
    html! {
        section {
            h2 { "6 · Law" }
            ul { @for note in law::notes(&config.purpose) { li { (note) } } }
            p.hint { "From secondary sources, as of November 2026; no legal advice." }
        }
    }
}

fn limits(mode: Mode) -> Markup {
    html! {
        section {
            h2 { "7 · What the figures are not" }
            p {
                @if mode == Mode::Mood {
                    "They are estimates of facial expressions, not of feelings: faces do not map one to one to feelings "
                    "(Barrett and others, 2019), and the UK's Information Commissioner warned in 2022 that emotion analysis "
                    "“may not work yet, or indeed ever”. "
                }
                "They say nothing about a single person, about learning, or about the quality of teaching. They are no mark, "
                "no grade and no record of anybody."
            }
        }
    }
}

fn to_fill_in() -> Markup {
    let line = |question: &str| html! { div { dt { (question) } dd { span.blank {} } } };
    html! {
        section.fill {
            h2 { "8 · To be filled in by the institution" }
            dl {
                (line("Why it is needed, and which less intrusive means were considered"))
                (line("Legal basis"))
                (line("Who was consulted (pupils, parents, staff), and when"))
                (line("Rule of the institution for the use of reports"))
                (line("Opinion of the privacy officer"))
                (line("Decision, date, signature"))
                (line("Date of the next review"))
            }
        }
    }
}
