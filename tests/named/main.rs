//! What published lists say, and what is made of it: user agents of people and of machines, pages that send visitors.

mod agents;
mod referrers;

use footfall::enrich::Facts;
use footfall::event::{Event, EventId, Sequence, SiteId};
use serde_json::{Value, json};

/// What is told of an event, as its columns are called.
fn told(facts: &Facts, event: &Event<'_>) -> Value {
    let told = facts.of(event);
    let row = told.row(Sequence(1), *event);
    json!({
        "browser": row.browser, "browser_version": row.browser_version, "os": row.os, "device": row.device,
        "bot_rule": row.bot_rule, "source": row.source, "referrer_group": row.referrer_group, "channel": row.channel,
    })
}

fn event<'a>(user_agent: &'a str, referrer: &'a str) -> Event<'a> {
    Event {
        host: "shop.example",
        user_agent,
        referrer,
        ..Event::new(SiteId::DEFAULT, "page_view", EventId::Client(b"a"), 1)
    }
}

/// The lines of a list, cut into columns.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect()).collect()
}

/// Fails unless what is missed is exactly what docs/enrichment.md says is missed.
#[track_caller]
fn assert_missed(what: &str, mut missed: Vec<String>, listed: &str) {
    let mut known: Vec<String> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(Into::into)
        .collect();
    missed.sort();
    missed.dedup();
    known.sort();
    let new: Vec<&String> = missed.iter().filter(|one| !known.contains(one)).collect();
    let gone: Vec<&String> = known.iter().filter(|one| !missed.contains(one)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{what}: {} missed that are not listed: {new:#?}\n{} listed that are right: {gone:#?}",
        new.len(),
        gone.len()
    );
}
