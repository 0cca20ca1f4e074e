//! The points dialect: `POST /v1/users/events` → `201 {"message":"…","id":"…"}`, `GET /v1/users/events` → users with
//! their points.
//!
//! What it says of wrong fields is what zod 4 says, which its clients know.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::outcome::Reason;
use crate::points::{Question, Rates, Standings};

/// The dialect's version, as it tells it.
pub const VERSION: &str = "v1";
/// Longest id of a user, in bytes.
const USER_BYTES_MAX: usize = 128;
/// The greatest whole number that every reader of JSON gives back as it was.
const TIMESTAMP_MAX: u64 = (1 << 53) - 1;
/// Most of a media type that is repeated in an error.
const MEDIA_TYPE_MAX: usize = 200;

/// An event as its client describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earned {
    /// Whose points.
    pub user: String,
    /// What happened.
    pub kind: String,
    /// When, by the client's clock, in a unit that nobody says.
    pub timestamp: u64,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To record an event.
    Record,
    /// To tell points.
    Query,
}

/// What is wrong with a request: the reason, and the words about it.
pub type Fault = (Reason, String);

/// Looks at the type of a body.
///
/// # Errors
/// [`Reason::MediaTypeUnsupported`] with the type.
pub fn media_type(value: Option<&[u8]>, is_empty: bool) -> Result<(), Fault> {
    let essence = value.map(|value| {
        value
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
    });
    match (essence, value) {
        (Some(essence), _) if essence.eq_ignore_ascii_case(b"application/json") => Ok(()),
        (None, _) if is_empty => Ok(()),
        (_, None) => Err((Reason::MediaTypeUnsupported, "undefined".into())),
        (_, Some(value)) => {
            let text = String::from_utf8_lossy(value);
            Err((
                Reason::MediaTypeUnsupported,
                text.chars().take(MEDIA_TYPE_MAX).collect(),
            ))
        }
    }
}

/// Reads the body of an event. Of a field that is given twice the last counts.
///
/// # Errors
/// [`Reason::BodyEmpty`], [`Reason::JsonInvalid`], or [`Reason::FieldInvalid`] with a list of all that is wrong.
pub fn event(body: &[u8], is_typed: bool, rates: &Rates) -> Result<Earned, Fault> {
    let given = match body {
        [] if is_typed => return Err((Reason::BodyEmpty, String::new())),
        [] => Given::Other("undefined"),
        body => serde_json::from_slice(body).map_err(|_| (Reason::JsonInvalid, String::new()))?,
    };
    let fields = match given {
        Given::Object(fields) => *fields,
        other => {
            let told = format!("(/): {}", unexpected("object", &other));
            return Err((Reason::FieldInvalid, told));
        }
    };
    let (user, kind, timestamp) = (
        user(fields.user),
        kind(fields.kind, rates),
        timestamp(&fields.timestamp),
    );
    match (user, kind, timestamp) {
        (Ok(user), Ok(kind), Ok(timestamp)) => Ok(Earned { user, kind, timestamp }),
        (user, kind, timestamp) => {
            let faults = [
                ("user_id", user.err()),
                ("event_type", kind.err()),
                ("timestamp", timestamp.err()),
            ];
            let told = faults
                .into_iter()
                .filter_map(|(field, fault)| Some(format!("(/{field}): {}", fault?)));
            Err((Reason::FieldInvalid, told.collect::<Vec<_>>().join(", ")))
        }
    }
}

fn user(given: Given) -> Result<String, String> {
    let user = match given {
        Given::Text(user) => user,
        other => return Err(unexpected("string", &other)),
    };
    if user.is_empty() {
        Err("Too small: expected string to have >=1 characters".into())
    } else if user.len() > USER_BYTES_MAX {
        Err(format!("Too big: expected string to have <={USER_BYTES_MAX} bytes"))
    } else if user.chars().any(char::is_control) {
        Err(r"Invalid string: must match pattern /^\P{Cc}+$/u".into())
    } else {
        Ok(user)
    }
}

