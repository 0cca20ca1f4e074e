//! What browsers ask before they send, and whether they may read the answer.

use serde_json::json;

use crate::support::client::Request;
use crate::support::gateway::{Gateway, Settings};
use crate::{PATH, assert_problem, post, send};

#[test]
fn any_page_may_send_and_read_without_credentials() {
    // The list of origins is for calls that answer figures.
    let gateway = Settings::new()
        .set("ALLOWED_ORIGINS", "https://dashboard.example")
        .start();
    let mut client = gateway.client();
    let asked = Request::new("OPTIONS", PATH)
        .header("Origin", "https://shop.example")
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "content-type,x-api-key,idempotency-key,authorization",
        );
    let answer = client.send(&asked);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    for name in [
        "content-type",
        "content-encoding",
        "x-api-key",
        "idempotency-key",
        "authorization",
    ] {
        assert!(answer.header_lists("access-control-allow-headers", name), "{name}");
    }
    assert!(answer.header_lists("access-control-allow-methods", "POST"));
    for (body, status) in [(json!({"name": "a"}), 202), (json!({}), 422)] {
        let answer = send(&mut client, &body);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_problem(&client.send(&post("{")), 400, "json_invalid");
}

#[test]
fn other_methods_are_405() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for (path, method, allowed) in [
        (PATH, "PUT", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("/api/v1/pixel.gif", "POST", "GET, HEAD, OPTIONS"),
    ] {
        let answer = client.send(&Request::new(method, path));
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allowed)),
            "{method} {path}"
        );
    }
    let slashes = Request::new("POST", "/api//v1/events/").body(r#"{"name":"a"}"#);
    assert_eq!(client.send(&slashes).status, 202);
}
