//! Lists of events, newest first.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::Range;

use tantivy::columnar::Column as Values;
use tantivy::schema::{Schema, Value};
use tantivy::store::StoreReader;
use tantivy::{TantivyDocument, TantivyError};

use super::condition::Condition;
use super::reading::numbers;
use super::segment::{Part, Segment};
use super::{Of, meant};
use crate::event::{Sequence, SiteId};
use crate::store::StoreError;
use crate::store::column::{Column, Field};
use crate::store::document;
use crate::store::library::Snapshot;
use crate::store::schema::{ID, SENT_ITEMS, SENT_PROPERTIES};

/// A question about single events.
#[derive(Debug, Clone)]
pub struct List {
    /// Whose events.
    pub site: SiteId,
    /// When they happened, in milliseconds since 1970.
    pub times: Range<u64>,
    /// Which of them.
    pub condition: Condition,
    /// Only those that come after this one in the list.
    pub after: Option<Position>,
    /// How many at most.
    pub limit: usize,
}

/// Where an event stands in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When it happened, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its place in the log, which tells apart what happened at the same time.
    pub sequence: Sequence,
}

/// An event as the store gives it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where it stands.
    pub position: Position,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: u64,
    /// The client's id, or a UUID that the gateway gave.
    pub id: String,
    /// What its columns hold, as text; columns without a value are not there.
    pub columns: BTreeMap<Column, String>,
    /// A JSON object as sent, or nothing.
    pub properties: Vec<u8>,
    /// A JSON array as sent, or nothing.
    pub items: Vec<u8>,
}

/// An event that may be among the listed, and where it lies.
type Candidate = (Position, usize, u32);

impl Snapshot {
    /// Lists events, the newest first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn list(&self, list: &List) -> Result<Vec<StoredEvent>, StoreError> {
        let mut work = self.segments(Of::Events, &list.times);
        // The newest month first: what lies in older ones often need not be looked at.
        work.reverse();
        let mut best = BinaryHeap::new();
        for (place, (month, reader)) in work.iter().enumerate() {
            let floor = worst(&best, list.limit).map(|position| position.time_ms);
            if floor.is_none_or(|floor| month.times().end > floor) {
                self.guarded(*month, || {
                    candidates(list, &self.segment(reader, 0..reader.max_doc()), place, &mut best)
                })?;
            }
        }
        let mut loaders: HashMap<usize, Loader> = HashMap::new();
        let mut listed = Vec::with_capacity(best.len());
        for Reverse((position, place, doc)) in best.into_sorted_vec() {
            let Some((month, reader)) = work.get(place) else {
                continue;
            };
            listed.push(self.guarded(*month, || {
                let loader = match loaders.entry(place) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(Loader::new(&self.segment(reader, 0..reader.max_doc()))?),
                };
                loader.load(doc, position)
            })?);
        }
        Ok(listed)
    }
}

/// The last one that would be listed if there were nothing more.
fn worst(best: &BinaryHeap<Reverse<Candidate>>, limit: usize) -> Option<Position> {
    best.peek()
        .filter(|_| best.len() >= limit)
        .map(|Reverse((position, ..))| *position)
}

fn candidates(
    list: &List,
    segment: &Segment<'_>,
    place: usize,
    best: &mut BinaryHeap<Reverse<Candidate>>,
) -> Result<(), TantivyError> {
    let times = segment.times()?;
    if worst(best, list.limit).is_some_and(|worst| times.max_value() < worst.time_ms) {
        return Ok(());
    }
    let Some(docs) = meant(segment, list.site, &list.times, &list.condition)? else {
        return Ok(());
    };
    let sequences = segment.sequences()?;
    let mut values = Vec::new();
    docs.blocks(|block| {
        segment.in_time()?;
        numbers(&times, block, &mut values);
        for (doc, time_ms) in block.iter().zip(&values) {
            let time_ms = *time_ms;
            if worst(best, list.limit).is_some_and(|worst| time_ms < worst.time_ms) {
                continue;
            }
            let sequence = Sequence(sequences.first(*doc).unwrap_or(0));
            let position = Position { time_ms, sequence };
            if list.after.is_some_and(|after| position >= after) {
                continue;
            }
            best.push(Reverse((position, place, *doc)));
            if best.len() > list.limit {
                best.pop();
            }
        }
        Ok(())
    })
}

/// Gives events of a segment back; opening its columns takes longer than reading a row.
struct Loader {
    columns: Vec<(Column, Part)>,
    lags: Values<i64>,
    kept: StoreReader,
    schema: Schema,
}

/// Blocks of what is only returned that are kept unpacked.
const BLOCKS_MAX: usize = 8;

impl Loader {
    fn new(segment: &Segment<'_>) -> Result<Self, TantivyError> {
        let mut columns = Vec::new();
        for column in Column::all() {
            let parts = segment.parts(&Field::Column(column))?;
            columns.extend(parts.into_iter().map(|part| (column, part)));
        }
        Ok(Self {
            columns,
            lags: segment.lags()?,
            kept: segment.reader.get_store_reader(BLOCKS_MAX)?,
            schema: segment.reader.schema().clone(),
        })
    }

    fn load(&self, doc: u32, position: Position) -> Result<StoredEvent, TantivyError> {
        let mut columns = BTreeMap::new();
        let mut bits = Vec::new();
        for (column, part) in &self.columns {
            part.bits(&[doc], &mut bits);
            if let Some(Some(bits)) = bits.first() {
                let mut text = String::new();
                part.show(*bits, &mut text)?;
                columns.insert(*column, text);
            }
        }
        let kept: TantivyDocument = self.kept.get(doc)?;
        let bytes = |name: &str| -> Result<Vec<u8>, TantivyError> {
            let value = kept.get_first(self.schema.get_field(name)?);
            Ok(value
                .and_then(|value| value.as_bytes().map(<[u8]>::to_vec))
                .unwrap_or_default())
        };
        let lag = self.lags.first(doc).unwrap_or(0);
        Ok(StoredEvent {
            position,
            received_ms: position.time_ms.wrapping_add_signed(lag),
            id: document::shown_id(&bytes(ID)?),
            columns,
            properties: bytes(SENT_PROPERTIES)?,
            items: bytes(SENT_ITEMS)?,
        })
    }
}