fn kind(given: Given, rates: &Rates) -> Result<String, String> {
    match given {
        Given::Text(kind) if rates.has(&kind) => Ok(kind),
        _ => {
            let names: Vec<_> = rates.names().map(quoted).collect();
            Err(match names.as_slice() {
                [only] => format!("Invalid input: expected {only}"),
                _ => format!("Invalid option: expected one of {}", names.join("|")),
            })
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "only whole numbers that both have exactly are cast"
)]
fn timestamp(given: &Given) -> Result<u64, String> {
    let number = match given {
        Given::Whole(number) => *number as f64,
        Given::Number(number) => *number,
        other => return Err(unexpected("number", other)),
    };
    if number.fract() != 0.0 {
        Err("Invalid input: expected int, received number".into())
    } else if number < 0.0 {
        Err("Too small: expected number to be >=0".into())
    } else if number > TIMESTAMP_MAX as f64 {
        Err(format!("Too big: expected int to be <={TIMESTAMP_MAX}"))
    } else {
        Ok(number as u64)
    }
}

fn unexpected(expected: &str, given: &Given) -> String {
    let received = match given {
        Given::Text(_) => "string",
        Given::Whole(_) | Given::Number(_) => "number",
        Given::Object(_) => "object",
        Given::Other(name) => name,
    };
    format!("Invalid input: expected {expected}, received {received}")
}

/// When an event happened, if its timestamp tells: milliseconds since 1970, or seconds, that are not earlier than `from`
/// nor later than `to`. Any other number is only a name.
pub fn time_ms(timestamp: u64, (from, to): (u64, u64)) -> Option<u64> {
    let readings = [Some(timestamp), timestamp.checked_mul(1_000)];
    readings
        .into_iter()
        .flatten()
        .find(|time_ms| (from..=to).contains(time_ms))
}

/// What a query string asks for; parameters that mean nothing are left alone.
///
/// # Errors
/// [`Reason::FieldInvalid`] with what is given twice.
pub fn question(query: Option<&str>) -> Result<Question, Fault> {
    let mut question = Question::default();
    let mut faults = Vec::new();
    for (name, place) in [("user_id", &mut question.user), ("event_type", &mut question.kind)] {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let values: Vec<Cow<'_, str>> = pairs
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value)
            .collect();
        match values.as_slice() {
            [] => {}
            [value] => *place = Some(value.clone().into_owned()),
            _ => faults.push(format!("(/{name}): Invalid input: expected string, received array")),
        }
    }
    if faults.is_empty() {
        Ok(question)
    } else {
        Err((Reason::FieldInvalid, faults.join(", ")))
    }
}

