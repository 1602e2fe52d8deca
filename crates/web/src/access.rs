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

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedMutexGuard;
use tracing::{info, warn};

use super::connections::Peer;
use super::files;
use crate::endpoints::{Endpoints, RequiredRole, Roles, declared_path};
use attempts::{Attempts, Guess};
use cookie::{Claim, Key};
use moodring_config as config;
use moodring_config::MetricsPolicy;
use moodring_runtime::Pairing;
use moodring_runtime::text_file;
use persisted::Paired;

/// Name of the cookie.
const COOKIE: &str = "session";
/// How long the pairing of a teacher is valid; after that the phone must be paired again.
const PAIRED_FOR: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long browsers keep a cookie at most (Chromium). An administrator's cookie is renewed with each page.
const MAX_COOKIE_AGE: SignedDuration = SignedDuration::from_hours(24 * 400);
/// Reason of a refusal: the disk is full or read-only.
const NOT_STORED: &str = "pairing_not_stored";
/// Minimum length of a metrics token in bytes; a shorter one could be guessed.
const MIN_TOKEN: usize = 16;
/// Maximum length of a metrics token in bytes.
const MAX_TOKEN: u64 = 4096;
/// Maximum number of paired phones; one more removes a teacher's.
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

/// A paired phone that sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// Number of the phone in the list of paired phones.
    pub(super) id: String,
    role: Role,
}

/// Why a phone was not paired.
#[derive(Debug, PartialEq, Eq)]
enum PairError {
    /// The typed code was refused.
    Code(Guess),
    /// The device has no random numbers.
    NoRandomNumbers,
    /// The list cannot be written, so nothing has changed.
    NotStored,
}

/// The list of paired phones cannot be written, so it is unchanged.
#[derive(Debug, PartialEq, Eq)]
struct NotStored;

/// The list of paired phones, and what is needed to pair another.
pub(super) struct Access {
    key: Key,
    directory: PathBuf,
    paired: Mutex<Vec<Paired>>,
    /// Held while the list is changed, so that an older list never overwrites a newer one.
    changing: Arc<tokio::sync::Mutex<()>>,
    attempts: Mutex<Attempts>,
    pairing: Pairing,
    /// Attributes of the cookie, except its age.
    cookie_attributes: String,
    metrics: MetricsAccess,
}

/// Restricts the cookie to HTTPS, if the page is served by it, and to the path below which a proxy serves the page.
fn cookie_attributes(web: &config::Web) -> String {
    let secure = if web.is_https() { "; Secure" } else { "" };
    format!("Path={}/; SameSite=Strict; HttpOnly{secure}", web.path_prefix)
}

/// Which clients may read `/metrics` and `/healthz` without pairing.
enum MetricsAccess {
    Nobody,
    Everybody,
    /// Clients that send this token.
    Token(Vec<u8>),
}

impl MetricsAccess {
    /// # Errors
    /// The file of the token cannot be read, or is too short.
    fn of(web: &config::Web) -> std::io::Result<Self> {
        match web.metrics {
            MetricsPolicy::Paired => Ok(Self::Nobody),
            MetricsPolicy::Open => Ok(Self::Everybody),
            MetricsPolicy::Token => {
                let path = web.metrics_token_file.display();
                let fault =
                    |what: &str| std::io::Error::other(format!("web.metrics_token_file {path} {what}"));
                let token = text_file::read(&web.metrics_token_file, MAX_TOKEN)
                    .map_err(|error| fault(&error.to_string()))?;
                let token = token.trim().as_bytes().to_vec();
                if token.len() < MIN_TOKEN {
                    return Err(fault("must hold at least 16 characters"));
                }
                Ok(Self::Token(token))
            }
        }
    }
}

