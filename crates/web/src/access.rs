//! Access from the LAN: a phone on which the displayed code is typed gets a signed cookie.
//!
//! A cookie is valid only while its number is in the device's own list. Cookies that were signed out, replayed or made
//! with another device's key are refused, and deleting one file unpairs all phones.

mod attempts;
mod cookie;
mod persisted;

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
use crate::endpoints::{Endpoints, RequiredRole, Roles, declared_path};
use attempts::{Attempts, Guess};
use cookie::{Claim, Key};
use moodring_config as config;
use moodring_config::MetricsPolicy;
use moodring_runtime::Pairing;
use moodring_runtime::atomic_file;
use persisted::Paired;

/// Name of the cookie.
const COOKIE: &str = "session";
/// How long a pairing is valid; after that the phone must be paired again.
const PAIRED_FOR: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Minimum length of a metrics token in bytes; a shorter one could be guessed.
const MIN_TOKEN: usize = 16;
/// Maximum length of a metrics token in bytes.
const MAX_TOKEN: u64 = 4096;
/// Maximum number of paired phones; one more removes the one that was paired first.
const MAX_PAIRED: usize = 50;

/// The role of a paired phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// May see the mood, pause, begin and end lessons, and write notes.
    Teacher,
    /// May also delete lessons, aim the camera and set the device up.
    Administrator,
}

/// Address of the client that sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The list of paired phones, and what is needed to pair another.
pub(super) struct Access {
    key: Key,
    directory: PathBuf,
    paired: Mutex<Vec<Paired>>,
    /// Held while the list is written, so that an older list never overwrites a newer one.
    writing: tokio::sync::Mutex<()>,
    attempts: Mutex<Attempts>,
    pairing: Pairing,
    /// The page is served by HTTPS, so the cookie is restricted to it.
    secure: bool,
    metrics: MetricsAccess,
}

/// Which clients may read `/metrics` and `/healthz` without pairing.
pub(super) enum MetricsAccess {
    Nobody,
    Everybody,
    /// Clients that send this token.
    Token(Vec<u8>),
}

impl MetricsAccess {
    /// # Errors
    /// The file of the token cannot be read, or is too short.
    pub(super) fn of(web: &config::Web) -> std::io::Result<Self> {
        match web.metrics {
            MetricsPolicy::Paired => Ok(Self::Nobody),
            MetricsPolicy::Open => Ok(Self::Everybody),
            MetricsPolicy::Token => {
                let path = web.metrics_token_file.display();
                let fault =
                    |what: &str| std::io::Error::other(format!("web.metrics_token_file {path} {what}"));
                let token = atomic_file::read(&web.metrics_token_file, MAX_TOKEN)?
                    .ok_or_else(|| fault("does not exist"))?;
                let token = token.trim_ascii().to_vec();
                if token.len() < MIN_TOKEN {
                    return Err(fault("must hold at least 16 characters"));
                }
                Ok(Self::Token(token))
            }
        }
    }
}

impl Access {
    /// Reads the signing key and the list of paired phones in `directory`; generates the key if there is none.
    ///
    /// # Errors
    /// One of the files cannot be read, or the key cannot be written.
    pub(super) fn open(
        directory: PathBuf,
        pairing: Pairing,
        secure: bool,
        metrics: MetricsAccess,
    ) -> std::io::Result<Self> {
        let key = persisted::key(&directory)?;
        let paired = persisted::read(&directory)?;
        let (paired, writing) = (Mutex::new(paired), tokio::sync::Mutex::default());
        Ok(Self { key, directory, paired, writing, attempts: Mutex::default(), pairing, secure, metrics })
    }

    /// The role of the phone that sent `headers` at `now`.
    fn role(&self, headers: &HeaderMap, now: Timestamp) -> Option<Role> {
        let claim = self.claim(headers, now)?;
        let paired = lock(&self.paired);
        paired.iter().find(|paired| paired.id == claim.id).map(|paired| paired.role)
    }

    fn claim(&self, headers: &HeaderMap, now: Timestamp) -> Option<Claim> {
        let claim = self.key.verify(files::cookie(headers, COOKIE)?)?;
        (now.as_second() < claim.until_s).then_some(claim)
    }

    /// Whether the client that sent `headers` may read metrics without pairing.
    fn may_read_metrics(&self, headers: &HeaderMap) -> bool {
        match &self.metrics {
            MetricsAccess::Nobody => false,
            MetricsAccess::Everybody => true,
            MetricsAccess::Token(token) => {
                let token_sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let token_sent = token_sent.and_then(|value| value.strip_prefix("Bearer "));
                token_sent.is_some_and(|sent| self.key.is_equal(sent.trim().as_bytes(), token))
            }
        }
    }

    /// The header that makes the browser store `value` for `max_age_s` seconds.
    fn cookie(&self, value: &str, max_age_s: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; Max-Age={max_age_s}; SameSite=Strict; HttpOnly{secure}")
    }

