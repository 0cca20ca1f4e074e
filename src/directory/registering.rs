//! What those may do to the register who come over HTTP: register an app, revoke its key, have it replaced.

use std::sync::Arc;

use super::domain;
use super::key::{Key, KeyRecord, NewKey, Rights};
use super::refusal::Refusal;
use super::register::{Change, Register};
use super::site::{NAME_BYTES_MAX, SiteWish, label, parse_id};
use crate::config::DirectoryConfig;
use crate::event::SiteId;

/// What somebody registers.
#[derive(Debug, Clone)]
pub struct Application {
    /// What it is called; others may be called so too.
    pub name: String,
    /// The domain that is said to be theirs, or a URL on it.
    pub domain: String,
    /// When the key ends, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// Digits of a site's id that are put behind a name that another site has.
const MARK_DIGITS: usize = 8;

impl Register {
    /// Adds a site and its one key, which may send and ask.
    pub(super) fn add_application(
        &self,
        (id, new): (SiteId, &NewKey),
        now_ms: u64,
        wish: &Application,
        limits: &DirectoryConfig,
    ) -> Result<(Change, KeyRecord), Refusal> {
        let registered = self.sites().filter(|site| site.registered.is_some()).count();
        if registered >= limits.registered_max {
            let most = limits.registered_max;
            let why = format!("{most} sites were registered, which is the most (directory.registered_max)");
            return Err(Refusal::new("site", why));
        }
        self.room_for_key(limits)?;
        let named = SiteWish {
            name: Some(self.free_name(&shown_name(&wish.name)?, id)),
            ..SiteWish::default()
        };
        let (_, mut site) = self.add_site(id, now_ms, &named, limits)?;
        site.registered = Some(domain_of(&wish.domain)?);
        let record = KeyRecord {
            key: Key {
                id: new.id.clone(),
                site: id,
                rights: Rights::Both,
                expires_ms: Some(wish.expires_ms),
            },
            name: "".into(),
            created_ms: now_ms,
            digest: new.digest(),
        };
        if record.key.is_expired(now_ms) {
            return Err(Refusal::new("expires", "must be in the future"));
        }
        let change = Change {
            keys: Change::of_key(new.id.clone(), Some(record.clone())).keys,
            ..Change::of_site(id, Some(site))
        };
        Ok((change, record))
    }

    /// Revokes the key of an app.
    pub(super) fn revoke_app_key(&self, text: &str, now_ms: u64) -> Result<(Change, ()), Refusal> {
        let record = self.app_key(text, now_ms).ok_or_else(no_such_key)?;
        Ok((Change::of_key(record.key.id.clone(), None), ()))
    }

    /// Puts another key in the place of an app's.
    pub(super) fn replace_app_key(
        &self,
        text: &str,
        new: &NewKey,
        now_ms: u64,
    ) -> Result<(Change, KeyRecord), Refusal> {
        let old = self.app_key(text, now_ms).ok_or_else(no_such_key)?;
        let lasts = old.key.expires_ms.map(|end| end.saturating_sub(old.created_ms));
        let record = KeyRecord {
            key: Key {
                id: new.id.clone(),
                expires_ms: lasts.map(|lasts| now_ms.saturating_add(lasts)),
                ..old.key.clone()
            },
            name: old.name.clone(),
            created_ms: now_ms,
            digest: new.digest(),
        };
        let mut change = Change::of_key(old.key.id.clone(), None);
        change.keys.push((new.id.clone(), Some(Arc::new(record.clone()))));
        Ok((change, record))
    }

    /// A name that no site has: those who register know nothing of each other, and commands find sites by name.
    fn free_name(&self, name: &str, id: SiteId) -> String {
        if self.find_site(name).is_none() && parse_id(name).is_none() {
            return name.to_owned();
        }
        let id = id.to_string();
        let mark = id.get(..MARK_DIGITS).unwrap_or_default();
        let room = NAME_BYTES_MAX - MARK_DIGITS - 1;
        let name = name.get(..name.floor_char_boundary(room)).unwrap_or_default();
        format!("{} {mark}", name.trim_end())
    }
}

/// A name that looks like what it is wherever operators see it: nothing in it turns the direction of what follows.
fn shown_name(text: &str) -> Result<Box<str>, Refusal> {
    const TURNING: [char; 12] = [
        '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}',
        '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    if text.contains(TURNING) {
        return Err(Refusal::new(
            "name",
            "must hold no characters that turn the direction of text",
        ));
    }
    label("name", text)
}

/// The domain that a text names: a host, or a URL on it.
fn domain_of(text: &str) -> Result<Box<str>, Refusal> {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    domain::read(host).map_err(|why| Refusal::new("domain", why))
}

/// The text may be a secret, and is not repeated.
fn no_such_key() -> Refusal {
    Refusal::new(NO_SUCH_KEY, "there is no such key")
}

/// The field of a refusal that means that the key is not good.
pub(super) const NO_SUCH_KEY: &str = "apiKey";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::edition::Edition;

