//! Checks whether the law of the declared place permits the configured mode.
//!
//! The rules come from secondary sources and are no legal advice. The device does not start if the estimate is
//! prohibited or its purpose is not declared. Counting people (the mode `count`) is always possible instead.

use moodring_config::{Config, Institution, Purpose};
use moodring_contract::Mode;

/// Member states of the European Union, the Union itself, its own letters for Greece, and those outermost regions
/// (Article 349 TFEU) and Åland that have letters of their own.
const UNION: &str = "EU AT BE BG CY CZ DE DK EE ES FI FR GR EL HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK \
                     GF GP MF MQ RE YT AX";
/// The other states of the European Economic Area, and the Area itself.
const ECONOMIC_AREA: &str = "EEA IS LI NO";

/// Why the service does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The purpose of the estimates is not declared.
    #[error(
        "nothing but the number of people is estimated without a declared purpose: {} missing. Declare it, for example\n\n\
         [purpose]\n\
         jurisdiction = \"IN\"\n\
         institution = \"education\"\n\
         consent = \"parents agreed in writing, 2026-06-01\"\n\n\
         or count people only: mood.mode = \"count\" needs no declaration. docs/privacy.md explains both",
        list(.missing)
    )]
    Undeclared {
        /// The keys that are missing.
        missing: Vec<&'static str>,
    },
    /// The law prohibits the estimates.
    #[error(
        "mood.mode = {:?} is not allowed here: Article 5(1)(f) of Regulation (EU) 2024/1689 (the AI Act), applied \
         since 2 February 2025, prohibits AI systems that infer emotions of people in education institutions and \
         at the workplace, and purpose.jurisdiction is {jurisdiction:?}, purpose.institution is {:?}. The Commission's \
         guidelines are quoted as counting students' interest and attention among them. Aggregates do not cure it, \
         because each face is judged first. Set mood.mode = \"count\": the number of people and nothing else. \
         docs/privacy.md explains it",
        .mode.name(), .institution.name()
    )]
    Prohibited {
        /// The declared jurisdiction.
        jurisdiction: String,
        /// The declared institution.
        institution: Institution,
        /// The configured mode.
        mode: Mode,
    },
}

/// The keys with the verb: `a, b and c are` or `a is`.
fn list(keys: &[&str]) -> String {
    match keys {
        [] => "nothing is".into(),
        [one] => format!("{one} is"),
        [others @ .., last] => format!("{} and {last} are", others.join(", ")),
    }
}

/// Checks whether `config` may run on a class. The mode `count` is always permitted. The others need a declared purpose
/// that the law of the declared place permits; `mood` also needs the declared consent.
///
/// # Errors
/// [`Refusal`]: it names what to declare or which law prohibits the estimates, and what is possible instead.
pub fn permit(config: &Config) -> Result<(), Refusal> {
    let mode = config.mood.mode;
    if mode == Mode::Count {
        return Ok(());
    }
    let purpose = &config.purpose;
    // First, so that nobody collects consent for a prohibited use.
    if let Some(institution @ (Institution::Education | Institution::Work)) = purpose.institution
        && in_economic_area(&purpose.country())
    {
        return Err(Refusal::Prohibited { jurisdiction: purpose.jurisdiction.clone(), institution, mode });
    }
    let missing: Vec<_> = [
        ("purpose.jurisdiction", purpose.jurisdiction.trim().is_empty()),
        ("purpose.institution", purpose.institution.is_none()),
        ("purpose.consent", mode == Mode::Mood && purpose.consent.trim().is_empty()),
    ]
    .into_iter()
    .filter_map(|(key, missing)| missing.then_some(key))
    .collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::Undeclared { missing }) }
}

/// Whether `country`, in upper case, is a state of the European Economic Area, which includes the European Union.
pub fn in_economic_area(country: &str) -> bool {
    UNION.split_whitespace().chain(ECONOMIC_AREA.split_whitespace()).any(|code| code == country)
}

