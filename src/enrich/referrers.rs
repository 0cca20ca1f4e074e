//! Who sent a visitor here: pages by their hosts, and names as campaigns write them.

use std::collections::HashMap;

use super::before::{Before, bare, registered};
use super::lists::{names, rows};

/// What somebody is who sends visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Search,
    Social,
    Video,
    Shopping,
    Ai,
    Email,
    Display,
    Affiliate,
    Audio,
}

const GROUPS: [(&str, Group); 9] = [
    ("search", Group::Search),
    ("social", Group::Social),
    ("video", Group::Video),
    ("shopping", Group::Shopping),
    ("ai", Group::Ai),
    ("email", Group::Email),
    ("display", Group::Display),
    ("affiliate", Group::Affiliate),
    ("audio", Group::Audio),
];

impl Group {
    pub(super) fn parse(name: &str) -> Option<Self> {
        GROUPS.iter().find(|(known, _)| *known == name).map(|(_, group)| *group)
    }

    pub(super) fn name(self) -> &'static str {
        GROUPS
            .iter()
            .find(|(_, group)| *group == self)
            .map_or("", |(name, _)| name)
    }
}

/// Somebody known who sends visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) group: Group,
}

/// Everybody known who sends visitors.
#[derive(Debug)]
pub(super) struct Referrers {
    /// By host, with a path or without; `{}` stands for a public suffix at the end, or for one label at the front.
    hosts: HashMap<&'static str, Known>,
    /// By name in lower case.
    names: HashMap<Box<str>, Known>,
}

impl Referrers {
    /// Reads the lists of the binary; of two that know a host the one by hand counts.
    pub(super) fn new() -> Self {
        let (mut hosts, mut known_names) = (HashMap::new(), HashMap::new());
        let lists = [
            include_str!("../../lists/referrers.own.tsv"),
            include_str!("../../lists/referrers.tsv"),
        ];
        for [name, group, listed] in lists.into_iter().flat_map(rows) {
            let Some(group) = Group::parse(group) else { continue };
            let known = Known { name, group };
            known_names.entry(name.to_lowercase().into()).or_insert(known);
            for host in listed.split(' ') {
                hosts.entry(host).or_insert(known);
            }
        }
        for (alias, name) in names("source") {
            if let Some(known) = known_names.get(&*name.to_lowercase()).copied() {
                known_names.insert(alias.into(), known);
            }
        }
        Self {
            hosts,
            names: known_names,
        }
    }

    /// Who it is that a campaign calls by a name or a host.
    pub(super) fn named(&self, name: &str) -> Option<Known> {
        let lower = name.trim().to_lowercase();
        let by_name = self.names.get(&*lower).copied();
        by_name.or_else(|| self.at(bare(&lower), ""))
    }

    /// Who it is that has a page.
    pub(super) fn of(&self, before: &Before<'_>) -> Option<Known> {
        if before.is_app {
            return self.hosts.get(&*before.host).copied();
        }
        self.at(&before.host, before.path)
    }

    fn at(&self, host: &str, path: &str) -> Option<Known> {
        let mut key = String::with_capacity(host.len() + path.len() + 2);
        if let Some(known) = self.exactly(host, path, &mut key) {
            return Some(known);
        }
        if let Some((_, rest)) = host.split_once('.') {
            key.clear();
            key.push_str("{}.");
            key.push_str(rest);
            if let Some(known) = self.hosts.get(&*key) {
                return Some(*known);
            }
        }
        // Other hosts of the same owner: not for engines, which offer much else.
        let registered = registered(host);
        let mut rest = host;
        while rest.len() > registered.len() {
            let Some((_, parent)) = rest.split_once('.') else { break };
            rest = parent;
            let known = self.exactly(rest, path, &mut key);
            if let Some(known) = known.filter(|known| known.group != Group::Search) {
                return Some(known);
            }
        }
        None
    }

    /// By the host and as much of the path as is known: as it is written, or with any public suffix.
    fn exactly(&self, host: &str, path: &str, key: &mut String) -> Option<Known> {
        let suffix = psl::suffix(host.as_bytes()).filter(|suffix| suffix.typ() == Some(psl::Type::Icann));
        let before_suffix = suffix.and_then(|suffix| host.get(..host.len().checked_sub(suffix.as_bytes().len())?));
        let open = before_suffix
            .filter(|before| before.ends_with('.'))
            .map(|before| (before, "{}"));
        let mut ends: Vec<usize> = path
            .match_indices('/')
            .skip(1)
            .map(|(place, _)| place)
            .take(2)
            .collect();
        ends.push(path.len());
        for end in ends.into_iter().rev().chain([0]) {
            for (front, back) in [Some((host, "")), open].into_iter().flatten() {
                key.clear();
                key.push_str(front);
                key.push_str(back);
                key.push_str(path.get(..end).unwrap_or_default().trim_end_matches('/'));
                if let Some(known) = self.hosts.get(&**key) {
                    return Some(*known);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_by_host_suffix_path_and_owner() {
        let referrers = Referrers::new();
        for (page, name, group) in [
            ("https://www.google.com/", "Google", Group::Search),
            ("https://www.google.co.uk/search?q=1", "Google", Group::Search),
            ("https://mail.google.com/", "Gmail", Group::Email),
            ("https://gemini.google.com/app", "Gemini", Group::Ai),
            (
                "https://www.google.de/shopping/product/1",
                "Google Shopping",
                Group::Shopping,
            ),
            ("https://m.facebook.com/a/b", "Facebook", Group::Social),
            ("https://l.instagram.com/?u=x", "Instagram", Group::Social),
            ("https://smile.amazon.de/dp/1", "Amazon", Group::Shopping),
            ("https://X.com/i/grok?conversation=1", "Grok", Group::Ai),
            ("https://x.com/somebody", "X", Group::Social),
            ("https://www.youtube.com/watch?v=1", "YouTube", Group::Video),
            ("https://de.search.yahoo.com/", "Yahoo!", Group::Search),
            ("android-app://com.google.android.gm/", "Gmail", Group::Email),
        ] {
            let known = referrers.of(&Before::of(page).unwrap());
            assert_eq!(known, Some(Known { name, group }), "{page}");
        }
    }

    #[test]
    fn what_an_engine_offers_beside_and_what_only_looks_like_it_is_nobody_known() {
        let referrers = Referrers::new();
        for page in [
            "https://docs.google.com/document/1",
            "https://google.example.github.io/",
            "https://notgoogle.com/",
            "https://blog.example/",
            "http://127.0.0.1:8080/",
            "http://localhost/",
        ] {
            assert_eq!(referrers.of(&Before::of(page).unwrap()), None, "{page}");
        }
        for text in ["", "google.com", "about:blank", "https://", "https:///path"] {
            assert!(Before::of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn names_of_campaigns_are_known_in_any_case_and_by_their_hosts() {
        let referrers = Referrers::new();
        for (written, name) in [
            ("google", "Google"),
            ("FB", "Facebook"),
            ("chatgpt.com", "ChatGPT"),
            (" Bing ", "Bing"),
        ] {
            assert_eq!(
                referrers.named(written).map(|known| known.name),
                Some(name),
                "{written}"
            );
        }
        assert_eq!(referrers.named("newsletter"), None);
    }
}
