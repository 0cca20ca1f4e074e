//! The document of the calls and the page that shows it, as the real binary serves them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says why, and looks at the clock itself"
)]

mod support;

use serde_json::Value;

use support::client::Request;
use support::gateway::Gateway;

const DOCUMENTS: [&str; 3] = ["/openapi.json", "/api-json", "/api/v1/docs.json"];
const PAGES: [&str; 5] = ["/docs", "/api", "/api/docs", "/api/v1/docs", "/docs/"];

#[test]
fn every_call_of_the_document_is_there() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let document: Value = client.get(DOCUMENTS[0]).json();
    let mut calls = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut server = if item.get("servers").is_some() {
            gateway.admin_client()
        } else {
            gateway.client()
        };
        let path = path.replace("{file}", "swagger-ui.css").replace("{id}", "anna");
        for method in item.as_object().unwrap().keys().filter(|key| *key != "servers") {
            let method = method.to_ascii_uppercase();
            let answer = server.send(&Request::new(&method, &path));
            let described = &item[method.to_ascii_lowercase()]["responses"];
            assert!(
                ![404, 405].contains(&answer.status),
                "{method} {path}: {}",
                answer.status
            );
            assert!(
                described.get(answer.status.to_string()).is_some(),
                "{method} {path}: {}",
                answer.status
            );
            calls += 1;
        }
    }
    assert!(calls >= 26, "{calls}");
}

#[test]
fn the_document_is_the_same_wherever_it_is_asked_for() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let first = client.get(DOCUMENTS[0]);
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, Some("application/json"))
    );
    for path in DOCUMENTS {
        assert_eq!(client.get(path).text(), first.text(), "{path}");
    }
    assert_eq!(first.json()["info"]["title"], "Footfall");
}

#[test]
fn the_page_finds_all_its_files_here_and_may_ask_nobody_else() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for path in PAGES {
        let page = client.get(path);
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html")),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("http"),
            "{policy}"
        );
        let text = page.text();
        let mut links = Vec::new();
        for attribute in ["href=\"", "src=\""] {
            links.extend(
                text.split(attribute)
                    .skip(1)
                    .map(|rest| rest.split('"').next().unwrap()),
            );
        }
        assert!(links.len() >= 7, "{text}");
        for link in links {
            // The page is shown at several paths.
            assert!(link.starts_with("/docs/"), "{link}");
            let file = client.get(link);
            assert_eq!(file.status, 200, "{link}");
            assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        }
    }
    let initializer = client.get("/docs/swagger-initializer.js").text();
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    for path in ["/docs/nothing.js", "/docs/index.html", "/docs/a/b", "/docs/%2e%2e"] {
        assert_eq!(client.get(path).status, 404, "{path}");
    }
}
