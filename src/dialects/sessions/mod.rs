//! The sessions dialect: page views and pings of pages, `POST /tracking` → `201 {"message":"New session created",
//! "sessionId":17}`, and what a dashboard asks of them.

mod page_url;
mod parameters;
mod report;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

pub use page_url::page_of;
pub use parameters::{Asked, Wanted};
pub use report::{EMPTY, figures, page, report, sessions};

use crate::decode::{Sent, cut};
use crate::outcome::Reason;
use crate::pipeline::SessionWord;
use crate::query::QueryError;

/// What a view of a page is called.
const VIEW: &str = "page_view";
/// The property that holds the page's URL as it was sent.
const PAGE_URL: &str = "pageUrl";
/// Longest path, query and referrer that are kept, in bytes, as of all events.
const TEXT_BYTES_MAX: usize = 2_048;

const URL: &str = "pageUrl must be a URL address";
const VISITOR: &str = "visitorId must be a UUID";
const METADATA: &str = "metadata must be an object";
const REFERRER: &str = "metadata.referrer must be a string";

/// Why a call is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Fields have values that they cannot have.
    Fields(Vec<Cow<'static, str>>),
    /// Any other reason.
    Reason(Reason),
}

impl From<Reason> for Wrong {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<QueryError> for Wrong {
    fn from(error: QueryError) -> Self {
        let reason = error.reason();
        if reason == Reason::StoreUnavailable {
            tracing::error!(%error, "the event store cannot be read");
        }
        Self::Reason(reason)
    }
}

impl Wrong {
    /// By which reason it is told in figures.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Fields(_) => Reason::FieldInvalid,
            Self::Reason(reason) => *reason,
        }
    }

    /// The body of the answer with a status and its phrase: `{"message":[…],"error":"Bad Request","statusCode":400}`.
    pub fn body(&self, (status, phrase): (u16, &str)) -> Vec<u8> {
        let message = match self {
            Self::Fields(messages) => json!(messages),
            Self::Reason(reason) => json!(reason.row().text),
        };
        let body = json!({"message": message, "error": phrase, "statusCode": status});
        body.to_string().into_bytes()
    }
}

/// What a page says of its visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    page_url: String,
    /// The page's id of its visitor, in lower case.
    pub visitor: String,
    referrer: String,
    /// The URL as JSON, by its name.
    properties: Vec<u8>,
}

impl Activity {
    /// Reads the body of a view.
    ///
    /// # Errors
    /// It is no JSON, or fields are wrong.
    pub fn view(body: &[u8]) -> Result<Self, Wrong> {
        let sent = members(body)?;
        let (mut activity, mut wrong) = Self::of(&sent);
        match sent
            .get("metadata")
            .and_then(Value::as_object)
            .map(|data| data.get("referrer"))
        {
            None => wrong.push(METADATA.into()),
            Some(None | Some(Value::Null)) => {}
            Some(Some(Value::String(referrer))) => {
                // Nothing is kept with a NUL in it.
                let referrer = referrer.replace('\0', "");
                cut(&referrer, TEXT_BYTES_MAX).clone_into(&mut activity.referrer);
            }
            Some(Some(_)) => wrong.push(REFERRER.into()),
        }
        activity.unless(wrong)
    }

    /// Reads the body of a ping.
    ///
    /// # Errors
    /// As of [`Activity::view`].
    pub fn ping(body: &[u8]) -> Result<Self, Wrong> {
        let (activity, wrong) = Self::of(&members(body)?);
        activity.unless(wrong)
    }

