//! What is told from a journaled event: who shows the page on what, and who sent the visitor.

use std::borrow::Cow;
use std::sync::Arc;

use super::agents::{Agent, Agents};
use super::before::Before;
use super::bots::LIBRARY;
use super::channel::{Way, channel};
use super::device::Device;
use super::referrers::{Group, Referrers};
use super::tags::{Clicks, Tags};
use crate::event::{Event, Row, Sequence};

/// What begins the name of the rule by which a machine is told by its address.
const NETWORK: &str = "network:";

/// Tells from journaled events what nobody said in so many words.
pub struct Facts {
    agents: Agents,
    clicks: Clicks,
    referrers: Referrers,
}

/// What is told from one event.
#[derive(Debug)]
pub struct Told<'a> {
    agent: Arc<Agent>,
    device: Device,
    bot_rule: String,
    tags: Tags<'a>,
    click_id: &'static str,
    source: Cow<'a, str>,
    group: Option<Group>,
    channel: &'static str,
}

impl Facts {
    /// Remembers the meaning of so many user agents.
    pub fn new(user_agents_max: usize) -> Self {
        Self {
            agents: Agents::new(user_agents_max),
            clicks: Clicks::new(),
            referrers: Referrers::new(),
        }
    }

    /// What is told from an event.
    pub fn of<'a>(&self, event: &Event<'a>) -> Told<'a> {
        let agent = self.agents.of(event.user_agent);
        let (device, bot_rule) = machine(&agent, event);
        let (tags, click) = (Tags::of(event.query), self.clicks.of(event.query));
        let before = Before::of(event.referrer).filter(|before| !before.is_of(event.host));
        let by_tag = Some(&*tags.source).filter(|name| !name.is_empty());
        let by_tag = by_tag.and_then(|name| self.referrers.named(name));
        let by_page = before.as_ref().and_then(|before| self.referrers.of(before));
        let source = match (&*tags.source, &before, click) {
            ("", Some(before), _) => by_page.map_or_else(|| before.domain(), |known| known.name.into()),
            ("", None, Some(click)) => click.source.into(),
            ("", None, None) => "".into(),
            _ => by_tag.map_or_else(|| tags.source.clone(), |known| known.name.into()),
        };
        // A tag that names nobody known hides neither the page nor the click.
        let of_click = click.map(|click| click.group);
        let group = by_tag.or(by_page).map(|known| known.group).or(of_click);
        let is_sent = before.is_some() || click.is_some() || tags.are_there();
        let way = Way {
            group,
            medium: &tags.medium,
            campaign: &tags.campaign,
            source: &tags.source,
            is_paid: click.is_some_and(|click| click.is_paid),
            is_sent,
        };
        // One page of a site leads to another: nobody came.
        let is_inside = !is_sent && !event.referrer.is_empty();
        Told {
            channel: if is_inside { "" } else { channel(&way) },
            click_id: click.map_or("", |click| click.kind),
            agent,
            device,
            bot_rule,
            tags,
            source,
            group,
        }
    }

    /// Lets go of what is needed for new texts only, until one comes.
    pub fn rest(&self) {
        self.agents.rest();
    }
}

/// The class of the device, and the rule by which it is a machine's; empty if it is none. Who shows a write key and names
/// itself a library is the site's own server.
fn machine(agent: &Agent, event: &Event<'_>) -> (Device, String) {
    if agent.bot_rule.starts_with(LIBRARY) && event.has_key {
        return (Device::Unknown, String::new());
    }
    let rule = match (&*agent.bot_rule, event.network) {
        ("", "") => String::new(),
        ("", network) => format!("{NETWORK}{network}"),
        (rule, _) => rule.to_owned(),
    };
    (agent.device, rule)
}

impl Told<'_> {
    /// The row of an event that this was told from.
    pub fn row<'b>(&'b self, sequence: Sequence, event: Event<'b>) -> Row<'b> {
        Row {
            browser: &self.agent.browser,
            browser_version: &self.agent.browser_version,
            os: &self.agent.os,
            device: self.device.name(),
            bot_rule: &self.bot_rule,
            source: &self.source,
            referrer_group: self.group.map_or("", Group::name),
            channel: self.channel,
            click_id: self.click_id,
            utm_source: &self.tags.source,
            utm_medium: &self.tags.medium,
            utm_campaign: &self.tags.campaign,
            utm_term: &self.tags.term,
            utm_content: &self.tags.content,
            ..Row::new(sequence, event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, SiteId};

    fn event<'a>(query: &'a str, referrer: &'a str) -> Event<'a> {
        Event {
            host: "www.shop.example",
            query,
            referrer,
            ..Event::new(SiteId::DEFAULT, "view", EventId::Client(b"a"), 1)
        }
    }

    #[test]
    fn the_source_is_the_tag_else_the_page_before_else_the_click() {
        let facts = Facts::new(10);
        for (query, referrer, source, group, channel) in [
            ("", "", "", "", "Direct"),
            ("a=utm", "https://shop.example/a", "", "", ""),
            ("", "https://blog.shop.example/a", "", "", ""),
            ("", "https://www.google.com/", "Google", "search", "Organic Search"),
            ("gclid=1", "https://www.google.com/", "Google", "search", "Paid Search"),
            ("gclid=1", "", "Google", "search", "Paid Search"),
            (
                "fbclid=1",
                "https://l.facebook.com/",
                "Facebook",
                "social",
                "Organic Social",
            ),
            (
                "utm_source=google&utm_medium=cpc",
                "",
                "Google",
                "search",
                "Paid Search",
            ),
            (
                "utm_source=Spring%20mail&utm_medium=email",
                "",
                "Spring mail",
                "",
                "Email",
            ),
            (
                "utm_source=partner-x",
                "https://www.bing.com/",
                "partner-x",
                "search",
                "Organic Search",
            ),
            ("", "https://some.blog.example/post", "blog.example", "", "Referral"),
            ("utm_source=chatgpt.com", "", "ChatGPT", "ai", "AI Assistants"),
            (
                "irclickid=1",
                "https://deals.example/",
                "deals.example",
                "affiliate",
                "Affiliates",
            ),
            ("utm_medium=leaflet", "https://shop.example/", "", "", "Other"),
            ("", "nonsense", "", "", ""),
        ] {
            let event = event(query, referrer);
            let told = facts.of(&event);
            let row = told.row(Sequence(3), event);
            assert_eq!(
                (row.source, row.referrer_group, row.channel),
                (source, group, channel),
                "{query} {referrer}"
            );
            assert_eq!((row.sequence, row.event), (Sequence(3), event));
        }
    }

    #[test]
    fn a_machine_is_named_by_what_it_says_or_by_its_network() {
        let facts = Facts::new(10);
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        for (user_agent, network, has_key, rule, device) in [
            (chrome, "", false, "", "desktop"),
            (chrome, "aws", false, "network:aws", "desktop"),
            ("Googlebot/2.1", "aws", false, "search-engine:Googlebot", "bot"),
            ("Googlebot/2.1", "", true, "search-engine:Googlebot", "bot"),
            ("python-requests/2.32", "", false, "http-library:python-requests", "bot"),
            ("python-requests/2.32", "aws", true, "", ""),
            ("", "", false, "", ""),
        ] {
            let event = Event {
                user_agent,
                network,
                has_key,
                ..event("", "")
            };
            let told = facts.of(&event);
            let row = told.row(Sequence(1), event);
            assert_eq!((row.bot_rule, row.device), (rule, device), "{user_agent} {network}");
        }
    }
}
