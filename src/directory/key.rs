//! Keys: what a client shows to send events or ask figures.
//!
//! A key is `<prefix>_<id>_<secret>`, the secret 256 random bits. Only the SHA-256 of the whole text is kept, which is
//! enough for a secret that nobody can guess; the id finds it, and is no secret.

use std::fmt;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use super::hexadecimal;
use crate::event::SiteId;

/// Longest text that is taken for a key, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Sending events.
    Write,
    /// Asking figures.
    Read,
    /// Asking figures, and deleting events for good.
    Manage,
    /// Sending events and asking figures: what an app registers for.
    Both,
}

/// A key without its secret: whose it is, and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id, the middle of the text.
    pub id: Box<str>,
    /// The site.
    pub site: SiteId,
    /// What it allows.
    pub rights: Rights,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// What whoever shows a good key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// For which site.
    pub site: SiteId,
    /// What.
    pub rights: Rights,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// What whoever shows it may do.
    pub key: Key,
    /// What people call it; may be empty.
    pub name: Box<str>,
    /// When it was added, in milliseconds since 1970.
    pub created_ms: u64,
    /// SHA-256 of the whole text.
    pub(super) digest: [u8; 32],
}

/// A key that was just made. Its text is nowhere else and cannot be had again.
#[derive(Clone)]
pub struct NewKey {
    /// The id.
    pub id: Box<str>,
    /// What the client shows.
    pub text: String,
}

impl Rights {
    /// The word for them in records and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Manage => "manage",
            Self::Both => "both",
        }
    }

    /// Whether they allow sending events.
    pub const fn may_write(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }

    /// Whether they allow asking figures.
    pub const fn may_read(self) -> bool {
        matches!(self, Self::Read | Self::Manage | Self::Both)
    }

    /// Whether they allow deleting events for good.
    pub const fn may_erase(self) -> bool {
        matches!(self, Self::Manage)
    }

    /// Whether they allow bringing in what was before.
    pub const fn may_import(self) -> bool {
        matches!(self, Self::Manage)
    }

    /// The rights of a word, as [`Rights::name`] gives it.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Write, Self::Read, Self::Manage, Self::Both]
            .into_iter()
            .find(|rights| rights.name() == name)
    }
}

impl Key {
    /// Whether its time is over.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|end| end <= now_ms)
    }
}

impl NewKey {
    /// Makes a key whose text begins with a prefix.
    pub(super) fn mint(prefix: &str) -> Result<Self, getrandom::Error> {
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        let prefix = prefix.trim_end_matches('_');
        let (id, secret) = (hexadecimal::write(&id), hexadecimal::write(&secret));
        Ok(Self {
            text: format!("{prefix}_{id}_{secret}"),
            id: id.into(),
        })
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        digest_of(&self.text)
    }
}

/// Without the text, which no log may have.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The id in a key's text; `None` if it is no key. The prefix may be any, so that keys outlive a change of it.
pub(super) fn id_in(text: &str) -> Option<&str> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let (rest, _) = text.rsplit_once('_')?;
    rest.rsplit_once('_').map(|(_, id)| id)
}

/// Whether a text is the one that this digest was made of. Takes the same time whatever differs, and just as long
/// when there is no digest to compare with.
pub(super) fn fits(text: &str, digest: Option<&[u8; 32]>) -> bool {
    const NONE: [u8; 32] = [0; 32];
    let same = digest_of(text).ct_eq(digest.unwrap_or(&NONE));
    bool::from(same) && digest.is_some()
}

fn digest_of(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_fits_its_own_digest_and_any_other_text_does_not() {
        let key = NewKey::mint("ak_live").unwrap();
        assert!(key.text.starts_with("ak_live_"), "{}", key.text);
        assert_eq!(id_in(&key.text), Some(&*key.id));
        assert!(fits(&key.text, Some(&key.digest())));
        assert!(!fits(&key.text.to_uppercase(), Some(&key.digest())));
        assert!(!fits(&key.text[1..], Some(&key.digest())), "another prefix");
        assert!(!fits(&key.text, None));
        assert!(!fits("", Some(&key.digest())));
    }

    #[test]
    fn no_two_keys_are_alike_and_the_secret_has_256_bits() {
        let (one, two) = (NewKey::mint("a").unwrap(), NewKey::mint("a_").unwrap());
        assert!(one.id != two.id && one.text != two.text);
        let parts: Vec<&str> = two.text.split('_').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [1, 16, 64]);
    }

    #[test]
    fn what_is_no_key_has_no_id_and_nothing_shows_the_text() {
        let long = "_".repeat(257);
        for text in ["", "a", "a_b", &long] {
            assert_eq!(id_in(text), None, "{text}");
        }
        let key = NewKey::mint("a").unwrap();
        assert!(!format!("{key:?}").contains(&key.text));
    }
}
