//! The table of roles in the LAN: every route has one, and each is enforced.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::json;

use super::pairing::lan;
use super::*;
use crate::endpoints::RequiredRole;
use crate::endpoints::{Endpoints, Roles};
use crate::setup::{FieldFault, SetupAnswer, SetupError, SetupRequest};

/// `web` with every kind of route: commands, aiming, lessons and set-up.
pub(super) fn with_all_routes(web: Web, executor: &Executor, storage: &std::path::Path) -> Web {
    let archive = Archive { directory: storage.into(), zone: jiff::tz::TimeZone::UTC };
    let (setup, mut requests) = SetupService::channel();
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            request.answer_by(answer);
        }
    });
    let (archive, setup) = (Some(archive), Some(setup));
    Web { storage: storage.into(), archive, setup, ..executor.connect(web) }
}

/// Answers as the daemon's set-up service: the key `web.listen` is refused, a save comes too late.
fn answer(request: SetupRequest) -> SetupAnswer {
    match request {
        SetupRequest::Check(form) if form.values.contains_key("web.listen") => {
            let message = "cannot be set on the page".into();
            Err(SetupError::Faults(vec![FieldFault { key: "web.listen".into(), message }]))
        }
        SetupRequest::Save(_) => Err(SetupError::ChangedMeanwhile),
        _ => Ok(json!({ "answered": true })),
    }
}

/// The roles of all routes of a page in the LAN.
fn role_table(storage: &std::path::Path) -> Roles {
    let (executor, _) = Executor::start();
    let (web, _moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let web = with_all_routes(web, &executor, storage);
    let access = web.access().unwrap().unwrap();
    let endpoints = web.endpoints(Arc::new(web.shared())).unwrap();
    endpoints.merge(access::endpoints(access)).into_parts().1
}

/// Every method and path of the table, with its role.
fn routes(table: &Roles) -> impl Iterator<Item = (&Method, &'static str, RequiredRole)> {
    table.iter().flat_map(|(path, methods)| methods.iter().map(|(method, role)| (method, *path, *role)))
}

/// A request path for a declared path.
fn filled(path: &str) -> String {
    path.replace("{lesson}", "1").replace("{file}", "en.json")
}

fn is_page(path: &str) -> bool {
    files::PAGES.iter().any(|(page, ..)| *page == path)
}

#[tokio::test]
async fn every_documented_route_page_and_file_has_a_role() {
    let storage = tempfile::tempdir().unwrap();
    let table = role_table(storage.path());
    let document = openapi::document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let methods = table.get(path.as_str()).unwrap_or_else(|| panic!("{path} has no role"));
        for operation in operations.as_object().unwrap().keys() {
            let declared = methods.iter().any(|(method, _)| method.as_str().eq_ignore_ascii_case(operation));
            assert!(declared, "{operation} {path} has no role");
        }
    }
    assert!(files::PAGES.iter().all(|(path, ..)| table.contains_key(path)));
    for (method, path, role) in routes(&table) {
        assert_eq!(table[path].iter().filter(|(other, _)| other == method).count(), 1, "{method} {path}");
        let is_asset = method == Method::GET || method == Method::HEAD || path == "/api/v1/pair";
        assert!(role != RequiredRole::None || is_asset, "{method} {path} needs a role");
        let documented = document["paths"][path].is_object();
        let is_known = path.ends_with("pair") || path.ends_with("openapi.json");
        assert!(!path.starts_with("/api/") || documented || is_known, "{path} is not documented");
    }
}

/// On loopback. All other routes require an account that may become root.
#[tokio::test]
async fn every_account_of_this_machine_may_only_read_the_mood() {
    let storage = tempfile::tempdir().unwrap();
    let table = role_table(storage.path());
    let open: BTreeSet<_> = routes(&table)
        .filter(|(method, path, _)| {
            let is_read = **method != Method::HEAD && (path.starts_with("/api") || !path.contains('.'));
            is_read && guard::is_open(&table, path, method)
        })
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let expected = [
        "GET /",
        "GET /api/v1/device",
        "GET /api/v1/events",
        "GET /api/v1/mood",
        "GET /api/v1/openapi.json",
        "GET /api/v1/trend",
        "GET /healthz",
        "GET /messages/{file}",
        "GET /metrics",
        "GET /pair",
        "POST /api/v1/pair",
    ];
    assert_eq!(open, expected.map(String::from).into());
    assert!(!guard::is_open(&table, "/nowhere", &Method::GET));
    assert!(!guard::is_open(&table, "/api/v1/mood", &Method::POST));
}

