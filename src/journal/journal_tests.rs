//! The journal as a whole: over a real directory, and over one whose writes and syncs fail on demand.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::config::Durability;

pub(super) const IDENTITY: Identity = Identity([5; 16]);

fn config(durability: Durability) -> JournalConfig {
    JournalConfig {
        durability,
        segment_bytes: 4_096,
        ..JournalConfig::default()
    }
}

pub(super) fn open(disk: Arc<dyn Disk>) -> Recovered {
    Recovered::open(disk, IDENTITY).unwrap()
}

pub(super) fn real(folder: &Path) -> Arc<dyn Disk> {
    Arc::new(RealDisk::new(folder).unwrap())
}

pub(super) fn start(disk: Arc<dyn Disk>, durability: Durability) -> Journal {
    let recovered = open(disk);
    let first = recovered.recovery().head.next();
    recovered.start(first, config(durability), Arc::default()).unwrap()
}

/// Submits one frame and waits until it is kept.
pub(super) fn keep(journal: &Journal, payload: &[u8]) -> Result<Sequence, Refusal> {
    let submitted = journal.log().submit(&[Draft { kind: 9, payload }], |_| {})?;
    if let Some(kept) = submitted.kept {
        kept.blocking_recv().unwrap()?;
    }
    Ok(submitted.first)
}

/// Everything a fresh reader finds after recovery.
pub(super) fn kept(disk: Arc<dyn Disk>) -> Vec<(Sequence, Vec<u8>)> {
    let recovered = open(disk);
    let mut reader = Reader::new(recovered.segments().clone(), Sequence::ZERO);
    let mut frames = Vec::new();
    reader
        .read(recovered.recovery().head, |frame, _| {
            frames.push((frame.sequence, frame.payload.to_vec()));
            true
        })
        .unwrap();
    frames
}

pub(super) fn last_segment(folder: &Path) -> PathBuf {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "segment"));
    names.sort();
    names.pop().unwrap()
}

/// A stopped journal of five frames of 40 bytes, each filled with its number; its only segment.
pub(super) fn five_frames(folder: &Path) -> PathBuf {
    let journal = start(real(folder), Durability::Disk);
    for number in 0..5u8 {
        keep(&journal, &[number; 40]).unwrap();
    }
    journal.stop();
    last_segment(folder)
}

pub(super) fn five_frames_the_third_damaged(folder: &Path) -> PathBuf {
    let path = five_frames(folder);
    let mut bytes = fs::read(&path).unwrap();
    bytes[SEGMENT_HEADER_BYTES + 2 * (HEADER_BYTES + 40)] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    path
}

#[test]
fn frames_come_back_in_order_across_segments_and_restarts_in_every_mode() {
    for durability in [Durability::Os, Durability::Disk] {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for round in 0..3u8 {
            let journal = start(real(folder.path()), durability);
            for number in 0..200u8 {
                let payload = vec![round, number, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
                expected.push((keep(&journal, &payload).unwrap(), payload));
            }
            journal.stop();
        }
        let frames = kept(real(folder.path()));
        assert_eq!(frames, expected);
        assert!(expected.windows(2).all(|pair| pair[0].0.next() == pair[1].0));
        let (segments, survey) = survey(real(folder.path()), IDENTITY).unwrap();
        assert!(segments.list().len() >= 3, "{} segments", segments.list().len());
        assert_eq!((survey.frames, survey.damages, survey.torn_bytes), (600, 0, 0));
    }
}

#[test]
fn starts_without_traffic_leave_no_segments_behind() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        start(real(folder.path()), Durability::Disk).stop();
    }
    assert_eq!(open(real(folder.path())).segments().list(), []);
}

#[test]
fn old_segments_go_when_they_are_done_and_expendable_and_the_open_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    for _ in 0..300 {
        keep(&journal, &[1; 40]).unwrap();
    }
    let segments = journal.log().segments.clone();
    let all = segments.list();
    assert!(all.len() > 3);
    assert_eq!(segments.remove_done(Sequence(300), |_| false).unwrap(), 0);
    let second_begins = Sequence(all[1].first.0);
    assert_eq!(
        segments.remove_done(Sequence(second_begins.0 - 2), |_| true).unwrap(),
        0
    );
    assert_eq!(
        segments.remove_done(Sequence(second_begins.0 - 1), |_| true).unwrap(),
        1
    );
    assert_eq!(segments.remove_done(Sequence(300), |_| true).unwrap(), all.len() - 2);
    keep(&journal, b"still open").unwrap();
    journal.stop();
    assert_eq!(kept(real(folder.path())).last().unwrap().1, b"still open");
}

