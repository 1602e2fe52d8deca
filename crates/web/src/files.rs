//! Pages and static files. All are compiled in, and every page is built once per language at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::messages::{self, MessageError, MessageSet, Messages};
use crate::endpoints::Endpoints;
use crate::endpoints::RequiredRole;

/// The palette, which the lesson reports use too, and the page's own style.
const STYLE: &str = concat!(include_str!("../../lessons/src/palette.css"), include_str!("page/page.css"));
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Static files: path, required role, content type, content.
const FILES: [(&str, RequiredRole, &str, &[u8]); 18] = [
    ("/page.css", RequiredRole::None, "text/css; charset=utf-8", STYLE.as_bytes()),
    ("/live.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/live.js")),
    ("/aim.css", RequiredRole::Reader, "text/css; charset=utf-8", include_bytes!("page/aim.css")),
    ("/aim.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/aim.js")),
    ("/zones.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/zones.js")),
    ("/compare.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/compare.js")),
    ("/attention.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/attention.js")),
    ("/controls.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/controls.js")),
    ("/lessons.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/lessons.js")),
    ("/pair.js", RequiredRole::None, SCRIPT, include_bytes!("page/pair.js")),
    ("/messages.js", RequiredRole::None, SCRIPT, include_bytes!("page/messages.js")),
    ("/setup.css", RequiredRole::Reader, "text/css; charset=utf-8", include_bytes!("page/setup.css")),
    ("/setup.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/setup.js")),
    ("/trend.js", RequiredRole::Reader, SCRIPT, include_bytes!("page/trend.js")),
    ("/icon.svg", RequiredRole::None, "image/svg+xml", include_bytes!("page/icon.svg")),
    ("/icon-192.png", RequiredRole::Reader, "image/png", include_bytes!("page/icon-192.png")),
    ("/icon-512.png", RequiredRole::Reader, "image/png", include_bytes!("page/icon-512.png")),
    (
        "/manifest.webmanifest",
        RequiredRole::Reader,
        "application/manifest+json",
        include_bytes!("page/manifest.webmanifest"),
    ),
];
/// Common part of the head of every page.
const HEAD: &str = include_str!("page/head.html");
/// The pages: path, required role, template. A browser without the role is redirected to `/pair` or, if paired, to `/`.
pub(super) const PAGES: [(&str, RequiredRole, &str); 5] = [
    ("/", RequiredRole::Reader, include_str!("page/live.html")),
    ("/aim", RequiredRole::Teacher, include_str!("page/aim.html")),
    ("/lessons", RequiredRole::Teacher, include_str!("page/lessons.html")),
    ("/pair", RequiredRole::None, include_str!("page/pair.html")),
    ("/setup", RequiredRole::Administrator, include_str!("page/setup.html")),
];
/// Cookie with the language chosen on the page; it has no other content and is sent to the device only.
const LANGUAGE_COOKIE: &str = "language";
const LANGUAGE_COOKIE_S: u32 = 365 * 24 * 3600;

/// Why the pages cannot be built: a defect of the program, which the tests detect.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error(transparent)]
    Messages(#[from] MessageError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{page} in {language}: there is no message {key}")]
    Missing { page: &'static str, language: &'static str, key: String },
}

/// The pages in every language.
pub(super) struct Pages {
    languages: Vec<Messages>,
    /// Messages for the scripts, by language; with the suffix `-setup` those of the set-up page.
    json: BTreeMap<String, Bytes>,
    /// Pages by path and language.
    pages: BTreeMap<(&'static str, &'static str), Bytes>,
}

impl Pages {
    /// Builds every page in every language.
    pub(super) fn new() -> Result<Self, PageError> {
        let languages = Messages::all()?;
        let (mut json, mut pages) = (BTreeMap::new(), BTreeMap::new());
        for messages in &languages {
            json.insert(messages.language.to_owned(), Bytes::from(messages.to_json(MessageSet::AllPages)?));
            json.insert(
                format!("{}-setup", messages.language),
                Bytes::from(messages.to_json(MessageSet::SetUp)?),
            );
            for (page, _, template) in PAGES {
                let text = fill(page, template, messages, &links(&languages, messages.language))?;
                pages.insert((page, messages.language), Bytes::from(text));
            }
        }
        Ok(Self { languages, json, pages })
    }
}

