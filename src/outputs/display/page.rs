//! What a display has to say, before it is known how large the display is: `(Mood, Situation) ──draw──▶ Pages`.
//!
//! Its one decision: a page is data (words, figures, a sign), so that every screen shows the same, each in its own
//! layout, and which page is shown when is a pure function of time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::sign::Sign;
use crate::control::Pairing;
use crate::mood::{Mode, Mood, Pace, Share, State, Word};
use crate::outputs::{CAMERA, Situation};
use crate::vision::Expression;

/// A page that tells of trouble stays for this long: a headline and three short lines, read at leisure.
const TROUBLE_FOR: Duration = Duration::from_secs(4);

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub enum Page {
    /// How the class is doing, in one look.
    Glance {
        /// The mood in one word.
        word: Word,
        /// Heads in the room.
        people: Option<u32>,
        /// Share of them who face the front.
        facing: Option<Share>,
        /// Whether the pace seems right.
        pace: Pace,
    },
    /// The same where expressions are not read.
    Count {
        /// Heads in the room.
        people: u32,
        /// Share of them who face the front.
        facing: Option<Share>,
    },
    /// The share of each expression.
    Detail {
        /// The mood in one word.
        word: Word,
        /// In the order of [`Expression::ALL`].
        shares: [(Expression, Share); 7],
    },
    /// Something that has no figures.
    Notice {
        /// Two words at most.
        title: String,
        /// Drawing beside the text.
        sign: Sign,
        /// What is written beside the sign.
        text: Text,
    },
    /// Where the page for phones is and what it asks for.
    Pairing {
        /// Host and port.
        address: SocketAddr,
        /// What must be typed on the phone.
        code: Option<String>,
    },
}

/// Text of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Two lines of a dozen letters.
    Lines([String; 2]),
    /// One line, and below it a number of people that is not certain any more.
    Faded(String, Option<u32>),
    /// Anything; set small, wrapped and cut where it does not fit.
    Small(String),
}

/// How long the two pages of a class that is seen take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Time of the glance.
    pub glance: Duration,
    /// Time of the details; zero: they are not shown.
    pub detail: Duration,
}

impl Turns {
    /// Nothing but the glance, for who looks only now and then.
    pub const GLANCE: Self = Self { glance: Duration::from_secs(1), detail: Duration::ZERO };
}

/// The pages that take turns, with the time of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Pages {
    first: (Page, Duration),
    others: Vec<(Page, Duration)>,
}

impl Pages {
    fn one(page: Page, stays: Duration) -> Self {
        Self { first: (page, stays), others: Vec::new() }
    }

    /// The page that comes first.
    pub fn first(&self) -> &Page {
        &self.first.0
    }

    /// The page to show after `elapsed` of taking turns.
    pub fn at(&self, elapsed: Duration) -> &Page {
        let all = || std::iter::once(&self.first).chain(&self.others);
        let round: Duration = all().map(|(_, stays)| *stays).sum();
        let mut left_ms = elapsed.as_millis() % round.as_millis().max(1);
        for (page, stays) in all() {
            if left_ms < stays.as_millis() {
                return page;
            }
            left_ms -= stays.as_millis();
        }
        self.first()
    }
}

/// The pages for `mood` in this `situation` at `now`.
pub fn draw(mood: &Mood, situation: &Situation, turns: Turns, now: Instant) -> Pages {
    if situation.identifying_at(now).is_some() {
        return Pages::one(identity(mood), turns.glance);
    }
    if let Some(offer) = situation.pairing_at(now) {
        return Pages::one(pairing(offer, situation.page), turns.glance);
    }
    let mut pages = Pages::one(main_page(mood), turns.glance);
    if let (State::Live, Some(shares)) = (mood.state, mood.expressions)
        && !turns.detail.is_zero()
    {
        pages.others.push((Page::Detail { word: mood.word, shares: shares.in_order() }, turns.detail));
    }
    if situation.is_aimed_at(now) {
        pages.others.push((aiming(), TROUBLE_FOR));
    }
    for (part, problem) in &situation.troubles {
        let trouble = (trouble(part, problem), TROUBLE_FOR);
        // Without a camera there is nothing else to be told of first.
        if *part == CAMERA && mood.state != State::Live {
            let main = std::mem::replace(&mut pages.first, trouble);
            if mood.state != State::Starting {
                pages.others.insert(0, (main.0, TROUBLE_FOR));
            }
        } else {
            pages.others.push(trouble);
        }
    }
    pages
}

