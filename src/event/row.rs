//! What the applier hands to the event store.

use super::{Event, Sequence, SiteId};

/// An event with its place in the log and the facts that were derived from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The frame that holds the event.
    pub sequence: Sequence,
    /// The event.
    pub event: Event<'a>,
    /// The number of the session that it belongs to; `None` if nobody can tell whose it is.
    pub visit: Option<u64>,
    /// Name of the browser; empty if unknown.
    pub browser: &'a str,
    /// The first number of the browser's version; empty if unknown.
    pub browser_version: &'a str,
    /// Name of the operating system; empty if unknown.
    pub os: &'a str,
    /// Class of the device; empty if unknown.
    pub device: &'a str,
    /// The rule by which a machine sent it of its own accord, as `kind:name`; empty if none did.
    pub bot_rule: &'a str,
    /// Where the visitor came from, as a name.
    pub source: &'a str,
    /// What that is, such as `search`; empty if unknown.
    pub referrer_group: &'a str,
    /// The channel; empty if the page before was the site's own.
    pub channel: &'a str,
    /// The parameter that holds the id of a click; empty if there is none.
    pub click_id: &'a str,
    /// Tag `utm_source` of the page.
    pub utm_source: &'a str,
    /// Tag `utm_medium` of the page.
    pub utm_medium: &'a str,
    /// Tag `utm_campaign` of the page.
    pub utm_campaign: &'a str,
    /// Tag `utm_term` of the page.
    pub utm_term: &'a str,
    /// Tag `utm_content` of the page.
    pub utm_content: &'a str,
}

impl<'a> Row<'a> {
    /// A row of which nothing was derived.
    pub const fn new(sequence: Sequence, event: Event<'a>) -> Self {
        Self {
            sequence,
            event,
            visit: None,
            browser: "",
            browser_version: "",
            os: "",
            device: "",
            bot_rule: "",
            source: "",
            referrer_group: "",
            channel: "",
            click_id: "",
            utm_source: "",
            utm_medium: "",
            utm_campaign: "",
            utm_term: "",
            utm_content: "",
        }
    }
}

/// Whose events are to go for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure<'a> {
    /// All of a site.
    Site(SiteId),
    /// All of a site's user.
    User(SiteId, &'a str),
    /// All of a site's visitor with a lasting id.
    StableVisitor(SiteId, &'a str),
    /// All of a site's visitor by the hash of a day.
    DailyVisitor(SiteId, u64),
}
