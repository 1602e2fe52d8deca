//! Checks of every request: `Host` names this machine, changes come from the device's own page, no proxy forwards the
//! network to the unpaired page on loopback, bodies are bounded in size and time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Redirect, Response};
use serde_json::json;

use super::connections::Peer;
use super::endpoints::{RequiredRole, Roles, declared_path};
use super::files;
use super::local_account::Account;

/// Maximum size of a request body; the longest that the page sends is a note.
pub(super) const MAX_BODY_BYTES: usize = 16 * 1024;
/// A request that changes something must arrive and be handled within this time.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Content security policy: no foreign sources, nothing inline, no embedding in frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const FIXED_HEADERS: [(header::HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    // Foreign pages in the same browser must not embed the display's picture.
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// Headers that proxies add, and neither browsers nor SSH.
const PROXY_HEADERS: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];
const PROXIED: &str = "a proxy forwards to the page on loopback, where no phone is paired; let the page listen on the \
                       device's address in the LAN (web.listen), and the proxy forward to that";

const FOREIGN_PAGE: &str = "changes are accepted from the device's own page only; if a proxy serves it, add the proxy's name to \
                            web.names";

const NOT_TRUSTED: &str = "this account of the machine may only read the mood; use root, the account of the program, or one \
                       that may use sudo, or let the page listen in the LAN (web.listen) and pair this browser";

/// Accepted values of `Host`: this machine's address and its own names. An attacker can point only foreign names at it.
#[derive(Debug)]
pub(super) struct Names {
    all: Vec<String>,
    /// Those of proxies, whose ports are unknown.
    trusted: Vec<String>,
    is_loopback: bool,
    /// Whether a forwarded request was logged.
    is_proxy_logged: AtomicBool,
}

impl Names {
    /// Names of a page that listens on `address`; `named` is its name in multicast DNS, if it has one, and `trusted` are the
    /// names under which proxies serve the page.
    pub(super) fn of(address: IpAddr, named: Option<String>, trusted: &[String]) -> Self {
        if address.is_loopback() {
            return Self::new(["localhost", "127.0.0.1", "[::1]"].map(String::from).to_vec(), true);
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let mut names = Self::on_lan(address, host.trim());
        names.all.extend(named);
        names.all.extend_from_slice(trusted);
        names.trusted = trusted.to_vec();
        names
    }

    const fn new(all: Vec<String>, is_loopback: bool) -> Self {
        Self { all, trusted: Vec::new(), is_loopback, is_proxy_logged: AtomicBool::new(false) }
    }

    /// Whether a proxy has forwarded the request to the page on loopback. That would show it to the network without
    /// pairing. The first one is logged.
    fn is_forwarded_to_loopback(&self, headers: &HeaderMap) -> bool {
        let is_forwarded = self.is_loopback && PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        if is_forwarded && !self.is_proxy_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!("request refused: {PROXIED}");
        }
        is_forwarded
    }

    /// Answer to a request with another `Host`.
    fn refuse(&self) -> Response {
        refuse("foreign_host", &format!("only {} are served here", self.all.join(", ")))
    }

    /// All names; IPv6 addresses are in brackets.
    pub(super) fn all(&self) -> &[String] {
        &self.all
    }

    fn on_lan(address: IpAddr, host: &str) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let mut names = vec![address];
        if !host.is_empty() {
            let host = host.to_ascii_lowercase();
            names.extend([format!("{host}.local"), host]);
        }
        Self::new(names, false)
    }

    /// Whether `Host` is one of the names, with or without a port.
    fn accept(&self, headers: &HeaderMap) -> bool {
        let host = text(headers, header::HOST.as_str()).map(without_port);
        host.is_some_and(|host| self.all.iter().any(|own| own.eq_ignore_ascii_case(host)))
    }

    /// Whether a request that changes something comes from the device's own page. Browsers send `Origin` with each of these
    /// requests, and newer ones `Sec-Fetch-Site` too. Without both the client is no browser, so no foreign page can abuse
    /// it. A proxy may pass another `Host` on than the browser sent, or leave out its port.
    fn is_from_own_page(&self, headers: &HeaderMap) -> bool {
        let same_site = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin");
        let same_origin = headers.get(header::ORIGIN).is_none() || {
            let host = text(headers, header::HOST.as_str());
            let origin = text(headers, header::ORIGIN.as_str());
            let authority =
                origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
            authority.zip(host).is_some_and(|(authority, host)| {
                let is_trusted = |name: &String| name.eq_ignore_ascii_case(without_port(authority));
                authority.eq_ignore_ascii_case(host) || self.trusted.iter().any(is_trusted)
            })
        };
        same_site && same_origin
    }
}

