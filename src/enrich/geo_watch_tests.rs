//! The database follows its file, and nothing that happens to the file harms who asks.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::TempDir;

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/geo/");
/// In the country database British, in the flat one Cypriot.
const ADDRESS: &str = "81.2.69.160";

struct Place {
    folder: TempDir,
}

impl Place {
    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn with(name: &str) -> Self {
        let place = Self::empty();
        place.put(name);
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("geo.mmdb")
    }

    /// Replaces the database as updaters do: a new file, renamed over the old one.
    fn put(&self, name: &str) {
        let new = self.folder.path().join("new");
        fs::copy(format!("{FIXTURES}{name}"), &new).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn watch(&self) -> GeoWatch {
        GeoWatch::open(&GeoConfig {
            database: Some(self.path()),
            ..GeoConfig::default()
        })
    }
}

fn country(watch: &GeoWatch) -> Option<String> {
    watch
        .lookup(ADDRESS.parse().unwrap())
        .map(|country| country.to_string())
}

fn loaded_type(watch: &GeoWatch) -> Option<String> {
    match &*watch.status() {
        GeoStatus::Loaded { database_type, .. } => Some(database_type.clone()),
        _ => None,
    }
}

#[test]
fn without_a_configured_database_countries_are_unknown() {
    let watch = GeoWatch::open(&GeoConfig::default());
    assert_eq!(country(&watch), None);
    assert_eq!(*watch.status(), GeoStatus::Missing);
    assert_eq!(watch.refresh(), Refreshed::Unchanged);
}

#[test]
fn a_database_that_comes_after_the_start_is_picked_up() {
    let place = Place::empty();
    let watch = place.watch();
    assert_eq!(*watch.status(), GeoStatus::Missing);
    assert_eq!(watch.refresh(), Refreshed::Unchanged, "said once");
    place.put("GeoIP2-Country-Test.mmdb");
    assert_eq!(watch.refresh(), Refreshed::Swapped);
    assert_eq!(country(&watch).as_deref(), Some("gb"));
    assert_eq!(loaded_type(&watch).as_deref(), Some("GeoIP2-Country"));
}

#[test]
fn a_changed_file_is_swapped_in_and_an_unchanged_one_left_alone() {
    let place = Place::with("GeoIP2-Country-Test.mmdb");
    let watch = place.watch();
    assert_eq!(watch.refresh(), Refreshed::Unchanged);
    assert_eq!(country(&watch).as_deref(), Some("gb"));
    place.put("flat-country.mmdb");
    assert_eq!(country(&watch).as_deref(), Some("gb"), "not before the next look");
    assert_eq!(watch.refresh(), Refreshed::Swapped);
    assert_eq!(country(&watch).as_deref(), Some("cy"));
    assert_eq!(watch.refresh(), Refreshed::Unchanged);
}

#[test]
fn a_file_written_over_in_place_is_noticed() {
    let place = Place::with("GeoIP2-Country-Test.mmdb");
    let watch = place.watch();
    fs::copy(format!("{FIXTURES}flat-country.mmdb"), place.path()).unwrap();
    assert_eq!(watch.refresh(), Refreshed::Swapped);
    assert_eq!(country(&watch).as_deref(), Some("cy"));
}

#[test]
fn a_bad_new_file_is_refused_once_and_the_old_database_stays() {
    let place = Place::with("GeoIP2-Country-Test.mmdb");
    let watch = place.watch();
    for bad in ["unexpected-bytes.mmdb", "GeoLite2-ASN-Test.mmdb"] {
        place.put(bad);
        assert_eq!(watch.refresh(), Refreshed::Refused);
        assert_eq!(watch.refresh(), Refreshed::Unchanged, "not tried again");
        assert_eq!(country(&watch).as_deref(), Some("gb"));
        assert_eq!(loaded_type(&watch).as_deref(), Some("GeoIP2-Country"));
    }
    place.put("flat-country.mmdb");
    assert_eq!(watch.refresh(), Refreshed::Swapped);
    assert_eq!(country(&watch).as_deref(), Some("cy"));
}

#[test]
fn a_file_that_goes_leaves_the_loaded_database() {
    let place = Place::with("GeoIP2-Country-Test.mmdb");
    let watch = place.watch();
    fs::remove_file(place.path()).unwrap();
    assert_eq!(watch.refresh(), Refreshed::Gone);
    assert_eq!(watch.refresh(), Refreshed::Unchanged);
    assert_eq!(country(&watch).as_deref(), Some("gb"));
    assert_eq!(loaded_type(&watch).as_deref(), Some("GeoIP2-Country"));
}

#[test]
fn a_bad_file_at_the_start_is_told_and_replaced_when_a_good_one_comes() {
    let place = Place::with("unexpected-bytes.mmdb");
    let watch = place.watch();
    assert_eq!(country(&watch), None);
    assert!(matches!(&*watch.status(), GeoStatus::Bad(reason) if reason.starts_with("it is no sound database")));
    place.put("GeoIP2-City-Test.mmdb");
    assert_eq!(watch.refresh(), Refreshed::Swapped);
    assert_eq!(country(&watch).as_deref(), Some("gb"));
}

#[test]
fn a_file_that_cannot_be_read_is_tried_again_and_said_once() {
    let place = Place::empty();
    // Looks like a file; its first bytes are no memory of this process and cannot be read.
    std::os::unix::fs::symlink("/proc/self/mem", place.path()).unwrap();
    let watch = place.watch();
    assert!(matches!(&*watch.status(), GeoStatus::Bad(reason) if reason.starts_with("it cannot be read")));
    assert_eq!(watch.refresh(), Refreshed::Unchanged);
    place.put("GeoIP2-Country-Test.mmdb");
    assert_eq!(watch.refresh(), Refreshed::Swapped);
}

#[test]
fn a_file_whose_folder_cannot_be_entered_is_bad_not_missing() {
    let place = Place::with("GeoIP2-Country-Test.mmdb");
    let watch = GeoWatch::open(&GeoConfig {
        database: Some(place.path().join("geo.mmdb")),
        ..GeoConfig::default()
    });
    assert!(matches!(&*watch.status(), GeoStatus::Bad(_)));
    assert_eq!(watch.refresh(), Refreshed::Unchanged);
}

#[test]
fn a_directory_and_a_file_too_large_are_refused_unread() {
    let place = Place::empty();
    fs::create_dir(place.path()).unwrap();
    assert_eq!(*place.watch().status(), GeoStatus::Bad("it is not a file".into()));
    let place = Place::empty();
    // Sparse: it takes no room on disk.
    File::create(place.path()).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    assert_eq!(
        *place.watch().status(),
        GeoStatus::Bad(format!("it is larger than {FILE_BYTES_MAX} bytes"))
    );
}

#[test]
fn lookups_during_swaps_see_one_database_or_the_other() {
    let place = Place::with("GeoIP2-Country-Test.mmdb");
    let watch = place.watch();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = [0_u64; 2];
                    while !done.load(Ordering::Relaxed) || seen.iter().sum::<u64>() == 0 {
                        match country(&watch).as_deref() {
                            Some("gb") => seen[0] += 1,
                            Some("cy") => seen[1] += 1,
                            other => panic!("{other:?}"),
                        }
                    }
                    seen
                })
            })
            .collect();
        for round in 0..100 {
            let names = ["flat-country.mmdb", "GeoIP2-Country-Test.mmdb"];
            place.put(names[round % 2]);
            assert_eq!(watch.refresh(), Refreshed::Swapped);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
