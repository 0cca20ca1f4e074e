//! How the body of a request with events is written.

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use crate::decode::{Encoding, Form};
use crate::outcome::Reason;

/// How the events are laid out. `text/plain` is what a browser sends without asking the server first; its parameters
/// say nothing here, since JSON is UTF-8.
///
/// # Errors
/// [`Reason::MediaTypeUnsupported`].
pub fn form(headers: &HeaderMap) -> Result<Form, Reason> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(Form::Json);
    };
    let text = value.to_str().map_err(|_| Reason::MediaTypeUnsupported)?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_any = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name));
    if is_any(&["application/json", "text/plain", "text/json", ""]) {
        Ok(Form::Json)
    } else if is_any(&["application/x-ndjson", "application/ndjson"]) {
        Ok(Form::Lines)
    } else {
        Err(Reason::MediaTypeUnsupported)
    }
}

/// How the body is compressed; once at most.
///
/// # Errors
/// [`Reason::EncodingUnsupported`].
pub fn encoding(headers: &HeaderMap) -> Result<Encoding, Reason> {
    let mut found = Encoding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| Reason::EncodingUnsupported)?;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let encoding = Encoding::parse(name).ok_or(Reason::EncodingUnsupported)?;
            if encoding != Encoding::Identity && found != Encoding::Identity {
                return Err(Reason::EncodingUnsupported);
            }
            if encoding != Encoding::Identity {
                found = encoding;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of_type(value: &'static str) -> Result<Form, Reason> {
        form(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
    }

    fn of_encodings(values: &[&'static str]) -> Result<Encoding, Reason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        encoding(&headers)
    }

    #[test]
    fn types_of_json_and_lines_are_read() {
        assert_eq!(form(&HeaderMap::new()), Ok(Form::Json));
        assert_eq!(of_type("text/plain;charset=UTF-8"), Ok(Form::Json));
        assert_eq!(of_type("Application/JSON; x=y"), Ok(Form::Json));
        assert_eq!(of_type("application/x-ndjson"), Ok(Form::Lines));
        for other in ["application/xml", "multipart/form-data; boundary=x", "json"] {
            assert_eq!(of_type(other), Err(Reason::MediaTypeUnsupported), "{other}");
        }
    }

    #[test]
    fn one_encoding_is_read_and_a_stack_is_not() {
        assert_eq!(of_encodings(&[]), Ok(Encoding::Identity));
        assert_eq!(of_encodings(&["identity, gzip"]), Ok(Encoding::Gzip));
        for bad in [&["gzip, gzip"][..], &["gzip", "br"], &["compress"], &["gzip br"]] {
            assert_eq!(of_encodings(bad), Err(Reason::EncodingUnsupported), "{bad:?}");
        }
    }
}
