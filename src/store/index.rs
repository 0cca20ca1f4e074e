//! The index of one month.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, UserOperation};
use tantivy::query::{BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyError, Term};

use super::checking::{Look, check};
use super::column::Column;
use super::month::Month;
use super::properties::PropertyPaths;
use super::schema::{Fields, PROPERTIES};
use super::{StoreLimits, document};
use crate::event::{Erasure, Row, Sequence, Session};

/// A segment with more erased rows than this is written anew without them; nobody sees them in either case.
const ERASED_RATIO: f32 = 0.05;
/// What a commit's note begins with.
const NOTE: &str = "up to ";
/// Documents handed over together; ten thousand times as many may wait to be indexed.
const TOGETHER: usize = 4;

/// The index of one month, which can always be read, and be written to while it has a writer.
pub struct MonthIndex {
    /// When its events happened.
    pub month: Month,
    /// Its folder.
    pub path: PathBuf,
    /// Everything of this month up to here is durably in the index.
    pub committed: Sequence,
    index: Index,
    reader: IndexReader,
    writer: Option<OpenWriter>,
    fields: Arc<Fields>,
    limits: StoreLimits,
}

/// What all indexes have in common.
pub struct Shape {
    /// Their fields.
    pub fields: Arc<Fields>,
    /// What they may use.
    pub limits: StoreLimits,
}

/// What becomes a document.
pub enum Record<'a> {
    /// An event.
    Event(&'a Row<'a>),
    /// A session that is over.
    Session(&'a Session),
}

/// What costs memory and threads.
struct OpenWriter {
    writer: IndexWriter,
    paths: PropertyPaths,
    /// Documents that are handed over together: each hand-over costs a wake-up.
    pending: Vec<UserOperation>,
    /// Whether anything was written since the last commit.
    dirty: bool,
    /// When it was last used, as a count.
    used: u64,
}

impl OpenWriter {
    fn hand_over(&mut self) -> Result<(), TantivyError> {
        if !self.pending.is_empty() {
            let batch = std::mem::replace(&mut self.pending, Vec::with_capacity(TOGETHER));
            self.writer.run(batch)?;
        }
        Ok(())
    }
}

impl MonthIndex {
    /// Begins an index in an empty folder.
    pub fn begin(path: &Path, month: Month, shape: &Shape) -> Result<Self, TantivyError> {
        let builder = Index::builder().schema(shape.fields.schema.clone());
        let builder = builder.settings(settings());
        Self::with(path, month, builder.create_in_dir(path)?, shape)
    }

    /// Opens an index after a look at it: after a thorough one, what is damaged is found now, and not by a reader that
    /// trips.
    pub fn open(path: &Path, month: Month, shape: &Shape, look: Look) -> Result<Self, TantivyError> {
        let index = Index::open_in_dir(path)?;
        if look == Look::Thorough {
            check(&index, &mut || true)?;
        }
        if index.schema() != shape.fields.schema {
            let what = "the index has other columns; it was made by another version";
            return Err(TantivyError::SchemaError(what.into()));
        }
        Self::with(path, month, index, shape)
    }