    /// What views and pings have in common, and what is wrong with it.
    fn of(sent: &Map<String, Value>) -> (Self, Vec<Cow<'static, str>>) {
        let text = |name: &str| sent.get(name).and_then(Value::as_str);
        let page_url = text(PAGE_URL).filter(|url| page_of(url).is_some());
        let visitor = text("visitorId").filter(|id| is_uuid(id));
        let mut wrong = Vec::new();
        if page_url.is_none() {
            wrong.push(URL.into());
        }
        if visitor.is_none() {
            wrong.push(VISITOR.into());
        }
        let activity = Self {
            page_url: page_url.unwrap_or_default().to_owned(),
            visitor: visitor.unwrap_or_default().to_ascii_lowercase(),
            referrer: String::new(),
            properties: json!({ PAGE_URL: page_url }).to_string().into_bytes(),
        };
        (activity, wrong)
    }

    fn unless(self, wrong: Vec<Cow<'static, str>>) -> Result<Self, Wrong> {
        if wrong.is_empty() {
            Ok(self)
        } else {
            Err(Wrong::Fields(wrong))
        }
    }

    /// The view as an event.
    pub fn event(&self) -> Sent<'_> {
        let page = page_of(&self.page_url).unwrap_or_default();
        Sent {
            name: VIEW,
            host: page.host,
            path: cut(page.path, TEXT_BYTES_MAX),
            query: cut(page.query, TEXT_BYTES_MAX),
            referrer: &self.referrer,
            visitor: &self.visitor,
            keeps_visitor: true,
            properties: &self.properties,
            ..Sent::default()
        }
    }
}

/// The answer to a view. Who asked to be nobody is in no session.
pub fn viewed(session: SessionWord) -> Vec<u8> {
    let message = if session.began || session.number.is_none() {
        "New session created"
    } else {
        "Page view added to existing session"
    };
    told(message, Some(session.number.unwrap_or(0)))
}

/// The answer to a ping.
pub fn pinged(session: SessionWord) -> Vec<u8> {
    match session.number {
        Some(number) => told("Session updated", Some(number)),
        None => told("No active session found", None),
    }
}

fn told(message: &str, session: Option<u64>) -> Vec<u8> {
    let body = match session {
        Some(number) => json!({"message": message, "sessionId": number}),
        None => json!({ "message": message }),
    };
    body.to_string().into_bytes()
}

/// The members of a body; no body has none, and neither has an array.
fn members(body: &[u8]) -> Result<Map<String, Value>, Wrong> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Array(_)) => Ok(Map::new()),
        Ok(_) | Err(_) => Err(Reason::JsonInvalid.into()),
    }
}

