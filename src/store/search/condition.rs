//! Which events are meant, and which documents of a segment those are.

use std::collections::HashMap;

use regex::Regex;
use tantivy::TantivyError;

use super::docs::Docs;
use super::segment::{Part, Segment, firsts};
use crate::store::column::Field;

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
                with_terms(column.ords(), &chosen, within, &mut met)?;
            }
            _ => with_values(&part, |value| values.contains(&value), within, &mut met)?,
        }
    }
    Ok(met)
}

/// Documents whose value is such: every different value is looked at once.
fn holding(
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
                    chosen.push(str::from_utf8(terms.key()).is_ok_and(&holds));
                }
                with_terms(column.ords(), &chosen, within, &mut met)?;
            }
            _ => with_values(&part, &holds, within, &mut met)?,
        }
    }
    Ok(met)
}

fn with_terms(
    ords: &tantivy::columnar::Column<u64>,
    chosen: &[bool],
    within: &Docs,
    met: &mut Docs,
) -> Result<(), TantivyError> {
    if !chosen.contains(&true) {
        return Ok(());
    }
    let is_chosen = |ord: u64| usize::try_from(ord).is_ok_and(|ord| chosen.get(ord) == Some(&true));
    let mut values = Vec::new();
    within.blocks(|docs| {
        firsts(ords, docs, &mut values);
        for (doc, ord) in docs.iter().zip(&values) {
            if ord.is_some_and(is_chosen) {
                met.insert(*doc);
            }
        }
        Ok(())
    })
}

fn with_values(part: &Part, holds: impl Fn(&str) -> bool, within: &Docs, met: &mut Docs) -> Result<(), TantivyError> {
    let mut known: HashMap<u64, bool> = HashMap::new();
    let (mut values, mut text) = (Vec::new(), String::new());
    within.blocks(|docs| {
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
