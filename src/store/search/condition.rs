//! Which events are meant, and which documents of a segment those are.

use std::collections::HashMap;

use regex::Regex;
use tantivy::TantivyError;
use tantivy::columnar::ColumnIndex;

use super::docs::{BLOCK, Docs};
use super::open::Looked;
use super::reading::numbers;
use super::segment::{Part, Segment};
use super::visits::Among;
use crate::store::column::Field;

/// Documents between two looks at the clock.
const PATIENCE: u32 = 4_096;

/// Which events are meant.
#[derive(Debug, Clone)]
pub enum Condition {
    /// All.
    All,
    /// Those whose value is one of some; `None` stands for those without a value.
    Is(Field, Vec<Option<Box<str>>>),
    /// Those whose value contains one of some texts, letter case and all.
    Contains(Field, Vec<Box<str>>),
    /// Those whose value one of some regular expressions matches somewhere.
    Matches(Field, Vec<Regex>),
    /// Those of some visits.
    Among(Among),
    /// Those that meet every one.
    And(Vec<Self>),
    /// Those that meet one at least.
    Or(Vec<Self>),
    /// Those that do not meet it.
    Not(Box<Self>),
}

impl Condition {
    /// The documents within a set that meet the condition.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn within(&self, segment: &Segment<'_>, within: Docs) -> Result<Docs, TantivyError> {
        match self {
            Self::All => Ok(within),
            Self::And(all) => all.iter().try_fold(within, |within, one| one.within(segment, within)),
            Self::Or(any) => {
                let mut met = Docs::none(segment.count());
                for one in any {
                    met.add(&one.within(segment, within.clone())?);
                }
                Ok(met)
            }
            Self::Not(inner) => {
                let met = inner.within(segment, within.clone())?;
                let mut rest = within;
                rest.remove(&met);
                Ok(rest)
            }
            Self::Among(visits) => visits.within(segment, &within),
            Self::Is(field, values) => is(segment, &within, field, values),
            Self::Contains(field, texts) => {
                let holds = |value: &str| texts.iter().any(|text| value.contains(&**text));
                holding(segment, &within, field, holds)
            }
            Self::Matches(field, patterns) => {
                let holds = |value: &str| patterns.iter().any(|pattern| pattern.is_match(value));
                holding(segment, &within, field, holds)
            }
        }
    }
}

impl Condition {
    /// Whether a session that goes on meets the condition.
    pub fn is_met(&self, by: &Looked<'_>) -> bool {
        match self {
            Self::All => true,
            Self::And(all) => all.iter().all(|one| one.is_met(by)),
            Self::Or(any) => any.iter().any(|one| one.is_met(by)),
            Self::Not(inner) => !inner.is_met(by),
            Self::Among(visits) => visits.has(by.number()),
            Self::Is(field, values) => {
                let is = |value: &str| values.iter().any(|one| one.as_deref().unwrap_or_default() == value);
                by.holds(field, is)
            }
            Self::Contains(field, texts) => {
                let contains = |value: &str| !value.is_empty() && texts.iter().any(|text| value.contains(&**text));
                by.holds(field, contains)
            }
            Self::Matches(field, patterns) => {
                let matches = |value: &str| !value.is_empty() && patterns.iter().any(|pattern| pattern.is_match(value));
                by.holds(field, matches)
            }
        }
    }

    /// Whether what it was met by may be kept for the next time: visits are collected anew for every question.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Among(_) => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().all(Self::is_lasting),
            Self::Not(inner) => inner.is_lasting(),
            Self::All | Self::Is(..) | Self::Contains(..) | Self::Matches(..) => true,
        }
    }
}

fn is(segment: &Segment<'_>, within: &Docs, field: &Field, values: &[Option<Box<str>>]) -> Result<Docs, TantivyError> {
    let mut met = Docs::none(segment.count());
    if values.contains(&None) {
        met = within.clone();
        met.remove(&holding(segment, within, field, |_| true)?);
    }
    let named: Vec<&str> = values.iter().flatten().map(|value| &**value).collect();
    let mut unindexed = false;
    for value in &named {
        match segment.term(field, value)? {
            Some(term) => met.add(&segment.with_term(&term)?),
            None => unindexed = true,
        }
    }
    if unindexed {
        met.add(&holding_one_of(segment, within, field, &named)?);
    }
    met.keep(within);
    Ok(met)
}

