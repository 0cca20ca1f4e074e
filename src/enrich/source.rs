//! Where a visitor came from, as an event's own words tell it: the tags of a campaign, the page before.

use std::borrow::Cow;

use crate::event::{Event, Row, Sequence};

/// What the names of tags begin with.
const TAG: &str = "utm_";

/// The tags of a page's query, decoded.
#[derive(Debug, Default)]
pub struct Tags<'a> {
    source: Cow<'a, str>,
    medium: Cow<'a, str>,
    campaign: Cow<'a, str>,
    term: Cow<'a, str>,
    content: Cow<'a, str>,
}

impl<'a> Tags<'a> {
    /// Reads a query without its question mark; of a tag that comes twice the first counts.
    pub fn of(query: &'a str) -> Self {
        let mut tags = Self::default();
        if !query.contains(TAG) {
            return tags;
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let tag = match name.strip_prefix(TAG) {
                Some("source") => &mut tags.source,
                Some("medium") => &mut tags.medium,
                Some("campaign") => &mut tags.campaign,
                Some("term") => &mut tags.term,
                Some("content") => &mut tags.content,
                _ => continue,
            };
            if tag.is_empty() {
                *tag = value;
            }
        }
        tags
    }

    /// The row of an event whose page has these tags.
    pub fn row<'b>(&'b self, sequence: Sequence, event: Event<'b>) -> Row<'b> {
        let source = match &*self.source {
            "" => site_before(&event),
            tagged => tagged,
        };
        Row {
            source,
            utm_source: &self.source,
            utm_medium: &self.medium,
            utm_campaign: &self.campaign,
            utm_term: &self.term,
            utm_content: &self.content,
            ..Row::new(sequence, event)
        }
    }
}

/// The host of the page before, without `www.`, unless it is the same site's.
fn site_before<'a>(event: &Event<'a>) -> &'a str {
    let bare = |host: &'a str| host.strip_prefix("www.").unwrap_or(host);
    let Some((_, rest)) = event.referrer.split_once("://") else {
        return "";
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = bare(host.split(':').next().unwrap_or_default());
    if host.eq_ignore_ascii_case(bare(event.host)) {
        ""
    } else {
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, SiteId};

    fn event<'a>(host: &'a str, query: &'a str, referrer: &'a str) -> Event<'a> {
        Event {
            host,
            query,
            referrer,
            ..Event::new(SiteId::DEFAULT, "view", EventId::Client(b"a"), 1)
        }
    }

    #[test]
    fn tags_are_decoded_and_the_first_of_each_counts() {
        let event = event(
            "shop.example",
            "a=1&utm_source=News%20letter&utm_medium=e+mail&utm_campaign=&utm_campaign=may&utm_source=x&utm_odd=1",
            "https://www.search.example/?q=1",
        );
        let tags = Tags::of(event.query);
        let row = tags.row(Sequence(3), event);
        assert_eq!(
            (row.source, row.utm_source, row.utm_medium),
            ("News letter", "News letter", "e mail")
        );
        assert_eq!((row.utm_campaign, row.utm_term, row.utm_content), ("may", "", ""));
        assert_eq!(row.sequence, Sequence(3));
    }

    #[test]
    fn without_tags_the_page_before_is_the_source_unless_it_is_ours() {
        for (host, referrer, source) in [
            ("shop.example", "https://www.search.example/?q=1", "search.example"),
            ("shop.example", "https://user@search.example:8080", "search.example"),
            ("shop.example", "android-app://com.example.app/", "com.example.app"),
            ("shop.example", "https://www.Shop.example/a", ""),
            ("www.shop.example", "http://shop.example#x", ""),
            ("shop.example", "", ""),
            ("shop.example", "search.example", ""),
        ] {
            let event = event(host, "a=utm", referrer);
            assert_eq!(
                Tags::of(event.query).row(Sequence(1), event).source,
                source,
                "{referrer}"
            );
        }
    }
}
