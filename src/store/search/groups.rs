//! Which group each document of a segment belongs to.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use tantivy::TantivyError;
use tantivy::columnar::{Column as Values, StrColumn};

use super::buckets::{Buckets, Near};
use super::mix::Mix;
use super::reading::{NONE, numbers};
use super::segment::{Part, Segment};
use crate::store::column::Field;

/// By what events are grouped.
#[derive(Debug, Clone)]
pub enum GroupKey {
    /// By a value.
    Field(Field),
    /// By time.
    Time(Arc<Buckets>),
}

/// One part of what names a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Events without a value.
    None,
    /// A value, as text.
    Text(Box<str>),
    /// A bucket of time, by its number.
    Bucket(u32),
}

/// Groups up to which each possible one has its place from the start.
const DENSE_MAX: usize = 1 << 20;
/// Keys by which events can be grouped at once: their codes share 128 bits.
pub const KEYS_MAX: usize = 4;

/// The groups of one segment, numbered in the order in which they appear.
pub struct Groups {
    keys: Vec<Codes>,
    places: Places,
    /// The codes of each group, one a key.
    found: Vec<u128>,
}

/// From the codes of a document to the number of its group.
enum Places {
    /// There are no keys: everything is one group.
    One,
    /// By the codes as one number, plus one; zero is a group not seen yet.
    Dense(Vec<u32>, Vec<usize>),
    Sparse(HashMap<u128, u32, BuildHasherDefault<Mix>>),
}

/// The values of one key in one segment, as small numbers; zero stands for no value.
enum Codes {
    Time(Values<u64>, Arc<Buckets>, Near),
    Text(StrColumn),
    /// Values that are no text, or not all of them; numbered in the order in which they appear.
    Mixed(Vec<Part>, HashMap<(usize, u64), u32>),
}

impl Groups {
    /// The groups of a segment, none found yet.
    pub fn new(segment: &Segment<'_>, keys: &[GroupKey]) -> Result<Self, TantivyError> {
        let keys: Vec<Codes> = keys
            .iter()
            .map(|key| Codes::new(segment, key))
            .collect::<Result<_, _>>()?;
        let sizes: Option<Vec<usize>> = keys.iter().map(Codes::size).collect();
        let dense = sizes.and_then(|sizes| {
            let all = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
            all.filter(|all| *all <= DENSE_MAX).map(|all| (all, sizes))
        });
        let places = match dense {
            _ if keys.is_empty() => Places::One,
            Some((all, sizes)) => Places::Dense(vec![0; all], sizes),
            None => Places::Sparse(HashMap::default()),
        };
        let found = if keys.is_empty() { vec![0] } else { Vec::new() };
        Ok(Self { keys, places, found })
    }

    /// How many groups were found.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// How many there can be at most, where that is known.
    pub fn most(&self) -> Option<usize> {
        match &self.places {
            Places::One => Some(1),
            Places::Dense(places, _) => Some(places.len()),
            Places::Sparse(_) => None,
        }
    }

    /// The group of each document of a block.
    pub fn of(&mut self, docs: &[u32], into: &mut Vec<u32>) {
        into.clear();
        into.resize(docs.len(), 0);
        if matches!(self.places, Places::One) {
            return;
        }
        if let ([key], Places::Dense(places, _)) = (&mut self.keys[..], &mut self.places) {
            // The usual question, by one key: its codes are the places.
            key.of(docs, into);
            for group in into {
                let Some(place) = places.get_mut(*group as usize) else {
                    continue;
                };
                if *place == 0 {
                    self.found.push(u128::from(*group));
                    *place = u32::try_from(self.found.len()).unwrap_or(u32::MAX);
                }
                *group = *place - 1;
            }
            return;
        }
        let mut all = vec![0u128; docs.len()];
        let mut codes = Vec::with_capacity(docs.len());
        for key in &mut self.keys {
            key.of(docs, &mut codes);
            for (all, code) in all.iter_mut().zip(&codes) {
                *all = *all << 32 | u128::from(*code);
            }
        }
        for (group, codes) in into.iter_mut().zip(all) {
            *group = self.place(codes);
        }
    }

    fn place(&mut self, codes: u128) -> u32 {
        let next = u32::try_from(self.found.len()).unwrap_or(u32::MAX);
        let group = match &mut self.places {
            Places::One => return 0,
            Places::Dense(places, sizes) => {
                let dense = split(codes, sizes.len())
                    .zip(sizes.iter())
                    .fold(0, |dense, (code, size)| dense * size + code as usize);
                let Some(place) = places.get_mut(dense) else { return 0 };
                if *place == 0 {
                    *place = next + 1;
                }
                *place - 1
            }
            Places::Sparse(places) => *places.entry(codes).or_insert(next),
        };
        if group == next {
            self.found.push(codes);
        }
        group
    }

    /// Takes over the groups of another part of the same segment; gives each of its numbers here.
    pub fn absorb(&mut self, other: Self) -> Vec<u32> {
        if self.keys.is_empty() {
            return vec![0];
        }
        let keys = self.keys.len();
        let known: Vec<Option<Vec<u32>>> = self
            .keys
            .iter_mut()
            .zip(other.keys)
            .map(|(ours, theirs)| ours.learn(theirs))
            .collect();
        let translated = other.found.into_iter().map(|codes| {
            let of_key = split(codes, keys).zip(&known).map(|(code, known)| match known {
                None => code,
                Some(known) => known.get(code as usize).copied().unwrap_or(0),
            });
            of_key.fold(0, |all, code| all << 32 | u128::from(code))
        });
        let translated: Vec<u128> = translated.collect();
        translated.into_iter().map(|codes| self.place(codes)).collect()
    }

