//! The payload of an import's frame: how far it has come, and visits that are counted with it.

use super::fields::{Fields, Value, put_bytes, put_number, put_varint, take_varint};
use crate::event::{Country, ImportId, SiteId};

const SITE: u32 = 1;
const ID: u32 = 2;
/// When it was received, in milliseconds since 1970: for who reads a journal.
const RECEIVED_MS: u32 = 3;
const LINES: u32 = 4;
const DIGEST: u32 = 5;
/// Triples of varints: country, visits taken up to now, visits that are new.
const VISITS: u32 = 6;

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import<'a> {
    /// For whose events or visits.
    pub site: SiteId,
    /// Which import.
    pub id: ImportId,
    /// Lines up to here are taken; 0 if it is one of visits.
    pub lines: u64,
    /// What the client made of these lines.
    pub digest: u64,
    visits: &'a [u8],
}

/// Visits of a country in an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedVisits {
    /// Where from.
    pub country: Country,
    /// So many of its visits are taken.
    pub taken: u64,
    /// So many of these are new.
    pub added: u64,
}

impl Import<'_> {
    /// The visits of each country.
    pub fn visits(&self) -> impl Iterator<Item = ImportedVisits> {
        let mut rest = self.visits;
        std::iter::from_fn(move || {
            let index = usize::try_from(take_varint(&mut rest)?).ok()?;
            Some(ImportedVisits {
                country: Country::from_index(index)?,
                taken: take_varint(&mut rest)?,
                added: take_varint(&mut rest)?,
            })
        })
    }
}

/// Writes that the lines of an import are taken up to one.
pub fn put_lines(into: &mut Vec<u8>, (site, id): (SiteId, ImportId), (lines, digest): (u64, u64), received_ms: u64) {
    put_head(into, (site, id), received_ms);
    put_number(into, LINES, lines);
    put_number(into, DIGEST, digest);
}

/// Writes visits that are counted, and how many of the import's are taken with them.
pub fn put_imported_visits(
    into: &mut Vec<u8>,
    (site, id): (SiteId, ImportId),
    visits: impl Iterator<Item = ImportedVisits>,
    received_ms: u64,
) {
    put_head(into, (site, id), received_ms);
    let mut triples = Vec::new();
    for ImportedVisits { country, taken, added } in visits {
        put_varint(&mut triples, country.index() as u64);
        put_varint(&mut triples, taken);
        put_varint(&mut triples, added);
    }
    put_bytes(into, VISITS, &triples);
}

fn put_head(into: &mut Vec<u8>, (site, id): (SiteId, ImportId), received_ms: u64) {
    if !site.is_default() {
        put_bytes(into, SITE, &site.0);
    }
    put_bytes(into, ID, &id);
    put_number(into, RECEIVED_MS, received_ms);
}

/// Reads the payload of an import's frame; `None` if it names no import, or a field is malformed.
pub fn read_import(payload: &[u8]) -> Option<Import<'_>> {
    let (mut id, mut import) = (
        None,
        Import {
            site: SiteId::DEFAULT,
            id: [0; 16],
            lines: 0,
            digest: 0,
            visits: &[],
        },
    );
    for field in Fields(payload) {
        match field {
            (SITE, Value::Bytes(bytes)) => import.site = SiteId(bytes.try_into().ok()?),
            (ID, Value::Bytes(bytes)) => id = Some(bytes.try_into().ok()?),
            (LINES, Value::Number(lines)) => import.lines = lines,
            (DIGEST, Value::Number(digest)) => import.digest = digest,
            (VISITS, Value::Bytes(visits)) => import.visits = visits,
            _ => {}
        }
    }
    import.id = id?;
    Some(import)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (SiteId, ImportId) = (SiteId([7; 16]), [9; 16]);

    #[test]
    fn lines_and_visits_read_back() {
        let mut payload = Vec::new();
        put_number(&mut payload, 99, 5);
        put_lines(&mut payload, KEY, (70_000, u64::MAX), 1_795_000_000_000);
        let read = read_import(&payload).unwrap();
        assert_eq!(
            (read.site, read.id, read.lines, read.digest),
            (KEY.0, KEY.1, 70_000, u64::MAX)
        );
        assert_eq!(read.visits().count(), 0);

        let visits = [("gb", 70_000, 12), ("cy", 1, 1)].map(|(code, taken, added)| ImportedVisits {
            country: Country::parse(code.as_bytes()).unwrap(),
            taken,
            added,
        });
        let mut payload = Vec::new();
        put_imported_visits(&mut payload, (SiteId::DEFAULT, KEY.1), visits.into_iter(), 1);
        let read = read_import(&payload).unwrap();
        assert_eq!((read.site, read.lines), (SiteId::DEFAULT, 0));
        assert_eq!(read.visits().collect::<Vec<_>>(), visits);
    }

    #[test]
    fn an_import_without_a_name_is_none() {
        let mut payload = Vec::new();
        put_number(&mut payload, LINES, 1);
        assert_eq!(read_import(&payload), None);
        put_bytes(&mut payload, ID, &[1; 15]);
        assert_eq!(read_import(&payload), None);
    }
}