#[test]
fn too_much_waiting_to_be_counted_is_refused_until_it_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let recovered = open(real(folder.path()));
    let limits = JournalConfig {
        spool_bytes_max: 100,
        ..config(Durability::Os)
    };
    let journal = recovered.start(Sequence(1), limits, Arc::default()).unwrap();
    while journal.log().spool_bytes.load(Ordering::Relaxed) < 100 {
        keep(&journal, &[1; 40]).unwrap();
    }
    assert_eq!(keep(&journal, b"more"), Err(Refusal::SpoolFull));
    assert!(journal.log().advance(3).is_ok(), "what waits must be able to go on");
    journal.log().shrink_spool(50);
    assert!(keep(&journal, b"more").is_ok());
    journal.stop();
}

/// A real directory whose files refuse writes or syncs while told to; a refused write leaves half its bytes behind.
#[derive(Default)]
pub(super) struct Faults {
    writes: AtomicBool,
    syncs: AtomicBool,
    pub(super) renames: AtomicBool,
    new_files: AtomicBool,
    new_names: AtomicBool,
}

struct FaultyDisk(RealDisk, Arc<Faults>);

struct FaultyFile(Arc<dyn DiskFile>, Arc<Faults>);

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let faults = if self.1.new_files.load(Ordering::SeqCst) {
            let syncs = AtomicBool::new(true);
            Arc::new(Faults {
                syncs,
                ..Faults::default()
            })
        } else {
            self.1.clone()
        };
        Ok(Arc::new(FaultyFile(self.0.create(name)?, faults)))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.0.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.1.renames.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.rename(from, to)
    }
    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        self.0.link(name, second)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_names(&self) -> io::Result<()> {
        if self.1.new_names.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.sync_names()
    }
}

impl DiskFile for FaultyFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.1.writes.load(Ordering::SeqCst) {
            self.0.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(offset, bytes)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
    fn sync(&self) -> io::Result<()> {
        if self.1.syncs.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.sync()
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
}

pub(super) fn faulty(folder: &Path) -> (Arc<dyn Disk>, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    (
        Arc::new(FaultyDisk(RealDisk::new(folder).unwrap(), faults.clone())),
        faults,
    )
}

#[test]
fn a_full_disk_refuses_leaves_nothing_behind_and_goes_on_by_itself() {
    for durability in [Durability::Os, Durability::Disk] {
        let folder = tempfile::tempdir().unwrap();
        let (disk, faults) = faulty(folder.path());
        let journal = start(disk, durability);
        keep(&journal, b"before").unwrap();
        faults.writes.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(
                keep(&journal, b"refused, and long enough to be torn"),
                Err(Refusal::Failing)
            );
        }
        faults.writes.store(false, Ordering::SeqCst);
        keep(&journal, b"after").unwrap();
        journal.stop();
        let payloads: Vec<_> = kept(real(folder.path()))
            .into_iter()
            .map(|(_, payload)| payload)
            .collect();
        assert_eq!(payloads, [b"before".to_vec(), b"after".to_vec()], "{durability:?}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_answered_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, faults) = faulty(folder.path());
    let journal = start(disk, Durability::Disk);
    keep(&journal, b"before").unwrap();
    faults.syncs.store(true, Ordering::SeqCst);
    assert_eq!(keep(&journal, b"unknown"), Err(Refusal::DurabilityUnknown));
    faults.syncs.store(false, Ordering::SeqCst);
    assert_eq!(keep(&journal, b"refused"), Err(Refusal::Sealed));
    assert!(journal.log().is_sealed());
    assert_eq!(journal.log().synced(), Sequence(1));
    journal.stop();
}

#[test]
fn a_new_segment_that_cannot_be_synced_ends_the_service_and_a_restart_has_what_was_answered() {
    for durability in [Durability::Disk, Durability::Os] {
        for of_names in [false, true] {
            let told = format!("{durability:?}, names {of_names}");
            let folder = tempfile::tempdir().unwrap();
            let (disk, faults) = faulty(folder.path());
            let journal = start(disk, durability);
            let fault = if of_names { &faults.new_names } else { &faults.new_files };
            fault.store(true, Ordering::SeqCst);
            let mut synced = journal.log().follow_synced();
            let mut answered = Vec::new();
            while let Ok(sequence) = keep(&journal, &[1; 40]) {
                answered.push(sequence);
                assert!(answered.len() < 1_000, "{told}: the segment is never turned");
                if durability == Durability::Os {
                    // The sync thread looks after each frame.
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(synced.changed()).unwrap();
                }
            }
            assert!(journal.log().is_sealed(), "{told}");
            fault.store(false, Ordering::SeqCst);
            assert_eq!(keep(&journal, b"refused"), Err(Refusal::Sealed), "{told}");
            journal.stop();
            let found: Vec<Sequence> = kept(real(folder.path()))
                .iter()
                .map(|(sequence, _)| *sequence)
                .collect();
            assert_eq!(found, answered, "{told}");
        }
    }
}

#[test]
fn a_stopped_log_has_synced_everything_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Os);
    let log = journal.log().clone();
    keep(&journal, b"last").unwrap();
    journal.stop();
    assert_eq!(log.synced(), Sequence(1));
    assert!(matches!(
        log.submit(
            &[Draft {
                kind: 9,
                payload: b"late"
            }],
            |_| {}
        ),
        Err(Refusal::Sealed)
    ));
}

