//! Reading columns, a block of documents at a time.

use tantivy::columnar::{Column as Values, ColumnIndex, ColumnValues};

/// Stands for no value where values are numbers of terms, or times: none is as large.
pub const NONE: u64 = u64::MAX;

/// The first value of each document of a block, which is in order.
pub fn firsts<T>(values: &Values<T>, docs: &[u32], into: &mut Vec<Option<T>>)
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    into.clear();
    into.resize(docs.len(), None);
    let ColumnIndex::Optional(index) = &values.index else {
        values.first_vals(docs, into);
        return;
    };
    let (mut with, mut rows) = (Vec::new(), Vec::new());
    index.rank_if_exists_batch(docs, &mut with, &mut rows);
    let mut with = with.into_iter().zip(rows).peekable();
    for (doc, value) in docs.iter().zip(into) {
        if let Some((_, row)) = with.next_if(|(known, _)| known == doc) {
            *value = Some(values.values.get_val(row));
        }
    }
}

/// The same with other values.
pub fn mapped<T>(values: &Values<T>, docs: &[u32], into: &mut Vec<Option<u64>>, bits: impl Fn(T) -> u64)
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    let mut typed = Vec::with_capacity(docs.len());
    firsts(values, docs, &mut typed);
    into.clear();
    into.extend(typed.into_iter().map(|value| value.map(&bits)));
}

/// The number of the first term, or the time, of each document of a block, which is in order; [`NONE`] for none.
pub fn numbers(values: &Values<u64>, docs: &[u32], into: &mut Vec<u64>) {
    into.clear();
    into.resize(docs.len(), NONE);
    match &values.index {
        ColumnIndex::Full => of_rows(&*values.values, docs, into),
        ColumnIndex::Optional(index) => {
            let (mut with, mut rows) = (Vec::new(), Vec::new());
            index.rank_if_exists_batch(docs, &mut with, &mut rows);
            let mut found = vec![0; rows.len()];
            of_rows(&*values.values, &rows, &mut found);
            let mut with = with.into_iter().zip(found).peekable();
            for (doc, number) in docs.iter().zip(into) {
                if let Some((_, found)) = with.next_if(|(known, _)| known == doc) {
                    *number = found;
                }
            }
        }
        ColumnIndex::Empty { .. } | ColumnIndex::Multivalued(_) => {
            let mut first = Vec::new();
            firsts(values, docs, &mut first);
            for (number, first) in into.iter_mut().zip(first) {
                *number = first.unwrap_or(NONE);
            }
        }
    }
}

/// Rows that stand side by side are unpacked together.
fn of_rows(values: &dyn ColumnValues<u64>, rows: &[u32], into: &mut [u64]) {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return;
    };
    if (last - first) as usize + 1 == rows.len() {
        values.get_range(u64::from(*first), into);
    } else {
        values.get_vals(rows, into);
    }
}
