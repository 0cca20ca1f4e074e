//! `GET /api/v1/pixel.gif`: an event in a query, for pages without script.

use hyper::header::{HeaderMap, REFERER};
use serde_json::{Map, Value, json};

use crate::decode::is_page;

/// What a pixel without a name counts.
const USUAL_NAME: &str = "page_view";

/// The event that a query describes, as it would be posted. Parameters are the event's fields; `properties` and `items`
/// are JSON; `revenue` is the number of minor units and `currency` stands beside it. The page is the one that shows the
/// pixel, if the query names none.
pub fn event(query: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut event = Map::new();
    let (mut minor, mut currency) = (None, Value::Null);
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let text = || Value::from(text.as_ref());
        match name.as_ref() {
            // Not the event's.
            "key" => {}
            "revenue" => minor = Some(parsed(text())),
            "currency" => currency = text(),
            "properties" | "items" => {
                event.insert(name.into_owned(), parsed(text()));
            }
            "time" | "sent_at" => {
                let value = match parsed(text()) {
                    Value::Number(number) => number.into(),
                    _ => text(),
                };
                event.insert(name.into_owned(), value);
            }
            _ => {
                event.insert(name.into_owned(), text());
            }
        }
    }
    if let Some(minor) = minor {
        event.insert("revenue".into(), json!({ "minor": minor, "currency": currency }));
    }
    event.entry("name").or_insert_with(|| USUAL_NAME.into());
    // An app, or whatever else names itself where a page would, is none; its views count all the same.
    let page = headers.get(REFERER).and_then(|page| page.to_str().ok());
    if let Some(page) = page.filter(|page| is_page(page)) {
        event.entry("url").or_insert_with(|| page.into());
    }
    Value::from(event).to_string().into_bytes()
}

/// A text as the JSON it holds; as it stands if it holds none, which the reader of the event then refuses.
fn parsed(text: Value) -> Value {
    match text.as_str().map(serde_json::from_str) {
        Some(Ok(value)) => value,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn read(query: &str) -> Value {
        let page = (REFERER, HeaderValue::from_static("https://shop.example/a"));
        serde_json::from_slice(&event(query, &HeaderMap::from_iter([page]))).unwrap()
    }

    #[test]
    fn a_bare_pixel_is_a_view_of_the_page_that_shows_it() {
        assert_eq!(read(""), json!({"name": "page_view", "url": "https://shop.example/a"}));
    }

    #[test]
    fn a_referer_that_is_no_page_is_left_alone() {
        for referer in ["android-app://com.shop/", "about:client", "https://shop.example/a b"] {
            let headers = HeaderMap::from_iter([(REFERER, HeaderValue::from_static(referer))]);
            let event: Value = serde_json::from_slice(&event("", &headers)).unwrap();
            assert_eq!(event, json!({"name": "page_view"}), "{referer}");
        }
    }

    #[test]
    fn parameters_are_fields() {
        assert_eq!(
            read(
                "name=buy&url=/x&title=a+b&time=1795000000000&properties=%7B%22a%22:1%7D&revenue=1999&currency=EUR&key=k"
            ),
            json!({
                "name": "buy", "url": "/x", "title": "a b", "time": 1_795_000_000_000_u64, "properties": {"a": 1},
                "revenue": {"minor": 1999, "currency": "EUR"},
            })
        );
        assert_eq!(read("id=7&user=8")["id"], "7");
        assert_eq!(read("time=2026-11-22T10:00:00Z")["time"], "2026-11-22T10:00:00Z");
        assert_eq!(read("properties=nonsense")["properties"], "nonsense");
    }
}
