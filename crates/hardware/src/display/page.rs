//! The content of a display, independent of its size: `(Mood, DeviceStatus) ──draw──▶ Pages`.
//!
//! A page is data (words, numbers, a sign), so that every screen shows the same content in its own layout. The choice
//! of the page is a pure function of time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::sign::Sign;
use moodring_contract::Expression;
use moodring_contract::{Mode, Mood, Pace, Share, State, Word};
use moodring_runtime::PairingOffer;
use moodring_runtime::{CAMERA, DeviceStatus};

/// Duration of a page with a problem: long enough to read a headline and three short lines.
const PROBLEM_DURATION: Duration = Duration::from_secs(4);

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub enum Page {
    /// The state of the class, readable at a glance (`display.glance_s`).
    Overview {
        /// The mood word.
        word: Word,
        /// Number of people in the room.
        people: Option<u32>,
        /// Share of people who face the front.
        facing: Option<Share>,
        /// Whether the pace seems right.
        pace: Pace,
    },
    /// The overview in occupancy mode.
    Count {
        /// Number of people in the room.
        people: u32,
        /// Share of people who face the front.
        facing: Option<Share>,
    },
    /// The share of each expression (`display.detail_s`).
    Detail {
        /// The mood word.
        word: Word,
        /// In the order of [`Expression::ALL`].
        shares: [(Expression, Share); 7],
    },
    /// A state or a problem, without values.
    Notice {
        /// At most two words.
        title: String,
        /// Drawing beside the text.
        sign: Sign,
        /// Text beside the sign.
        text: Text,
    },
    /// Address of the web page and the pairing code.
    Pairing {
        /// Host and port.
        address: SocketAddr,
        /// Code to enter on the phone.
        code: Option<String>,
    },
}

/// Text of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Two lines of about twelve letters.
    TwoLines([String; 2]),
    /// One line, and below it a number of people that is out of date.
    Faded(String, Option<u32>),
    /// Any text, in a small font, wrapped and truncated.
    Small(String),
}

/// Durations of the two alternating pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageTimes {
    /// Duration of the overview.
    pub overview: Duration,
    /// Duration of the details; zero: they are not shown.
    pub detail: Duration,
}

impl PageTimes {
    /// Only the overview, for callers that draw single pictures.
    pub const OVERVIEW: Self = Self { overview: Duration::from_secs(1), detail: Duration::ZERO };
}

/// The alternating pages with their durations.
#[derive(Debug, Clone, PartialEq)]
pub struct Pages {
    first: (Page, Duration),
    others: Vec<(Page, Duration)>,
}

impl Pages {
    fn one(page: Page, duration: Duration) -> Self {
        Self { first: (page, duration), others: Vec::new() }
    }

    /// The first page.
    pub fn first(&self) -> &Page {
        &self.first.0
    }

    /// The page to show `elapsed` after the start.
    pub fn at(&self, elapsed: Duration) -> &Page {
        let all = || std::iter::once(&self.first).chain(&self.others);
        let cycle: Duration = all().map(|(_, duration)| *duration).sum();
        let mut remaining_ms = elapsed.as_millis() % cycle.as_millis().max(1);
        for (page, duration) in all() {
            if remaining_ms < duration.as_millis() {
                return page;
            }
            remaining_ms -= duration.as_millis();
        }
        self.first()
    }
}

/// The pages for `mood` and `status` at `now`. The pairing `offer` replaces them until its end.
pub fn draw(
    mood: &Mood,
    status: &DeviceStatus,
    offer: Option<&PairingOffer>,
    turns: PageTimes,
    now: Instant,
) -> Pages {
    if status.identifying_at(now).is_some() {
        return Pages::one(identity(mood), turns.overview);
    }
    if let Some(offer) = offer.filter(|offer| now < offer.until) {
        return Pages::one(pairing(offer, status.page), turns.overview);
    }
    let mut pages = Pages::one(main_page(mood), turns.overview);
    if let (State::Live, Some(shares)) = (mood.state, mood.expressions)
        && !turns.detail.is_zero()
    {
        pages.others.push((Page::Detail { word: mood.word, shares: shares.in_order() }, turns.detail));
    }
    if status.is_preview_offered_at(now) {
        pages.others.push((preview_notice(), PROBLEM_DURATION));
    }
    for (part, problem) in &status.problems {
        let page = (problem_page(part, problem), PROBLEM_DURATION);
        // Without a camera this problem is the most important content.
        if *part == CAMERA && mood.state != State::Live {
            let main = std::mem::replace(&mut pages.first, page);
            if mood.state != State::Starting {
                pages.others.insert(0, (main.0, PROBLEM_DURATION));
            }
        } else {
            pages.others.push(page);
        }
    }
    pages
}

