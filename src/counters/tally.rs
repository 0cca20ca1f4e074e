//! Totals in memory with their cursor: the rules of a commit, free of any file.

use std::collections::BTreeMap;

use super::{BadReason, Commit, Fault, Fields, TOTAL_LIMIT, Totals, Verdict, key_of};
use crate::event::{CounterHash, Deltas, Sequence};

/// Every total, the sequence they have come to, and which of them changed since they were last persisted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cursor: Sequence,
    hashes: BTreeMap<CounterHash, BTreeMap<Box<str>, Cell>>,
    /// The fields whose cells are dirty, each once.
    dirty: Vec<(CounterHash, Box<str>)>,
}

#[derive(Debug, Default)]
struct Cell {
    total: u64,
    dirty: bool,
}

impl Tally {
    /// Totals that were persisted, and the cursor they belong to.
    pub(super) fn restore(cursor: Sequence, totals: impl IntoIterator<Item = (CounterHash, Box<str>, u64)>) -> Self {
        let mut tally = Self {
            cursor,
            ..Self::default()
        };
        for (hash, field, total) in totals {
            let cell = Cell { total, dirty: false };
            tally.hashes.entry(hash).or_default().insert(field, cell);
        }
        tally
    }

    pub(super) fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// Applies a commit that starts at the cursor, as a whole or not at all.
    pub(super) fn commit(&mut self, commit: Commit<'_>) -> Verdict {
        if self.cursor >= commit.to {
            return Verdict::Duplicate(self.cursor);
        }
        if self.cursor != commit.from {
            return Verdict::Gap(self.cursor);
        }
        match self.add_up(commit.deltas) {
            Ok(totals) => {
                self.write(&totals);
                self.cursor = commit.to;
                Verdict::Applied(totals)
            }
            Err(reason) => Verdict::Bad(reason),
        }
    }

    /// The totals of one hash.
    pub(super) fn totals(&self, hash: &CounterHash) -> Fields {
        let cells = self.hashes.get(hash).into_iter().flatten();
        cells.map(|(field, cell)| (field.clone(), cell.total)).collect()
    }

    /// All totals as one set of changes to counters that know nothing.
    pub(super) fn whole(&self) -> Deltas {
        let mut deltas = Deltas::default();
        for (hash, cells) in &self.hashes {
            for (field, cell) in cells {
                deltas.add(*hash, field, cell.total);
            }
        }
        deltas
    }

    /// The totals that changed since the last [`Tally::clean`].
    pub(super) fn dirty(&self) -> impl Iterator<Item = (&CounterHash, &str, u64)> {
        self.dirty.iter().filter_map(|(hash, field)| {
            let cell = self.hashes.get(hash)?.get(field)?;
            Some((hash, field.as_ref(), cell.total))
        })
    }

    /// What was dirty is persisted now.
    pub(super) fn clean(&mut self) {
        for (hash, field) in self.dirty.drain(..) {
            if let Some(cell) = self.hashes.get_mut(&hash).and_then(|cells| cells.get_mut(&field)) {
                cell.dirty = false;
            }
        }
    }

    /// The new totals, without changing anything yet: a commit that fails must leave no trace.
    fn add_up(&self, deltas: &Deltas) -> Result<Totals, BadReason> {
        let mut totals = Totals::default();
        for (hash, amounts) in deltas.iter() {
            let cells = self.hashes.get(hash);
            let mut fields = Fields::new();
            for (field, amount) in amounts {
                let old = cells.and_then(|cells| cells.get(field)).map_or(0, |cell| cell.total);
                let total = old.checked_add(*amount).filter(|total| *total < TOTAL_LIMIT);
                let total = total.ok_or_else(|| BadReason {
                    key: key_of(hash).into(),
                    field: field.clone(),
                    fault: Fault::Limit,
                })?;
                fields.insert(field.clone(), total);
            }
            totals.insert(*hash, fields);
        }
        Ok(totals)
    }

