//! Who asks: calls that need a key with certain rights.

use std::sync::Arc;

use hyper::http::request::Parts;

use super::gate::{Gate, Passage};
use super::write_key::shown_key;
use crate::admit::Client;
use crate::clock::{Clock, Machine};
use crate::directory::{Directory, Rights, Site};
use crate::outcome::Reason;

/// Door 1: for which site a request may do what needs certain rights. Who shows a good key is known by it; all others are
/// limited by address.
pub fn admit(
    (directory, gate): (&Directory, &Gate),
    head: &Parts,
    client: Client,
    is_allowed: impl FnOnce(Rights) -> bool,
) -> (Result<Arc<Site>, Reason>, Passage) {
    let shown = shown_key(&head.headers, head.uri.query());
    let key = shown.as_ref().and_then(|shown| directory.key(shown, Machine.unix_ms()));
    if let Some(key) = key {
        if !is_allowed(key.rights) {
            return (Err(Reason::RightsMissing), None);
        }
        return (directory.site(key.site).ok_or(Reason::KeyInvalid), None);
    }
    let passage = gate.pass(client);
    if passage.is_some_and(|verdict| !verdict.is_admitted()) {
        return (Err(Reason::RateLimited), passage);
    }
    let reason = if shown.is_some() {
        Reason::KeyInvalid
    } else {
        Reason::KeyMissing
    };
    (Err(reason), passage)
}
