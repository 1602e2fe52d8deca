//! The notice for the door, or for the participants of a video call: one A4 page, readable from a step away, with
//! only what concerns the people who enter.

use maud::{Markup, html};

use super::{or_blank, page};
use moodring_config::{AttentionDetail, BrokerKind, CameraView, Config};
use moodring_contract::Mode;

/// The notice as a page that prints on one A4.
pub fn poster(config: &Config) -> String {
    let (title, leaves_what) = match config.camera.view {
        CameraView::Room => ("A moodring looks at this room", "What leaves this room"),
        CameraView::Gallery => ("A moodring looks at this video call", "What leaves the device"),
    };
    let body = html! {
        header { (ring()) div { h1 { (title) } p.lead { (lead(config)) } } }
        main {
            section.does { h2 { "What it does" } (does(config)) }
            section.never { h2 { "What it never does" } (never(config)) }
            section { h2 { (leaves_what) } p { (leaves(config)) } }
            section { h2 { "What is stored" } p { (stored(config)) } }
            section.wide.say {
                h2 { "You have a say" }
                p {
                    @match config.camera.view {
                        CameraView::Room => "Ask for it to be paused, or cover the camera: it then sees nobody and shows nothing.",
                        CameraView::Gallery => "Ask for it to be paused, or switch your camera off: you are then not counted.",
                    }
                    " You can also ask what it showed, and ask for lessons to be deleted. Nobody is treated differently for asking."
                }
            }
        }
        (responsibility(config))
        footer {
            p {
                @if config.mood.mode == Mode::Mood {
                    "Its figures are estimates of expressions, not of feelings. For a single face they are often wrong. They"
                } @else {
                    "Its figures"
                }
                " are never a mark, a grade or a judgement of a person."
            }
        }
    };
    page(title, "poster", &body)
}

fn lead(config: &Config) -> &'static str {
    match (config.camera.view, config.mood.mode) {
        (CameraView::Room, Mode::Mood) => {
            "A small camera on the wall estimates, inside the device, how the class as a whole is doing, so that the \
             teacher can see it at a glance."
        }
        (CameraView::Room, Mode::Occupancy) => {
            "A small camera on the wall counts, inside the device, how many people are here and how many look to the front. \
             No expression is read."
        }
        (CameraView::Room, Mode::Count) => {
            "A small camera on the wall counts, inside the device, how many people are here. It estimates nothing else."
        }
        (CameraView::Gallery, Mode::Mood) => {
            "A small device beside the teacher's screen sees the gallery of the call and estimates, inside the device, how \
             the class as a whole is doing, so that the teacher can see it at a glance."
        }
        (CameraView::Gallery, Mode::Occupancy) => {
            "A small device beside the teacher's screen sees the gallery of the call and counts, inside the device, how many \
             people are visible and how many look to the front. No expression is read."
        }
        (CameraView::Gallery, Mode::Count) => {
            "A small device beside the teacher's screen sees the gallery of the call and counts, inside the device, how many \
             people are visible. It estimates nothing else."
        }
    }
}

fn does(config: &Config) -> Markup {
    html! {
        ul {
            li { "counts heads" }
            @if config.publishes_facing() {
                li { "shows how many of them face the front" }
            }
            @if config.mood.mode == Mode::Mood { li { "estimates the share of each expression in the class" } }
            @if config.attention.enabled { li { (places(config)) } }
            li { "shows " @if config.attention.points_at_seats() { "otherwise " } "only figures of groups of at least " (config.mood.min_people) " people" }
        }
    }
}

fn never(config: &Config) -> Markup {
    html! {
        ul {
            li { "stores or sends a picture" }
            li { "recognises anybody" }
            li { "listens: no sound is recorded" }
            @if config.mood.mode != Mode::Mood { li { "reads anybody's expression" } }
            @if config.mood.mode == Mode::Count { li { "judges whether anybody follows, or how the class is doing" } }
            @if config.mood.mode == Mode::Mood && !config.attention.points_at_seats() { li { "shows one person's expression" } }
        }
    }
}

/// What the device shows about places where help may be needed.
fn places(config: &Config) -> String {
    let what = match config.mood.mode {
        Mode::Mood => "people have looked strained, or have been turned away,",
        // In the mode `count` there are no such places.
        Mode::Occupancy | Mode::Count => "people have been turned away",
    };
    let place = match config.attention.detail {
        AttentionDetail::Seat => "at which seats",
        AttentionDetail::Region => "in which parts of the class",
    };
    let after = config.attention.after_minutes;
    format!(
        "shows the teacher, on its own page only, {place} {what} for {after} minutes or more; it does not store this"
    )
}

fn leaves(config: &Config) -> String {
    let figures = format!("figures of the whole class, for at least {} people", config.mood.min_people);
    match config.mqtt.broker {
        BrokerKind::External => format!("Only {figures}. They go to {}.", config.mqtt.host),
        BrokerKind::Embedded | BrokerKind::Off => {
            format!("Nothing. The device itself shows {figures}.")
        }
    }
}

fn stored(config: &Config) -> String {
    if config.lessons.enabled {
        let days = config.lessons.keep_days;
        format!(
            "For each lesson, one row of class figures a minute, on the device. It is deleted after {days} days."
        )
    } else {
        "Nothing. When the device is switched off, all figures are lost.".into()
    }
}

fn responsibility(config: &Config) -> Markup {
    let purpose = &config.purpose;
    html! {
        dl {
            div { dt { "Room" } dd { (config.room.site) ", " (config.room.name) } }
            div { dt { "Responsible person" } dd { (or_blank(&purpose.contact)) } }
            div { dt { "How people agreed" } dd { (or_blank(&purpose.consent)) } }
        }
    }
}

/// The logo of the device, as SVG.
fn ring() -> Markup {
    let colours = ["#3584d8", "#39e587", "#fbfb23", "#de8d10", "#c90f39", "#120b9d"];
    html! {
        svg.ring viewBox="0 0 120 120" aria-hidden="true" {
            @for (index, colour) in colours.iter().enumerate() {
                circle cx="60" cy="60" r="46" fill="none" stroke=(colour) stroke-width="17" pathLength="60"
                    stroke-dasharray="9.3 50.7" stroke-dashoffset=(format!("-{}", index * 10)) {}
            }
        }
    }
}
