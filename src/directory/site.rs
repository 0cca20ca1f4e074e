//! A site: what it is called, where it stands, in which time and money it reckons.

use jiff::tz::TimeZoneDatabase;

use super::refusal::Refusal;
use super::{domain, hexadecimal};
use crate::currency;
use crate::event::SiteId;

/// Longest name, in bytes: what fits a field of Redis and a line of a terminal.
pub(super) const NAME_BYTES_MAX: usize = 128;
/// What the site of calls that name none is called.
const DEFAULT_NAME: &str = "default";

/// How the visitors of a site are told apart. One site, one way: numbers of the two never add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Counting {
    /// By a hash of address and user agent whose salt changes every day: nothing is kept in the browser.
    #[default]
    Daily,
    /// By the id that the client keeps and sends.
    Stable,
}

/// A web property: owns keys and events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its id, for life.
    pub id: SiteId,
    /// What people call it; no other site is called so.
    pub name: Box<str>,
    /// The hosts of its pages, without `www.`; no other site has them.
    pub domains: Vec<Box<str>>,
    /// The time zone of its days, by its IANA name.
    pub time_zone: Box<str>,
    /// The currency of its sums (ISO 4217).
    pub currency: [u8; 3],
    /// How its visitors are told apart.
    pub counting: Counting,
    /// When it was added, in milliseconds since 1970; 0 for the default site, which was always there.
    pub created_ms: u64,
    /// The domain that whoever registered it over HTTP says to be theirs; none if an operator added the site. Nobody has
    /// looked whether it is, so it takes no events.
    pub registered: Option<Box<str>>,
}

/// What someone wants a site to be; what is left out stays as it is.
#[derive(Debug, Clone, Default)]
pub struct SiteWish {
    /// Its name.
    pub name: Option<String>,
    /// All its domains.
    pub domains: Option<Vec<String>>,
    /// Its time zone, in any letter case.
    pub time_zone: Option<String>,
    /// Its currency, in any letter case.
    pub currency: Option<String>,
    /// How its visitors are told apart.
    pub counting: Option<Counting>,
}

impl Counting {
    /// The word for it in records and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Stable => "stable",
        }
    }

    /// The way of a word, as [`Counting::name`] gives it.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Daily, Self::Stable].into_iter().find(|way| way.name() == name)
    }
}

impl Site {
    /// A site of which only the id is known.
    pub(super) fn plain(id: SiteId, created_ms: u64) -> Self {
        let name = if id.is_default() { DEFAULT_NAME } else { "" };
        Self {
            id,
            name: name.into(),
            domains: Vec::new(),
            time_zone: "UTC".into(),
            currency: *b"USD",
            counting: Counting::default(),
            created_ms,
            registered: None,
        }
    }

    /// The same site, as someone wants it.
    pub(super) fn with(&self, wish: &SiteWish) -> Result<Self, Refusal> {
        let mut site = self.clone();
        if let Some(name) = &wish.name {
            site.name = self.renamed(name)?;
        }
        if let Some(domains) = &wish.domains {
            site.domains = all_domains(domains)?;
        }
        if let Some(zone) = &wish.time_zone {
            site.time_zone = time_zone(zone)?;
        }
        if let Some(code) = &wish.currency {
            let unknown = || format!("{code:?} is not the code of a currency (ISO 4217), such as EUR");
            site.currency = currency::parse(code).ok_or_else(|| Refusal::new("currency", unknown()))?;
        }
        site.counting = wish.counting.unwrap_or(site.counting);
        Ok(site)
    }

    fn renamed(&self, name: &str) -> Result<Box<str>, Refusal> {
        if self.id.is_default() && name != DEFAULT_NAME {
            return Err(Refusal::new("name", "the default site keeps its name"));
        }
        if parse_id(name).is_some() {
            return Err(Refusal::new(
                "name",
                format!("{name:?} looks like an id; choose another"),
            ));
        }
        label("name", name)
    }
}

/// A name of a site or a key.
pub(super) fn label(field: &'static str, text: &str) -> Result<Box<str>, Refusal> {
    let why = if text.is_empty() {
        "must not be empty".to_owned()
    } else if text.len() > NAME_BYTES_MAX {
        format!("must be at most {NAME_BYTES_MAX} bytes long")
    } else if text.chars().any(char::is_control) {
        "must hold no line breaks or other control characters".to_owned()
    } else if text.trim() != text {
        "must not begin or end with a space".to_owned()
    } else {
        return Ok(text.into());
    };
    Err(Refusal::new(field, why))
}

