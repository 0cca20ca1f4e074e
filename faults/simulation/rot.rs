//! Bits that flip in frames that were kept, and what is lost by it.

use footfall::event::{COUNTRIES, Country};
use footfall::journal::payload::Payload;
use footfall::journal::{HEADER_BYTES, SEGMENT_HEADER_BYTES};

use crate::mutant::Mutant;
use crate::world::World;

/// A frame in a file of a directory that nobody runs over: where, its kind, its payload.
struct Place {
    at: usize,
    length: usize,
    kind: u8,
}

impl World {
    /// Flips a bit of a frame, or of a segment's header, of a directory that no process runs over.
    pub fn rot(&mut self, node: usize) {
        if !self.plan.rot || self.random.chance(50) {
            return;
        }
        let directory = self.nodes[node].directory.clone();
        let mut names = directory.names();
        names.retain(|name| name.ends_with(".segment"));
        if names.is_empty() {
            return;
        }
        let name = names[self.random.place(names.len())].clone();
        let bytes = directory.bytes(&name);
        let frames = frames(&bytes);
        if frames.is_empty() {
            return;
        }
        let frame = &frames[self.random.place(frames.len())];
        let bit = frame.at * 8 + self.random.place(frame.length * 8);
        if bit.is_multiple_of(5) {
            // A header instead: nothing is lost by it.
            let bit = bit % (SEGMENT_HEADER_BYTES * 8);
            self.say(|| format!("a bit of the header of {name} flips: {bit}"));
            return directory.flip(&name, bit);
        }
        self.forfeit_frame(
            node,
            (frame.kind, &bytes[frame.at + HEADER_BYTES..frame.at + frame.length]),
        );
        self.say(|| format!("a bit of {name} flips: {bit}"));
        directory.flip(&name, bit);
        if self.mutant == Some(Mutant::RecoveryStopsAtDamage) {
            directory.cut_behind(&name, frame.at);
        }
    }

    /// The visits of a damaged frame may be gone, and its key forgotten.
    fn forfeit_frame(&mut self, node: usize, (kind, payload): (u8, &[u8])) {
        let mut hit = [false; COUNTRIES];
        match Payload::read(kind, payload) {
            Some(Payload::Visits(visits)) => visits.counts().for_each(|(country, _)| hit[country.index()] = true),
            Some(Payload::Visit(visit)) => hit[visit.country.index()] = true,
            // Events have the names of countries here.
            Some(Payload::Event(event, _)) => {
                let country = Country::parse(event.name.as_bytes()).unwrap();
                hit[country.index()] = true;
            }
            _ => {}
        }
        let requests = self.history.requests.iter_mut();
        for request in requests.filter(|request| request.node == node && hit[request.country.index()]) {
            request.forfeited = true;
            // A twin that lies behind it passes for the first.
            request.torn_apart |= request.key.is_some();
            request.given_up |= request.key.is_some();
        }
    }
}

fn frames(bytes: &[u8]) -> Vec<Place> {
    let (mut frames, mut at) = (Vec::new(), SEGMENT_HEADER_BYTES);
    while let Some(header) = bytes.get(at..at + HEADER_BYTES) {
        let length = HEADER_BYTES + u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
        let kind = header[HEADER_BYTES - 1];
        let Some(frame) = bytes.get(at..at + length).filter(|_| kind > 0) else {
            break;
        };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..]);
        if crc.to_le_bytes() != frame[4..8] {
            break;
        }
        frames.push(Place { at, length, kind });
        at += length;
    }
    frames
}
