//! Makes a data directory whose journal holds visits that nothing has counted yet, each in a frame of its own, so that
//! recovery and catching up can be measured. Prints the bytes of its frames.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use footfall::clock::unix_ms;
use footfall::event::{COUNTRIES, Country, Sequence, SiteId};
use footfall::journal::{
    Disk, Frame, Home, Identity, JournalError, Lane, LaneLock, RealDisk, SEGMENT_HEADER_BYTES, SegmentHeader, Segments,
    encode, payload,
};

const SEGMENT_BYTES: usize = 64 << 20;

#[derive(Debug, Parser)]
struct Flags {
    /// The data directory to make.
    folder: PathBuf,
    /// How many visits it shall hold.
    #[arg(long, default_value_t = 10_000_000)]
    visits: u64,
}

fn main() -> Result<(), JournalError> {
    let flags = Flags::parse();
    let home = Home::open(LaneLock::take(&flags.folder, Lane::BOTH[0])?)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&home.journal_folder())?);
    let segments = Segments::new(disk);
    let (mut next, mut total) = (1, 0);
    while next <= flags.visits {
        let (last, frames) = fill(next, flags.visits);
        write(&segments, home.identity(), Sequence(next), &frames)?;
        total += frames.len();
        next = last + 1;
    }
    writeln!(io::stdout(), "{total}")?;
    Ok(())
}

/// A segment's frames from a visit on; the last visit in it.
fn fill(first: u64, visits: u64) -> (u64, Vec<u8>) {
    let (mut frames, mut content) = (Vec::with_capacity(SEGMENT_BYTES), Vec::new());
    let time_ms = unix_ms();
    for number in first..=visits {
        content.clear();
        let place = usize::try_from(number).unwrap_or_default() % COUNTRIES;
        let id = format!("visit-{number:012}");
        let visit = payload::Visit {
            site: SiteId::DEFAULT,
            time_ms,
            country: Country::from_index(place).unwrap_or(Country::UNKNOWN),
            id: id.as_bytes(),
        };
        payload::put_visit(&mut content, visit);
        let frame = Frame {
            sequence: Sequence(number),
            kind: payload::VISIT,
            payload: &content,
        };
        encode(&mut frames, frame);
        if frames.len() >= SEGMENT_BYTES {
            return (number, frames);
        }
    }
    (visits, frames)
}

fn write(segments: &Segments, identity: Identity, first: Sequence, frames: &[u8]) -> io::Result<()> {
    let header = SegmentHeader {
        identity,
        first,
        created_ms: unix_ms(),
    };
    let file = segments.begin(header)?;
    file.write_at(SEGMENT_HEADER_BYTES as u64, frames)?;
    file.sync()
}
