//! Registering an app, and what can be done with its key.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::Wrong;
use crate::event::SiteId;
use crate::outcome::Reason;

/// The last millisecond that can be told in every zone.
const LAST_MS: u64 = 253_402_207_200_000;

/// What somebody registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What it is called.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// When its key ends, in milliseconds since 1970.
    pub expires_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    domain: Value,
    #[serde(default)]
    expires_at: Value,
    #[serde(default)]
    api_key: Value,
}

/// Reads what somebody registers at a time. A key ends after a year if nothing is said.
///
/// # Errors
/// It is no JSON object, or a field is missing or wrong.
pub fn application(body: &[u8], now_ms: u64) -> Result<Application, Wrong> {
    const RULE: &str = "must be a date or a time of ISO 8601, and in the future";
    let sent = read(body)?;
    let name = text(&sent.name, "name")?.trim().to_owned();
    let domain = text(&sent.domain, "domain")?.trim().to_owned();
    let expires_ms = match &sent.expires_at {
        Value::Null => a_year_on(now_ms),
        Value::String(text) => moment(text),
        _ => None,
    };
    let expires_ms = expires_ms.filter(|end| *end > now_ms);
    Ok(Application {
        name,
        domain,
        expires_ms: expires_ms.ok_or_else(|| Wrong::invalid("expiresAt", RULE))?,
    })
}

/// Reads the key that is to be revoked or replaced.
///
/// # Errors
/// It is no JSON object, or has no key.
pub fn key_to_end(body: &[u8]) -> Result<String, Wrong> {
    text(&read(body)?.api_key, "apiKey").map(str::to_owned)
}

/// The answer to who registers, or has a key replaced.
pub fn credentials(site: SiteId, key: &str, expires_ms: Option<u64>) -> Vec<u8> {
    let expires = expires_ms.and_then(|end| Timestamp::from_millisecond(end.cast_signed()).ok());
    let answer = json!({
        "appId": uuid(site),
        "apiKey": key,
        "expiresAt": expires.map(|end| format!("{end:.3}")),
    });
    answer.to_string().into_bytes()
}

/// The answer to who has a key revoked.
pub fn revoked() -> Vec<u8> {
    br#"{"message":"API key revoked"}"#.to_vec()
}

fn read(body: &[u8]) -> Result<Sent, Wrong> {
    let no_object = || Wrong::about(Reason::FieldInvalid, "", "The body must be a JSON object");
    // A list would be read as the fields in their order.
    if body.trim_ascii_start().first() == Some(&b'[') && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Err(no_object());
    }
    serde_json::from_slice(body).map_err(|error| {
        if !error.is_data() {
            return Reason::JsonInvalid.into();
        }
        if error.to_string().starts_with("duplicate field") {
            return Reason::KeyDuplicate.into();
        }
        no_object()
    })
}

fn text<'v>(value: &'v Value, field: &str) -> Result<&'v str, Wrong> {
    match value {
        Value::Null => Err(Wrong::missing(field)),
        Value::String(text) if text.trim().is_empty() => Err(Wrong::missing(field)),
        Value::String(text) => Ok(text),
        _ => Err(Wrong::invalid(field, "must be a string")),
    }
}

fn a_year_on(now_ms: u64) -> Option<u64> {
    let now = Timestamp::from_millisecond(now_ms.cast_signed()).ok()?;
    let end = now.to_zoned(TimeZone::UTC).checked_add(1.year()).ok()?;
    u64::try_from(end.timestamp().as_millisecond()).ok()
}

/// A date begins in UTC, and a time without a zone is of UTC. The last days of the calendar, which stand for never, are
/// no points in time in every zone.
fn moment(text: &str) -> Option<u64> {
    let in_utc = |local: DateTime| {
        let zoned = local.to_zoned(TimeZone::UTC);
        zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    };
    let local = || text.strip_suffix('Z').unwrap_or(text).parse().ok();
    let date = || Some(text.parse::<Date>().ok()?.to_datetime(Time::midnight()));
    let point: Option<Timestamp> = text.parse().ok();
    let point = point.or_else(|| local().or_else(date).map(in_utc))?;
    u64::try_from(point.as_millisecond()).ok().map(|end| end.min(LAST_MS))
}

