//! The pixel, for pages without script.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::Settings;
use crate::{DEFAULT_SITE, kept, until_counted};

const PIXEL: &str = "/api/v1/pixel.gif";

#[track_caller]
fn assert_picture(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("image/gif"));
    assert_eq!(
        (answer.body.len(), &answer.body[..6], answer.body[42]),
        (43, b"GIF89a".as_slice(), b';')
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_pixel_counts_a_view_of_its_page_or_whatever_it_names() {
    let stage = Backend::Embedded.stage();
    let mut gateway = stage.settings.start();
    let mut client = gateway.client();
    let shown = Request::new("GET", PIXEL).header("Referer", "https://Shop.example/a?b=1");
    assert_picture(&client.send(&shown), 200);
    let query = "name=buy&id=o-1&title=A+b&revenue=1999&currency=eur&properties=%7B%22a%22%3A%5B1%5D%7D";
    for _ in 0..2 {
        assert_picture(&client.get(&format!("{PIXEL}?{query}")), 200);
    }
    let head = client.send(&Request::new("HEAD", PIXEL));
    assert_eq!((head.status, head.header("content-length")), (200, Some("43")));
    let in_app = Request::new("GET", PIXEL).header("Referer", "android-app://com.shop/");
    assert_picture(&client.send(&in_app), 200);
    until_counted(&stage, DEFAULT_SITE, &[("page_view", 2), ("buy", 1)]);
    gateway.stop();
    let events = kept::events(&stage.settings);
    assert_eq!(
        (&events[0]["host"], &events[0]["path"], &events[0]["query"]),
        (&json!("shop.example"), &json!("/a"), &json!("b=1"))
    );
    assert_eq!(
        (&events[1]["title"], &events[1]["properties"]),
        (&json!("A b"), &json!({"a": [1]}))
    );
    assert_eq!(events[1]["revenue"], json!([1999, "EUR"]));
}

#[test]
fn a_refused_pixel_is_a_picture_too_and_its_status_tells() {
    let gateway = Settings::new().set("FOOTFALL_EVENTS_OPEN", false).start();
    let mut client = gateway.client();
    assert_picture(&client.get(PIXEL), 401);
    assert_picture(&client.get(&format!("{PIXEL}?key=wrong")), 401);
    assert_picture(&client.get(&format!("{PIXEL}?domain=unknown.example")), 422);
    let open = Settings::new().start();
    for (query, status) in [
        ("name=", 422),
        ("name=a%00", 422),
        ("properties=x", 422),
        ("time=7", 400),
        ("name=a&name=b", 200),
    ] {
        assert_picture(&open.client().get(&format!("{PIXEL}?{query}")), status);
    }
}