/// What the law of the declared place requires, with dates, one or two sentences for each rule. For the data sheet.
pub fn notes(purpose: &Purpose) -> Vec<&'static str> {
    let country = purpose.country();
    let mut notes = Vec::new();
    if in_economic_area(&country) {
        notes.push(
            "Regulation (EU) 2024/1689 (AI Act), Article 5(1)(f), applied since 2 February 2025: AI systems that infer \
             emotions in education institutions and at the workplace are prohibited, save for medical or safety \
             reasons, which this device does not serve. Secondary sources quote the Commission's guidelines (February \
             2025) as naming students' interest and attention, too. There it counts people only.",
        );
        notes.push(
            "Where emotion recognition is not prohibited (an event, say), the AI Act counts it as high-risk (Annex III) \
             and asks to inform those exposed to it (Article 50(3)). Regulation (EU) 2016/679 (GDPR) applies in any \
             case, also to counting: a legal basis (Article 6), and an impact assessment (Article 35) where the risk \
             is high.",
        );
    }
    match country.as_str() {
        "IN" => {
            notes.push(
                "Digital Personal Data Protection Act 2023, section 9: verifiable consent of a parent for children, no \
                 tracking or behavioural monitoring of children.",
            );
            notes.push(
                "DPDP Rules 2025 (G.S.R. 846(E), 13 November 2025; core duties from about May 2027): educational \
                 institutions are exempt for their educational activities and the safety of children; a breach is \
                 reported within 72 hours.",
            );
        }
        "US" => {
            notes.push(
                "Illinois (BIPA, 740 ILCS 14): written notice, a published retention period and written consent before \
                 face geometry is collected. Other states have laws of their own.",
            );
            notes.push(
                "FERPA practice suppresses groups below 5 to 30 people, most often below 10: mood.min_people = 10 \
                 follows it.",
            );
        }
        "GB" => notes.push(
            "UK GDPR and the Information Commissioner's warning of October 2022: emotion analysis \u{201c}may not \
             work yet, or indeed ever\u{201d}; an impact assessment is expected.",
        ),
        _ => {}
    }
    if notes.is_empty() {
        notes.push("moodring has no particular rules for this place; ask a lawyer there.");
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(jurisdiction: &str, institution: Institution) -> Config {
        let purpose = Purpose {
            jurisdiction: jurisdiction.into(),
            institution: Some(institution),
            consent: "everybody agreed".into(),
            contact: String::new(),
        };
        Config { purpose, ..Config::default() }
    }

    #[test]
    fn every_state_of_the_union_and_the_area_only_counts_in_education_and_at_work() {
        let states = UNION.split_whitespace().chain(ECONOMIC_AREA.split_whitespace());
        assert_eq!(states.clone().count(), 1 + 27 + 1 + 7 + 4);
        for state in states.flat_map(|state| [state.to_owned(), state.to_lowercase(), format!("{state}-BY")])
        {
            for institution in [Institution::Education, Institution::Work] {
                let mut config = declared(&state, institution);
                for mode in [Mode::Mood, Mode::Occupancy] {
                    config.mood.mode = mode;
                    let message = permit(&config).unwrap_err().to_string();
                    assert!(message.contains("Article 5(1)(f) of Regulation (EU) 2024/1689"), "{message}");
                    assert!(message.contains(&format!("mood.mode = {:?}", mode.name())), "{message}");
                    assert!(
                        message.contains("Set mood.mode = \"count\"") && message.contains(&state),
                        "{message}"
                    );
                }
                config.mood.mode = Mode::Count;
                assert_eq!(permit(&config), Ok(()), "{state}");
            }
            assert_eq!(permit(&declared(&state, Institution::Event)), Ok(()), "{state}");
        }
    }

    #[test]
    fn elsewhere_a_declared_purpose_is_enough() {
        for state in ["IN", "US-IL", "GB", "CH", "TR", "JP"] {
            for institution in [Institution::Education, Institution::Work, Institution::Home] {
                assert_eq!(permit(&declared(state, institution)), Ok(()), "{state}");
            }
        }
    }

    #[test]
    fn missing_keys_are_named() {
        let message = permit(&Config::default()).unwrap_err().to_string();
        assert!(
            message.contains("purpose.jurisdiction, purpose.institution and purpose.consent are missing"),
            "{message}"
        );
        assert!(message.contains("mood.mode = \"count\""), "{message}");
        let mut config = declared("IN", Institution::Education);
        config.purpose.consent = "  ".into();
        let missing = vec!["purpose.consent"];
        assert_eq!(permit(&config), Err(Refusal::Undeclared { missing }));
        config.mood.mode = Mode::Occupancy;
        assert_eq!(permit(&config), Ok(()), "no expression is read: no consent is asked for");
        config.purpose = Purpose::default();
        let missing = vec!["purpose.jurisdiction", "purpose.institution"];
        assert_eq!(permit(&config), Err(Refusal::Undeclared { missing }), "where it is may not be left open");
        config.mood.mode = Mode::Count;
        assert_eq!(permit(&config), Ok(()));
    }

    #[test]
    fn a_prohibition_is_reported_before_missing_consent() {
        let mut config = declared("FR", Institution::Education);
        config.purpose.consent = String::new();
        assert!(matches!(permit(&config), Err(Refusal::Prohibited { .. })));
    }
}
