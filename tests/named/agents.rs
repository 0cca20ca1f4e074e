//! User agents.

use std::collections::BTreeMap;

use footfall::enrich::Facts;

use super::{assert_missed, event, rows, told};

const PEOPLE: &str = include_str!("../fixtures/lists/people.tsv");
const MACHINES: &str = include_str!("../fixtures/lists/crawlers.tsv");
/// What docs/enrichment.md refers to.
const PEOPLE_MISSED: &str = include_str!("../fixtures/lists/people.missed.tsv");
const MACHINES_MISSED: &str = include_str!("../fixtures/lists/crawlers.missed.tsv");

#[test]
fn the_most_common_browsers_are_named_right_and_none_is_taken_for_a_machine() {
    let (facts, rows) = (Facts::new(10_000), rows(PEOPLE));
    assert!(rows.len() >= 1_000, "{}", rows.len());
    let mut missed = Vec::new();
    for row in &rows {
        let [user_agent, browser, version, os, device] = row[..] else {
            panic!("{row:?}");
        };
        let told = told(&facts, &event(user_agent, ""));
        let expected = [
            ("browser", browser),
            ("browser_version", version),
            ("os", os),
            ("device", device),
            ("bot_rule", ""),
        ];
        for (name, expected) in expected {
            if told[name] != expected {
                missed.push(format!(
                    "{name}\t{expected}\t{}\t{user_agent}",
                    told[name].as_str().unwrap()
                ));
            }
        }
    }
    assert_missed("people", missed, PEOPLE_MISSED);
}

#[test]
fn every_listed_crawler_is_a_machine_and_named_by_its_rule() {
    let (facts, rows) = (Facts::new(10_000), rows(MACHINES));
    let mut rules: BTreeMap<&str, u32> = BTreeMap::new();
    let mut missed = Vec::new();
    for row in &rows {
        let [rule, user_agent] = row[..] else { panic!("{row:?}") };
        *rules.entry(rule).or_default() += 1;
        let told = told(&facts, &event(user_agent, ""));
        assert_ne!(told["bot_rule"], "", "{user_agent} is taken for people");
        assert_eq!(told["device"], "bot");
        if told["bot_rule"] != rule {
            missed.push(format!("{rule}\t{}\t{user_agent}", told["bot_rule"].as_str().unwrap()));
        }
    }
    assert!(rules.len() >= 1_400, "{}", rules.len());
    assert_missed("machines", missed, MACHINES_MISSED);
}