/// Refuses requests with a foreign `Host`, forwarded ones, and changes from foreign pages, and adds the fixed headers to every answer.
pub(super) async fn guard(State(names): State<Arc<Names>>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if !names.accept(request.headers()) {
        names.refuse()
    } else if names.is_forwarded_to_loopback(request.headers()) {
        refuse("forwarded", PROXIED)
    } else if changes && !names.is_from_own_page(request.headers()) {
        refuse("foreign_page", FOREIGN_PAGE)
    } else if changes {
        tokio::time::timeout(CHANGE_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
            let body = json!({ "error": "too_slow", "detail": "the request took too long" });
            (StatusCode::REQUEST_TIMEOUT, Json(body)).into_response()
        })
    } else {
        next.run(request).await
    };
    for (name, value) in FIXED_HEADERS {
        // A report has its own policy, which names its style.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Redirects a plain HTTP request to the same address by HTTPS.
pub(super) async fn to_https(State(names): State<Arc<Names>>, request: Request) -> Response {
    let host = text(request.headers(), header::HOST.as_str()).unwrap_or_default();
    if !names.accept(request.headers()) {
        return names.refuse();
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Redirect::permanent(&format!("https://{host}{path}")).into_response()
}

/// `host` without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The value of the header `name`; `None` if it occurs more than once, which no browser sends.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Passes requests on that read the mood, and from trusted accounts all others.
pub(super) async fn require_account(
    State(roles): State<Arc<Roles>>,
    request: Request,
    next: Next,
) -> Response {
    let account = request.extensions().get::<Peer>().map_or(Account::Other, |peer| peer.account);
    let path = declared_path(&request);
    let path = path.as_ref().map_or("", |path| path.as_str());
    if account == Account::Trusted || is_open(&roles, path, request.method()) {
        return next.run(request).await;
    }
    if files::PAGES.iter().any(|(page, ..)| *page == path) {
        return (StatusCode::FORBIDDEN, format!("{NOT_TRUSTED}\n")).into_response();
    }
    refuse("account_not_trusted", NOT_TRUSTED)
}

/// An answer that the page can put into words.
fn refuse(error: &str, detail: &str) -> Response {
    (StatusCode::FORBIDDEN, Json(json!({ "error": error, "detail": detail }))).into_response()
}

/// Whether every account may use `method` on the declared `path`.
pub(super) fn is_open(roles: &Roles, path: &str, method: &Method) -> bool {
    let declared = roles.get(path).and_then(|methods| methods.iter().find(|(other, _)| other == method));
    declared.is_some_and(|(_, role)| *role <= RequiredRole::Reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn on_loopback_only_its_names_are_accepted() {
        let names = Names::of([127, 0, 0, 1].into(), None, &[]);
        let accepts = |host: &str| names.accept(&headers(&[("host", host)]));
        for host in ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "[::1]", "[::1]:80"] {
            assert!(accepts(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org:80",
            "::1",
            "localhost:x",
            "[::1",
        ] {
            assert!(!accepts(host), "{host}");
        }
        assert!(!names.accept(&HeaderMap::new()));
        assert!(!names.accept(&headers(&[("host", "localhost"), ("host", "localhost")])));
    }

    #[test]
    fn on_loopback_a_request_that_a_proxy_forwards_is_refused() {
        let (loopback, lan) =
            (Names::of([127, 0, 0, 1].into(), None, &[]), Names::on_lan([10, 0, 0, 7].into(), ""));
        assert!(!loopback.is_forwarded_to_loopback(&headers(&[("host", "localhost"), ("accept", "*/*")])));
        for name in
            ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
        {
            let forwarded = headers(&[("host", "localhost"), (name, "192.168.1.9")]);
            assert!(loopback.is_forwarded_to_loopback(&forwarded), "{name}");
            assert!(!lan.is_forwarded_to_loopback(&forwarded), "in the LAN phones are paired");
        }
    }

    #[test]
    fn in_the_lan_its_address_and_its_own_names_are_accepted() {
        let names = Names::on_lan([192, 168, 1, 20].into(), "Classroom");
        let accepts = |host: &str| names.accept(&headers(&[("host", host)]));
        for host in ["192.168.1.20", "192.168.1.20:8080", "classroom.local:8080", "CLASSROOM"] {
            assert!(accepts(host), "{host}");
        }
        for host in
            ["localhost", "192.168.1.21", "192.168.1.20.example.org", "classroom.local.example.org", "local"]
        {
            assert!(!accepts(host), "{host}");
        }
        assert!(Names::on_lan("fd00::1".parse().unwrap(), "").accept(&headers(&[("host", "[fd00::1]:80")])));
    }

    #[test]
    fn changes_come_from_the_devices_own_page_only() {
        let names = Names::of([127, 0, 0, 1].into(), None, &[]);
        let accepts = |lines: &[(&str, &str)]| {
            let mut all = vec![("host", "127.0.0.1:8080")];
            all.extend(lines);
            names.is_from_own_page(&headers(&all))
        };
        assert!(accepts(&[]));
        assert!(accepts(&[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")]));
        for lines in [
            &[("origin", "null")][..],
            &[("origin", "http://127.0.0.1:9090")],
            &[("origin", "http://127.0.0.1")],
            &[("origin", "http://example.org")],
            &[("origin", "http://example.org/127.0.0.1:8080")],
            &[("origin", "127.0.0.1:8080")],
            &[("origin", "http://127.0.0.1:8080"), ("origin", "http://example.org")],
            &[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!accepts(lines), "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_with_a_trusted_name_may_have_any_port_and_may_replace_host() {
        let names = Names::of([192, 168, 1, 20].into(), None, &["moodring.school.example".into()]);
        let accepts = |host: &str, origin: &str| {
            let lines = headers(&[("host", host), ("origin", origin)]);
            names.accept(&lines) && names.is_from_own_page(&lines)
        };
        assert!(accepts("moodring.school.example", "https://moodring.school.example"));
        assert!(accepts("moodring.school.example", "https://moodring.school.example:8443"));
        assert!(accepts("192.168.1.20:8080", "https://moodring.school.example"));
        assert!(!accepts("moodring.school.example", "https://school.example"));
        assert!(!accepts("school.example", "https://moodring.school.example"));
        // The device's own ports are known: another one is another page.
        assert!(!accepts("192.168.1.20:8080", "https://192.168.1.20:9090"));
        let other_site = headers(&[
            ("host", "moodring.school.example"),
            ("origin", "https://moodring.school.example:8443"),
            ("sec-fetch-site", "same-site"),
        ]);
        assert!(!names.is_from_own_page(&other_site), "a page on another port of the proxy");
    }
}