fn main_page(mood: &Mood) -> Page {
    let notice = |title: &str, sign, lines: [&str; 2]| Page::Notice {
        title: title.to_owned(),
        sign,
        text: Text::TwoLines(lines.map(str::to_owned)),
    };
    match (mood.state, mood.mode, mood.people) {
        (State::Starting, ..) => notice("starting", Sign::Camera, ["waiting for", "a picture"]),
        (State::TooFew, ..) => notice("too few", Sign::Few, ["no figures", "are shown"]),
        (State::Paused, ..) => notice("paused", Sign::Pause, ["nothing is", "looked at"]),
        (State::Stale, _, people) => {
            let age = mood.picture_age_s.map_or_else(String::new, |age_s| format!("for {}", span(age_s)));
            Page::Notice { title: "no picture".into(), sign: Sign::NoCamera, text: Text::Faded(age, people) }
        }
        (State::Live, Mode::Count | Mode::Occupancy, Some(people)) => {
            Page::Count { people, facing: mood.facing }
        }
        (State::Live, ..) => {
            Page::Overview { word: mood.word, people: mood.people, facing: mood.facing, pace: mood.pace }
        }
    }
}

/// The faulty part in two words, and the reason as reported.
fn problem_page(part: &str, problem: &str) -> Page {
    let (title, sign) = match part {
        CAMERA => ("camera gone".to_owned(), Sign::NoCamera),
        "mqtt" => ("broker away".to_owned(), Sign::Unplugged),
        "web" => ("page away".to_owned(), Sign::Unplugged),
        other => (format!("{other} away"), Sign::Unplugged),
    };
    let prefixes = ["camera gone: ", "camera not found: "];
    let reason = prefixes.iter().find_map(|prefix| problem.strip_prefix(prefix)).unwrap_or(problem);
    Page::Notice { title, sign, text: Text::Small(reason.to_owned()) }
}

/// Identifies this device among several.
fn identity(mood: &Mood) -> Page {
    let text = Text::Small(format!("{} {}", mood.site, mood.room));
    Page::Notice { title: "this is".into(), sign: Sign::Camera, text }
}

/// Shows to the people in the room that the camera preview is open.
fn preview_notice() -> Page {
    let text = Text::TwoLines(["the picture".to_owned(), "is looked at".to_owned()]);
    Page::Notice { title: "aiming".into(), sign: Sign::Camera, text }
}

fn pairing(offer: &PairingOffer, page: Option<SocketAddr>) -> Page {
    match page {
        Some(address) => Page::Pairing { address, code: offer.code.clone() },
        None => Page::Notice {
            title: "no page".into(),
            sign: Sign::Unplugged,
            text: Text::Small("nothing to pair with: see web.enabled and web.listen".into()),
        },
    }
}

/// A duration, rounded to one unit.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// The pace in two words.
pub(super) const fn pace_text(pace: Pace) -> &'static str {
    match pace {
        Pace::Fine => "pace ok",
        Pace::TooFast => "too fast",
        Pace::TooSlow => "too slow",
        Pace::Unsure => "pace ?",
    }
}

/// A share in whole percent; `?` if unknown.
pub(super) fn percent(share: Option<Share>) -> String {
    share.map_or_else(|| "?".to_owned(), |share| format!("{:.0}%", share.share * 100.0))
}

/// A number of people; `?` if unknown.
pub(super) fn count(people: Option<u32>) -> String {
    people.map_or_else(|| "?".to_owned(), |people| people.to_string())
}

