//! The notice for the door, or for those who are invited to a video call: one A4, readable from a step away, nothing but
//! what concerns those who come in.

use maud::{Markup, html};

use super::{or_blank, page};
use crate::config::{AttentionDetail, BrokerKind, CameraView, Config, Mode};

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
            section { h2 { "What is kept" } p { (kept(config)) } }
            section.wide.say {
                h2 { "You have a say" }
                p {
                    @match config.camera.view {
                        CameraView::Room => "Ask for it to be paused, or cover the camera: it then sees nobody and tells nothing.",
                        CameraView::Gallery => "Ask for it to be paused, or switch your camera off: you are then not counted.",
                    }
                    " Ask what it showed, and ask for lessons to be deleted. Nobody is treated differently for asking."
                }
            }
        }
        (who(config))
        footer {
            p {
                @if config.mood.mode == Mode::Mood {
                    "Its figures are estimates of expressions, not of feelings, and often wrong for a single face. "
                }
                "They are never a mark, a grade or a judgement of anybody."
            }
        }
    };
    page(title, "poster", &body)
}

fn lead(config: &Config) -> &'static str {
    match (config.camera.view, config.mood.mode) {
        (CameraView::Room, Mode::Mood) => {
            "A small camera on the wall estimates, on the spot, how the class as a whole is doing, so that whoever \
             teaches can see it at a glance."
        }
        (CameraView::Room, Mode::Occupancy) => {
            "A small camera on the wall counts, on the spot, how many people are here and how many look to the front. \
             No expression is read."
        }
        (CameraView::Gallery, Mode::Mood) => {
            "A small device beside the teacher's screen sees the gallery of the call and estimates, on the spot, how the \
             class as a whole is doing, so that whoever teaches can see it at a glance."
        }
        (CameraView::Gallery, Mode::Occupancy) => {
            "A small device beside the teacher's screen sees the gallery of the call and counts, on the spot, how many \
             people show themselves and how many look to the front. No expression is read."
        }
    }
}

fn does(config: &Config) -> Markup {
    html! {
        ul {
            li { "counts heads" }
            li { "tells how many of them face the front" }
            @if config.mood.mode == Mode::Mood { li { "estimates the share of each expression in the class" } }
            @if config.attention.enabled { li { (places(config)) } }
            li { "speaks " @if config.attention.points_at_seats() { "otherwise " } "only of groups of at least " (config.mood.min_people) " people" }
        }
    }
}

fn never(config: &Config) -> Markup {
    html! {
        ul {
            li { "keeps or sends a picture" }
            li { "recognises anybody" }
            li { "listens: no sound is taken" }
            @if config.mood.mode == Mode::Occupancy { li { "reads anybody's expression" } }
            @else if !config.attention.points_at_seats() { li { "tells one person's expression" } }
        }
    }
}

/// What is told of where help may be needed.
fn places(config: &Config) -> String {
    let what = match config.mood.mode {
        Mode::Mood => "people have looked strained, or have been turned away,",
        Mode::Occupancy => "people have been turned away",
    };
    let place = match config.attention.detail {
        AttentionDetail::Seat => "at which seats",
        AttentionDetail::Region => "in which parts of the class",
    };
    let after = config.attention.after_minutes;
    format!(
        "shows the teacher, on its own page only, {place} {what} for {after} minutes or more; it keeps nothing of that"
    )
}

fn leaves(config: &Config) -> String {
    let figures = format!("figures of the whole class, for at least {} people", config.mood.min_people);
    match config.mqtt.broker {
        BrokerKind::External => format!("Only {figures}. They go to {}.", config.mqtt.host),
        BrokerKind::Embedded | BrokerKind::Off => {
            format!("Nothing. The {figures}, are shown on the device itself.")
        }
    }
}

fn kept(config: &Config) -> String {
    if config.lessons.enabled {
        let days = config.lessons.keep_days;
        format!(
            "One row of class figures a minute, for each lesson, on the device. Deleted after {days} days."
        )
    } else {
        "Nothing. When the device is switched off, everything is gone.".into()
    }
}

fn who(config: &Config) -> Markup {
    let purpose = &config.purpose;
    html! {
        dl {
            div { dt { "Room" } dd { (config.room.site) ", " (config.room.name) } }
            div { dt { "Who answers for it" } dd { (or_blank(&purpose.contact)) } }
            div { dt { "Agreed how" } dd { (or_blank(&purpose.consent)) } }
        }
    }
}

/// The sign of the device, drawn.
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
