//! A full disk stops the event store where it is; with room again it goes on, and has every row once.

use footfall::store::search::{Condition, List};
use footfall::store::{Store, StoreError, StoreLimits};

use crate::disk::SmallDisk;
use crate::support::dice;

#[path = "../tests/store/rows.rs"]
#[allow(dead_code, reason = "one series needs a part of what can be made")]
mod rows;

use rows::{OwnedRow, SITE};

fn open(disk: &SmallDisk) -> Store {
    let limits = StoreLimits {
        writer_bytes: 15 << 20,
        ..StoreLimits::default()
    };
    let (store, findings) = Store::open(&disk.path().join("events"), limits).unwrap();
    assert_eq!(findings, []);
    store
}

fn hand_over(store: &mut Store, rows: &[OwnedRow]) -> Result<(), StoreError> {
    rows.iter().try_for_each(|row| store.append(&row.row()))?;
    store.commit()
}

#[test]
fn a_full_disk_stops_the_event_store_and_room_lets_it_go_on_with_every_row_once() {
    let disk = SmallDisk::new(64);
    let rows = rows::many(&mut dice::Dice::new(41), 2_000);
    let mut store = open(&disk);
    hand_over(&mut store, &rows[..1_000]).unwrap();
    let committed = store.cursor();
    disk.fill();
    assert!(hand_over(&mut store, &rows[1_000..]).is_err());
    // Whoever goes on as if nothing were is told, and the cursor says nothing that is not so.
    assert!(matches!(store.commit(), Err(StoreError::Failed)));
    assert_eq!(store.cursor(), committed);
    drop(store);

    disk.make_room();
    let mut store = open(&disk);
    assert!(store.cursor() >= committed);
    hand_over(&mut store, &rows).unwrap();
    let all = List {
        site: SITE,
        times: 0..u64::MAX,
        condition: Condition::All,
        after: None,
        limit: 10_000,
    };
    let events = store.library().snapshot().list(&all).unwrap();
    let mut there: Vec<u64> = events.iter().map(|event| event.position.sequence.0).collect();
    there.sort_unstable();
    let ours = rows.iter().filter(|row| row.site == SITE);
    assert_eq!(there, ours.map(|row| row.sequence).collect::<Vec<_>>());
}