#[test]
fn a_reader_goes_on_where_it_stopped_while_frames_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    let mut reader = Reader::new(journal.log().segments.clone(), Sequence::ZERO);
    let mut seen = Vec::new();
    for number in 0..300u64 {
        keep(&journal, &number.to_le_bytes()).unwrap();
        if number % 7 == 0 {
            reader
                .read(journal.log().synced(), |frame, _| {
                    seen.push(frame.sequence.0);
                    seen.len() % 5 != 0
                })
                .unwrap();
        }
    }
    reader
        .read(journal.log().synced(), |frame, _| {
            seen.push(frame.sequence.0);
            true
        })
        .unwrap();
    journal.stop();
    assert_eq!(seen, (1..=300).collect::<Vec<_>>());
}

#[test]
fn a_reader_gives_no_frame_above_what_is_synced_even_where_sequences_skip() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    keep(&journal, b"one").unwrap();
    journal.log().skip_past(Sequence(7));
    assert_eq!(keep(&journal, b"eight"), Ok(Sequence(8)));
    let mut reader = Reader::new(journal.log().segments.clone(), Sequence::ZERO);
    let mut seen = Vec::new();
    for upto in [3, 7, 8] {
        reader
            .read(Sequence(upto), |frame, _| {
                seen.push((upto, frame.sequence.0));
                true
            })
            .unwrap();
    }
    journal.stop();
    assert_eq!(seen, [(3, 1), (8, 8)]);
}

#[test]
fn a_reader_loses_nothing_behind_a_damaged_frame_that_it_is_asked_to_read_up_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = five_frames_the_third_damaged(folder.path());
    // A later segment, so that the damaged one is not the last.
    let journal = start(real(folder.path()), Durability::Disk);
    keep(&journal, b"six").unwrap();
    let mut reader = Reader::new(journal.log().segments.clone(), Sequence::ZERO);
    let mut seen = Vec::new();
    for upto in [3, 6] {
        reader
            .read(Sequence(upto), |frame, _| {
                seen.push((upto, frame.sequence.0));
                true
            })
            .unwrap();
    }
    journal.stop();
    assert!(path.exists());
    assert_eq!(seen, [(3, 1), (3, 2), (6, 4), (6, 5), (6, 6)]);
}

#[test]
fn the_open_segment_has_zeros_ahead_and_a_closed_one_none() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    keep(&journal, b"kept").unwrap();
    let path = last_segment(folder.path());
    let frames = (SEGMENT_HEADER_BYTES + HEADER_BYTES + 4) as u64;
    assert!(fs::metadata(&path).unwrap().len() > frames + 100_000);
    // What a crash leaves: the copy has the zeros still.
    let crashed = tempfile::tempdir().unwrap();
    fs::copy(&path, crashed.path().join(path.file_name().unwrap())).unwrap();
    journal.stop();
    assert_eq!(fs::metadata(&path).unwrap().len(), frames);
    let recovered = open(real(crashed.path()));
    assert_eq!(
        (recovered.recovery().head, recovered.recovery().quarantined),
        (Sequence(1), 0)
    );
}
