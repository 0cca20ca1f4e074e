//! The id of a user or visitor in a path.

use percent_encoding::percent_decode_str;

use crate::outcome::Reason;

/// Its place among the parts of a path: `/api/v1/users/{id}`.
const PLACE: usize = 3;
/// Longest id, in bytes: longer ones are never kept.
const BYTES_MAX: usize = 128;

/// The id in a path, decoded.
///
/// # Errors
/// [`Reason::Utf8Invalid`] if it is no text, [`Reason::FieldInvalid`] if it can be none.
pub fn path_id(path: &str) -> Result<String, Reason> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let part = parts.nth(PLACE).unwrap_or_default();
    let id = percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| Reason::Utf8Invalid)?;
    if id.is_empty() || id.len() > BYTES_MAX {
        return Err(Reason::FieldInvalid);
    }
    Ok(id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_decoded_and_what_can_be_none_is_refused() {
        assert_eq!(path_id("/api/v1/users/a%2Fb%20c+d/events").as_deref(), Ok("a/b c+d"));
        assert_eq!(path_id("//api/v1//users/J%C3%B6rg").as_deref(), Ok("Jörg"));
        assert_eq!(path_id("/api/v1/users/%ff"), Err(Reason::Utf8Invalid));
        assert_eq!(
            path_id(&format!("/api/v1/users/{}", "x".repeat(129))),
            Err(Reason::FieldInvalid)
        );
    }
}
