//! The apps dialect: an app registers, gets a key, and with it sends events (`POST /api/analytics/collect`) and asks for
//! summaries of them.

mod keys;
mod parameters;
mod reports;
mod words;

use serde::Serialize;

pub use keys::{Application, application, credentials, key_to_end, revoked};
pub use parameters::Parameters;
pub use reports::{ActiveUsers, Series, Summary, User};
pub use words::WORDS;

use crate::outcome::Reason;
use crate::query::QueryError;

/// Why a call is refused, and about which of its fields.
#[derive(Debug)]
pub struct Wrong {
    /// Why.
    pub reason: Reason,
    /// The field, and what is wrong with it.
    pub about: Option<(Box<str>, Box<str>)>,
}

impl Wrong {
    fn missing(field: &str) -> Self {
        Self::about(Reason::FieldMissing, field, "is required")
    }

    fn invalid(field: &str, rule: &str) -> Self {
        Self::about(Reason::FieldInvalid, field, rule)
    }

    fn about(reason: Reason, field: &str, rule: &str) -> Self {
        Self {
            reason,
            about: Some((field.into(), rule.into())),
        }
    }

    /// The status that clients of this dialect know; `400` for whatever is wrong with a field.
    pub const fn status(&self) -> u16 {
        match self.reason {
            Reason::FieldMissing | Reason::FieldInvalid => 400,
            other => other.row().status,
        }
    }

    /// The body: `{"error","code"}`, and the field if it is one.
    pub fn body(&self) -> Vec<u8> {
        let (mut text, mut field) = (self.reason.row().text.to_owned(), None);
        if let Some((name, rule)) = &self.about {
            text = if name.is_empty() {
                rule.to_string()
            } else {
                format!("{name} {rule}")
            };
            field = Some(name).filter(|name| !name.is_empty());
        }
        let (text, code) = match self.reason {
            // Whatever is wrong with a key sounds alike.
            Reason::KeyMissing | Reason::KeyInvalid => ("Invalid API key".into(), "INVALID_API_KEY".into()),
            Reason::UserUnknown => ("User not found".into(), "USER_NOT_FOUND".into()),
            other => (text, other.code().to_ascii_uppercase()),
        };
        let mut body = serde_json::json!({ "error": text, "code": code });
        if let (Some(body), Some(field)) = (body.as_object_mut(), field) {
            body.insert("field".into(), (**field).into());
        }
        body.to_string().into_bytes()
    }
}

impl From<Reason> for Wrong {
    fn from(reason: Reason) -> Self {
        Self { reason, about: None }
    }
}

/// A question is made of parameters, so what is wrong with it is told by their names.
impl From<QueryError> for Wrong {
    fn from(error: QueryError) -> Self {
        let reason = error.reason();
        let about = match error {
            QueryError::Invalid { field, reason } => Some(match &*field {
                "date_range" => ("endDate".into(), reason),
                "dimensions" => ("interval".into(), "would cut this time into too many points".into()),
                _ => (field, reason),
            }),
            _ => None,
        };
        Self { reason, about }
    }
}

/// What became of collected events.
#[derive(Debug, Serialize)]
pub struct Receipt {
    /// How many are kept.
    pub accepted: usize,
    /// How many are not.
    pub rejected: usize,
    /// Why each of those is not.
    pub errors: Vec<ItemError>,
}

/// Why an event is not kept.
#[derive(Debug, Serialize)]
pub struct ItemError {
    /// Its place in the request, from 0.
    pub index: usize,
    /// The field that is wrong, if it is one.
    pub field: Option<&'static str>,
    /// What would be right.
    pub message: &'static str,
}

impl Receipt {
    /// The body.
    pub fn body(&self) -> Vec<u8> {
        written(self)
    }

    /// Whether the request was of no use at all.
    pub const fn is_refusal(&self) -> bool {
        self.accepted == 0 && self.rejected > 0
    }
}

/// Numbers, texts and lists always serialise.
fn written<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(wrong: &Wrong) -> Value {
        serde_json::from_slice(&wrong.body()).unwrap()
    }

    #[test]
    fn errors_have_one_shape_and_say_one_thing_of_all_bad_keys() {
        let key = json!({"error": "Invalid API key", "code": "INVALID_API_KEY"});
        for reason in [Reason::KeyMissing, Reason::KeyInvalid] {
            assert_eq!((body(&reason.into()), Wrong::from(reason).status()), (key.clone(), 401));
        }
        let missing = Wrong::missing("userId");
        assert_eq!(
            (body(&missing), missing.status()),
            (
                json!({"error": "userId is required", "code": "FIELD_MISSING", "field": "userId"}),
                400
            )
        );
        assert_eq!(
            body(&Reason::RateLimited.into()),
            json!({"error": "Too many requests. Please try again later.", "code": "RATE_LIMITED"})
        );
        let buckets = QueryError::Invalid {
            field: "dimensions".into(),
            reason: "x".into(),
        };
        assert_eq!(body(&buckets.into())["field"], "interval");
    }

    #[test]
    fn a_receipt_has_a_row_for_each_event_that_is_not_kept() {
        let receipt = Receipt {
            accepted: 1,
            rejected: 1,
            errors: vec![ItemError {
                index: 0,
                field: None,
                message: "must be an object",
            }],
        };
        assert_eq!(
            serde_json::from_slice::<Value>(&receipt.body()).unwrap(),
            json!({"accepted": 1, "rejected": 1, "errors": [{"index": 0, "field": null, "message": "must be an object"}]})
        );
        assert!(!receipt.is_refusal() && Receipt { accepted: 0, ..receipt }.is_refusal());
    }
}
