//! Sites and keys as they are written, in SQLite and Redis alike: a JSON object each, under the id.
//!
//! Fields that are not known are passed over, and what is missing has its default, so that later versions can add to
//! them. What cannot be read stands in nobody's way: it is left out, and said in the log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::edition::Edition;
use super::hexadecimal;
use super::key::{Key, KeyRecord, Rights};
use super::register::{Change, Register};
use super::site::{Counting, Site, parse_id};
use crate::event::SiteId;

/// What a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Site,
    Key,
}

/// A record under its id; without a text, it is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub kind: Kind,
    pub id: String,
    pub text: Option<String>,
}

/// A change as it is written.
#[derive(Debug)]
pub(super) struct Writing {
    /// The edition that it is made for.
    pub from: Edition,
    /// The edition that it makes.
    pub to: Edition,
    /// Nothing that was there before stays.
    pub whole: bool,
    pub entries: Vec<Entry>,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Site, Self::Key];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Key => "key",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct SiteRecord {
    name: Box<str>,
    #[serde(default)]
    domains: Vec<Box<str>>,
    time_zone: Box<str>,
    currency: String,
    #[serde(default)]
    visitors: Option<String>,
    #[serde(default)]
    created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registered: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct KeyText {
    site: String,
    rights: String,
    sha256: String,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    expires_ms: Option<u64>,
    #[serde(default)]
    created_ms: u64,
}

impl Writing {
    /// A change of an edition.
    pub fn change(from: Edition, to: Edition, change: &Change) -> Self {
        Self {
            from,
            to,
            whole: false,
            entries: entries(change),
        }
    }

    /// A whole register in place of an edition.
    pub fn whole(from: Edition, register: &Register) -> Self {
        Self {
            from,
            to: register.edition,
            whole: true,
            entries: entries(&register.whole()),
        }
    }
}

fn entries(change: &Change) -> Vec<Entry> {
    let sites = change.sites.iter().map(|(id, site)| Entry {
        kind: Kind::Site,
        id: id.to_string(),
        text: site.as_deref().map(site_text),
    });
    let keys = change.keys.iter().map(|(id, record)| Entry {
        kind: Kind::Key,
        id: id.to_string(),
        text: record.as_ref().map(Arc::as_ref).map(key_text),
    });
    sites.chain(keys).collect()
}

/// The register that records make; those that cannot be read are left out.
pub(super) fn read(edition: Edition, records: impl Iterator<Item = (Kind, String, Vec<u8>)>) -> Register {
    let (mut sites, mut keys) = (Vec::new(), Vec::new());
    for (kind, id, text) in records {
        let known = match kind {
            Kind::Site => site(&id, &text).map(|site| sites.push(site)),
            Kind::Key => key(&id, &text).map(|record| keys.push(record)),
        };
        if known.is_none() {
            tracing::error!(
                kind = kind.name(),
                id,
                "a record of the directory cannot be read, and is left out"
            );
        }
    }
    Register::new(edition, sites, keys)
}

fn site_text(site: &Site) -> String {
    let record = SiteRecord {
        name: site.name.clone(),
        domains: site.domains.clone(),
        time_zone: site.time_zone.clone(),
        currency: String::from_utf8_lossy(&site.currency).into_owned(),
        visitors: Some(site.counting.name().into()),
        created_ms: site.created_ms,
        registered: site.registered.clone(),
    };
    // Numbers and texts always make JSON.
    serde_json::to_string(&record).unwrap_or_default()
}

fn site(id: &str, text: &[u8]) -> Option<Site> {
    let record: SiteRecord = serde_json::from_slice(text).ok()?;
    Some(Site {
        id: parse_id(id)?,
        name: record.name,
        domains: record.domains,
        time_zone: record.time_zone,
        currency: record.currency.as_bytes().try_into().ok()?,
        counting: match record.visitors {
            None => Counting::default(),
            Some(name) => Counting::parse(&name)?,
        },
        created_ms: record.created_ms,
        registered: record.registered,
    })
}

fn key_text(record: &KeyRecord) -> String {
    let text = KeyText {
        site: record.key.site.to_string(),
        rights: record.key.rights.name().into(),
        sha256: hexadecimal::write(&record.digest),
        name: record.name.clone(),
        expires_ms: record.key.expires_ms,
        created_ms: record.created_ms,
    };
    serde_json::to_string(&text).unwrap_or_default()
}

fn key(id: &str, text: &[u8]) -> Option<KeyRecord> {
    let record: KeyText = serde_json::from_slice(text).ok()?;
    Some(KeyRecord {
        key: Key {
            id: id.into(),
            site: SiteId(hexadecimal::read(&record.site)?),
            rights: Rights::parse(&record.rights)?,
            expires_ms: record.expires_ms,
        },
        name: record.name,
        created_ms: record.created_ms,
        digest: hexadecimal::read(&record.sha256)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site_record(more: &str) -> String {
        format!(r#"{{"name":"shop","time_zone":"UTC","currency":"EUR"{more}}}"#)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut shop = Site::plain(SiteId([1; 16]), 7);
        shop.name = "shop \"ü\"".into();
        shop.domains = vec!["shop.example".into()];
        shop.counting = Counting::Stable;
        shop.registered = Some("shop.example".into());
        assert_eq!(site(&shop.id.to_string(), site_text(&shop).as_bytes()), Some(shop));
        let record = KeyRecord {
            key: Key {
                id: "0011".into(),
                site: SiteId([1; 16]),
                rights: Rights::Read,
                expires_ms: Some(u64::MAX),
            },
            name: "report".into(),
            created_ms: 1,
            digest: [9; 32],
        };
        assert_eq!(key("0011", key_text(&record).as_bytes()), Some(record));
    }

    #[test]
    fn records_of_later_versions_and_of_earlier_ones_are_read() {
        let id = SiteId([2; 16]).to_string();
        let later = site(&id, site_record(r#","owner":"someone","domains":[]"#).as_bytes()).unwrap();
        let earlier = site(&id, site_record("").as_bytes()).unwrap();
        assert_eq!(later, earlier);
        assert_eq!(later.counting, Counting::Daily);
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_stays() {
        let id = SiteId([2; 16]).to_string();
        let good = site_record("").into_bytes();
        let way = site_record(r#","visitors":"guess""#).into_bytes();
        let records = [
            (Kind::Site, id, good.clone()),
            (Kind::Site, "x".into(), good),
            (Kind::Site, SiteId([3; 16]).to_string(), way),
            (Kind::Site, SiteId([4; 16]).to_string(), b"{".to_vec()),
            (Kind::Key, "00".into(), b"{}".to_vec()),
            (Kind::Key, "00".into(), vec![0xff]),
        ];
        let register = read(Edition::NONE, records.into_iter());
        let names: Vec<&str> = register.sites().map(|site| &*site.name).collect();
        assert_eq!(names, ["default", "shop"]);
        assert_eq!(register.keys().len(), 0);
    }
}