/// The URL in the QR code of [`Page::Pairing`]. With HTTPS the page redirects. The shorter the URL, the easier the code
/// is to read.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// Wraps `text` into at most `max_lines` lines that satisfy `fits`; truncated text ends with three dots. Only the part
/// before the first `; ` is used: the fix that follows is in the log.
pub(super) fn wrap(text: &str, max_lines: usize, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let sentence = text.split("; ").next().unwrap_or(text);
    let printable: String = sentence.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    let mut lines: Vec<String> = Vec::new();
    let mut words: Vec<&str> = printable.split_whitespace().rev().collect();
    while let Some(word) = words.pop() {
        let joined = lines.last().map(|line| format!("{line} {word}")).filter(|joined| fits(joined));
        if let (Some(joined), Some(line)) = (joined, lines.last_mut()) {
            *line = joined;
        } else if lines.len() < max_lines {
            // A word that is wider than a line, such as a path, continues on the next one.
            let end = (1..=word.len()).rev().find(|end| fits(&word[..*end])).unwrap_or(word.len());
            lines.push(word[..end].to_owned());
            if end < word.len() {
                words.push(&word[end..]);
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
    use moodring_contract::samples;

    const TURNS: PageTimes = PageTimes { overview: Duration::from_secs(8), detail: Duration::from_secs(4) };

    fn titles(mood: &Mood, status: &DeviceStatus) -> Vec<String> {
        let pages = draw(mood, status, None, TURNS, Instant::now());
        std::iter::once(&pages.first)
            .chain(&pages.others)
            .map(|(page, _)| match page {
                Page::Notice { title, .. } => title.clone(),
                Page::Overview { .. } => "overview".into(),
                Page::Count { .. } => "count".into(),
                Page::Detail { .. } => "detail".into(),
                Page::Pairing { .. } => "pairing".into(),
            })
            .collect()
    }

    fn with_problems(parts: &[&'static str]) -> DeviceStatus {
        let problems = parts.iter().map(|part| (*part, "it broke".to_owned())).collect();
        DeviceStatus { problems, ..DeviceStatus::default() }
    }

    #[test]
    fn overview_and_detail_alternate() {
        let pages = draw(&samples::live(), &DeviceStatus::default(), None, TURNS, Instant::now());
        let shown = |seconds| matches!(pages.at(Duration::from_secs_f64(seconds)), Page::Detail { .. });
        assert_eq!([0.0, 7.9, 8.0, 11.9, 12.0, 20.5].map(shown), [false, false, true, true, false, true]);
        let only_overview = PageTimes { detail: Duration::ZERO, ..TURNS };
        let pages = draw(&samples::live(), &DeviceStatus::default(), None, only_overview, Instant::now());
        assert!(pages.others.is_empty() && pages.at(Duration::from_secs(9)) == pages.first());
    }

    #[test]
    fn problems_alternate_with_the_pages_and_a_lost_camera_comes_first() {
        assert_eq!(
            titles(&samples::live(), &with_problems(&["camera", "mqtt"])),
            ["overview", "detail", "camera gone", "broker away"]
        );
        assert_eq!(
            titles(&samples::stale(), &with_problems(&["camera", "mqtt"])),
            ["camera gone", "no picture", "broker away"]
        );
        assert_eq!(titles(&samples::starting(), &with_problems(&["camera"])), ["camera gone"]);
        assert_eq!(titles(&samples::paused(), &with_problems(&["lights"])), ["paused", "lights away"]);
        assert_eq!(titles(&samples::occupancy(), &DeviceStatus::default()), ["count"]);
    }

    #[test]
    fn pairing_replaces_the_pages_until_its_end() {
        let now = Instant::now();
        let offer = PairingOffer { code: None, until: now + Duration::from_secs(60) };
        let mut status = with_problems(&["mqtt"]);
        let first = |status: &DeviceStatus, now| {
            draw(&samples::live(), status, Some(&offer), TURNS, now).first().clone()
        };
        assert!(matches!(first(&status, now), Page::Notice { title, .. } if title == "no page"));
        status.page = Some(SocketAddr::from(([192, 168, 1, 23], 8080)));
        assert!(matches!(first(&status, now), Page::Pairing { code: None, .. }));
        assert!(matches!(first(&status, now + Duration::from_secs(60)), Page::Overview { .. }));
    }

    #[test]
    fn identification_replaces_the_pages_until_its_end() {
        let now = Instant::now();
        let offer = PairingOffer { code: None, until: now + Duration::from_secs(60) };
        let identify_until = Some(now + Duration::from_secs(10));
        let status = DeviceStatus { identify_until, ..with_problems(&["mqtt"]) };
        let first = |now| draw(&samples::paused(), &status, Some(&offer), TURNS, now).first().clone();
        let shown = first(now);
        let Page::Notice { title, text, .. } = shown else { panic!("{shown:?}") };
        assert_eq!((title.as_str(), text), ("this is", Text::Small("school room-1".into())));
        assert!(
            matches!(first(now + Duration::from_secs(10)), Page::Notice { title, .. } if title == "no page")
        );
    }

    #[test]
    fn an_open_camera_preview_is_shown_until_its_end() {
        let now = Instant::now();
        let preview_until = Some(now + Duration::from_secs(600));
        let status = DeviceStatus { preview_until, ..with_problems(&["mqtt"]) };
        assert_eq!(titles(&samples::live(), &status), ["overview", "detail", "aiming", "broker away"]);
        let over = draw(&samples::live(), &status, None, TURNS, now + Duration::from_secs(600));
        assert!(
            over.others
                .iter()
                .all(|(page, _)| !matches!(page, Page::Notice { title, .. } if title == "aiming"))
        );
    }

    #[test]
    fn text_is_wrapped_truncated_and_cut_after_the_first_part() {
        let fits = |line: &str| line.len() <= 12;
        assert_eq!(wrap("not there; plug it in", 3, fits), ["not there"]);
        assert_eq!(wrap("the device did not answer in time", 2, fits), ["the device", "did not..."]);
        assert_eq!(wrap("/dev/v4l/by-id/usb away", 3, fits), ["/dev/v4l/by-", "id/usb away"]);
        assert_eq!(wrap("größe", 3, fits), ["gr e"]);
        assert!(wrap("", 3, fits).is_empty() && wrap("wide", 0, fits).is_empty());
    }
}