fn main_page(mood: &Mood) -> Page {
    let notice = |title: &str, sign, lines: [&str; 2]| Page::Notice {
        title: title.to_owned(),
        sign,
        text: Text::Lines(lines.map(str::to_owned)),
    };
    match (mood.state, mood.mode, mood.people) {
        (State::Starting, ..) => notice("starting", Sign::Camera, ["waiting for", "a picture"]),
        (State::TooFew, ..) => notice("too few", Sign::Few, ["no figures", "are shown"]),
        (State::Paused, ..) => notice("paused", Sign::Pause, ["nothing is", "looked at"]),
        (State::Stale, _, people) => {
            let age = mood.picture_age_s.map_or_else(String::new, |age_s| format!("for {}", span(age_s)));
            Page::Notice { title: "no picture".into(), sign: Sign::NoCamera, text: Text::Faded(age, people) }
        }
        (State::Live, Mode::Occupancy, Some(people)) => Page::Count { people, facing: mood.facing },
        (State::Live, ..) => {
            Page::Glance { word: mood.word, people: mood.people, facing: mood.facing, pace: mood.pace }
        }
    }
}

/// What does not work, in two words, and why in those of who noticed.
fn trouble(part: &str, problem: &str) -> Page {
    let (title, sign) = match part {
        CAMERA => ("camera gone".to_owned(), Sign::NoCamera),
        "mqtt" => ("broker away".to_owned(), Sign::Unplugged),
        "web" => ("page away".to_owned(), Sign::Unplugged),
        other => (format!("{other} away"), Sign::Unplugged),
    };
    let said_already = problem.strip_prefix("camera gone: ").unwrap_or(problem);
    Page::Notice { title, sign, text: Text::Small(said_already.to_owned()) }
}

/// Which device this is, for who stands before several.
fn identity(mood: &Mood) -> Page {
    let text = Text::Small(format!("{} {}", mood.site, mood.room));
    Page::Notice { title: "this is".into(), sign: Sign::Camera, text }
}

/// Whoever sits in the room is to know that somebody looks.
fn aiming() -> Page {
    let text = Text::Lines(["the picture".to_owned(), "is looked at".to_owned()]);
    Page::Notice { title: "aiming".into(), sign: Sign::Camera, text }
}

fn pairing(offer: &Pairing, page: Option<SocketAddr>) -> Page {
    match page {
        Some(address) => Page::Pairing { address, code: offer.code.clone() },
        None => Page::Notice {
            title: "no page".into(),
            sign: Sign::Unplugged,
            text: Text::Small("nothing to pair with: see web.enabled and web.listen".into()),
        },
    }
}

/// Rounded to one unit, as somebody would say it.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// Whether the pace seems right, in two words.
pub(super) const fn pace_text(pace: Pace) -> &'static str {
    match pace {
        Pace::Fine => "pace ok",
        Pace::TooFast => "too fast",
        Pace::TooSlow => "too slow",
        Pace::Unsure => "pace ?",
    }
}

/// In whole percent; `?` where it is not known.
pub(super) fn percent(share: Option<Share>) -> String {
    share.map_or_else(|| "?".to_owned(), |share| format!("{:.0}%", share.share * 100.0))
}

/// The same for people.
pub(super) fn count(people: Option<u32>) -> String {
    people.map_or_else(|| "?".to_owned(), |people| people.to_string())
}