    fn write(&mut self, totals: &Totals) {
        for (hash, fields) in totals.iter() {
            let cells = self.hashes.entry(*hash).or_default();
            for (field, total) in fields {
                let cell = match cells.get_mut(field) {
                    Some(cell) => cell,
                    None => cells.entry(field.clone()).or_default(),
                };
                cell.total = *total;
                if !cell.dirty {
                    cell.dirty = true;
                    self.dirty.push((*hash, field.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Family, SiteId};

    const FIELDS: [&str; 4] = ["cy", "gb", "us", "xx"];

    fn hash(number: usize) -> CounterHash {
        CounterHash {
            site: SiteId([u8::from(number >= 2); 16]),
            family: Family::ALL[number % 2],
        }
    }

    fn deltas(changes: &[(usize, usize, u64)]) -> Deltas {
        let mut deltas = Deltas::default();
        for (number, field, amount) in changes {
            deltas.add(hash(*number), FIELDS[*field], *amount);
        }
        deltas
    }

    proptest! {
        /// Commits start at the cursor, before it or after it; only the first kind may change anything.
        #[test]
        fn random_commits_leave_what_a_naive_map_has(
            commits in vec((0..12_u64, 1..5_u64, vec((0..4_usize, 0..4_usize, 0..1_u64 << 51), 0..6)), 0..60)
        ) {
            let mut tally = Tally::default();
            let mut naive = BTreeMap::<(CounterHash, &str), u64>::new();
            let mut cursor = 0;
            for (start, length, changes) in commits {
                let from = if start < 8 { cursor } else { (cursor + start).saturating_sub(10) };
                let to = from + length;
                let changes_of_commit = deltas(&changes);
                let verdict = tally.commit(Commit { from: Sequence(from), to: Sequence(to), deltas: &changes_of_commit });
                let mut next = naive.clone();
                for (number, field, amount) in &changes {
                    *next.entry((hash(*number), FIELDS[*field])).or_default() += amount;
                }
                if cursor >= to {
                    prop_assert_eq!(verdict, Verdict::Duplicate(Sequence(cursor)));
                } else if cursor != from {
                    prop_assert_eq!(verdict, Verdict::Gap(Sequence(cursor)));
                } else if next.values().any(|total| *total >= TOTAL_LIMIT) {
                    let refused = matches!(verdict, Verdict::Bad(BadReason { fault: Fault::Limit, .. }));
                    prop_assert!(refused);
                } else {
                    let Verdict::Applied(totals) = verdict else { panic!("{verdict:?}") };
                    for (number, field, _) in &changes {
                        let key = (hash(*number), FIELDS[*field]);
                        prop_assert_eq!(totals.get(&key.0, key.1), next.get(&key).copied());
                    }
                    naive = next;
                    cursor = to;
                }
                prop_assert_eq!(tally.cursor(), Sequence(cursor));
                let whole = tally.whole();
                let kept: usize = (0..4).map(|number| tally.totals(&hash(number)).len()).sum();
                prop_assert_eq!(kept, naive.len());
                for ((hash, field), total) in &naive {
                    prop_assert_eq!(whole.get(hash, field), *total);
                }
            }
        }
    }

    #[test]
    fn a_field_is_dirty_once_until_it_is_clean() {
        let mut tally = Tally::default();
        let change = deltas(&[(0, 1, 5)]);
        for sequence in 0..3 {
            let (from, to) = (Sequence(sequence), Sequence(sequence + 1));
            let verdict = tally.commit(Commit {
                from,
                to,
                deltas: &change,
            });
            assert!(matches!(verdict, Verdict::Applied(_)));
        }
        assert_eq!(tally.dirty().collect::<Vec<_>>(), [(&hash(0), "gb", 15)]);
        tally.clean();
        assert_eq!(tally.dirty().count(), 0);
    }
}