/// A site's id as clients know ids.
fn uuid(site: SiteId) -> String {
    let digits = site.to_string();
    let part = |range| digits.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T10:00:00Z
    const NOW: u64 = 1_795_341_600_000;

    fn wrong(body: &str) -> (Reason, String) {
        let wrong = application(body.as_bytes(), NOW).unwrap_err();
        let field = wrong.about.map_or(String::new(), |(field, _)| field.into());
        (wrong.reason, field)
    }

    #[test]
    fn a_key_ends_in_a_year_or_when_that_is_said() {
        let expires = |more: &str| {
            let body = format!(r#"{{"name":" blog ","domain":"blog.example","other":[1]{more}}}"#);
            let read = application(body.as_bytes(), NOW).unwrap();
            assert_eq!((&*read.name, &*read.domain), ("blog", "blog.example"));
            Timestamp::from_millisecond(read.expires_ms.cast_signed())
                .unwrap()
                .to_string()
        };
        assert_eq!(expires(""), "2027-11-22T10:00:00Z");
        assert_eq!(expires(r#","expiresAt":null"#), "2027-11-22T10:00:00Z");
        assert_eq!(expires(r#","expiresAt":"2026-12-31""#), "2026-12-31T00:00:00Z");
        assert_eq!(
            expires(r#","expiresAt":"2026-12-31T12:00:00.000Z""#),
            "2026-12-31T12:00:00Z"
        );
        assert_eq!(
            expires(r#","expiresAt":"2026-12-31T12:00:00+02:00""#),
            "2026-12-31T10:00:00Z"
        );
        assert_eq!(expires(r#","expiresAt":"2026-12-31T12:00:00""#), "2026-12-31T12:00:00Z");
        for never in ["9999-12-31", "9999-12-31T23:59:59.999Z"] {
            let end = expires(&format!(r#","expiresAt":"{never}""#));
            assert!(end.starts_with("9999-12-30T"), "{end}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let with = |more: &str| format!(r#"{{"name":"blog","domain":"blog.example",{more}}}"#);
        for text in [
            r#""2026-11-22T10:00:00Z""#,
            r#""2020-01-01""#,
            r#""soon""#,
            "7",
            r#""""#,
            "{}",
        ] {
            let found = wrong(&with(&format!(r#""expiresAt":{text}"#)));
            assert_eq!(found, (Reason::FieldInvalid, "expiresAt".into()), "{text}");
        }
        assert_eq!(wrong("{}"), (Reason::FieldMissing, "name".into()));
        assert_eq!(wrong(r#"{"name":"  "}"#), (Reason::FieldMissing, "name".into()));
        assert_eq!(wrong(r#"{"name":7}"#), (Reason::FieldInvalid, "name".into()));
        assert_eq!(wrong(r#"{"name":"a"}"#), (Reason::FieldMissing, "domain".into()));
        assert_eq!(wrong("[]"), (Reason::FieldInvalid, String::new()));
        assert_eq!(wrong("{"), (Reason::JsonInvalid, String::new()));
        assert_eq!(
            wrong(r#"{"name":"a","name":"b"}"#),
            (Reason::KeyDuplicate, String::new())
        );
        assert_eq!(key_to_end(b"{}").unwrap_err().reason, Reason::FieldMissing);
        assert_eq!(key_to_end(br#"{"apiKey":"k"}"#).unwrap(), "k");
    }

    #[test]
    fn an_app_is_known_by_a_uuid() {
        let answer: Value = serde_json::from_slice(&credentials(SiteId([0xab; 16]), "k", None)).unwrap();
        let expected = json!({"appId": "abababab-abab-abab-abab-abababababab", "apiKey": "k", "expiresAt": null});
        assert_eq!(answer, expected);
    }
}
