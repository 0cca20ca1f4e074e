//! Everything the directory holds, at one moment. Never changed: a change makes the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::domain;
use super::edition::Edition;
use super::key::{self, Grant, KeyRecord, Rights};
use super::site::{self, Site};
use crate::event::SiteId;

/// All sites and keys.
#[derive(Debug, Clone)]
pub struct Register {
    pub(super) edition: Edition,
    sites: BTreeMap<SiteId, Arc<Site>>,
    keys: BTreeMap<Box<str>, Arc<KeyRecord>>,
    /// Whose a domain is.
    domains: BTreeMap<Box<str>, SiteId>,
}

/// What is to be kept from now on under an id; `None`: nothing any more.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub(super) sites: Vec<(SiteId, Option<Arc<Site>>)>,
    pub(super) keys: Vec<(Box<str>, Option<Arc<KeyRecord>>)>,
}

impl Default for Register {
    fn default() -> Self {
        Self::new(Edition::NONE, Vec::new(), Vec::new())
    }
}

impl Register {
    /// A register of these sites and keys, and of the default site, which is always there.
    pub(super) fn new(edition: Edition, sites: Vec<Site>, keys: Vec<KeyRecord>) -> Self {
        let default = Site::plain(SiteId::DEFAULT, 0);
        // The later wins, so a default site that was changed does.
        let sites = std::iter::once(default).chain(sites);
        let sites = sites.map(|site| (site.id, Arc::new(site)));
        let keys = keys.into_iter().map(|record| (record.key.id.clone(), Arc::new(record)));
        Self::of(edition, sites.collect(), keys.collect())
    }

    fn of(edition: Edition, sites: BTreeMap<SiteId, Arc<Site>>, keys: BTreeMap<Box<str>, Arc<KeyRecord>>) -> Self {
        let of_site = |site: &Arc<Site>| {
            let id = site.id;
            site.domains.clone().into_iter().map(move |domain| (domain, id))
        };
        let domains = sites.values().flat_map(of_site).collect();
        Self {
            edition,
            sites,
            keys,
            domains,
        }
    }

    /// The register after a change.
    pub(super) fn after(&self, change: &Change, edition: Edition) -> Self {
        let (mut sites, mut keys) = (self.sites.clone(), self.keys.clone());
        for (id, site) in &change.sites {
            match site {
                Some(site) => sites.insert(*id, site.clone()),
                None => sites.remove(id),
            };
        }
        for (id, record) in &change.keys {
            match record {
                Some(record) => keys.insert(id.clone(), record.clone()),
                None => keys.remove(id),
            };
        }
        Self::of(edition, sites, keys)
    }

    /// A change that makes all this of nothing. A default site that nobody has changed needs no record.
    pub(super) fn whole(&self) -> Change {
        let plain = Site::plain(SiteId::DEFAULT, 0);
        let sites = self.sites.iter().filter(|(_, site)| ***site != plain);
        Change {
            sites: sites.map(|(id, site)| (*id, Some(site.clone()))).collect(),
            keys: self
                .keys
                .iter()
                .map(|(id, key)| (id.clone(), Some(key.clone())))
                .collect(),
        }
    }

    /// The change that makes another register of this one.
    pub(super) fn change_to(&self, next: &Self) -> Change {
        Change {
            sites: differences(&self.sites, &next.sites),
            keys: differences(&self.keys, &next.keys),
        }
    }

    /// A site by its id.
    pub fn site(&self, id: SiteId) -> Option<&Arc<Site>> {
        self.sites.get(&id)
    }

    /// A site by its name or the text of its id.
    pub fn find_site(&self, name: &str) -> Option<&Arc<Site>> {
        match site::parse_id(name) {
            Some(id) => self.site(id),
            None => self.sites.values().find(|site| *site.name == *name),
        }
    }

    /// All sites; the default one is the first.
    pub fn sites(&self) -> impl ExactSizeIterator<Item = &Arc<Site>> {
        self.sites.values()
    }