impl Access {
    /// Reads the signing key and the list of paired phones in `directory`. Without a key it generates one and empties the
    /// list: the cookies of the listed phones are invalid then, and a listed administrator would block the role.
    ///
    /// # Errors
    /// One of the files cannot be read or written.
    pub(super) fn open(directory: PathBuf, pairing: Pairing, web: &config::Web) -> std::io::Result<Self> {
        let metrics = MetricsAccess::of(web)?;
        let mut paired = persisted::read(&directory)?;
        let key = match persisted::key(&directory)? {
            Some(key) => key,
            None => {
                if !paired.is_empty() {
                    warn!(phones = paired.len(), "page.key is missing: all phones are unpaired");
                    paired.clear();
                    persisted::write(&directory, &paired)?;
                }
                persisted::new_key(&directory)?
            }
        };
        let (paired, attempts) = (Mutex::new(paired), Mutex::default());
        Ok(Self {
            key,
            directory,
            paired,
            changing: Arc::default(),
            attempts,
            pairing,
            cookie_attributes: cookie_attributes(web),
            metrics,
        })
    }

    /// The paired phone that sent `headers` at `now`.
    fn session(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let claim = self.key.verify(files::cookie(headers, COOKIE)?)?;
        let paired = lock(&self.paired);
        let paired = paired.iter().find(|paired| paired.id == claim.id)?;
        paired.is_valid(now).then_some(Session { id: claim.id, role: paired.role })
    }

    /// The header that renews the cookie in `headers` of an administrator's phone: browsers delete every cookie after
    /// [`MAX_COOKIE_AGE`], and the role must not be lost by that.
    fn renewed_cookie(&self, headers: &HeaderMap, role: Role) -> Option<HeaderValue> {
        let value = files::cookie(headers, COOKIE).filter(|_| role == Role::Administrator)?;
        HeaderValue::from_str(&self.cookie(value, MAX_COOKIE_AGE.as_secs())).ok()
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
        format!("{COOKIE}={value}; Max-Age={max_age_s}; {}", self.cookie_attributes)
    }

