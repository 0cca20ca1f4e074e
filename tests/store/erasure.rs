//! What is erased is gone, stays gone when everything is appended again, and takes nothing else with it.

use footfall::event::Erasure;
use footfall::store::Store;

use super::dice::Dice;
use super::rows::{OTHER_SITE, OwnedRow, SITE, many};
use super::{at, fill, open, sequences, sequences_of};

/// Appends all rows, with an erasure after a place, as a replay of the log would.
fn replay(store: &mut Store, rows: &[OwnedRow], (place, erasure): (usize, &Erasure<'_>)) {
    rows[..place].iter().for_each(|row| store.append(&row.row()).unwrap());
    store.erase(at(rows[place].sequence - 1), erasure).unwrap();
    rows[place..].iter().for_each(|row| store.append(&row.row()).unwrap());
}

/// Rows with even sequences, so that between each two lies one for an erasure.
fn spaced(seed: u64) -> Vec<OwnedRow> {
    let mut rows = many(&mut Dice::new(seed), 200);
    for row in &mut rows {
        row.sequence *= 2;
    }
    rows
}

/// An erasure, and whether it means a row.
type Case<'a> = (Erasure<'a>, &'a dyn Fn(&OwnedRow) -> bool);

#[test]
fn what_is_erased_is_gone_and_no_replay_brings_it_back() {
    let by_user = |row: &OwnedRow| row.user == "user 3";
    let by_visitor = |row: &OwnedRow| row.visitor.as_deref() == Some("visitor-5");
    let by_hash = |row: &OwnedRow| row.visitor.is_none() && row.daily == Some(7);
    let any = |_: &OwnedRow| true;
    let cases: [Case<'_>; 5] = [
        (Erasure::User(SITE, "user 3"), &by_user),
        (Erasure::StableVisitor(SITE, "visitor-5"), &by_visitor),
        (Erasure::DailyVisitor(SITE, 7), &by_hash),
        (Erasure::Site(SITE), &any),
        (Erasure::User(OTHER_SITE, "user 3"), &|_| false),
    ];
    for (seed, (erasure, matches)) in (30..).zip(cases) {
        let rows = spaced(seed);
        let place = 150;
        let left = sequences_of(
            rows.iter()
                .enumerate()
                .filter(|(at, row)| *at >= place || !matches(row))
                .map(|(_, row)| row),
        );
        let folder = tempfile::tempdir().unwrap();
        // Some of it is committed before, some is not; then everything comes once more, and once more after a start.
        let mut store = open(folder.path());
        fill(&mut store, &rows[..100], 50);
        replay(&mut store, &rows, (place, &erasure));
        store.commit().unwrap();
        assert_eq!(sequences(&store), left, "{erasure:?}");
        drop(store);
        let mut store = open(folder.path());
        replay(&mut store, &rows, (place, &erasure));
        store.commit().unwrap();
        assert_eq!(sequences(&store), left, "{erasure:?} after a start");
        drop(store);
        super::remove(&folder.path().join("2026-10"));
        let (mut store, findings) = super::open_anyhow(folder.path());
        assert_eq!(findings.len(), 1);
        replay(&mut store, &rows, (place, &erasure));
        store.commit().unwrap();
        assert_eq!(sequences(&store), left, "{erasure:?} after a month was made again");
    }
}

#[test]
fn an_erasure_reaches_months_beyond_the_open_writers() {
    let folder = tempfile::tempdir().unwrap();
    let months = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06"];
    let rows: Vec<OwnedRow> = (1u64..)
        .zip(months.iter().cycle().take(30))
        .map(|(sequence, month)| {
            let user = if sequence % 3 == 0 { "gone" } else { "stays" };
            let plain = OwnedRow::plain(sequence * 2, &format!("{month}-15T00:00:00Z"));
            OwnedRow {
                site: SITE,
                user: user.into(),
                ..plain
            }
        })
        .collect();
    let mut store = open(folder.path());
    replay(&mut store, &rows, (24, &Erasure::User(SITE, "gone")));
    store.commit().unwrap();
    let left = rows
        .iter()
        .enumerate()
        .filter(|(place, row)| *place >= 24 || row.user == "stays");
    assert_eq!(sequences(&store), sequences_of(left.map(|(_, row)| row)));
}