    /// What names each group, in the order of their numbers.
    pub fn names(&self) -> Result<Vec<Box<[Key]>>, TantivyError> {
        let mut names: Vec<Vec<Key>> = vec![Vec::with_capacity(self.keys.len()); self.found.len()];
        for (place, key) in self.keys.iter().enumerate() {
            let code = |codes: &u128| split(*codes, self.keys.len()).nth(place).unwrap_or(0);
            let mut codes: Vec<u32> = self.found.iter().map(code).collect();
            codes.sort_unstable();
            codes.dedup();
            let shown = key.show(&codes)?;
            for (name, group) in names.iter_mut().zip(&self.found) {
                let shown = codes
                    .binary_search(&code(group))
                    .ok()
                    .and_then(|place| shown.get(place));
                name.push(shown.cloned().unwrap_or(Key::None));
            }
        }
        Ok(names.into_iter().map(Into::into).collect())
    }
}

/// The codes that share a number, first key first.
#[expect(clippy::cast_possible_truncation, reason = "cut to the 32 bits of one code")]
fn split(codes: u128, keys: usize) -> impl Iterator<Item = u32> {
    (0..keys).rev().map(move |place| (codes >> (32 * place)) as u32)
}

impl Codes {
    fn new(segment: &Segment<'_>, key: &GroupKey) -> Result<Self, TantivyError> {
        Ok(match key {
            GroupKey::Time(buckets) => Self::Time(segment.times()?, Arc::clone(buckets), Near::default()),
            GroupKey::Field(field) => {
                let mut parts = segment.parts(field)?;
                match parts.pop() {
                    Some(Part::Text(column)) if parts.is_empty() => Self::Text(column),
                    last => {
                        parts.extend(last);
                        Self::Mixed(parts, HashMap::new())
                    }
                }
            }
        })
    }

    /// The codes of another part of the same segment as codes of ours; `None` where they are the same.
    fn learn(&mut self, other: Self) -> Option<Vec<u32>> {
        let (Self::Mixed(_, ours), Self::Mixed(_, theirs)) = (self, other) else {
            return None;
        };
        let mut learned = vec![0; theirs.len() + 1];
        for (value, code) in theirs {
            let next = u32::try_from(ours.len() + 1).unwrap_or(0);
            let our_code = *ours.entry(value).or_insert(next);
            if let Some(place) = learned.get_mut(code as usize) {
                *place = our_code;
            }
        }
        Some(learned)
    }

    /// How many codes there are, where that is known.
    fn size(&self) -> Option<usize> {
        match self {
            Self::Time(_, buckets, _) => Some(buckets.count() as usize + 1),
            Self::Text(column) => Some(column.num_terms() + 1),
            Self::Mixed(..) => None,
        }
    }

    fn of(&mut self, docs: &[u32], into: &mut Vec<u32>) {
        into.clear();
        match self {
            Self::Time(times, buckets, near) => {
                let mut values = Vec::with_capacity(docs.len());
                numbers(times, docs, &mut values);
                into.extend(values.iter().map(|time| match *time {
                    NONE => 0,
                    time => buckets.of_near(time, near) + 1,
                }));
            }
            Self::Text(column) => {
                let mut values = Vec::with_capacity(docs.len());
                numbers(column.ords(), docs, &mut values);
                // No value becomes zero.
                into.extend(values.iter().map(|ord| u32::try_from(ord.wrapping_add(1)).unwrap_or(0)));
            }
            Self::Mixed(parts, known) => {
                into.resize(docs.len(), 0);
                let mut values = Vec::with_capacity(docs.len());
                for (place, part) in parts.iter().enumerate() {
                    part.bits(docs, &mut values);
                    for (code, bits) in into.iter_mut().zip(&values) {
                        let Some(bits) = bits else { continue };
                        let next = u32::try_from(known.len() + 1).unwrap_or(0);
                        *code = *known.entry((place, *bits)).or_insert(next);
                    }
                }
            }
        }
    }

    /// What codes stand for; they are sorted and each is there once.
    fn show(&self, codes: &[u32]) -> Result<Vec<Key>, TantivyError> {
        match self {
            Self::Time(..) => Ok(codes
                .iter()
                .map(|code| code.checked_sub(1).map_or(Key::None, Key::Bucket))
                .collect()),
            Self::Text(column) => {
                let ords: Vec<u64> = codes
                    .iter()
                    .filter_map(|code| code.checked_sub(1))
                    .map(u64::from)
                    .collect();
                let mut shown = Vec::with_capacity(codes.len());
                shown.resize(codes.len() - ords.len(), Key::None);
                let show = |text: &[u8]| shown.push(Key::Text(String::from_utf8_lossy(text).into()));
                column.dictionary().sorted_ords_to_term_cb(&ords, show)?;
                Ok(shown)
            }
            Self::Mixed(parts, known) => {
                let mut shown = vec![Key::None; codes.len()];
                let mut text = String::new();
                for ((place, bits), code) in known {
                    let Ok(at) = codes.binary_search(code) else { continue };
                    if let (Some(part), Some(shown)) = (parts.get(*place), shown.get_mut(at)) {
                        part.show(*bits, &mut text)?;
                        *shown = Key::Text(text.as_str().into());
                    }
                }
                Ok(shown)
            }
        }
    }
}