/// What the code of [`Page::Pairing`] opens. A page that speaks HTTPS sends phones there, and the shorter the code the better it
/// is read.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// `text` in lines that `fits` says yes to, at most `most`; what is cut ends in three dots. Only its first sentence
/// is taken: what mends it stands in the log.
pub(super) fn wrap(text: &str, most: usize, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let sentence = text.split("; ").next().unwrap_or(text);
    let printable: String = sentence.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    let mut lines: Vec<String> = Vec::new();
    let mut words: Vec<&str> = printable.split_whitespace().rev().collect();
    while let Some(word) = words.pop() {
        let joined = lines.last().map(|line| format!("{line} {word}")).filter(|joined| fits(joined));
        if let (Some(joined), Some(line)) = (joined, lines.last_mut()) {
            *line = joined;
        } else if lines.len() < most {
            // A word that is wider than a line, such as a path, goes on in the next one.
            let whole = (1..=word.len()).rev().find(|end| fits(&word[..*end])).unwrap_or(word.len());
            lines.push(word[..whole].to_owned());
            if whole < word.len() {
                words.push(&word[whole..]);
            }
        } else {
            if let Some(line) = lines.last_mut() {
                while !line.is_empty() && !fits(&format!("{line}...")) {
                    line.pop();
                }
                line.push_str("...");
            }
            break;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::samples;

    const TURNS: Turns = Turns { glance: Duration::from_secs(8), detail: Duration::from_secs(4) };

    fn titles(mood: &Mood, situation: &Situation) -> Vec<String> {
        let pages = draw(mood, situation, TURNS, Instant::now());
        std::iter::once(&pages.first)
            .chain(&pages.others)
            .map(|(page, _)| match page {
                Page::Notice { title, .. } => title.clone(),
                Page::Glance { .. } => "glance".into(),
                Page::Count { .. } => "count".into(),
                Page::Detail { .. } => "detail".into(),
                Page::Pairing { .. } => "pairing".into(),
            })
            .collect()
    }

    fn troubled(parts: &[&'static str]) -> Situation {
        let troubles = parts.iter().map(|part| (*part, "it broke".to_owned())).collect();
        Situation { troubles, ..Situation::default() }
    }

    #[test]
    fn glance_and_detail_take_turns() {
        let pages = draw(&samples::live(), &Situation::default(), TURNS, Instant::now());
        let shown = |seconds| matches!(pages.at(Duration::from_secs_f64(seconds)), Page::Detail { .. });
        assert_eq!([0.0, 7.9, 8.0, 11.9, 12.0, 20.5].map(shown), [false, false, true, true, false, true]);
        let only_glance = Turns { detail: Duration::ZERO, ..TURNS };
        let pages = draw(&samples::live(), &Situation::default(), only_glance, Instant::now());
        assert!(pages.others.is_empty() && pages.at(Duration::from_secs(9)) == pages.first());
    }

    #[test]
    fn troubles_take_their_turn_and_a_lost_camera_comes_first() {
        assert_eq!(
            titles(&samples::live(), &troubled(&["camera", "mqtt"])),
            ["glance", "detail", "camera gone", "broker away"]
        );
        assert_eq!(
            titles(&samples::stale(), &troubled(&["camera", "mqtt"])),
            ["camera gone", "no picture", "broker away"]
        );
        assert_eq!(titles(&samples::starting(), &troubled(&["camera"])), ["camera gone"]);
        assert_eq!(titles(&samples::paused(), &troubled(&["lights"])), ["paused", "lights away"]);
        assert_eq!(titles(&samples::occupancy(), &Situation::default()), ["count"]);
    }

    #[test]
    fn pairing_goes_before_all_else_until_its_end() {
        let now = Instant::now();
        let pairing = Pairing { code: None, until: now + Duration::from_secs(60) };
        let mut situation = Situation { pairing: Some(pairing), ..troubled(&["mqtt"]) };
        let first =
            |situation: &Situation, now| draw(&samples::live(), situation, TURNS, now).first().clone();
        assert!(matches!(first(&situation, now), Page::Notice { title, .. } if title == "no page"));
        situation.page = Some(SocketAddr::from(([192, 168, 1, 23], 8080)));
        assert!(matches!(first(&situation, now), Page::Pairing { code: None, .. }));
        assert!(matches!(first(&situation, now + Duration::from_secs(60)), Page::Glance { .. }));
    }

    #[test]
    fn which_device_it_is_goes_before_all_else_for_its_time() {
        let now = Instant::now();
        let pairing = Pairing { code: None, until: now + Duration::from_secs(60) };
        let identify_until = Some(now + Duration::from_secs(10));
        let situation = Situation { pairing: Some(pairing), identify_until, ..troubled(&["mqtt"]) };
        let first = |now| draw(&samples::paused(), &situation, TURNS, now).first().clone();
        let shown = first(now);
        let Page::Notice { title, text, .. } = shown else { panic!("{shown:?}") };
        assert_eq!((title.as_str(), text), ("this is", Text::Small("school room-1".into())));
        assert!(
            matches!(first(now + Duration::from_secs(10)), Page::Notice { title, .. } if title == "no page")
        );
    }

    #[test]
    fn that_somebody_looks_through_the_camera_is_shown_in_turns_for_its_time() {
        let now = Instant::now();
        let aim_until = Some(now + Duration::from_secs(600));
        let situation = Situation { aim_until, ..troubled(&["mqtt"]) };
        assert_eq!(titles(&samples::live(), &situation), ["glance", "detail", "aiming", "broker away"]);
        let over = draw(&samples::live(), &situation, TURNS, now + Duration::from_secs(600));
        assert!(
            over.others
                .iter()
                .all(|(page, _)| !matches!(page, Page::Notice { title, .. } if title == "aiming"))
        );
    }

    #[test]
    fn text_is_wrapped_cut_and_ends_with_its_first_sentence() {
        let fits = |line: &str| line.len() <= 12;
        assert_eq!(wrap("not there; plug it in", 3, fits), ["not there"]);
        assert_eq!(wrap("the device did not answer in time", 2, fits), ["the device", "did not..."]);
        assert_eq!(wrap("/dev/v4l/by-id/usb away", 3, fits), ["/dev/v4l/by-", "id/usb away"]);
        assert_eq!(wrap("größe", 3, fits), ["gr e"]);
        assert!(wrap("", 3, fits).is_empty() && wrap("wide", 0, fits).is_empty());
    }
}
