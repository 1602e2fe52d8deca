//! The data sheet for an impact assessment: everything that the configuration and the model cards know, and lines for
//! what only the school knows.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{or_blank, page};
use crate::config::{AttentionDetail, BrokerKind, CameraView, Config, DisplayKind, Mode};
use crate::law;
use crate::vision::model_card::ModelCard;

/// What the sheet tells of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// Name and version.
    pub name: String,
    /// What its card says that it is.
    pub description: String,
    /// What it was trained with.
    pub data: String,
    /// SHA-256 of its files.
    pub hashes: Vec<String>,
    /// What its card says of its accuracy, one line each.
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

/// The data sheet of the configuration in `file`, as of `at`.
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
            (answers(config)) (flow(config)) (measures(config)) (networks(models)) (risks(config)) (legal(config)) (limits())
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
                div { dt { "Who answers for it" } dd { (or_blank(&purpose.contact)) } }
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
                        Mode::Occupancy => "People and facing. No expression is read; the network is not loaded",
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
                        (row("The picture while the device is aimed: small, grey, heads made unrecognisable; only after a hand at the device asked for it", "memory of the device, one at a time", "until the next one; ten minutes in all, then never again without that hand", "an administrator, one at a time"))
                    }
                    (row("Heads, faces, seats in the room", "memory of the device", "until the next picture; a seat while somebody sits there", "nobody"))
                    @if mood.mode == Mode::Mood {
                        (row("Expression probabilities of a seat", "memory of the device", &window, "nobody"))
                    }
                    (row(&format!("Class figures of at least {} people", mood.min_people), "memory; told below", "replaced every few seconds; 45 minutes for the page", "see the next rows"))
                    @match config.mqtt.broker {
                        BrokerKind::External => (row("Class figures as messages (MQTT)", &format!("{}, port {}", config.mqtt.host, config.mqtt.port), "the newest one, at the broker; its owner decides about more", "whoever the broker lets read")),
                        BrokerKind::Embedded => (row("Class figures as messages (MQTT)", "a broker on the device, loopback only", "the newest one, in memory", "programs on the device")),
                        BrokerKind::Off => (row("Class figures as messages (MQTT)", "off", "–", "nobody")),
                    }
                    @if config.mqtt.broker == BrokerKind::External {
                        @if lessons.enabled {
                            (row("Minutes and summaries of lessons as messages (MQTT), class figures only", &format!("the same broker; until it has them {directory}/spool.sqlite"), "until the broker has them, then overwritten; its owner decides about more", "whoever the broker lets read"))
                        }
                        (row("The device's name, health and events (MQTT), nothing of the class", "the same broker", "the newest health, and what its owner keeps", "whoever the broker lets read"))
                    }
                    @if config.web.enabled {
                        @if config.web.listen.ip().is_loopback() {
                            (row("Class figures on a page", &format!("{}, on the device only", config.web.listen), "45 minutes, in memory", "who sits at the device"))
                        } @else {
                            (row("Class figures on a page", &format!("{}, in the local network", config.web.listen), "45 minutes, in memory", "whose phone was paired with a hand at the device"))
                            (row("Paired phones: a random number, a role and an end each", &directory, "90 days", "the device's administrator"))
                        }
                    }
                    @if config.attention.enabled && config.web.enabled {
                        (row(&places(config), "memory, the page", "while they last; forgotten in a pause and with the lesson", "as the page, one row above"))
                    }
                    @if config.display.kind != DisplayKind::Off { (row("The mood word and figures on the small screen", "in the room", "while shown", "everybody in the room")) }
                    @if lessons.enabled {
                        (row("Class figures of lessons, one row a minute, and their reports", &directory, &format!("{} days, then overwritten", lessons.keep_days), "the device's administrator, who uses the page, and whom the report is given to"))
                        @if config.web.enabled {
                            (row("Notes that a teacher writes on lessons, in no report", &directory, "as long as the lesson", "who uses the page"))
                        }
                    } @else {
                        (row("Lessons", "not recorded", "–", "nobody"))
                    }
                    @if config.usual.enabled {
                        (row("What is usual in this room: slow means of class figures", &directory, "until it is reset", "the device's administrator"))
                    }
                    (row("Log: states and counters, no figures at the usual level", "the system's journal", "as the system keeps its journal", "the device's administrator"))
                }
            }
        }
    }
}

/// What is told of where help may be needed.
fn places(config: &Config) -> String {
    match config.attention.detail {
        AttentionDetail::Region => format!(
            "Where help may be needed: those of nine parts of the class in which at least {} people sit",
            config.attention.region_people
        ),
        AttentionDetail::Seat => {
            "Where help may be needed: single seats, which the school has accepted by name".into()
        }
    }
}

fn measures(config: &Config) -> Markup {
    html! {
        section {
            h2 { "3 · Measures that the program enforces" }
            ul {
                li { "Only one type of data can reach an output, and it holds aggregates; pictures, boxes and seats cannot be serialised at all." }
                li { "Below " (config.mood.min_people) " people nothing is told but that they are too few, not even their number; the program does not run with a lower limit than its documentation names." }
                li { "Expressions are told over " (config.mood.window_s) " seconds, rounded to hundredths, with a 90 % interval." }
                li { "There is no recognition: no faces are compared with any others, and the numbers of seats are never published." }
                li { "A pause closes the camera and forgets what was seen." }
                li { "Files can be read by the program's own user only; what is deleted is overwritten in the file. Flash memory may hold old copies of a page until it reuses them: encrypt the card where that matters." }
                li { "The program does not start where a declaration is missing or the law named in section 6 prohibits it." }
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
                thead { tr { th { "risk" } th { "measure" } th { "what is left" } } }
                tbody {
                    (risk("Figures are taken for feelings, or for truth", "intervals, coverage and the word “unsure” in every output; this note in every report", "depends on how the school speaks of them"))
                    (risk("A network reads some groups of people worse than others", "shares are corrected by the known confusions; faces that cannot be read are left out", "training data is not balanced by age, skin or disability; never compare classes of different people"))
                    (risk("One person's expression is worked out from two messages", "at least k people, rounding, windows", "somebody who knows all the others' expressions"))
                    @if config.attention.points_at_seats() {
                        (risk("The page points at a person", "off unless accepted by name; minutes, no history; never published", "real: whoever sees the page sees who is meant"))
                    }
                    (risk("People behave as if watched", "notice at the door, pause, cover, switch", "real; ask the class"))
                    (risk("Teachers are assessed by it", "reports say that they are no assessment; lessons are deleted in time", "needs a rule of the house: write it down in section 8"))
                    (risk("The device is stolen", "no picture and no person is stored", "class figures of the days that are kept"))
                    (risk("The device is tampered with to record", "signed packages are the administrator's task", "whoever controls the machine controls the camera"))
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

fn limits() -> Markup {
    html! {
        section {
            h2 { "7 · What the estimate is not" }
            p {
                "It is an estimate of facial expressions, not of feelings: faces do not map one to one to feelings "
                "(Barrett and others, 2019), and the UK's Information Commissioner warned in 2022 that emotion analysis "
                "“may not work yet, or indeed ever”. It says nothing about a single person, nothing about learning, and "
                "nothing about the quality of teaching. It is no mark, no grade and no record of anybody."
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
                (line("Why it is needed, and what milder means were considered"))
                (line("Legal basis"))
                (line("Who was heard (pupils, parents, staff), when"))
                (line("Rule of the house on the use of reports"))
                (line("Opinion of the privacy officer"))
                (line("Decision, date, signature"))
                (line("To be reviewed on"))
            }
        }
    }
}