/// Documents whose value is one of some: text is looked up in the dictionary, which is sorted.
fn holding_one_of(segment: &Segment<'_>, within: &Docs, field: &Field, values: &[&str]) -> Result<Docs, TantivyError> {
    let mut met = Docs::none(segment.count());
    for part in segment.parts(field)? {
        match &part {
            Part::Text(column) => {
                let mut chosen = vec![false; column.num_terms()];
                for value in values {
                    let found = column
                        .dictionary()
                        .term_ord(value)?
                        .and_then(|ord| usize::try_from(ord).ok());
                    if let Some(chosen) = found.and_then(|ord| chosen.get_mut(ord)) {
                        *chosen = true;
                    }
                }
                with_terms(segment, (column.ords(), &chosen), within, &mut met)?;
            }
            _ => with_values(segment, &part, |value| values.contains(&value), (within, &mut met))?,
        }
    }
    Ok(met)
}

/// Documents whose value is such: every different value is looked at once.
pub fn holding(
    segment: &Segment<'_>,
    within: &Docs,
    field: &Field,
    holds: impl Fn(&str) -> bool,
) -> Result<Docs, TantivyError> {
    let mut met = Docs::none(segment.count());
    for part in segment.parts(field)? {
        match &part {
            Part::Text(column) => {
                let mut chosen = Vec::with_capacity(column.num_terms());
                let mut terms = column.dictionary().stream()?;
                while terms.advance() {
                    if chosen.len() % BLOCK == 0 {
                        segment.in_time()?;
                    }
                    chosen.push(str::from_utf8(terms.key()).is_ok_and(&holds));
                }
                with_terms(segment, (column.ords(), &chosen), within, &mut met)?;
            }
            _ => with_values(segment, &part, &holds, (within, &mut met))?,
        }
    }
    Ok(met)
}

fn with_terms(
    segment: &Segment<'_>,
    (ords, chosen): (&tantivy::columnar::Column<u64>, &[bool]),
    within: &Docs,
    met: &mut Docs,
) -> Result<(), TantivyError> {
    if !chosen.contains(&true) {
        return Ok(());
    }
    let is_chosen = |ord: u64| usize::try_from(ord).is_ok_and(|ord| chosen.get(ord) == Some(&true));
    if let ColumnIndex::Optional(index) = &ords.index
        && (index.num_non_nulls() as usize) < within.count() / 2
    {
        // Most have no value: only the others are looked at.
        for (row, doc) in (0u32..).zip(index.iter_non_null_docs()) {
            if row % PATIENCE == 0 {
                segment.in_time()?;
            }
            if segment.range.contains(&doc) && within.contains(doc) && is_chosen(ords.values.get_val(row)) {
                met.insert(doc);
            }
        }
        return Ok(());
    }
    let mut values = Vec::new();
    within.blocks(|docs| {
        segment.in_time()?;
        numbers(ords, docs, &mut values);
        for (doc, ord) in docs.iter().zip(&values) {
            if is_chosen(*ord) {
                met.insert(*doc);
            }
        }
        Ok(())
    })
}

fn with_values(
    segment: &Segment<'_>,
    part: &Part,
    holds: impl Fn(&str) -> bool,
    (within, met): (&Docs, &mut Docs),
) -> Result<(), TantivyError> {
    let mut known: HashMap<u64, bool> = HashMap::new();
    let (mut values, mut text) = (Vec::new(), String::new());
    within.blocks(|docs| {
        segment.in_time()?;
        part.bits(docs, &mut values);
        for (doc, bits) in docs.iter().zip(&values) {
            let Some(bits) = bits else { continue };
            let holds = if let Some(holds) = known.get(bits) {
                *holds
            } else {
                part.show(*bits, &mut text)?;
                *known.entry(*bits).or_insert(holds(&text))
            };
            if holds {
                met.insert(*doc);
            }
        }
        Ok(())
    })
}
