//! What the link to a page says of where it stood: the tags of a campaign, the id of a click.

use std::borrow::Cow;
use std::collections::HashMap;

use super::lists::rows;
use super::referrers::Group;

/// What the names of tags begin with.
const TAG: &str = "utm_";

/// The tags of a page's query, decoded.
#[derive(Debug, Default)]
pub(super) struct Tags<'a> {
    pub(super) source: Cow<'a, str>,
    pub(super) medium: Cow<'a, str>,
    pub(super) campaign: Cow<'a, str>,
    pub(super) term: Cow<'a, str>,
    pub(super) content: Cow<'a, str>,
}

impl<'a> Tags<'a> {
    /// Reads a query without its question mark; of a tag that comes twice the first counts.
    pub(super) fn of(query: &'a str) -> Self {
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

    /// Whether there is any.
    pub(super) fn are_there(&self) -> bool {
        let all = [&self.source, &self.medium, &self.campaign, &self.term, &self.content];
        all.into_iter().any(|tag| !tag.is_empty())
    }
}

/// The id that an advertiser gives a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Click {
    /// The name of its parameter.
    pub(super) kind: &'static str,
    /// Who gave it.
    pub(super) source: &'static str,
    /// What that is.
    pub(super) group: Group,
    /// Whether only advertisements have it.
    pub(super) is_paid: bool,
}

/// The parameters that hold ids of clicks.
#[derive(Debug)]
pub(super) struct Clicks {
    kinds: HashMap<&'static str, Click>,
}

impl Clicks {
    /// Reads the list of the binary.
    pub(super) fn new() -> Self {
        let rows = rows(include_str!("../../lists/click-ids.tsv"));
        let click = |[kind, source, group, paid]: [&'static str; 4]| {
            let click = Click {
                kind,
                source,
                group: Group::parse(group)?,
                is_paid: paid == "yes",
            };
            Some((kind, click))
        };
        Self {
            kinds: rows.filter_map(click).collect(),
        }
    }

    /// The click that a query tells of; of several the one that only advertisements have.
    pub(super) fn of(&self, query: &str) -> Option<Click> {
        let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
        let clicks = parameters.filter(|(_, id)| !id.is_empty());
        let clicks = clicks.filter_map(|(name, _)| self.kinds.get(name).copied());
        clicks.reduce(|first, next| if !first.is_paid && next.is_paid { next } else { first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_decoded_and_the_first_of_each_counts() {
        let tags = Tags::of(
            "a=1&utm_source=News%20letter&utm_medium=e+mail&utm_campaign=&utm_campaign=may&utm_source=x&utm_odd=1",
        );
        assert_eq!((&*tags.source, &*tags.medium), ("News letter", "e mail"));
        assert_eq!((&*tags.campaign, &*tags.term, &*tags.content), ("may", "", ""));
        assert!(tags.are_there() && !Tags::of("a=1&utm_odd=1").are_there());
    }

    #[test]
    fn a_click_is_told_by_its_parameter_if_that_has_a_value() {
        let clicks = Clicks::new();
        let kind = |query: &str| clicks.of(query).map(|click| (click.kind, click.is_paid));
        assert_eq!(kind("q=1&gclid=abc"), Some(("gclid", true)));
        assert_eq!(kind("fbclid=x"), Some(("fbclid", false)));
        assert_eq!(kind("fbclid=x&ttclid=y&gclid=z"), Some(("ttclid", true)));
        assert_eq!(kind("gclid=&gclidx=1&q=gclid"), None);
        assert_eq!(kind(""), None);
    }
}