    fn with(path: &Path, month: Month, index: Index, shape: &Shape) -> Result<Self, TantivyError> {
        let committed = committed(&index)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self {
            month,
            path: path.into(),
            committed,
            index,
            reader,
            writer: None,
            fields: Arc::clone(&shape.fields),
            limits: shape.limits,
        })
    }

    /// Whether every file has the checksum it was written with; reads all of them.
    pub fn check(&self) -> Result<(), TantivyError> {
        check(&self.index, &mut || true)
    }

    /// Who reads it.
    pub fn reader(&self) -> IndexReader {
        self.reader.clone()
    }

    /// When its writer was last used; `None` if it has none.
    pub fn last_used(&self) -> Option<u64> {
        self.writer.as_ref().map(|open| open.used)
    }

    /// Adds an event or a session; visible and safe with the next commit. `now` counts uses of writers.
    pub fn append(&mut self, record: &Record<'_>, now: u64) -> Result<(), TantivyError> {
        let fields = Arc::clone(&self.fields);
        let open = self.open_writer(now)?;
        let document = match record {
            Record::Event(row) => document::of_row(&fields, row, &mut open.paths),
            Record::Session(session) => document::of_session(&fields, session),
        };
        open.pending.push(UserOperation::Add(document));
        if open.pending.len() >= TOGETHER {
            open.hand_over()?;
        }
        Ok(())
    }

    /// Deletes what was added before and matches; gone with the next commit. `now` counts uses of writers.
    pub fn erase(&mut self, erasure: &Erasure<'_>, now: u64) -> Result<(), TantivyError> {
        let matching = matching(&self.fields, erasure);
        let open = self.open_writer(now)?;
        open.hand_over()?;
        open.writer.delete_query(matching)?;
        Ok(())
    }

    /// Makes everything durable and visible that was written, and notes up to where that is.
    pub fn commit(&mut self, up_to: Sequence) -> Result<(), TantivyError> {
        let Some(open) = self.writer.as_mut().filter(|open| open.dirty) else {
            return Ok(());
        };
        open.hand_over()?;
        let mut commit = open.writer.prepare_commit()?;
        commit.set_payload(&note_of(up_to));
        commit.commit()?;
        open.dirty = false;
        self.committed = up_to;
        self.reader.reload()
    }

    /// Lets go of the writer; what is not committed is lost.
    pub fn close(&mut self) {
        self.writer = None;
    }

    /// Waits for merges under way, then lets go of the writer; what is not committed is lost.
    pub fn settle(&mut self) -> Result<(), TantivyError> {
        let settled = match self.writer.take() {
            Some(open) => open.writer.wait_merging_threads(),
            None => Ok(()),
        };
        self.reader.reload()?;
        settled
    }

    /// The writer, which is about to be written to.
    fn open_writer(&mut self, now: u64) -> Result<&mut OpenWriter, TantivyError> {
        let open = match self.writer.take() {
            Some(open) => open,
            None => self.begin_writing()?,
        };
        let open = self.writer.insert(open);
        (open.used, open.dirty) = (now, true);
        Ok(open)
    }

    fn begin_writing(&self) -> Result<OpenWriter, TantivyError> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(self.limits.writer_bytes)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = self.index.writer_with_options(options)?;
        let mut merging = LogMergePolicy::default();
        merging.set_del_docs_ratio_before_merge(ERASED_RATIO);
        writer.set_merge_policy(Box::new(merging));
        Ok(OpenWriter {
            writer,
            pending: Vec::with_capacity(TOGETHER),
            paths: PropertyPaths::new(self.property_paths()?.into_iter(), self.limits.property_paths_max),
            dirty: false,
            used: 0,
        })
    }

    /// The paths of properties that have a column.
    fn property_paths(&self) -> Result<Vec<Box<str>>, TantivyError> {
        let root = format!("{PROPERTIES}.");
        let fields = self.index.fields_metadata()?;
        let paths = fields.iter().filter_map(|field| field.field_name.strip_prefix(&root));
        Ok(paths.map(|path| path.replace("\\.", ".").into()).collect())
    }
}

/// Up to which sequence the index in a folder has its month; `None` if it does not say.
pub fn committed_in(path: &Path) -> Option<Sequence> {
    Index::open_in_dir(path).ok().and_then(|index| committed(&index).ok())
}

fn committed(index: &Index) -> Result<Sequence, TantivyError> {
    match index.load_metas()?.payload {
        None => Ok(Sequence::ZERO),
        Some(note) => read_note(&note).ok_or_else(|| unreadable("the commit names no sequence")),
    }
}

/// What a commit says: `up to <sequence>, crc32c <sum of what is before the comma>`.
fn note_of(up_to: Sequence) -> String {
    let told = format!("{NOTE}{up_to}");
    let sum = crc32c::crc32c(told.as_bytes());
    format!("{told}, crc32c {sum:08x}")
}