    /// All keys, also those whose time is over.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Arc<KeyRecord>> {
        self.keys.values()
    }

    /// The keys of one site.
    pub fn keys_of(&self, site: SiteId) -> impl Iterator<Item = &Arc<KeyRecord>> {
        self.keys.values().filter(move |record| record.key.site == site)
    }

    /// A key by its id, or by its whole text, which holds the id.
    pub fn find_key(&self, text: &str) -> Option<&Arc<KeyRecord>> {
        self.keys.get(text).or_else(|| self.keys.get(key::id_in(text)?))
    }

    /// The site of a host, which may have a port and any letter case.
    pub fn site_of_domain(&self, host: &str) -> Option<SiteId> {
        self.domains.get(&*domain::bare(host)?).copied()
    }

    /// What the key that a client shows allows, if it is good now. Takes as long for a wrong one.
    pub fn key(&self, shown: &str, now_ms: u64) -> Option<Grant> {
        let key = &self.shown_key(shown, now_ms)?.key;
        Some(Grant {
            site: key.site,
            rights: key.rights,
        })
    }

    /// The key of an app that whoever shows it may end. Keys for one thing alone are not: the one that sends stands in
    /// pages, where everyone can read it.
    pub(super) fn app_key(&self, shown: &str, now_ms: u64) -> Option<&Arc<KeyRecord>> {
        self.shown_key(shown, now_ms)
            .filter(|record| record.key.rights == Rights::Both)
    }

    fn shown_key(&self, shown: &str, now_ms: u64) -> Option<&Arc<KeyRecord>> {
        let record = self.keys.get(key::id_in(shown)?);
        let fits = key::fits(shown, record.map(|record| &record.digest));
        record.filter(|record| fits && !record.key.is_expired(now_ms))
    }
}

/// What has to be kept or removed so that one map becomes the other.
fn differences<K: Ord + Clone, V: PartialEq>(
    from: &BTreeMap<K, Arc<V>>,
    to: &BTreeMap<K, Arc<V>>,
) -> Vec<(K, Option<Arc<V>>)> {
    let gone = from
        .keys()
        .filter(|id| !to.contains_key(*id))
        .map(|id| (id.clone(), None));
    let new = to.iter().filter(|(id, value)| from.get(*id) != Some(*value));
    gone.chain(new.map(|(id, value)| (id.clone(), Some(value.clone()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::key::{Key, NewKey, Rights};

    fn register(new: &NewKey) -> Register {
        let mut site = Site::plain(SiteId([1; 16]), 0);
        site.name = "shop".into();
        site.domains = vec!["shop.example".into()];
        let key = Key {
            id: new.id.clone(),
            site: site.id,
            rights: Rights::Write,
            expires_ms: Some(1_000),
        };
        let record = KeyRecord {
            key,
            name: "".into(),
            created_ms: 0,
            digest: new.digest(),
        };
        Register::new(Edition::NONE, vec![site], vec![record])
    }

    #[test]
    fn a_key_is_good_until_it_ends_and_only_with_its_own_secret() {
        let new = NewKey::mint("ak").unwrap();
        let register = register(&new);
        assert_eq!(register.key(&new.text, 999).unwrap().site, SiteId([1; 16]));
        assert_eq!(register.key(&new.text, 1_000), None);
        let other = NewKey::mint("ak").unwrap();
        assert_eq!(register.key(&other.text, 0), None);
        let forged = format!("ak_{}_{}", new.id, other.text.rsplit_once('_').unwrap().1);
        assert_eq!(register.key(&forged, 0), None);
        for text in ["", "ak", &new.id, "_____"] {
            assert_eq!(register.key(text, 0), None, "{text}");
        }
    }

    #[test]
    fn sites_are_found_by_id_name_and_host_and_the_default_one_is_always_there() {
        let register = register(&NewKey::mint("ak").unwrap());
        let shop = SiteId([1; 16]);
        assert_eq!(register.find_site("shop").unwrap().id, shop);
        assert_eq!(register.find_site(&shop.to_string()).unwrap().id, shop);
        assert_eq!(register.site_of_domain("www.Shop.example:8443"), Some(shop));
        assert_eq!(register.site_of_domain("other.example"), None);
        assert_eq!(&*Register::default().site(SiteId::DEFAULT).unwrap().name, "default");
        assert_eq!(register.sites().next().unwrap().id, SiteId::DEFAULT);
    }

    #[test]
    fn the_change_between_two_registers_names_only_what_differs() {
        let (one, two) = (
            register(&NewKey::mint("ak").unwrap()),
            register(&NewKey::mint("ak").unwrap()),
        );
        let change = one.change_to(&two);
        assert_eq!((change.sites.len(), change.keys.len()), (0, 2));
        assert_eq!(one.after(&change, Edition::NONE).keys, two.keys);
        let change = two.change_to(&Register::default());
        assert_eq!((change.sites.len(), change.keys.len()), (1, 1));
        assert_eq!(two.after(&change, Edition::NONE).sites.len(), 1);
    }

    #[test]
    fn the_whole_of_a_register_makes_it_again_of_nothing() {
        let register = register(&NewKey::mint("ak").unwrap());
        let again = Register::default().after(&register.whole(), Edition::NONE);
        assert_eq!((again.sites, again.keys), (register.sites, register.keys));
        assert_eq!(again.domains, register.domains);
    }
}
