//! Sessions that go on: few, and known by heart, so each is looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::distinct::{Distinct, exact_max};
use super::groups::{GroupKey, Key};
use super::hashes::HashCache;
use super::measure::{Edge, Sum, What};
use super::partials::Partial;
use super::{Condition, Search};
use crate::event::{Row, Session};
use crate::store::column::{Column, Field, Kind};
use crate::store::document;

/// A session with what is asked of it, column by column.
pub struct Looked<'a> {
    session: &'a Session,
    row: Row<'a>,
}

/// One figure of one group, while it grows.
enum Growing {
    Count(u64),
    Whole(i128),
    Distinct(BTreeSet<u64>),
    Edge(Edge, Option<u64>),
}

impl<'a> Looked<'a> {
    /// A session that goes on.
    pub fn at(session: &'a Session) -> Self {
        let row = session.row();
        Self { session, row }
    }

    /// Whether its value of a field holds, as text, empty if it has none.
    pub fn holds(&self, field: &Field, holds: impl Fn(&str) -> bool) -> bool {
        let mut held = false;
        self.value(field, &mut |value| held = holds(value));
        held
    }

    /// Hands over its value of a field as text, empty if it has none.
    fn value(&self, field: &Field, take: &mut dyn FnMut(&str)) {
        let mut made = String::new();
        match field {
            Field::Column(column) if column.kind() == Kind::Number => match self.number_of(field) {
                Some(number) => take(&number.to_string()),
                None => take(""),
            },
            Field::Column(column) => take(document::session_text(self.session, &self.row, *column, &mut made)),
            Field::Property(_) => take(""),
        }
    }

    /// Its number.
    pub const fn number(&self) -> u64 {
        self.session.number
    }

    /// Whether it meets a condition.
    pub fn meets(&self, condition: &Condition) -> bool {
        condition.is_met(self)
    }

    fn number_of(&self, field: &Field) -> Option<i64> {
        match field {
            Field::Column(Column::Revenue) | Field::Property(_) => None,
            Field::Column(column) => {
                (column.kind() == Kind::Number).then(|| document::session_number(self.session, *column))
            }
        }
    }

    fn key(&self, key: &GroupKey) -> Key {
        match key {
            GroupKey::Time(buckets) => Key::Bucket(buckets.of(self.session.start_ms)),
            GroupKey::Field(field) => {
                let mut key = Key::None;
                self.value(field, &mut |value| {
                    if !value.is_empty() {
                        key = Key::Text(value.into());
                    }
                });
                key
            }
        }
    }

    fn add_to(&self, what: &What, growing: &mut Growing, hashes: &HashCache) {
        match (what, growing) {
            (What::Events, Growing::Count(count)) => *count += 1,
            (What::Count(field), Growing::Count(count)) => *count += u64::from(self.number_of(field).is_some()),
            (What::Sum(field), Growing::Whole(sum)) => *sum += self.number_of(field).map_or(0, i128::from),
            (What::Distinct(column) | What::DistinctOver(column, _), Growing::Distinct(known)) => {
                self.value(&(*column).into(), &mut |value| {
                    if !value.is_empty() {
                        known.insert(hashes.hash(value));
                    }
                });
            }
            (What::Edge(_), Growing::Edge(edge, time)) => *time = edge.of(*time, Some(self.session.start_ms)),
            _ => {}
        }
    }
}

/// Counts what is meant of the sessions that go on, as if they were a segment.
pub fn count(search: &Search, open: &[Arc<Session>], hashes: &HashCache) -> Partial {
    let mut groups: HashMap<Box<[Key]>, Vec<Growing>> = HashMap::new();
    let mut left_out = 0;
    for session in open {
        if session.site != search.site || !search.times.contains(&session.start_ms) {
            continue;
        }
        let looked = Looked::at(session);
        if !looked.meets(&search.condition) {
            continue;
        }
        if search.people_only && !looked.row.bot_rule.is_empty() {
            left_out += 1;
            continue;
        }
        let keys = search.keys.iter().map(|key| looked.key(key)).collect();
        let empty = || search.measures.iter().map(|measure| growing(&measure.what)).collect();
        let group = groups.entry(keys).or_insert_with(empty);
        for (measure, growing) in search.measures.iter().zip(group) {
            if looked.meets(&measure.only) {
                looked.add_to(&measure.what, growing, hashes);
            }
        }
    }
    partial(search, groups, left_out)
}

const fn growing(what: &What) -> Growing {
    match what {
        What::Events | What::Count(_) => Growing::Count(0),
        What::Sum(_) => Growing::Whole(0),
        What::Distinct(_) | What::DistinctOver(..) => Growing::Distinct(BTreeSet::new()),
        What::Edge(edge) => Growing::Edge(*edge, None),
    }
}

fn partial(search: &Search, groups: HashMap<Box<[Key]>, Vec<Growing>>, left_out: u64) -> Partial {
    let most = exact_max(groups.len());
    let mut sums: Vec<Vec<Sum>> = search
        .measures
        .iter()
        .map(|_| Vec::with_capacity(groups.len()))
        .collect();
    let mut names = Vec::with_capacity(groups.len());
    for (name, figures) in groups {
        names.push(name);
        for (sums, growing) in sums.iter_mut().zip(figures) {
            sums.push(match growing {
                Growing::Count(count) => Sum::Count(count),
                Growing::Whole(whole) => Sum::Numbers(whole, 0.0, false),
                Growing::Edge(edge, time) => Sum::Edge(edge, time),
                Growing::Distinct(hashes) => {
                    Sum::Distinct(Distinct::of(hashes.into_iter().collect::<Vec<_>>().into_iter(), most))
                }
            });
        }
    }
    Partial { names, sums, left_out }
}
