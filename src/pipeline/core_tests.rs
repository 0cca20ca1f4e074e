//! The applier's state over journals written by hand, with times long past.

use std::path::Path;
use std::sync::Arc;

use super::core::{Core, RefoldError};
use crate::apply::VISIT_FIELD;
use crate::config::ApplyConfig;
use crate::counters::{Commit, Ledger, Verdict};
use crate::event::{CounterHash, Country, Deltas, Family, Sequence, SiteId};
use crate::journal::{Frame, Identity, RealDisk, SEGMENT_HEADER_BYTES, SegmentHeader, Segments, encode, payload};

const IDENTITY: [u8; 16] = [4; 16];
const VISITS: CounterHash = CounterHash {
    site: SiteId::DEFAULT,
    family: Family::Visits,
};

/// One segment a visit, begun half a second before it, all with the same key.
fn journal(folder: &Path, visits: &[(u64, u64)]) -> Arc<Segments> {
    let segments = Segments::new(Arc::new(RealDisk::new(folder).unwrap()));
    for &(sequence, time_ms) in visits {
        let first = Sequence(sequence);
        let header = SegmentHeader {
            identity: Identity(IDENTITY),
            first,
            created_ms: time_ms - 500,
        };
        let file = segments.begin(header).unwrap();
        let (mut payload, mut frame) = (Vec::new(), Vec::new());
        let country = Country::parse(b"gb").unwrap();
        let visit = payload::Visit {
            site: SiteId::DEFAULT,
            time_ms,
            country,
            id: b"order-1",
        };
        payload::put_visit(&mut payload, visit);
        encode(
            &mut frame,
            Frame {
                sequence: first,
                kind: payload::VISIT,
                payload: &payload,
            },
        );
        file.write_at(SEGMENT_HEADER_BYTES as u64, &frame).unwrap();
    }
    Arc::new(segments)
}

/// A ledger that has counted one visit, up to a sequence.
fn ledger(folder: &Path, cursor: u64) -> Ledger {
    let mut ledger = Ledger::open(folder.join("counters.sqlite"), IDENTITY).unwrap();
    let mut deltas = Deltas::default();
    deltas.add(VISITS, "gb", 1);
    let verdict = ledger.commit(Commit {
        from: Sequence::ZERO,
        to: Sequence(cursor),
        deltas: &deltas,
    });
    assert!(matches!(verdict, Verdict::Applied(_)), "{verdict:?}");
    ledger
}

fn config(window_ms: u64) -> ApplyConfig {
    ApplyConfig {
        window_ms,
        ..ApplyConfig::default()
    }
}

#[test]
fn a_replay_long_after_still_knows_the_twins_of_its_frames() {
    let folder = tempfile::tempdir().unwrap();
    let segments = journal(folder.path(), &[(1, 100_000), (2, 103_000)]);
    let mut core = Core::new(ledger(folder.path(), 1), segments, &config(4_000), IDENTITY);
    core.replay(Sequence(2)).unwrap();
    assert_eq!(
        (core.ledger.cursor(), core.ledger.totals(&VISITS)["gb"]),
        (Sequence(2), 1)
    );
    assert_eq!(core.refold(Sequence(1)).unwrap().deltas, Deltas::default());
}

#[test]
fn a_twin_outside_the_window_counts_again() {
    let folder = tempfile::tempdir().unwrap();
    let segments = journal(folder.path(), &[(1, 100_000), (2, 109_000)]);
    let mut core = Core::new(ledger(folder.path(), 1), segments, &config(4_000), IDENTITY);
    core.replay(Sequence(2)).unwrap();
    assert_eq!(core.ledger.totals(&VISITS)["gb"], 2);
    let refolded = core.refold(Sequence(1)).unwrap().deltas;
    let events = CounterHash {
        family: Family::Events,
        ..VISITS
    };
    assert_eq!(
        (refolded.get(&VISITS, "gb"), refolded.get(&events, VISIT_FIELD)),
        (1, 1)
    );
}

#[test]
fn the_head_is_known_without_a_frame_left() {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::new(
        ledger(folder.path(), 9),
        journal(folder.path(), &[]),
        &config(4_000),
        IDENTITY,
    );
    assert_eq!(core.head(), Sequence(9));
    assert_eq!(
        (core.whole().to, core.whole().deltas.get(&VISITS, "gb")),
        (Sequence(9), 1)
    );
}

#[test]
fn what_redis_lacks_is_not_folded_without_the_keys_that_were_seen_before_it() {
    let refolded = |window_ms, window_bytes_max| {
        let folder = tempfile::tempdir().unwrap();
        let segments = journal(folder.path(), &[(5, 100_000), (6, 103_000)]);
        let config = ApplyConfig {
            window_bytes_max,
            ..config(window_ms)
        };
        let mut core = Core::new(ledger(folder.path(), 5), segments, &config, IDENTITY);
        core.replay(Sequence(6)).unwrap();
        core.refold(Sequence(5))
    };
    // A window from before the journal's oldest segment has lost what was there, unless its bytes allowed no more.
    for (window_ms, window_bytes_max, is_there) in [(3_000, 1 << 30, true), (3_001, 1 << 30, false), (3_001, 0, true)] {
        let refolded = refolded(window_ms, window_bytes_max);
        match refolded {
            Ok(_) => assert!(is_there, "{window_ms}, {window_bytes_max}"),
            Err(RefoldError::KeysForgotten { held }) => assert!(!is_there && held == Sequence(5)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_redis_lacks_cannot_be_folded_from_frames_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let segments = journal(folder.path(), &[(5, 100_000)]);
    let core = Core::new(ledger(folder.path(), 5), segments, &config(4_000), IDENTITY);
    let refused = core.refold(Sequence(3));
    assert!(
        matches!(
            refused,
            Err(RefoldError::TooOld {
                held: Sequence(3),
                oldest: Sequence(5)
            })
        ),
        "{refused:?}"
    );
}
