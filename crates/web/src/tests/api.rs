//! The OpenAPI document agrees with the routes.

use super::*;

/// Status of the answer to a request without a body.
async fn status(site: &Site, method: &str, path: &str) -> u16 {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut stream = site.request(&head).await;
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.unwrap();
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn documented_routes_exist_and_accept_no_other_method() {
    let storage = tempfile::tempdir().unwrap();
    let (executor, _lessons) = Executor::start();
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    let (_attention, updates) = watch::channel(Arc::default());
    let web = Web { attention: Some(updates), ..roles::with_all_routes(web, &executor, storage.path()) };
    let site = serve(web, moods).await;
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap();
    for (path, operations) in paths {
        let filled = path.replace("{lesson}", "1.json");
        for method in ["get", "post", "put", "delete", "patch"] {
            let documented = operations.get(method).is_some();
            let refused = status(&site, &method.to_uppercase(), &filled).await == 405;
            assert_eq!(refused, !documented, "{method} {path}");
        }
        // Only a lesson that does not exist may give 404.
        let exists =
            operations.get("get").is_none() || path.contains('{') || status(&site, "GET", path).await != 404;
        assert!(exists, "{path}");
    }
}

#[test]
fn routes_listed_in_the_docs_are_in_the_document() {
    let page = include_str!("../../../../docs/reference/web.md");
    let document = openapi::document();
    let table = page.split_once("## API").unwrap().1.split_once("\n## ").unwrap().0;
    let mut listed = 0;
    for word in table.split('`').filter(|word| word.contains(" /api/")) {
        let (method, address) = word.split_once(' ').unwrap();
        let address = address.split([' ', '?']).next().unwrap();
        let address = address.replace("/12.html", "/{lesson}").replace("/12", "/{lesson}");
        // Pairing is not documented: only the page for pairing uses it.
        if address.ends_with("pair") || address.ends_with("openapi.json") {
            continue;
        }
        let operation = &document["paths"][&address][method.to_lowercase()];
        assert!(operation.is_object(), "{word}");
        listed += 1;
    }
    assert!(listed > 10, "{listed}");
}

#[tokio::test]
async fn the_document_is_served_and_its_references_resolve() {
    let site = site(samples::live()).await;
    assert_eq!(status(&site, "GET", "/api/v1/openapi.json").await, 200);
    let document = openapi::document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let schema = &document["components"]["schemas"]["Mood"];
    assert!(schema["properties"]["expressions"].is_object(), "{schema}");
}
