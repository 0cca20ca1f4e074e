//! What the applier hands to the event store.

use super::{Event, Sequence, SiteId};

/// An event with its place in the log and the facts that were derived from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The frame that holds the event.
    pub sequence: Sequence,
    /// The event.
    pub event: Event<'a>,
    /// Name of the browser; empty if unknown.
    pub browser: &'a str,
    /// Name of the operating system; empty if unknown.
    pub os: &'a str,
    /// Class of the device; empty if unknown.
    pub device: &'a str,
    /// Whether a machine sent it of its own accord.
    pub bot: bool,
    /// Where the visitor came from, as a name.
    pub source: &'a str,
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
            browser: "",
            os: "",
            device: "",
            bot: false,
            source: "",
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
