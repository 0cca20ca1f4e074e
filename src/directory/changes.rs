//! What can be done to sites and keys: each looks at a register and says what is to change, or why it cannot.

use std::sync::Arc;

use super::key::{Key, KeyRecord, NewKey, Rights};
use super::refusal::Refusal;
use super::register::{Change, Register};
use super::site::{Site, SiteWish, label};
use crate::config::DirectoryConfig;
use crate::event::SiteId;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct KeyWish {
    /// The site, by its name or id.
    pub site: String,
    /// What it allows.
    pub rights: Rights,
    /// What people call it; may be empty.
    pub name: String,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl Change {
    pub(super) fn of_site(id: SiteId, site: Option<Site>) -> Self {
        let keys = Vec::new();
        Self {
            sites: vec![(id, site.map(Arc::new))],
            keys,
        }
    }

    pub(super) fn of_key(id: Box<str>, record: Option<KeyRecord>) -> Self {
        let sites = Vec::new();
        Self {
            sites,
            keys: vec![(id, record.map(Arc::new))],
        }
    }
}

impl Register {
    /// Adds a site.
    pub(super) fn add_site(
        &self,
        id: SiteId,
        now_ms: u64,
        wish: &SiteWish,
        limits: &DirectoryConfig,
    ) -> Result<(Change, Site), Refusal> {
        if self.site(id).is_some() {
            return Err(Refusal::new("id", format!("{id} is a site already")));
        }
        if self.sites().len() >= limits.sites_max {
            let most = limits.sites_max;
            return Err(Refusal::new(
                "site",
                format!("there are {most} sites, which is the most (directory.sites_max)"),
            ));
        }
        let site = Site::plain(id, now_ms).with(wish)?;
        self.check(&site, limits)?;
        Ok((Change::of_site(id, Some(site.clone())), site))
    }

    /// Changes a site.
    pub(super) fn change_site(
        &self,
        name: &str,
        wish: &SiteWish,
        limits: &DirectoryConfig,
    ) -> Result<(Change, Site), Refusal> {
        let site = self.wanted_site(name)?.with(wish)?;
        self.check(&site, limits)?;
        Ok((Change::of_site(site.id, Some(site.clone())), site))
    }

    /// Removes a site, with its keys if there are any and that is wanted. What was counted and kept for it stays.
    pub(super) fn remove_site(&self, name: &str, with_keys: bool) -> Result<(Change, Site), Refusal> {
        let site = self.wanted_site(name)?;
        if site.id.is_default() {
            return Err(Refusal::new("site", "the default site cannot be removed"));
        }
        let keys: Vec<_> = self
            .keys_of(site.id)
            .map(|record| (record.key.id.clone(), None))
            .collect();
        if !keys.is_empty() && !with_keys {
            let count = keys.len();
            let why = format!(
                "{:?} still has keys ({count}); revoke them, or remove it with its keys",
                site.name
            );
            return Err(Refusal::new("site", why));
        }
        let change = Change {
            sites: vec![(site.id, None)],
            keys,
        };
        Ok((change, Site::clone(site)))
    }

    /// Adds a key.
    pub(super) fn add_key(
        &self,
        new: &NewKey,
        now_ms: u64,
        wish: &KeyWish,
        limits: &DirectoryConfig,
    ) -> Result<(Change, KeyRecord), Refusal> {
        self.room_for_key(limits)?;
        let key = Key {
            id: new.id.clone(),
            site: self.wanted_site(&wish.site)?.id,
            rights: wish.rights,
            expires_ms: wish.expires_ms,
        };
        if key.is_expired(now_ms) {
            return Err(Refusal::new("expires", "must be in the future"));
        }
        let name = if wish.name.is_empty() {
            "".into()
        } else {
            label("name", &wish.name)?
        };
        let record = KeyRecord {
            key,
            name,
            created_ms: now_ms,
            digest: new.digest(),
        };
        Ok((Change::of_key(new.id.clone(), Some(record.clone())), record))
    }

    /// Whether there may be one key more.
    pub(super) fn room_for_key(&self, limits: &DirectoryConfig) -> Result<(), Refusal> {
        let most = limits.keys_max;
        if self.keys().len() < most {
            return Ok(());
        }
        let why = format!("there are {most} keys, which is the most (directory.keys_max)");
        Err(Refusal::new("key", why))
    }

    /// Revokes a key, by its id or text.
    pub(super) fn revoke_key(&self, text: &str) -> Result<(Change, KeyRecord), Refusal> {
        // The text may be a secret, and is not repeated.
        let unknown = || Refusal::new("key", "there is no such key; `key list` shows the ids of all");
        let record = self.find_key(text).ok_or_else(unknown)?;
        Ok((Change::of_key(record.key.id.clone(), None), KeyRecord::clone(record)))
    }

    fn wanted_site(&self, name: &str) -> Result<&Arc<Site>, Refusal> {
        let unknown = || Refusal::new("site", format!("there is no site {name:?}; `site list` shows all"));
        self.find_site(name).ok_or_else(unknown)
    }

    /// What a site must not share with another, and its own limits.
    fn check(&self, site: &Site, limits: &DirectoryConfig) -> Result<(), Refusal> {
        if site.name.is_empty() {
            return Err(Refusal::new("name", "must not be empty"));
        }
        if self.find_site(&site.name).is_some_and(|other| other.id != site.id) {
            return Err(Refusal::new("name", format!("another site is called {:?}", site.name)));
        }
        if site.domains.len() > limits.domains_max {
            let most = limits.domains_max;
            return Err(Refusal::new(
                "domain",
                format!("a site has at most {most} domains (directory.domains_max)"),
            ));
        }
        let taken = |domain: &str| self.site_of_domain(domain).is_some_and(|owner| owner != site.id);
        match site.domains.iter().find(|domain| taken(domain)) {
            Some(domain) => Err(Refusal::new("domain", format!("{domain} belongs to another site"))),
            None => Ok(()),
        }
    }
}
