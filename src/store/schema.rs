//! The fields of an index, made from the columns.

use tantivy::schema::{
    BytesOptions, Field, INDEXED, IndexRecordOption, JsonObjectOptions, NumericOptions, Schema, SchemaBuilder,
    TextFieldIndexing, TextOptions,
};

use super::column::{COLUMNS, Column, Kind};

/// Name of the tokenizer that takes a text as it is.
const RAW: &str = "raw";

/// Name of the field of the site.
pub const SITE: &str = "_site";
/// Name of the field of the event's time.
pub const TIME: &str = "_time";
/// Name of the field of what lies between the event's time and its arrival.
pub const LAG: &str = "_lag";
/// Name of the field of the sequence.
pub const SEQUENCE: &str = "_sequence";
/// Name of the field of properties that can be asked for.
pub const PROPERTIES: &str = "_p";

/// Name of the field of the event's id.
pub const ID: &str = "_id";
/// Name of the field of the properties as sent.
pub const SENT_PROPERTIES: &str = "_properties";
/// Name of the field of the items as sent.
pub const SENT_ITEMS: &str = "_items";

/// The fields of an index.
#[derive(Debug, Clone)]
pub struct Fields {
    /// As the index keeps it.
    pub schema: Schema,
    /// Whose event; its terms are indexed.
    pub site: Field,
    /// Milliseconds since 1970.
    pub time: Field,
    /// Milliseconds from the event's time to its arrival.
    pub lag: Field,
    /// Place in the log.
    pub sequence: Field,
    /// A field a column, in the order of [`Column`].
    columns: Box<[Field]>,
    /// Properties that can be asked for, a column a key.
    pub properties: Field,
    /// The event's id, only returned.
    pub id: Field,
    /// The properties as sent, only returned.
    pub sent_properties: Field,
    /// The items as sent, only returned.
    pub sent_items: Field,
}

impl Fields {
    /// The fields of an index of events.
    pub fn new() -> Self {
        Self::with(|_| true)
    }

    /// The fields of an index of sessions: the same, but only terms are indexed that erasures look for. There are fewer
    /// sessions than events, so filters may look into columns.
    pub fn of_sessions() -> Self {
        Self::with(|column| matches!(column, Column::Visitor | Column::DailyVisitor | Column::User))
    }

    /// The fields, with the terms of some columns indexed, where these are such.
    fn with(is_indexed: impl Fn(Column) -> bool) -> Self {
        let mut builder = Schema::builder();
        let number = || NumericOptions::default().set_fast();
        let stored = || BytesOptions::default().set_stored();
        let site = builder.add_bytes_field(SITE, BytesOptions::default().set_fast() | INDEXED);
        let time = builder.add_u64_field(TIME, number());
        let lag = builder.add_i64_field(LAG, number());
        let sequence = builder.add_u64_field(SEQUENCE, number());
        let columns = COLUMNS
            .iter()
            .map(|(column, name, kind)| match kind {
                Kind::Term if !is_indexed(*column) => add_column(&mut builder, name, Kind::Text),
                kind => add_column(&mut builder, name, *kind),
            })
            .collect();
        // No term of a property is indexed: a site sends what it likes, and filters look into the column.
        let properties = builder.add_json_field(PROPERTIES, JsonObjectOptions::default().set_fast(RAW));
        Self {
            site,
            time,
            lag,
            sequence,
            columns,
            properties,
            id: builder.add_bytes_field(ID, stored()),
            sent_properties: builder.add_bytes_field(SENT_PROPERTIES, stored()),
            sent_items: builder.add_bytes_field(SENT_ITEMS, stored()),
            schema: builder.build(),
        }
    }

    /// The field of a column.
    pub fn column(&self, column: Column) -> Field {
        // The table has a field for every column; the site's would only be wrong, never out of reach.
        self.columns.get(column as usize).copied().unwrap_or(self.site)
    }
}

fn add_column(builder: &mut SchemaBuilder, name: &str, kind: Kind) -> Field {
    let text = TextOptions::default().set_fast(RAW);
    match kind {
        Kind::Term => {
            let terms = TextFieldIndexing::default()
                .set_tokenizer(RAW)
                .set_fieldnorms(false)
                .set_index_option(IndexRecordOption::Basic);
            builder.add_text_field(name, text.set_indexing_options(terms))
        }
        Kind::Text => builder.add_text_field(name, text),
        Kind::Number => builder.add_i64_field(name, NumericOptions::default().set_fast()),
        Kind::Screen | Kind::Flag => builder.add_u64_field(name, NumericOptions::default().set_fast()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_are_the_columns_of_this_version_of_the_store() {
        let schema = serde_json::to_vec(&Fields::new().schema).unwrap();
        let sum = crc32c::crc32c(&schema);
        assert_eq!(
            sum, 0x25da_01eb,
            "other columns are another version of the store: see the note's title in state.rs"
        );
    }
}