    const NOW: u64 = 1_000_000;

    fn wish(name: &str, domain: &str) -> Application {
        Application {
            name: name.into(),
            domain: domain.into(),
            expires_ms: NOW + 500,
        }
    }

    fn added(register: &Register, number: u8, wish: &Application) -> Result<(Register, NewKey), Refusal> {
        let new = NewKey::mint("ak_live").unwrap();
        let id = SiteId([number; 16]);
        let (change, _) = register.add_application((id, &new), NOW, wish, &DirectoryConfig::default())?;
        Ok((register.after(&change, Edition::NONE), new))
    }

    #[test]
    fn an_app_gets_a_site_and_a_key_that_sends_and_asks_and_no_domain() {
        let (register, new) = added(
            &Register::default(),
            1,
            &wish("blog", "https://WWW.blog.example:8080/x?y"),
        )
        .unwrap();
        let grant = register.key(&new.text, NOW).unwrap();
        assert_eq!((grant.site, grant.rights), (SiteId([1; 16]), Rights::Both));
        assert!(grant.rights.may_write() && grant.rights.may_read() && !grant.rights.may_erase());
        let site = register.site(grant.site).unwrap();
        assert_eq!(
            (&*site.name, site.registered.as_deref()),
            ("blog", Some("blog.example"))
        );
        assert_eq!(
            register.site_of_domain("blog.example"),
            None,
            "anyone may name any domain"
        );
        assert_eq!(register.key(&new.text, NOW + 500), None);
    }

    #[test]
    fn those_who_register_know_nothing_of_each_other() {
        let (one, _) = added(&Register::default(), 1, &wish("blog", "blog.example")).unwrap();
        let (two, _) = added(&one, 2, &wish("blog", "blog.example")).unwrap();
        let names: Vec<&str> = two.sites().map(|site| &*site.name).collect();
        assert_eq!(names, ["default", "blog", "blog 02020202"]);
        let long = "ü".repeat(64);
        let (three, _) = added(&two, 3, &wish(&long, "a.example")).unwrap();
        let (four, _) = added(&three, 4, &wish(&long, "a.example")).unwrap();
        assert_eq!(four.site(SiteId([4; 16])).unwrap().name.len(), 127);
        let like_an_id = "ab".repeat(16);
        for name in ["default", &like_an_id] {
            assert!(added(&four, 5, &wish(name, "b.example")).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        let field = |name: &str, domain: &str| added(&Register::default(), 1, &wish(name, domain)).unwrap_err().field;
        assert_eq!(field("", "a.example"), "name");
        assert_eq!(field("a\nb", "a.example"), "name");
        assert_eq!(field("\u{202e}gnp.exe", "a.example"), "name");
        for domain in [
            "",
            "https://",
            "203.0.113.7",
            "*.a.example",
            "me@a.example",
            "[::1]:80",
            "a b",
        ] {
            assert_eq!(field("blog", domain), "domain", "{domain}");
        }
        let mut full = Register::default();
        for number in 1..3 {
            full = added(&full, number, &wish("blog", "a.example")).unwrap().0;
        }
        let new = NewKey::mint("ak").unwrap();
        let limits = |registered_max, keys_max| DirectoryConfig {
            registered_max,
            keys_max,
            ..DirectoryConfig::default()
        };
        for (limits, field) in [(limits(2, 9), "site"), (limits(9, 2), "key")] {
            let refused = full.add_application((SiteId([9; 16]), &new), NOW, &wish("x", "a.example"), &limits);
            assert_eq!(refused.unwrap_err().field, field);
        }
    }

    #[test]
    fn who_shows_the_key_of_an_app_may_end_it_and_nobody_else() {
        let (register, new) = added(&Register::default(), 1, &wish("blog", "blog.example")).unwrap();
        let other = NewKey::mint("ak").unwrap();
        let forged = format!("ak_live_{}_{}", new.id, other.text.rsplit_once('_').unwrap().1);
        for text in [&*new.id, "", &other.text, &forged] {
            assert!(register.revoke_app_key(text, NOW).is_err(), "{text}");
            assert!(register.replace_app_key(text, &other, NOW).is_err(), "{text}");
        }
        assert!(
            register.revoke_app_key(&new.text, NOW + 500).is_err(),
            "its time is over"
        );
        let (change, record) = register.replace_app_key(&new.text, &other, NOW + 100).unwrap();
        let replaced = register.after(&change, Edition::NONE);
        assert_eq!(record.key.expires_ms, Some(NOW + 600));
        assert_eq!((replaced.key(&new.text, NOW), replaced.keys().len()), (None, 1));
        assert_eq!(replaced.key(&other.text, NOW).unwrap().site, SiteId([1; 16]));
        let (change, ()) = replaced.revoke_app_key(&other.text, NOW).unwrap();
        assert_eq!(replaced.after(&change, Edition::NONE).keys().len(), 0);
    }
}