    /// Adds a phone to the list if `typed` is the offered code. The first phone becomes administrator.
    fn pair(&self, typed: &str, from: IpAddr, now: Instant, at: Timestamp) -> Result<Claim, Guess> {
        let offer = self.pairing.at(now).and_then(|offer| Some((offer.code?, offer.until)));
        let Some((code, until)) = offer else { return Err(Guess::NotOffered) };
        let result = lock(&self.attempts).check(&self.key, &code, until, typed, from);
        if result != Guess::Right {
            if result == Guess::Exhausted {
                warn!("too many wrong codes: pairing offer withdrawn");
                self.pairing.withdraw();
            }
            return Err(result);
        }
        // Each code pairs one phone.
        self.pairing.withdraw();
        let id = cookie::fresh_id().map_err(|_| Guess::NotOffered)?;
        let mut paired = lock(&self.paired);
        paired.retain(|paired| at.as_second() < paired.until_s);
        let role = if paired.is_empty() { Role::Administrator } else { Role::Teacher };
        if paired.len() == MAX_PAIRED {
            paired.remove(0);
        }
        let until_s = (at + PAIRED_FOR).as_second();
        paired.push(Paired { id: id.clone(), role, until_s });
        info!(?role, "phone paired");
        Ok(Claim { id, until_s })
    }

    /// Writes the list to the disk.
    async fn persist(&self) -> Result<(), StatusCode> {
        let _guard = self.writing.lock().await;
        let (directory, paired) = (self.directory.clone(), lock(&self.paired).clone());
        match tokio::task::spawn_blocking(move || persisted::write(&directory, &paired)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                warn!("the list of paired phones cannot be written: {error}");
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
            Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// What [`require_role`] needs: the paired phones, and the role that each route requires.
pub(super) struct RoleCheck {
    pub(super) access: Arc<Access>,
    pub(super) roles: Roles,
}

/// Passes requests on that have the role which their route requires. A route without a declared role is refused, and so
/// is a method that is not declared.
pub(super) async fn require_role(
    State(check): State<Arc<RoleCheck>>,
    request: Request,
    next: Next,
) -> Response {
    let RoleCheck { access, roles } = &*check;
    let role = access.role(request.headers(), Timestamp::now());
    let Some(path) = declared_path(&request) else {
        // No such route. Only a paired phone learns that, by the router's 404.
        return match role {
            Some(_) => next.run(request).await,
            None => refuse(StatusCode::UNAUTHORIZED, "not_paired"),
        };
    };
    let (path, methods) = (path.as_str(), roles.get(path.as_str()).map_or(&[][..], Vec::as_slice));
    let declared = methods.iter().find(|(method, _)| method == request.method());
    // A method that is not declared requires what the path requires at least, and is then answered with 405.
    let required = declared.or(methods.iter().min_by_key(|(_, role)| role)).map(|(_, role)| *role);
    let is_page = files::PAGES.iter().any(|(page, ..)| *page == path);
    let allowed = match (required, role) {
        (Some(RequiredRole::None), _) | (Some(_), Some(Role::Administrator)) => true,
        (Some(RequiredRole::MetricsReader), None) => access.may_read_metrics(request.headers()),
        (Some(RequiredRole::Teacher | RequiredRole::MetricsReader), Some(Role::Teacher)) => true,
        (Some(RequiredRole::Administrator), Some(Role::Teacher)) | (Some(_), None) | (None, _) => false,
    };
    match (allowed, role) {
        (true, _) if declared.is_some() => next.run(request).await,
        (true, _) => method_not_allowed(methods),
        (false, None) if is_page => Redirect::to("/pair").into_response(),
        (false, None) => refuse(StatusCode::UNAUTHORIZED, "not_paired"),
        (false, Some(_)) if required.is_none() => refuse(StatusCode::FORBIDDEN, "no_role_declared"),
        (false, Some(_)) if is_page => Redirect::to("/").into_response(),
        (false, Some(_)) => refuse(StatusCode::FORBIDDEN, "not_administrator"),
    }
}

fn method_not_allowed(methods: &[(Method, RequiredRole)]) -> Response {
    let allow = methods.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(",");
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
}

/// The routes of pairing; they exist in the LAN only.
pub(super) fn endpoints(access: Arc<Access>) -> Endpoints {
    Endpoints::with_state(access)
        .post("/api/v1/pair", RequiredRole::None, pair)
        .post("/api/v1/unpair", RequiredRole::Teacher, unpair)
        .finish()
}

fn refuse(status: StatusCode, reason: &'static str) -> Response {
    (status, Json(json!({ "error": reason }))).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairRequest {
    code: String,
}

/// `POST /api/v1/pair`.
async fn pair(
    State(access): State<Arc<Access>>,
    axum::Extension(Peer(from)): axum::Extension<Peer>,
    Json(PairRequest { code }): Json<PairRequest>,
) -> Response {
    match access.pair(&code, from, Instant::now(), Timestamp::now()) {
        Ok(claim) => {
            if let Err(status) = access.persist().await {
                return refuse(status, "store");
            }
            with_cookie(&access.cookie(&access.key.sign(&claim), PAIRED_FOR.as_secs()))
        }
        Err(Guess::NotOffered) => refuse(StatusCode::CONFLICT, "not_offered"),
        Err(Guess::TooMany | Guess::Exhausted) => refuse(StatusCode::TOO_MANY_REQUESTS, "too_many"),
        Err(Guess::Wrong | Guess::Right) => refuse(StatusCode::FORBIDDEN, "wrong_code"),
    }
}

/// `POST /api/v1/unpair`: removes this phone from the list.
async fn unpair(State(access): State<Arc<Access>>, headers: HeaderMap) -> Response {
    let Some(claim) = access.claim(&headers, Timestamp::now()) else {
        return refuse(StatusCode::UNAUTHORIZED, "not_paired");
    };
    lock(&access.paired).retain(|paired| paired.id != claim.id);
    if let Err(status) = access.persist().await {
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