/// Whether a text is a UUID of version 1 to 8, nil or max, in any letter case.
fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let of_version = matches!(bytes.get(14), Some(b'1'..=b'8'))
        && matches!(bytes.get(19), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'));
    let all = |digit: u8| {
        bytes
            .iter()
            .all(|byte| *byte == b'-' || byte.eq_ignore_ascii_case(&digit))
    };
    shaped && (of_version || all(b'0') || all(b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(body: Vec<u8>, text in ".{0,60}", query in "[a-zA-Z0-9%&=+:.\\[\\]/ü -]{0,80}") {
            let _ = Activity::view(&body);
            let _ = Activity::ping(&body);
            if let Some(url) = page_of(&text) {
                prop_assert!(!url.host.is_empty() && (url.path.is_empty() || url.path.starts_with('/')));
            }
            for range in ["", "24h", "custom"] {
                for name in ["startDate", "endDate", "url", "page"] {
                    let query = format!("dateRange={range}&startDate=2025-01-01&{name}={text}&{query}");
                    let _ = Asked::read(&query, Wanted::Page, (text.len() as u64) << 30);
                }
            }
        }
    }

    const ID: &str = "8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5b";

    fn wrong(read: Result<Activity, Wrong>) -> Vec<String> {
        match read {
            Ok(activity) => panic!("{activity:?}"),
            Err(Wrong::Fields(messages)) => messages.into_iter().map(Cow::into_owned).collect(),
            Err(Wrong::Reason(reason)) => vec![reason.code().to_owned()],
        }
    }

    #[test]
    fn a_view_is_read_with_all_it_says() {
        let body = json!({"pageUrl": "Shop.example/a?b=1#c", "visitorId": ID.to_uppercase(), "x": 1,
            "metadata": {"referrer": "https://a.example/\0", "other": [1]}});
        let activity = Activity::view(body.to_string().as_bytes()).unwrap();
        let event = activity.event();
        assert_eq!(
            (
                event.name,
                event.host,
                event.path,
                event.query,
                event.referrer,
                event.visitor
            ),
            ("page_view", "Shop.example", "/a", "b=1", "https://a.example/", ID)
        );
        assert_eq!(event.properties, br#"{"pageUrl":"Shop.example/a?b=1#c"}"#);
    }

    #[test]
    fn all_failing_fields_are_told_in_their_order() {
        for body in ["", " ", "{}", "[]", r#"[{"pageUrl":"a.example"}]"#] {
            assert_eq!(
                wrong(Activity::view(body.as_bytes())),
                [URL, VISITOR, METADATA],
                "{body}"
            );
            assert_eq!(wrong(Activity::ping(body.as_bytes())), [URL, VISITOR], "{body}");
        }
        for (metadata, expected) in [
            (json!(null), Some(METADATA)),
            (json!([]), Some(METADATA)),
            (json!("a"), Some(METADATA)),
            (json!({"referrer": 1}), Some(REFERRER)),
            (json!({"referrer": {}}), Some(REFERRER)),
            (json!({"referrer": null}), None),
            (json!({"referrer": ""}), None),
            (json!({}), None),
        ] {
            let body = json!({"pageUrl": "a.example", "visitorId": ID, "metadata": metadata}).to_string();
            let read = Activity::view(body.as_bytes());
            match expected {
                None => assert!(read.is_ok(), "{metadata}"),
                Some(expected) => assert_eq!(wrong(read), [expected], "{metadata}"),
            }
        }
        for body in ["{", "7", "null", r#""a""#, "{}{}", r#"{"a":"\ud800"}"#, "\u{feff}{}"] {
            assert_eq!(wrong(Activity::ping(body.as_bytes())), ["json_invalid"], "{body}");
        }
    }

    #[test]
    fn uuids_have_a_version_and_a_variant() {
        for id in [
            ID,
            "8F6B1A52-3C4D-1E5F-BA9B-0C1D2E3F4A5B",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ] {
            assert!(is_uuid(id), "{id}");
        }
        for id in [
            "",
            "8f6b1a52-3c4d-0e5f-8a9b-0c1d2e3f4a5b",
            "8f6b1a52-3c4d-9e5f-8a9b-0c1d2e3f4a5b",
            "8f6b1a52-3c4d-4e5f-7a9b-0c1d2e3f4a5b",
            "8f6b1a52-3c4d-4e5f-ca9b-0c1d2e3f4a5b",
            "8f6b1a523c4d4e5f8a9b0c1d2e3f4a5b",
            "{8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5b}",
            "8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5g",
            "8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5b ",
            "--------------------------------------",
        ] {
            assert!(!is_uuid(id), "{id}");
        }
    }

    #[test]
    fn answers_are_those_that_clients_know() {
        let word = |number, began| SessionWord { number, began };
        let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
        assert_eq!(
            text(viewed(word(Some(7), true))),
            r#"{"message":"New session created","sessionId":7}"#
        );
        assert_eq!(
            text(viewed(word(Some(7), false))),
            r#"{"message":"Page view added to existing session","sessionId":7}"#
        );
        assert_eq!(
            text(viewed(word(None, false))),
            r#"{"message":"New session created","sessionId":0}"#
        );
        assert_eq!(
            text(pinged(word(Some(7), false))),
            r#"{"message":"Session updated","sessionId":7}"#
        );
        assert_eq!(
            text(pinged(word(None, false))),
            r#"{"message":"No active session found"}"#
        );
    }
}