/// Links to the page in the other languages.
fn links(languages: &[Messages], current: &str) -> String {
    let others = languages.iter().filter(|other| other.language != current);
    let link = |other: &Messages| {
        let (language, name) = (other.language, other.text("language-name").unwrap_or(other.language));
        format!(
            "<a href=\"?language={language}\" lang=\"{language}\" hreflang=\"{language}\">{}</a>",
            escape(name)
        )
    };
    others.map(link).collect()
}

/// Replaces every `{{key}}` by its message or a common part.
fn fill(page: &'static str, template: &str, messages: &Messages, links: &str) -> Result<String, PageError> {
    let mut text = String::with_capacity(2 * template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let (key, after) = after.split_once("}}").unwrap_or((after, ""));
        match key {
            "head" => text.push_str(HEAD.trim_end()),
            "language" => text.push_str(messages.language),
            "languages" => text.push_str(links),
            _ => {
                let missing =
                    || PageError::Missing { page, language: messages.language, key: key.to_owned() };
                text.push_str(&escape(messages.text(key).ok_or_else(missing)?));
            }
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// The routes of pages, static files and messages.
pub(super) fn endpoints(pages: Pages) -> Endpoints {
    let mut endpoints = Endpoints::with_state(Arc::new(pages));
    for (address, role, kind, content) in FILES {
        endpoints =
            endpoints.get(address, role, move || async move { ([(header::CONTENT_TYPE, kind)], content) });
    }
    for (address, role, _) in PAGES {
        endpoints = endpoints.get(
            address,
            role,
            move |State(pages): State<Arc<Pages>>, Query(query): Query<PageQuery>, headers: HeaderMap| async move {
                page(&pages, address, &query, &headers)
            },
        );
    }
    endpoints.get("/messages/{file}", RequiredRole::None, json).finish()
}

#[derive(Debug, Deserialize)]
struct PageQuery {
    language: Option<String>,
}

fn page(pages: &Pages, address: &'static str, query: &PageQuery, headers: &HeaderMap) -> Response {
    let stored = cookie(headers, LANGUAGE_COOKIE);
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let chosen = query.language.as_deref().or(stored);
    let language = messages::choose(&pages.languages, chosen, accepted).language;
    let Some(text) = pages.pages.get(&(address, language)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Html(text.clone()).into_response();
    if query.language.is_some() {
        let cookie = format!(
            "{LANGUAGE_COOKIE}={language}; Path=/; Max-Age={LANGUAGE_COOKIE_S}; SameSite=Strict; HttpOnly"
        );
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, value);
        }
    }
    response
}

async fn json(State(pages): State<Arc<Pages>>, Path(file): Path<String>) -> Response {
    match file.strip_suffix(".json").and_then(|language| pages.json.get(language)) {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The value of the cookie `name`, the first if there are several.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_complete_in_every_language() {
        let pages = Pages::new().unwrap();
        assert_eq!(pages.pages.len(), PAGES.len() * pages.languages.len());
        for ((address, language), text) in &pages.pages {
            let text = std::str::from_utf8(text).unwrap();
            assert!(!text.contains("{{") && !text.contains("}}"), "{address} in {language}");
            assert!(text.contains(&format!("<html lang=\"{language}\">")));
            assert_eq!(text.matches("?language=").count(), pages.languages.len() - 1);
        }
    }

    #[test]
    fn messages_are_escaped() {
        assert_eq!(escape("<b> & \"x\""), "&lt;b> &amp; &quot;x&quot;");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=1; language=hi;b=language=en".parse().unwrap());
        assert_eq!(cookie(&headers, "language"), Some("hi"));
        assert_eq!(cookie(&headers, "lang"), None);
    }
}