/// The answer to a request of the account `nobody` to the page on loopback; `None` if this test does not run as root.
async fn ask_as_nobody(site: &Site, method: &str, path: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let port = site.address.port();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{method} {path} HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: \
         application/json\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{{}}' >&3; cat <&3"
    );
    let ask = move || {
        use std::os::unix::process::CommandExt as _;
        std::process::Command::new("bash").args(["-c", &script]).uid(65534).output().unwrap().stdout
    };
    let answer = tokio::task::spawn_blocking(ask).await.unwrap();
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn on_loopback_another_account_reads_the_mood_and_changes_nothing() {
    let storage = tempfile::tempdir().unwrap();
    let (executor, _) = Executor::start();
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    let site = serve(with_all_routes(web, &executor, storage.path()), moods).await;
    for (method, path, expected) in [
        ("GET", "/", 200),
        ("GET", "/api/v1/mood", 200),
        ("GET", "/api/v1/device", 200),
        ("GET", "/metrics", 200),
        ("GET", "/setup", 403),
        ("GET", "/lessons", 403),
        ("GET", "/api/v1/setup", 403),
        ("POST", "/api/v1/setup", 403),
        ("POST", "/api/v1/setup/broker", 403),
        ("POST", "/api/v1/pause", 403),
        ("POST", "/api/v1/lesson", 403),
        ("GET", "/api/v1/lessons", 403),
        ("GET", "/api/v1/aim?viewer=a", 403),
        ("GET", "/api/v1/attention", 403),
        ("GET", "/nowhere", 403),
    ] {
        let Some(answer) = ask_as_nobody(&site, method, path).await else {
            println!("SKIPPED: only root can act as another account");
            return;
        };
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{method} {path}: {answer}");
        assert!(expected == 200 || answer.contains("may only read the mood"), "{method} {path}: {answer}");
    }
    assert!(executor.executed().is_empty());
    // The account of this test may do everything.
    let (head, _) = site.send("POST", "/api/v1/pause", "", r#"{"paused": true}"#).await;
    assert!(head.starts_with("HTTP/1.1 200") && executor.is_paused(), "{head}");
}

/// The other tests follow the table; this one notices that a route has lost its role in it.
#[tokio::test]
async fn routes_for_administrators_and_for_everybody_are_these() {
    let storage = tempfile::tempdir().unwrap();
    let table = role_table(storage.path());
    let with = |wanted: RequiredRole| -> BTreeSet<String> {
        let routes = routes(&table).filter(|(method, _, role)| *role == wanted && *method != Method::HEAD);
        routes.map(|(method, path, _)| format!("{method} {path}")).collect()
    };
    let set = |routes: &[&str]| routes.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let administrators = [
        "GET /setup",
        "GET /api/v1/setup",
        "POST /api/v1/setup",
        "POST /api/v1/setup/check",
        "POST /api/v1/setup/broker",
        "GET /api/v1/setup/cameras",
        "GET /api/v1/aim",
        "DELETE /api/v1/aim",
        "POST /api/v1/aim/zones",
        "DELETE /api/v1/lessons/{lesson}",
    ];
    let everybody = [
        "GET /pair",
        "POST /api/v1/pair",
        "GET /pair.js",
        "GET /messages.js",
        "GET /messages/{file}",
        "GET /page.css",
        "GET /icon.svg",
    ];
    assert_eq!(with(RequiredRole::Administrator), set(&administrators));
    assert_eq!(with(RequiredRole::None), set(&everybody));
    assert_eq!(with(RequiredRole::MetricsReader), set(&["GET /healthz", "GET /metrics"]));
}

#[tokio::test]
async fn a_phone_without_pairing_reaches_only_routes_that_require_no_role() {
    let storage = tempfile::tempdir().unwrap();
    let table = role_table(storage.path());
    let lan = lan(storage.path()).await;
    for (method, path, role) in routes(&table) {
        let (status, _) = lan.ask(method.as_str(), &filled(path), "", "").await;
        let is_refused = status == if is_page(path) { 303 } else { 401 };
        assert_eq!(is_refused, role != RequiredRole::None, "{method} {path}: {status}");
    }
}

#[tokio::test]
async fn a_teacher_is_refused_on_every_route_of_administrators() {
    let storage = tempfile::tempdir().unwrap();
    let table = role_table(storage.path());
    let lan = lan(storage.path()).await;
    let (administrator, teacher) = (lan.paired().await, lan.paired().await);
    // The event stream does not end, and unpairing would end the teacher's session.
    let is_skipped = |path: &str| ["/api/v1/events", "/api/v1/unpair"].contains(&path);
    for (method, path, role) in routes(&table).filter(|(_, path, _)| !is_skipped(path)) {
        let (status, answer) = lan.ask(method.as_str(), &filled(path), &teacher, "").await;
        let is_redirect = status == 303 && answer.contains("location: .\r\n") && is_page(path);
        // The answer to HEAD has no body.
        let is_refusal = status == 403 && (method == Method::HEAD || answer.contains("not_administrator"));
        assert_eq!(
            is_redirect || is_refusal,
            role == RequiredRole::Administrator,
            "{method} {path}: {answer}"
        );
    }
    let (status, _) = lan.ask("GET", "/api/v1/setup", &administrator, "").await;
    assert_eq!(status, 200);
    assert_eq!(lan.ask("GET", "/setup", &administrator, "").await.0, 200);
}

#[tokio::test]
async fn a_route_without_a_declared_role_is_refused_even_to_administrators() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let (administrator, teacher) = (lan.paired().await, lan.paired().await);
    lan.site.stop.request();

    let (executor, _) = Executor::start();
    let (web, moods) = web(SocketAddr::from(([0, 0, 0, 0], 0)), samples::live());
    let web = with_all_routes(web, &executor, storage.path());
    let handler = axum::routing::get(|| async { "open" });
    // The second route adds a method to a path whose other methods are declared.
    let undeclared =
        axum::Router::new().route("/undeclared", handler.clone()).route("/api/v1/pause", handler);
    let endpoints = web.endpoints(Arc::new(web.shared())).unwrap().merge(Endpoints::undeclared(undeclared));
    let names = Arc::new(guard::Names::of(web.config.listen.ip(), None, &[]));
    let router = routes::router(endpoints, web.access().unwrap(), names);
    let listener = web.listen().await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let (health, stop) = (Arc::clone(&web.health), web.stop.clone());
    let task = tokio::spawn(async move {
        let connections = Connections::new(Audience::Lan);
        HttpListener { router, https: None, connections }.accept(&listener).await;
    });
    let lan = pairing::Lan { site: Site { address, moods, health, stop, task }, executor };
    for (path, session, expected) in [
        ("/undeclared", "", 401),
        ("/undeclared", &*teacher, 403),
        ("/undeclared", &*administrator, 403),
        ("/api/v1/pause", "", 401),
        ("/api/v1/pause", &*teacher, 405),
        ("/api/v1/pause", &*administrator, 405),
        ("/api/v1/device", &*teacher, 200),
        ("/nowhere", "", 401),
        ("/nowhere", &*teacher, 404),
    ] {
        let (status, answer) = lan.ask("GET", path, session, "").await;
        assert!(status == expected && !answer.ends_with("open"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn faults_and_conflicts_of_the_set_up_have_their_status() {
    let storage = tempfile::tempdir().unwrap();
    let lan = lan(storage.path()).await;
    let administrator = lan.paired().await;
    let form = r#"{"values": {"room.name": "7b"}}"#;
    let refused = r#"{"values": {"web.listen": "0.0.0.0:80"}}"#;
    let save = r#"{"values": {"room.name": "7b"}, "digest": "0"}"#;
    for (path, body, expected, text) in [
        ("/api/v1/setup/check", form, 200, "{\"answered\":true}"),
        ("/api/v1/setup/broker", form, 200, "{\"answered\":true}"),
        ("/api/v1/setup/check", refused, 422, "\"key\":\"web.listen\""),
        ("/api/v1/setup", save, 409, "changed_meanwhile"),
        ("/api/v1/setup", form, 422, "digest"),
    ] {
        let (status, answer) = lan.ask("POST", path, &administrator, body).await;
        assert!(status == expected && answer.contains(text), "{path}: {answer}");
    }
}
