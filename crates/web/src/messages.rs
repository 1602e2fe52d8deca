//! The texts of the page in every language, from Fluent files that are parsed once at the start.
//!
//! The device parses Fluent and the page receives the result as JSON, so that phones load no parser. The files may use
//! only what the page's script supports: text, variables, and a choice by the plural of a variable.

use std::collections::BTreeMap;

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey};
use serde::Serialize;

/// Name (`en`) and text of every file in `messages/`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));
/// Prefixes of the messages of the set-up page, which the other pages do not load.
const SET_UP: [&str; 3] = ["setup-", "obstacle-", "day-"];
/// Language used if none of the requested ones exists.
pub(super) const FALLBACK: &str = "en";

/// The pages that a set of messages is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageSet {
    /// Messages of all pages.
    AllPages,
    /// Additional messages of the set-up page.
    SetUp,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Variable {
        /// Name of the variable.
        var: String,
    },
    Choice {
        /// The variable whose plural category selects.
        select: String,
        /// Parts by plural category (`one`, `other`) or number.
        of: BTreeMap<String, Vec<Part>>,
        /// The key used if no other matches.
        default: String,
    },
}

/// Why a file of messages was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("{language}: not Fluent: {reason}")]
    Syntax { language: String, reason: String },
    #[error(
        "{language}: {message} uses what the page does not support; use only text, variables and plurals"
    )]
    Unsupported { language: String, message: String },
}

/// All messages in one language.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    /// As in `<html lang>`.
    pub(super) language: &'static str,
    messages: BTreeMap<String, Vec<Part>>,
}

impl Messages {
    /// The messages of every language.
    pub(super) fn all() -> Result<Vec<Self>, MessageError> {
        FILES.iter().map(|(language, text)| Self::parse(language, text)).collect()
    }

    fn parse(language: &'static str, text: &str) -> Result<Self, MessageError> {
        let resource = fluent_syntax::parser::parse(text).map_err(|(_, errors)| MessageError::Syntax {
            language: language.into(),
            reason: errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        })?;
        let mut messages = BTreeMap::new();
        for entry in &resource.body {
            let Entry::Message(message) = entry else { continue };
            let parts = message.value.as_ref().and_then(pattern).ok_or_else(|| {
                MessageError::Unsupported { language: language.into(), message: message.id.name.into() }
            })?;
            messages.insert(message.id.name.to_owned(), parts);
        }
        Ok(Self { language, messages })
    }

    /// The messages of `set` as JSON, for the pages' scripts.
    pub(super) fn to_json(&self, set: MessageSet) -> serde_json::Result<String> {
        let belongs =
            |key: &str| SET_UP.iter().any(|prefix| key.starts_with(prefix)) == (set == MessageSet::SetUp);
        let chosen: BTreeMap<_, _> = self.messages.iter().filter(|(key, _)| belongs(key)).collect();
        serde_json::to_string(&chosen)
    }

    /// The message `key`, if it exists and has no variables.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.messages.get(key)?.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn pattern(pattern: &Pattern<&str>) -> Option<Vec<Part>> {
    pattern.elements.iter().map(element).collect()
}

fn element(element: &PatternElement<&str>) -> Option<Part> {
    match element {
        PatternElement::TextElement { value } => Some(Part::Text((*value).to_owned())),
        PatternElement::Placeable { expression: Expression::Inline(inline) } => match inline {
            InlineExpression::VariableReference { id } => Some(Part::Variable { var: id.name.to_owned() }),
            InlineExpression::StringLiteral { value } => Some(Part::Text((*value).to_owned())),
            _ => None,
        },
        PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
            let InlineExpression::VariableReference { id } = selector else { return None };
            let key = |key: &VariantKey<&str>| match key {
                VariantKey::Identifier { name } => (*name).to_owned(),
                VariantKey::NumberLiteral { value } => (*value).to_owned(),
            };
            let default = variants.iter().find(|variant| variant.default)?;
            Some(Part::Choice {
                select: id.name.to_owned(),
                default: key(&default.key),
                of: variants
                    .iter()
                    .map(|variant| Some((key(&variant.key), pattern(&variant.value)?)))
                    .collect::<Option<_>>()?,
            })
        }
    }
}

/// The language for a request: the one chosen on the page, else the first of `Accept-Language` that exists.
pub(super) fn choose<'a>(
    available: &'a [Messages],
    chosen: Option<&str>,
    accepted: Option<&str>,
) -> &'a Messages {
    let find = |tag: &str| {
        let primary = tag.split([';', '-', '_']).next().unwrap_or_default().trim();
        available.iter().find(|messages| messages.language.eq_ignore_ascii_case(primary))
    };
    let accepted = accepted.into_iter().flat_map(|list| list.split(',').take(16));
    let wanted = chosen.into_iter().chain(accepted).chain([FALLBACK]);
    wanted.filter_map(find).next().unwrap_or(&available[0])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn variables(parts: &[Part], into: &mut BTreeSet<String>) {
        for part in parts {
            match part {
                Part::Text(_) => {}
                Part::Variable { var } => drop(into.insert(var.clone())),
                Part::Choice { select, of, .. } => {
                    into.insert(select.clone());
                    of.values().for_each(|parts| variables(parts, into));
                }
            }
        }
    }

    fn signature(messages: &Messages) -> BTreeMap<String, BTreeSet<String>> {
        let of = |parts: &Vec<Part>| {
            let mut set = BTreeSet::new();
            variables(parts, &mut set);
            set
        };
        messages.messages.iter().map(|(key, parts)| (key.clone(), of(parts))).collect()
    }

    #[test]
    fn all_languages_have_the_same_messages_with_the_same_variables() {
        let all = Messages::all().unwrap();
        let english = all.iter().find(|messages| messages.language == FALLBACK).unwrap();
        assert!(all.len() >= 2 && english.messages.len() > 40);
        for other in &all {
            assert_eq!(signature(other), signature(english), "{}", other.language);
            assert!(other.text("language-name").is_some());
        }
    }

    #[test]
    fn plurals_and_variables_become_json() {
        let text = "n = { $count ->\n    [one] one lesson\n   *[other] { $count } lessons\n }\n";
        let json = Messages::parse("en", text).unwrap().to_json(MessageSet::AllPages).unwrap();
        let expected = r#"{"n":[{"select":"count","of":{"one":["one lesson"],"other":[{"var":"count"}," lessons"]},"default":"other"}]}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn unsupported_fluent_is_refused() {
        let refused = Messages::parse("en", "n = { NUMBER($x) }\n").unwrap_err();
        assert!(refused.to_string().contains("en: n uses"), "{refused}");
        assert!(matches!(Messages::parse("en", "n = {\n"), Err(MessageError::Syntax { .. })));
    }

    #[test]
    fn the_chosen_language_precedes_the_browsers_and_english() {
        let all = Messages::all().unwrap();
        let chosen = |chosen, accepted| choose(&all, chosen, accepted).language;
        assert_eq!(chosen(Some("hi"), Some("en-GB")), "hi");
        assert_eq!(chosen(Some("xx"), Some("fr-FR, hi-IN;q=0.8, en;q=0.5")), "hi");
        assert_eq!(chosen(None, Some("fr;q=0.9")), "en");
        assert_eq!(chosen(None, None), "en");
    }
}