    /// Pairs a phone if `typed` is the offered code. The first phone becomes administrator. If the list cannot be written,
    /// the offer stays, so that the same code can be typed again.
    async fn pair(
        self: &Arc<Self>,
        typed: &str,
        from: IpAddr,
        now: Instant,
        at: Timestamp,
    ) -> Result<Claim, PairError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        self.check(typed, from, now).map_err(PairError::Code)?;
        let id = cookie::fresh_id().map_err(|_| PairError::NoRandomNumbers)?;
        let paired = persisted::with_phone(&lock(&self.paired), &id, at);
        let role = paired.last().map(|paired| paired.role);
        // Each code pairs one phone.
        let withdraw = |access: &Self| access.pairing.withdraw();
        self.replace(changing, paired, withdraw).await.map_err(|NotStored| PairError::NotStored)?;
        info!(administrator = role == Some(Role::Administrator), "phone paired");
        Ok(Claim { id, until_s: (at + PAIRED_FOR).as_second() })
    }

    /// Whether `typed` is the offered code.
    fn check(&self, typed: &str, from: IpAddr, now: Instant) -> Result<(), Guess> {
        let offer = self.pairing.at(now).and_then(|offer| Some((offer.code?, offer.until)));
        let Some((code, until)) = offer else { return Err(Guess::NotOffered) };
        let result = lock(&self.attempts).check(&self.key, &code, until, typed, from);
        match result {
            Guess::Right => return Ok(()),
            Guess::Exhausted => {
                warn!("wrong codes from too many addresses: pairing offer withdrawn");
                self.pairing.withdraw();
            }
            Guess::Wrong | Guess::TooMany | Guess::NotOffered => {}
        }
        Err(result)
    }

    /// Removes the phone `id` from the list.
    async fn unpair(self: &Arc<Self>, id: &str) -> Result<(), NotStored> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let paired = lock(&self.paired).iter().filter(|paired| paired.id != id).cloned().collect();
        self.replace(changing, paired, |_| ()).await
    }

    /// Replaces the list, first on the disk, then in memory, and calls `done`. A client can end its request at any time,
    /// which drops this future; the change is then still completed.
    async fn replace(
        self: &Arc<Self>,
        changing: OwnedMutexGuard<()>,
        paired: Vec<Paired>,
        done: impl FnOnce(&Self) + Send + 'static,
    ) -> Result<(), NotStored> {
        let access = Arc::clone(self);
        let change = move || {
            let _changing = changing;
            persisted::write(&access.directory, &paired)?;
            *lock(&access.paired) = paired;
            done(&access);
            Ok::<_, std::io::Error>(())
        };
        let error = match tokio::task::spawn_blocking(change).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let directory = self.directory.display();
        warn!(%directory, error, "the list of paired phones cannot be written: free space, or make the disk writable");
        Err(NotStored)
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
    mut request: Request,
    next: Next,
) -> Response {
    let RoleCheck { access, roles } = &*check;
    let session = access.session(request.headers(), Timestamp::now());
    let role = session.as_ref().map(|session| session.role);
    identify(&mut request, session);
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
        (
            Some(RequiredRole::Teacher | RequiredRole::Reader | RequiredRole::MetricsReader),
            Some(Role::Teacher),
        ) => true,
        (Some(RequiredRole::Administrator), Some(Role::Teacher)) | (Some(_), None) | (None, _) => false,
    };
    match (allowed, role) {
        (true, _) if declared.is_some() => {
            let renewed =
                role.filter(|_| is_page).and_then(|role| access.renewed_cookie(request.headers(), role));
            let mut response = next.run(request).await;
            if let Some(cookie) = renewed {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        (true, _) => method_not_allowed(methods),
        (false, None) if is_page => Redirect::to("pair").into_response(),
        (false, None) => refuse(StatusCode::UNAUTHORIZED, "not_paired"),
        (false, Some(_)) if required.is_none() => refuse(StatusCode::FORBIDDEN, "no_role_declared"),
        (false, Some(_)) if is_page => Redirect::to(".").into_response(),
        (false, Some(_)) => refuse(StatusCode::FORBIDDEN, "not_administrator"),
    }
}

/// Tells the handler and the connection which phone sent the request.
fn identify(request: &mut Request, session: Option<Session>) {
    let Some(session) = session else { return };
    if let Some(peer) = request.extensions().get::<Peer>() {
        peer.identify(&session.id);
    }
    request.extensions_mut().insert(session);
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
    Extension(peer): Extension<Peer>,
    Json(PairRequest { code }): Json<PairRequest>,
) -> Response {
    match access.pair(&code, peer.address, Instant::now(), Timestamp::now()).await {
        Ok(claim) => with_cookie(&access.cookie(&access.key.sign(&claim), PAIRED_FOR.as_secs())),
        Err(PairError::Code(Guess::NotOffered)) => refuse(StatusCode::CONFLICT, "not_offered"),
        Err(PairError::Code(Guess::TooMany | Guess::Exhausted)) => {
            refuse(StatusCode::TOO_MANY_REQUESTS, "too_many")
        }
        Err(PairError::Code(Guess::Wrong | Guess::Right)) => refuse(StatusCode::FORBIDDEN, "wrong_code"),
        Err(PairError::NoRandomNumbers) => refuse(StatusCode::SERVICE_UNAVAILABLE, "no_random_numbers"),
        Err(PairError::NotStored) => refuse(StatusCode::SERVICE_UNAVAILABLE, NOT_STORED),
    }
}

/// `POST /api/v1/unpair`: removes this phone from the list.
async fn unpair(State(access): State<Arc<Access>>, Extension(session): Extension<Session>) -> Response {
    match access.unpair(&session.id).await {
        Ok(()) => with_cookie(&access.cookie("", 0)),
        Err(NotStored) => refuse(StatusCode::SERVICE_UNAVAILABLE, NOT_STORED),
    }
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