/// The answer to an event that was recorded under an id.
pub fn recorded(id: [u8; 16]) -> String {
    let id = uuid::Uuid::from_bytes(id);
    format!(r#"{{"message":"User events recorded Successfully","id":"{id}"}}"#)
}

/// The answer to an event that was there before.
pub const EXISTS: &str = r#"{"message":"User event already exists"}"#;

/// The answer to a question.
pub fn standings(standings: &Standings) -> Vec<u8> {
    let mut body = String::from(r#"{"message":"User events queried Successfully","data":["#);
    for (place, (user, points)) in standings.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        // A text takes whatever is written into it.
        let _ = write!(body, r#"{comma}{{"userId":{},"points":{points}}}"#, quoted(user));
    }
    body.push_str("]}");
    body.into_bytes()
}

/// The status and body of a refusal; `words` are about this one.
pub fn refusal(call: Call, (reason, words): &Fault) -> (u16, Vec<u8>) {
    let row = reason.row();
    let (status, message) = match reason {
        Reason::JsonInvalid => (
            400,
            "Body is not valid JSON but content-type is set to 'application/json'".into(),
        ),
        Reason::BodyEmpty => (
            400,
            "Body cannot be empty when content-type is set to 'application/json'".into(),
        ),
        Reason::MediaTypeUnsupported => (415, format!("Unsupported Media Type: {words}")),
        Reason::BodyTooLarge => (413, "Request body is too large".into()),
        Reason::FieldInvalid => (400, words.clone()),
        _ if row.status >= 500 => {
            let text = match call {
                Call::Record => "Failed to record user events",
                Call::Query => "Failed to query user events",
            };
            (503, text.into())
        }
        _ => (row.status, row.text.to_owned()),
    };
    (status, message_of(&message))
}

/// The body of an answer to a path, or a method, that there is not.
pub fn no_such_call(method: &str, target: &str, reason: Reason) -> Vec<u8> {
    let what = match reason {
        Reason::MethodNotAllowed => "Method Not Allowed",
        _ => "Not Found",
    };
    message_of(&format!("{method} {target} - {what}"))
}

fn message_of(message: &str) -> Vec<u8> {
    format!(r#"{{"message":{}}}"#, quoted(message)).into_bytes()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value of a body, as far as it is of interest.
enum Given {
    Object(Box<Fields>),
    Text(String),
    Whole(u64),
    Number(f64),
    /// Anything else, by its name.
    Other(&'static str),
}

/// The fields of an event.
struct Fields {
    user: Given,
    kind: Given,
    timestamp: Given,
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(GivenVisitor)
    }
}

struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Given, E> {
        Ok(Given::Other("boolean"))
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Other("null"))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given, E> {
        Ok(Given::Whole(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "a number below zero is none that is taken")]
    fn visit_i64<E>(self, number: i64) -> Result<Given, E> {
        Ok(Given::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(Given::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::Other("array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Given, A::Error> {
        let missing = || Given::Other("undefined");
        let mut fields = Fields {
            user: missing(),
            kind: missing(),
            timestamp: missing(),
        };
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "user_id" => fields.user = entries.next_value()?,
                "event_type" => fields.kind = entries.next_value()?,
                "timestamp" => fields.timestamp = entries.next_value()?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Given::Object(Box::new(fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Earned, String> {
        event(body.as_bytes(), true, &Rates::default()).map_err(|(_, words)| words)
    }

    #[test]
    fn an_event_is_read_and_the_last_of_a_field_counts() {
        let earned = |user: &str, timestamp| {
            Ok(Earned {
                user: user.into(),
                kind: "LOGIN".into(),
                timestamp,
            })
        };
        let body = |user: &str, timestamp: &str| {
            format!(r#"{{"x":[1,{{}}],"user_id":"0","user_id":{user},"event_type":"LOGIN","timestamp":{timestamp}}}"#)
        };
        assert_eq!(read(&body(r#""13""#, "14223343")), earned("13", 14_223_343));
        assert_eq!(read(&body(r#""\u00e9""#, "0")), earned("é", 0));
        assert_eq!(read(&body(r#""a""#, "1e3")), earned("a", 1_000));
        assert_eq!(read(&body(r#""a""#, "-0")), earned("a", 0));
        assert_eq!(read(&body(r#""a""#, "9007199254740991")), earned("a", TIMESTAMP_MAX));
        let longest = "u".repeat(USER_BYTES_MAX);
        assert_eq!(read(&body(&quoted(&longest), "7")), earned(&longest, 7));
    }

    #[test]
    fn what_is_wrong_is_told_in_the_order_of_the_fields() {
        let option = r#"Invalid option: expected one of "LOGIN"|"PURCHASE"|"REFERRAL""#;
        assert_eq!(
            read("{}").unwrap_err(),
            format!(
                "(/user_id): Invalid input: expected string, received undefined, (/event_type): {option}, \
                 (/timestamp): Invalid input: expected number, received undefined"
            )
        );
        let wrong = |field: &str, value: &str| {
            let all = [("user_id", r#""13""#), ("event_type", r#""LOGIN""#), ("timestamp", "7")];
            let fields =
                all.map(|(name, good)| format!("{}:{}", quoted(name), if name == field { value } else { good }));
            read(&format!("{{{}}}", fields.join(","))).unwrap_err()
        };
        let too_long = quoted(&"u".repeat(USER_BYTES_MAX + 1));
        for (field, value, why) in [
            ("user_id", "13", "Invalid input: expected string, received number"),
            ("user_id", "null", "Invalid input: expected string, received null"),
            ("user_id", r#""""#, "Too small: expected string to have >=1 characters"),
            (
                "user_id",
                r#""\u0000""#,
                r"Invalid string: must match pattern /^\P{Cc}+$/u",
            ),
            ("user_id", &too_long, "Too big: expected string to have <=128 bytes"),
            ("event_type", r#""login""#, option),
            ("event_type", "[]", option),
            ("timestamp", r#""7""#, "Invalid input: expected number, received string"),
            ("timestamp", "{}", "Invalid input: expected number, received object"),
            ("timestamp", "[7]", "Invalid input: expected number, received array"),
            ("timestamp", "true", "Invalid input: expected number, received boolean"),
            ("timestamp", "1.5", "Invalid input: expected int, received number"),
            ("timestamp", "-1", "Too small: expected number to be >=0"),
            (
                "timestamp",
                "9007199254740992",
                "Too big: expected int to be <=9007199254740991",
            ),
            ("timestamp", "1e300", "Too big: expected int to be <=9007199254740991"),
        ] {
            assert_eq!(wrong(field, value), format!("(/{field}): {why}"), "{field} {value}");
        }
        assert_eq!(
            read("[]").unwrap_err(),
            "(/): Invalid input: expected object, received array"
        );
    }

    #[test]
    fn what_is_no_json_is_told_apart_from_nothing() {
        let of = |body: &[u8]| event(body, true, &Rates::default()).unwrap_err().0;
        let deep = "[".repeat(100_000);
        for body in [
            &b"{"[..],
            b"{}x",
            b"\xff",
            br#"{"user_id":"\ud800"}"#,
            b"nul",
            deep.as_bytes(),
        ] {
            assert_eq!(of(body), Reason::JsonInvalid);
        }
        assert_eq!(of(b""), Reason::BodyEmpty);
        assert_eq!(
            event(b"", false, &Rates::default()).unwrap_err().0,
            Reason::FieldInvalid
        );
    }

    #[test]
    fn a_timestamp_is_a_time_if_it_can_be_one() {
        let span = (1_795_000_000_000, 1_795_600_000_000);
        assert_eq!(time_ms(1_795_300_000_000, span), Some(1_795_300_000_000));
        assert_eq!(time_ms(1_795_300_000, span), Some(1_795_300_000_000));
        for other in [0, 14_223_343, 1_794_000_000, TIMESTAMP_MAX, u64::MAX] {
            assert_eq!(time_ms(other, span), None);
        }
    }

    #[test]
    fn points_are_whole_numbers_where_they_can_be() {
        let told = standings(&vec![("13".into(), 30.0), ("a\"b".into(), 0.5)]);
        let expected = r#"{"message":"User events queried Successfully","data":[{"userId":"13","points":30},{"userId":"a\"b","points":0.5}]}"#;
        assert_eq!(String::from_utf8(told).unwrap(), expected);
    }

    #[test]
    fn a_question_names_each_filter_once() {
        let asked = question(Some("user_id=a+b%2F&x=1&event_type=LOGIN")).unwrap();
        assert_eq!(
            (asked.user.as_deref(), asked.kind.as_deref()),
            (Some("a b/"), Some("LOGIN"))
        );
        assert_eq!(question(None).unwrap(), Question::default());
        let (_, words) = question(Some("user_id=1&user_id=2")).unwrap_err();
        assert_eq!(words, "(/user_id): Invalid input: expected string, received array");
    }
}