/// The site's id in a text: 32 hexadecimal digits, with the hyphens of a UUID or without.
pub fn parse_id(text: &str) -> Option<SiteId> {
    hexadecimal::read(&text.replace('-', "")).map(SiteId)
}

fn all_domains(texts: &[String]) -> Result<Vec<Box<str>>, Refusal> {
    let mut domains = Vec::with_capacity(texts.len());
    for text in texts {
        let domain = domain::read(text).map_err(|why| Refusal::new("domain", why))?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    Ok(domains)
}

/// The zone's own spelling of its name. The zones are those of this program, so that every gateway knows the same.
fn time_zone(name: &str) -> Result<Box<str>, Refusal> {
    let known = TimeZoneDatabase::bundled()
        .get(name)
        .ok()
        .filter(|zone| !zone.is_unknown());
    let known = known.and_then(|zone| zone.iana_name().map(Into::into));
    let unknown = || format!("{name:?} is not a time zone (IANA), such as Europe/Berlin or UTC");
    known.ok_or_else(|| Refusal::new("time_zone", unknown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(change: impl FnOnce(&mut SiteWish)) -> Result<Site, String> {
        let mut wish = SiteWish::default();
        change(&mut wish);
        Site::plain(SiteId([7; 16]), 1)
            .with(&wish)
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_wish_changes_what_it_names_in_the_spelling_that_is_kept() {
        let site = wished(|wish| {
            wish.name = Some("Shop ü".into());
            wish.domains = Some(vec![
                "WWW.shop.example".into(),
                "shop.example".into(),
                "other.example".into(),
            ]);
            wish.time_zone = Some("europe/BERLIN".into());
            wish.currency = Some("eur".into());
            wish.counting = Some(Counting::Stable);
        });
        let site = site.unwrap();
        assert_eq!(
            (&*site.name, &*site.time_zone, &site.currency),
            ("Shop ü", "Europe/Berlin", b"EUR")
        );
        assert_eq!(site.domains, ["shop.example", "other.example"].map(Box::from));
        assert_eq!(site.counting, Counting::Stable);
        assert_eq!(site.with(&SiteWish::default()).unwrap(), site);
    }

    #[test]
    fn what_cannot_be_is_refused_with_field_and_reason() {
        let long = "x".repeat(129);
        for name in ["", " a", "a\n", "a\u{7f}b", &long, "0123456789abcdef0123456789ABCDEF"] {
            let said = wished(|wish| wish.name = Some(name.into())).unwrap_err();
            assert!(said.starts_with("name: "), "{said}");
        }
        for zone in [
            "",
            "Mars/Olympus",
            "Europe/Berlin ",
            "+01:00",
            "Etc/Unknown",
            "../etc/passwd",
        ] {
            let said = wished(|wish| wish.time_zone = Some(zone.into())).unwrap_err();
            assert!(
                said.starts_with("time_zone: ") && said.contains("Europe/Berlin"),
                "{said}"
            );
        }
        for code in ["", "EU", "XXX", "BTC"] {
            let said = wished(|wish| wish.currency = Some(code.into())).unwrap_err();
            assert!(said.starts_with("currency: ") && said.contains("ISO 4217"), "{said}");
        }
        let said = wished(|wish| wish.domains = Some(vec!["https://shop.example".into()])).unwrap_err();
        assert!(said.starts_with("domain: "), "{said}");
    }

    #[test]
    fn the_default_site_keeps_its_name_and_takes_everything_else() {
        let site = Site::plain(SiteId::DEFAULT, 0);
        let named = |name: &str| SiteWish {
            name: Some(name.into()),
            ..SiteWish::default()
        };
        assert!(site.with(&named("shop")).is_err());
        assert!(site.with(&named("default")).is_ok());
        let wish = SiteWish {
            currency: Some("JPY".into()),
            ..SiteWish::default()
        };
        assert_eq!(&site.with(&wish).unwrap().currency, b"JPY");
    }

    #[test]
    fn ids_are_read_with_hyphens_or_without() {
        let id = SiteId([0xab; 16]);
        assert_eq!(parse_id(&id.to_string()), Some(id));
        assert_eq!(parse_id("abababab-abab-abab-abab-abababababab"), Some(id));
        assert_eq!(parse_id("shop"), None);
    }
}
