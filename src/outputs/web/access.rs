//! Who may use the page from the LAN: who typed the code that the display shows gets a signed cookie.
//!
//! Its one decision: a cookie counts only while its number stands in the device's own list. So what was signed out, replayed
//! or made with another device's key is refused, and forgetting everybody is deleting one file.

mod attempts;
mod cookie;
mod kept;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{info, warn};

use super::files;
use crate::config::{self, Metrics};
use crate::outputs::Bulletin;
use crate::private;
use attempts::{Attempts, Guess};
use cookie::{Claim, Key};
use kept::Paired;

/// Name of the cookie.
const COOKIE: &str = "session";
/// A phone that was not paired anew for so long is forgotten.
const PAIRED_FOR: SignedDuration = SignedDuration::from_hours(24 * 90);
/// A shorter token could be guessed.
const LEAST_TOKEN: usize = 16;
/// A longer one is cut here.
const MOST_TOKEN: u64 = 4096;
/// Phones that may be paired; with one more the one that was paired first is forgotten.
const MOST_PAIRED: usize = 50;
/// What everybody may have: what a phone needs to be paired. All else needs a cookie.
const OPEN: [&str; 6] = ["/pair", "/api/v1/pair", "/pair.js", "/messages.js", "/page.css", "/icon.svg"];

/// What begins like this is for administrators only, whatever is asked there.
const AIM: &str = "/api/v1/aim";
const SET_UP: &str = "/api/v1/setup";

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// See, pause, begin and end lessons, keep notes.
    Teacher,
    /// Also delete lessons, look through the camera to aim it, and set the device up.
    Administrator,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The list of who may, and how one gets into it.
pub(super) struct Access {
    key: Key,
    directory: PathBuf,
    paired: Mutex<Vec<Paired>>,
    /// Held while the list is written, so that an older one never overwrites a newer one.
    writing: tokio::sync::Mutex<()>,
    attempts: Mutex<Attempts>,
    bulletin: Bulletin,
    /// The page is served by HTTPS: the cookie goes nowhere else.
    secure: bool,
    numbers: Numbers,
}

/// Who may read `/metrics` and `/healthz` without being paired.
pub(super) enum Numbers {
    Nobody,
    Everybody,
    /// Whoever brings this token.
    Token(Vec<u8>),
}

impl Numbers {
    /// # Errors
    /// The file of the token cannot be read, or is too short.
    pub(super) fn of(web: &config::Web) -> std::io::Result<Self> {
        match web.metrics {
            Metrics::Paired => Ok(Self::Nobody),
            Metrics::Open => Ok(Self::Everybody),
            Metrics::Token => {
                let path = web.metrics_token_file.display();
                let told =
                    |what: &str| std::io::Error::other(format!("web.metrics_token_file {path} {what}"));
                let token = private::read(&web.metrics_token_file, MOST_TOKEN)?
                    .ok_or_else(|| told("is not there"))?;
                let token = token.trim_ascii().to_vec();
                if token.len() < LEAST_TOKEN {
                    return Err(told("must hold at least 16 letters"));
                }
                Ok(Self::Token(token))
            }
        }
    }
}

impl Access {
    /// Reads key and list in `directory`; makes a key where there is none.
    ///
    /// # Errors
    /// One of them can neither be read nor made.
    pub(super) fn open(
        directory: PathBuf,
        bulletin: Bulletin,
        secure: bool,
        numbers: Numbers,
    ) -> std::io::Result<Self> {
        let key = kept::key(&directory)?;
        let paired = kept::read(&directory)?;
        let (paired, writing) = (Mutex::new(paired), tokio::sync::Mutex::default());
        Ok(Self { key, directory, paired, writing, attempts: Mutex::default(), bulletin, secure, numbers })
    }

    /// What whoever sent `headers` may do at `now`.
    fn role(&self, headers: &HeaderMap, now: Timestamp) -> Option<Role> {
        let claim = self.claim(headers, now)?;
        let paired = lock(&self.paired);
        paired.iter().find(|paired| paired.id == claim.id).map(|paired| paired.role)
    }

    fn claim(&self, headers: &HeaderMap, now: Timestamp) -> Option<Claim> {
        let claim = self.key.verify(files::cookie(headers, COOKIE)?)?;
        (now.as_second() < claim.until_s).then_some(claim)
    }

    /// Whether whoever sent `headers` may read the numbers without being paired.
    fn may_count(&self, headers: &HeaderMap) -> bool {
        match &self.numbers {
            Numbers::Nobody => false,
            Numbers::Everybody => true,
            Numbers::Token(token) => {
                let brought = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let brought = brought.and_then(|value| value.strip_prefix("Bearer "));
                brought.is_some_and(|brought| self.key.alike(brought.trim().as_bytes(), token))
            }
        }
    }