/// Commits of earlier builds say the sequence alone.
fn read_note(note: &str) -> Option<Sequence> {
    let Some((told, sum)) = note.split_once(", crc32c ") else {
        return note.parse().ok().map(Sequence);
    };
    let is_right = u32::from_str_radix(sum, 16).ok()? == crc32c::crc32c(told.as_bytes());
    let sequence = told.strip_prefix(NOTE).filter(|_| is_right)?;
    sequence.parse().ok().map(Sequence)
}

/// How a new index packs what is only returned. Each index notes how it does, so those of earlier versions stay as they
/// are (LZ4) beside it. Half of what is returned are random bits and the rest repeats itself within a few events, so a
/// higher level or larger blocks would save little, and each event that is read costs the unpacking of its block.
fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compression: Compressor::Zstd(ZstdCompressor {
            compression_level: Some(1),
        }),
        ..IndexSettings::default()
    }
}

fn matching(fields: &Fields, erasure: &Erasure<'_>) -> Box<dyn Query> {
    let site = |site: &[u8]| exactly(Term::from_field_bytes(fields.site, site));
    let text = |column, text: &str| exactly(Term::from_field_text(fields.column(column), text));
    let both = |left, right| -> Box<dyn Query> { Box::new(BooleanQuery::intersection(vec![left, right])) };
    match erasure {
        Erasure::Site(id) => site(&id.0),
        Erasure::User(id, user) => both(site(&id.0), text(Column::User, user)),
        Erasure::StableVisitor(id, visitor) => both(site(&id.0), text(Column::Visitor, visitor)),
        Erasure::DailyVisitor(id, hash) => {
            let hash = document::daily_visitor(*hash);
            both(site(&id.0), text(Column::DailyVisitor, &hash))
        }
    }
}

fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// What an index says that is damaged.
pub fn unreadable(why: &str) -> TantivyError {
    TantivyError::DataCorruption(tantivy::error::DataCorruption::comment_only(why))
}

#[cfg(test)]
mod tests {
    use tantivy::schema::Value;
    use tantivy::{DocAddress, TantivyDocument};

    use super::*;
    use crate::event::{Event, EventId, SiteId};

    fn append(index: &mut MonthIndex, sequence: u64) {
        let id = sequence.to_string();
        let event = Event::new(SiteId([1; 16]), "view", EventId::Client(id.as_bytes()), 0);
        let row = Row::new(Sequence(sequence), event);
        index.append(&Record::Event(&row), 0).unwrap();
        index.commit(Sequence(sequence)).unwrap();
    }

    fn ids(index: &MonthIndex) -> Vec<String> {
        let searcher = index.reader.searcher();
        let id = |segment: usize| {
            let address = DocAddress::new(u32::try_from(segment).unwrap(), 0);
            let document: TantivyDocument = searcher.doc(address).unwrap();
            let kept = document.get_first(index.fields.id).unwrap();
            document::shown_id(kept.as_bytes().unwrap())
        };
        let mut ids: Vec<String> = (0..searcher.segment_readers().len()).map(id).collect();
        ids.sort();
        ids
    }

    #[test]
    fn an_index_that_packs_as_earlier_versions_did_is_read_and_written_on() {
        let earlier = IndexSettings {
            docstore_compression: Compressor::Lz4,
            ..IndexSettings::default()
        };
        let (limits, fields) = (StoreLimits::default(), Arc::new(Fields::new()));
        let (shape, month) = (Shape { fields, limits }, Month::of(0));
        for settings in [earlier, settings()] {
            let folder = tempfile::tempdir().unwrap();
            let builder = Index::builder().schema(shape.fields.schema.clone());
            builder.settings(settings.clone()).create_in_dir(folder.path()).unwrap();
            for sequence in 1..=2 {
                let mut index = MonthIndex::open(folder.path(), month, &shape, Look::Thorough).unwrap();
                append(&mut index, sequence);
                index.settle().unwrap();
            }
            let index = MonthIndex::open(folder.path(), month, &shape, Look::Thorough).unwrap();
            assert_eq!(index.index.settings(), &settings);
            assert_eq!(ids(&index), ["1", "2"]);
        }
    }
}
