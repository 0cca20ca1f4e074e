//! What a start makes of torn, damaged and strange segments, over a real directory.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::atomic::Ordering;

use super::journal_tests::{
    IDENTITY, faulty, five_frames, five_frames_the_third_damaged, keep, kept, last_segment, open, real, start,
};
use super::*;
use crate::config::Durability;

#[test]
fn a_torn_last_frame_is_cut_and_the_rest_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = five_frames(folder.path());
    let whole = fs::read(&path).unwrap();
    for length in SEGMENT_HEADER_BYTES..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let frames = kept(real(folder.path()));
        assert_eq!(
            frames.len(),
            (length - SEGMENT_HEADER_BYTES) / (HEADER_BYTES + 40),
            "cut at {length}"
        );
        assert!(
            frames
                .iter()
                .all(|(sequence, payload)| u64::from(payload[0]) + 1 == sequence.0)
        );
    }
}

#[test]
fn damage_before_the_end_is_stepped_over_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = five_frames_the_third_damaged(folder.path());
    let recovered = open(real(folder.path()));
    assert_eq!(
        (recovered.recovery().quarantined, recovered.recovery().head),
        (1, Sequence(5))
    );
    let sequences: Vec<_> = kept(real(folder.path()))
        .iter()
        .map(|(sequence, _)| sequence.0)
        .collect();
    assert_eq!(sequences, [1, 2, 4, 5]);
    assert!(path.with_extension("segment.damaged").exists());
}

#[test]
fn a_segment_of_another_identity_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    keep(&journal, b"mine").unwrap();
    journal.stop();
    let recovered = Recovered::open(real(folder.path()), Identity([6; 16])).unwrap();
    assert_eq!(
        (recovered.recovery().quarantined, recovered.recovery().head),
        (1, Sequence::ZERO)
    );
}

/// What a power cut brings back of a segment that could not be begun, while the one before it went on.
#[test]
fn a_segment_that_was_never_begun_hides_nothing_of_the_one_before_it() {
    let header = SegmentHeader {
        identity: IDENTITY,
        first: Sequence(3),
        created_ms: 1,
    };
    for length in [0, 1, 20, SEGMENT_HEADER_BYTES] {
        for later in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = five_frames(folder.path());
            if later {
                let journal = start(real(folder.path()), Durability::Disk);
                keep(&journal, b"six").unwrap();
                journal.stop();
            }
            let ghost = path.with_file_name("00000000000000000003.segment");
            fs::write(&ghost, &header.encode()[..length]).unwrap();
            let told = format!("{length} bytes, {later}");
            let head = Sequence(5 + u64::from(later));
            let (segments, survey) = survey(real(folder.path()), IDENTITY).unwrap();
            assert_eq!((survey.head, survey.damages), (head, 0), "{told}");
            assert_eq!(segments.list().len(), 1 + usize::from(later), "{told}");
            let recovery = open(real(folder.path())).recovery();
            assert_eq!((recovery.head, recovery.quarantined), (head, 0), "{told}");
            assert_eq!(kept(real(folder.path())).len() as u64, head.0, "{told}");
            assert!(!ghost.exists(), "{told}");
        }
    }
}

#[test]
fn a_damaged_header_costs_no_frame_and_a_copy_is_set_aside() {
    for is_last in [false, true] {
        for damage in [0..1, 20..21, 45..46, 0..SEGMENT_HEADER_BYTES] {
            let folder = tempfile::tempdir().unwrap();
            let path = five_frames(folder.path());
            if !is_last {
                let journal = start(real(folder.path()), Durability::Disk);
                keep(&journal, b"six").unwrap();
                journal.stop();
            }
            let whole = fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            bytes[damage.clone()].iter_mut().for_each(|byte| *byte ^= 1);
            fs::write(&path, &bytes).unwrap();
            let told = format!("{damage:?}, last {is_last}");
            let frames = if is_last { 5 } else { 6 };
            let seen = survey(real(folder.path()), IDENTITY).unwrap().1;
            assert_eq!((seen.frames, seen.damages), (frames, 1), "{told}");
            assert_eq!(open(real(folder.path())).recovery().quarantined, 1, "{told}");
            assert_eq!(
                fs::read(path.with_extension("segment.damaged")).unwrap(),
                bytes,
                "{told}"
            );
            // From now on it is as good as new; only when it was begun may be lost.
            assert_eq!(kept(real(folder.path())).len() as u64, frames, "{told}");
            assert_eq!(open(real(folder.path())).recovery().quarantined, 0, "{told}");
            if damage.len() == 1 {
                assert_eq!(fs::read(&path).unwrap(), whole, "{told}");
            }
        }
    }
}

#[test]
fn rubbish_after_the_last_frame_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    keep(&journal, b"kept").unwrap();
    journal.stop();
    for rubbish in [vec![0u8; 300_000], vec![0xff; 300], b"kept".repeat(50)] {
        let path = last_segment(folder.path());
        OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(&rubbish)
            .unwrap();
        assert_eq!(kept(real(folder.path())).len(), 1);
    }
}

#[test]
fn a_repair_that_is_cut_short_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    five_frames_the_third_damaged(folder.path());
    let (disk, faults) = faulty(folder.path());
    faults.renames.store(true, Ordering::SeqCst);
    assert!(Recovered::open(disk, IDENTITY).is_err());
    assert_eq!(kept(real(folder.path())).len(), 4);
}

#[test]
fn a_segment_of_a_later_version_refuses_the_start_instead_of_being_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let journal = start(real(folder.path()), Durability::Disk);
    keep(&journal, b"kept").unwrap();
    journal.stop();
    let path = last_segment(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[8..12]), &bytes[16..SEGMENT_HEADER_BYTES]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = Recovered::open(real(folder.path()), IDENTITY)
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("format version 2"), "{refused}");
    assert!(path.exists());
}
