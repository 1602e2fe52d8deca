//! The document of the API and what is really there.

use super::*;
use crate::config::Config;
use crate::control::Kept;

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
async fn every_address_of_the_document_is_there_and_takes_no_other_method() {
    let storage = tempfile::tempdir().unwrap();
    let control = Control::new(&Config::default(), &Kept::Nothing, None);
    let archive = lessons::Archive { directory: storage.path().into(), zone: jiff::tz::TimeZone::UTC };
    let (web, moods) = web(SocketAddr::from(([127, 0, 0, 1], 0)), samples::live());
    let (_lookout, places) = watch::channel(Arc::default());
    let web = Web { control: Some(control), archive: Some(archive), attention: Some(places), ..web };
    let site = served(web, moods).await;
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap();
    // Setting up is there only where there is a configuration file.
    for (path, operations) in paths.iter().filter(|(path, _)| !path.starts_with("/api/v1/setup")) {
        let filled = path.replace("{lesson}", "1.json");
        for method in ["get", "post", "put", "delete", "patch"] {
            let documented = operations.get(method).is_some();
            let refused = status(&site, &method.to_uppercase(), &filled).await == 405;
            assert_eq!(refused, !documented, "{method} {path}");
        }
        // A lesson that is not there is documented as 404; nothing else may be unknown.
        let known =
            operations.get("get").is_none() || path.contains('{') || status(&site, "GET", path).await != 404;
        assert!(known, "{path}");
    }
}

#[test]
fn what_the_page_of_docs_lists_is_in_the_document() {
    let page = include_str!("../../../../docs/reference/web.md");
    let document = openapi::document();
    let table = page.split_once("## API").unwrap().1.split_once("\n## ").unwrap().0;
    let mut listed = 0;
    for word in table.split('`').filter(|word| word.contains(" /api/")) {
        let (method, address) = word.split_once(' ').unwrap();
        let address = address.split([' ', '?']).next().unwrap();
        let address = address.replace("/12.html", "/{lesson}").replace("/12", "/{lesson}");
        // Pairing is there in the LAN only, for the page for pairing alone.
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
async fn the_document_is_served_and_its_references_lead_somewhere() {
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
