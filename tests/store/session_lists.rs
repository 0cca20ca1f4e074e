//! Lists of visits equal what a slow look at every row gives, in their order, whatever page is asked for.

use std::cmp::Reverse;

use footfall::store::search::{Condition, SessionList};

use super::dice::Dice;
use super::rows::{OwnedRow, SITE};
use super::visits::house;
use super::visits_oracle::{Slow, slowly};

/// Above a visit's first sequence stands the gateway.
const SEQUENCE_BITS: u32 = 45;

/// When a visit began, its number, its length in seconds, and the address that it came from.
type Listed = (u64, u64, u64, String);

fn shown(visit: &Slow, rows: &[OwnedRow]) -> Listed {
    let of: Vec<&OwnedRow> = visit.rows.iter().map(|place| &rows[*place]).collect();
    let first = of.iter().min_by_key(|row| row.time_ms).unwrap();
    let last = of.iter().map(|row| row.time_ms).max().unwrap();
    let address = first.address.map_or_else(String::new, |address| address.to_string());
    let number = 3 << SEQUENCE_BITS | of[0].sequence;
    (first.time_ms, number, (last - first.time_ms) / 1_000, address)
}

#[test]
fn pages_of_visits_are_those_that_a_sort_of_all_of_them_has() {
    let mut listed = 0;
    for seed in 100..103 {
        let (_folder, _stores, snapshot, rows) = house(seed);
        let mut all: Vec<Listed> = slowly(&rows).iter().map(|visit| shown(visit, &rows)).collect();
        all.sort_unstable_by_key(|visit| Reverse((visit.0, visit.1)));
        let mut dice = Dice::new(seed);
        let span = (all.last().unwrap().0, all[0].0 + 1);
        for _ in 0..100 {
            let moment = |dice: &mut Dice| span.0 + dice.below(span.1 - span.0 + 1);
            let (left, right) = (moment(&mut dice), moment(&mut dice));
            let times = match dice.below(3) {
                0 => span.0..span.1,
                _ => left.min(right)..left.max(right),
            };
            let [skip, limit] = [60, 30].map(|most| usize::try_from(dice.below(most)).unwrap());
            let list = SessionList {
                site: SITE,
                times: times.clone(),
                condition: Condition::All,
                skip,
                limit,
            };
            let (total, found) = snapshot.list_sessions(&list).unwrap();
            let meant: Vec<&Listed> = all.iter().filter(|visit| times.contains(&visit.0)).collect();
            let expected: Vec<Listed> = meant
                .iter()
                .skip(skip)
                .take(limit)
                .map(|visit| (*visit).clone())
                .collect();
            let found: Vec<Listed> = found
                .into_iter()
                .map(|session| (session.start_ms, session.number, session.seconds, session.address))
                .collect();
            assert_eq!((total, found), (meant.len() as u64, expected), "seed {seed}, {list:?}");
            listed += meant.len();
        }
    }
    assert!(listed > 10_000, "{listed}");
}