    /// What the browser shall keep: `value` for `life_s` seconds.
    fn cookie(&self, value: &str, life_s: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; Max-Age={life_s}; SameSite=Strict; HttpOnly{secure}")
    }

    /// Whoever typed the code that is offered is in the list from now on, the first as administrator.
    fn pair(&self, typed: &str, from: IpAddr, now: Instant, at: Timestamp) -> Result<Claim, Guess> {
        let situation = self.bulletin.subscribe().borrow().clone();
        let offer = situation.pairing_at(now).and_then(|offer| Some((offer.code.clone()?, offer.until)));
        let Some((code, until)) = offer else { return Err(Guess::NotOffered) };
        let guess = lock(&self.attempts).guess(&self.key, &code, until, typed, from);
        if guess != Guess::Right {
            if guess == Guess::Exhausted {
                warn!("too many wrong codes: the offer to pair is withdrawn");
                self.bulletin.offer_pairing(None);
            }
            return Err(guess);
        }
        // Each code is good for one phone.
        self.bulletin.offer_pairing(None);
        let id = cookie::fresh_id().map_err(|_| Guess::NotOffered)?;
        let mut paired = lock(&self.paired);
        paired.retain(|paired| at.as_second() < paired.until_s);
        let role = if paired.is_empty() { Role::Administrator } else { Role::Teacher };
        if paired.len() == MOST_PAIRED {
            paired.remove(0);
        }
        let until_s = (at + PAIRED_FOR).as_second();
        paired.push(Paired { id: id.clone(), role, until_s });
        info!(?role, "a phone was paired");
        Ok(Claim { id, until_s })
    }

    /// Brings the list to the disk.
    async fn keep(&self) -> Result<(), StatusCode> {
        let _turn = self.writing.lock().await;
        let (directory, paired) = (self.directory.clone(), lock(&self.paired).clone());
        match tokio::task::spawn_blocking(move || kept::write(&directory, &paired)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                warn!("who is paired cannot be kept: {error}");
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
            Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// Lets through who may; sends the others to the page for pairing.
pub(super) async fn demand(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = OPEN.contains(&path) || path.starts_with("/messages/");
    let counts = matches!(path, "/metrics" | "/healthz") && access.may_count(request.headers());
    if open || counts {
        return next.run(request).await;
    }
    let page = matches!(path, "/" | "/lessons" | "/aim" | "/setup");
    let for_administrators =
        request.method() == Method::DELETE || path.starts_with(AIM) || path.starts_with(SET_UP);
    match access.role(request.headers(), Timestamp::now()) {
        Some(Role::Teacher) if path == "/setup" => Redirect::to("/").into_response(),
        Some(Role::Teacher) if for_administrators => refuse(StatusCode::FORBIDDEN, "not_administrator"),
        Some(_) => next.run(request).await,
        None if page => Redirect::to("/pair").into_response(),
        None => refuse(StatusCode::UNAUTHORIZED, "not_paired"),
    }
}

fn refuse(status: StatusCode, reason: &'static str) -> Response {
    (status, Json(json!({ "error": reason }))).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    code: String,
}

/// `POST /api/v1/pair`.
pub(super) async fn pair(
    State(access): State<Arc<Access>>,
    axum::Extension(Peer(from)): axum::Extension<Peer>,
    Json(Typed { code }): Json<Typed>,
) -> Response {
    match access.pair(&code, from, Instant::now(), Timestamp::now()) {
        Ok(claim) => {
            if let Err(status) = access.keep().await {
                return refuse(status, "store");
            }
            with_cookie(&access.cookie(&access.key.sign(&claim), PAIRED_FOR.as_secs()))
        }
        Err(Guess::NotOffered) => refuse(StatusCode::CONFLICT, "not_offered"),
        Err(Guess::TooMany | Guess::Exhausted) => refuse(StatusCode::TOO_MANY_REQUESTS, "too_many"),
        Err(Guess::Wrong | Guess::Right) => refuse(StatusCode::FORBIDDEN, "wrong_code"),
    }
}

/// `POST /api/v1/unpair`: this phone is forgotten.
pub(super) async fn unpair(State(access): State<Arc<Access>>, headers: HeaderMap) -> Response {
    let Some(claim) = access.claim(&headers, Timestamp::now()) else {
        return refuse(StatusCode::UNAUTHORIZED, "not_paired");
    };
    lock(&access.paired).retain(|paired| paired.id != claim.id);
    if let Err(status) = access.keep().await {
        return refuse(status, "store");
    }
    with_cookie(&access.cookie("", 0))
}

fn with_cookie(cookie: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
