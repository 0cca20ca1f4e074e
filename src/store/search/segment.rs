//! One segment of an index, seen as columns.

use std::fmt::Write;
use std::io;
use std::ops::Range;
use std::time::Instant;

use tantivy::columnar::{Column as Values, DynamicColumn, StrColumn};
use tantivy::schema::{IndexRecordOption, Type};
use tantivy::{DocSet, SegmentReader, TantivyError, Term};

use super::docs::Docs;
use super::reading::{firsts, mapped};
use crate::clock;
use crate::event::SiteId;
use crate::store::column::{Column, Field, Kind};
use crate::store::properties;
use crate::store::schema::{LAG, PROPERTIES, SEQUENCE, SITE, TIME};

/// One segment of an index.
pub struct Segment<'a> {
    /// As the index has it.
    pub reader: &'a SegmentReader,
    /// Which of its documents are looked at.
    pub range: Range<u32>,
    /// When whoever looks gives up.
    pub until: Option<Instant>,
}

/// Values of a field that are of one type; a property may have values of several.
pub enum Part {
    /// Text; the values are numbers of terms in a dictionary.
    Text(StrColumn),
    /// Whole numbers.
    Whole(Values<i64>),
    /// Whole numbers beyond the signed ones, and those that stand for something else.
    Natural(Values<u64>, Kind),
    /// Other numbers.
    Broken(Values<f64>),
    /// Booleans.
    Flag(Values<bool>),
}

impl Segment<'_> {
    /// Whether there is still time; asked once a block.
    pub fn in_time(&self) -> Result<(), TantivyError> {
        if is_over(self.until) {
            return Err(TantivyError::InternalError("the answer took too long".into()));
        }
        Ok(())
    }

    /// How many documents it has, deleted ones too.
    pub fn count(&self) -> u32 {
        self.reader.max_doc()
    }

    /// Documents that are looked at and not deleted.
    pub fn alive(&self) -> Docs {
        let mut docs = match self.reader.alive_bitset() {
            None => Docs::all(self.count()),
            Some(alive) => {
                let mut docs = Docs::none(self.count());
                alive.iter_alive().for_each(|doc| docs.insert(doc));
                docs
            }
        };
        if self.range != (0..self.count()) {
            docs.cut(&self.range);
        }
        docs
    }

    /// Each event's time.
    pub fn times(&self) -> Result<Values<u64>, TantivyError> {
        self.reader.fast_fields().u64(TIME)
    }

    /// Each event's place in the log.
    pub fn sequences(&self) -> Result<Values<u64>, TantivyError> {
        self.reader.fast_fields().u64(SEQUENCE)
    }

    /// Each event's way from its time to its arrival.
    pub fn lags(&self) -> Result<Values<i64>, TantivyError> {
        let lags = self.reader.fast_fields().column_opt(LAG)?;
        Ok(lags.unwrap_or_else(|| Values::build_empty_column(self.count())))
    }

    /// Documents of a site.
    pub fn of_site(&self, site: SiteId) -> Result<Docs, TantivyError> {
        let sites = self.reader.fast_fields().bytes(SITE)?;
        let Some(sites) = sites else {
            return Ok(Docs::none(self.count()));
        };
        match sites.dictionary().term_ord(site.0)? {
            None => Ok(Docs::none(self.count())),
            Some(_) if sites.num_terms() == 1 => Ok(Docs::all(self.count())),
            Some(_) => {
                let field = self.reader.schema().get_field(SITE)?;
                self.with_term(&Term::from_field_bytes(field, &site.0))
            }
        }
    }

    /// Documents that are looked at and have an indexed term.
    pub fn with_term(&self, term: &Term) -> Result<Docs, TantivyError> {
        let mut docs = Docs::none(self.count());
        let index = self.reader.inverted_index(term.field())?;
        if let Some(mut postings) = index.read_postings(term, IndexRecordOption::Basic)? {
            let mut doc = postings.doc();
            if doc < self.range.start {
                doc = postings.seek(self.range.start);
            }
            // Beyond the last document stands a number that is greater than all of them.
            while doc < self.range.end {
                docs.insert(doc);
                doc = postings.advance();
            }
        }
        Ok(docs)
    }

    /// The indexed term of a column's value; `None` for a column without.
    pub fn term(&self, field: &Field, value: &str) -> Result<Option<Term>, TantivyError> {
        let Field::Column(column) = field else {
            return Ok(None);
        };
        let schema = self.reader.schema();
        let field = schema.get_field(column.name())?;
        let is_indexed = schema.get_field_entry(field).is_indexed() && column.kind() == Kind::Term;
        Ok(is_indexed.then(|| Term::from_field_text(field, value)))
    }

    /// The text of a column; `None` if no event of the segment has any.
    pub fn text(&self, column: Column) -> Result<Option<StrColumn>, TantivyError> {
        self.reader.fast_fields().str(column.name())
    }

    /// A field's values; nothing if no event of the segment has any.
    pub fn parts(&self, field: &Field) -> Result<Vec<Part>, TantivyError> {
        let (name, kind) = match field {
            Field::Column(column) => (column.name().to_owned(), column.kind()),
            Field::Property(path) if properties::is_path(path) => {
                (properties::column_name(PROPERTIES, path), Kind::Number)
            }
            Field::Property(_) => return Ok(Vec::new()),
        };
        let mut parts = Vec::new();
        for handle in self.reader.fast_fields().dynamic_column_handles(&name)? {
            parts.push(match handle.open()? {
                DynamicColumn::Str(values) => Part::Text(values),
                DynamicColumn::I64(values) => Part::Whole(values),
                DynamicColumn::U64(values) => Part::Natural(values, kind),
                DynamicColumn::F64(values) => Part::Broken(values),
                DynamicColumn::Bool(values) => Part::Flag(values),
                DynamicColumn::Bytes(_) | DynamicColumn::IpAddr(_) | DynamicColumn::DateTime(_) => {
                    return Err(TantivyError::SchemaError(format!(
                        "{name} has values of type {:?}",
                        Type::Bytes
                    )));
                }
            });
        }
        Ok(parts)
    }
}

/// Whether a moment has passed.
pub fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| clock::now() >= until)
}

impl Part {
    /// The value of each document of a block as 64 bits, by which values of the part are told apart.
    pub fn bits(&self, docs: &[u32], into: &mut Vec<Option<u64>>) {
        match self {
            Self::Text(values) => firsts(values.ords(), docs, into),
            Self::Whole(values) => mapped(values, docs, into, i64::cast_unsigned),
            Self::Natural(values, _) => firsts(values, docs, into),
            Self::Broken(values) => mapped(values, docs, into, f64::to_bits),
            Self::Flag(values) => mapped(values, docs, into, u64::from),
        }
    }

    /// Writes a value, given by its bits, as the text that stands for it in questions and answers.
    pub fn show(&self, bits: u64, into: &mut String) -> io::Result<()> {
        into.clear();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Text(values) => return values.ord_to_str(bits, into).map(|_| ()),
            Self::Whole(_) => write!(into, "{}", bits.cast_signed()),
            Self::Natural(_, Kind::Screen) => write!(into, "{}x{}", bits >> 16, bits & 0xffff),
            Self::Natural(_, Kind::Flag) | Self::Flag(_) => write!(into, "{}", bits == 1),
            Self::Natural(..) => write!(into, "{bits}"),
            // Whole ones among them without a point: whether a segment keeps them as such is chance.
            Self::Broken(_) => write!(into, "{}", f64::from_bits(bits)),
        };
        Ok(())
    }
}
