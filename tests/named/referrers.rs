//! Pages that send visitors.

use std::collections::BTreeMap;

use footfall::enrich::Facts;

use super::{assert_missed, event, rows, told};

const PAGES: &str = include_str!("../fixtures/lists/referrers.tsv");
const MISSED: &str = include_str!("../fixtures/lists/referrers.missed.tsv");

const CHANNELS: [(&str, &str); 6] = [
    ("search", "Organic Search"),
    ("social", "Organic Social"),
    ("video", "Organic Video"),
    ("shopping", "Organic Shopping"),
    ("ai", "AI Assistants"),
    ("email", "Email"),
];

#[test]
fn two_hundred_pages_of_each_group_are_named_right_and_have_its_channel() {
    let (facts, mut missed) = (Facts::new(10), Vec::new());
    let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
    for row in rows(PAGES) {
        let [page, name, group] = row[..] else {
            panic!("{row:?}")
        };
        *groups.entry(group).or_default() += 1;
        let told = told(&facts, &event("", page));
        let (source, of) = (
            told["source"].as_str().unwrap(),
            told["referrer_group"].as_str().unwrap(),
        );
        if (source, of) == (name, group) {
            let channel = CHANNELS.iter().find(|(known, _)| *known == group).unwrap().1;
            assert_eq!(told["channel"], channel, "{page}");
        } else {
            missed.push(format!("{page}\t{name}\t{group}\t{source}\t{of}"));
        }
    }
    for (group, _) in CHANNELS {
        assert!(groups[group] >= 200, "{group}: {}", groups[group]);
    }
    assert_missed("pages", missed, MISSED);
}

#[test]
fn pages_that_nobody_lists_are_referrals_by_their_domain() {
    let facts = Facts::new(10);
    for (page, source) in [
        ("https://www.some-blog.co.uk/post", "some-blog.co.uk"),
        ("https://docs.google.com/document/d/1", "google.com"),
        ("https://a.b.c.example.org/", "example.org"),
        ("https://somebody.github.io/a", "somebody.github.io"),
    ] {
        let told = told(&facts, &event("", page));
        let is = ["source", "referrer_group", "channel"].map(|name| told[name].as_str().unwrap().to_owned());
        assert_eq!(is, [source, "", "Referral"], "{page}");
    }
}
