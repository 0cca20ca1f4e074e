//! Bodies with events: JSON, lines, compressed.

use std::io::Write;

use footfall::config::EventsConfig;
use footfall::decode::{Decoder, Encoding, ExpansionLimits, FIELDS, Flaw, Form, Sent, decompress};
use footfall::dialects::apps::WORDS;
use footfall::outcome::Reason;

use super::tree::Tree;

/// The keys of those words.
const KEYS: [&str; 7] = [
    "eventName",
    "url",
    "referrer",
    "userId",
    "metadata",
    "timestamp",
    "screen",
];

/// What became of one event of a body.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Kept(String),
    Wrong(Reason, &'static str),
}

/// Reads bytes as JSON, and as serde reads them.
pub fn json(data: &[u8]) {
    let oracle = Tree::read(data);
    let events = oracle.as_ref().map(events_of);
    let (mut place, mut refused, mut decoder) = (0, 0, Decoder::new(&EventsConfig::default()));
    let result = decoder.decode(&mut data.to_vec(), Form::Json, &mut |event| {
        refused += usize::from(event.is_err());
        place += 1;
        // Where serde gives up, what can be read of an array is read.
        let Some(events) = &events else { return };
        let expected = &events[place - 1];
        match event {
            Ok(sent) => assert_same(expected, &sent),
            Err(flaw) => assert_flawed(expected, flaw),
        }
    });
    // In other words a body has the same events, or is refused for the same.
    let mut in_other_words = 0;
    let other = decoder.decode_in(WORDS, &mut data.to_vec(), Form::Json, &mut |event| {
        in_other_words += 1;
        if let Err(flaw) = event {
            assert!(
                flaw.field.is_empty() || flaw.field == "events" || KEYS.contains(&flaw.field),
                "{flaw:?}"
            );
        }
    });
    assert_eq!((other, in_other_words), (result, place));
    match (result, &events) {
        (Ok(()), Some(events)) => assert_eq!(place, events.len()),
        // It is one of the events that cannot be read; what stands beside them must be good.
        (Ok(()), None) => assert!(refused > 0, "serde does not read this"),
        (Err(_), None) => {}
        // The limits that serde does not have.
        (Err(Reason::JsonTooDeep), Some(_)) => assert!(oracle.is_some_and(|tree| tree.depth() >= 32)),
        (Err(Reason::TooManyEvents), Some(events)) => assert!(events.len() > EventsConfig::default().batch_max),
        // Whole numbers beyond 64 bits are refused, where serde takes the nearest float.
        (Err(Reason::NumberOutOfRange), Some(_)) => assert!(has_long_number(data)),
        (Err(Reason::KeyDuplicate), Some(_)) => assert!(oracle.is_some_and(|tree| tree.has_twins())),
        (Err(reason), Some(_)) => panic!("serde reads what is refused here as {reason:?}"),
    }
}

/// Whether there is a run of digits that no 64 bits hold.
fn has_long_number(data: &[u8]) -> bool {
    data.split(|byte| !byte.is_ascii_digit()).any(|run| run.len() >= 19)
}

/// The events of a document.
fn events_of(document: &Tree) -> Vec<Tree> {
    let list = match document {
        Tree::List(events) => Some(events),
        _ => match first_of(document, "events") {
            Some(Tree::List(events)) => Some(events),
            _ => None,
        },
    };
    list.map_or_else(|| vec![document.clone()], Clone::clone)
}

fn first_of<'t>(tree: &'t Tree, name: &str) -> Option<&'t Tree> {
    let found = tree.members()?.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value)
}

/// Holds an event against what its JSON says.
pub fn assert_same(event: &Tree, sent: &Sent<'_>) {
    assert!(event.members().is_some(), "{event:?}");
    assert!(FIELDS.iter().all(|field| event.count(field) <= 1), "{event:?}");
    let told = |name: &str| event.get(name).and_then(Tree::text).unwrap_or_default();
    for (name, read) in [
        ("name", sent.name),
        ("id", sent.id),
        ("domain", sent.domain),
        ("visitor", sent.visitor),
        ("user", sent.user),
        ("session", sent.session),
    ] {
        assert_eq!(read, told(name), "{name}");
        assert!(
            read.len() <= 128 && !read.chars().any(char::is_control),
            "{name}: {read:?}"
        );
    }
    assert!(!sent.name.is_empty());
    for (name, read, bytes_max) in [
        ("referrer", sent.referrer, 2_048),
        ("title", sent.title, 512),
        ("language", sent.language, 64),
        ("user_agent", sent.user_agent, 2_048),
    ] {
        let whole = told(name);
        assert!(
            whole.starts_with(read) && read.len() <= bytes_max,
            "{name}: {read:?} of {whole:?}"
        );
        assert!(
            read == whole || read.len() + 4 > bytes_max,
            "{name}: {read:?} of {whole:?}"
        );
    }
    let screen = sent.screen.map(|(width, height)| format!("{width}x{height}"));
    let of_screen = told("screen")
        .split('x')
        .map(|side| side.parse().unwrap_or(0_u16).to_string());
    let of_screen = (!told("screen").is_empty()).then(|| of_screen.collect::<Vec<_>>().join("x"));
    assert_eq!(screen, of_screen);
    assert_eq!(
        sent.country.map(|country| country.to_string()),
        lower(event.get("country"))
    );
    let url = told("url");
    assert!(
        [sent.host, sent.path, sent.query].iter().all(|part| url.contains(part)),
        "{sent:?}"
    );
    assert_eq!(sent.revenue.is_some(), event.get("revenue").is_some());
    if let (Some(read), Some(Tree::Whole(minor))) = (sent.revenue, event.get("revenue").and_then(|it| it.get("minor")))
    {
        assert_eq!(i128::from(read.minor), *minor);
    }
    assert_written(sent.properties, event.get("properties"));
    assert_written(sent.items, event.get("items"));
}

fn lower(tree: Option<&Tree>) -> Option<String> {
    tree.and_then(Tree::text).map(str::to_ascii_lowercase)
}

/// What was written anew means what was sent.
fn assert_written(written: &[u8], sent: Option<&Tree>) {
    match (Tree::read(written), sent) {
        (Some(written), Some(sent)) => {
            assert!(written.is_like(sent), "{written:?} is not {sent:?}");
            assert!(!written.has_twins(), "{written:?}");
        }
        // What is empty is not kept.
        (None, Some(Tree::Object(members))) if members.is_empty() => assert!(written.is_empty()),
        (None, Some(Tree::List(elements))) if elements.is_empty() => assert!(written.is_empty()),
        (None, None) => assert!(written.is_empty()),
        (left, right) => panic!("{left:?} is not {right:?}"),
    }
}

/// An event is refused for something that is there.
fn assert_flawed(event: &Tree, flaw: Flaw<'_>) {
    match (event.members(), flaw.reason, flaw.field) {
        (_, Reason::JsonTooDeep, "") => assert!(event.depth() >= 28, "{event:?}"),
        // Whole numbers beyond 64 bits are refused, where serde takes the nearest float.
        (_, Reason::NumberOutOfRange, "") => return,
        (None, reason, field) => assert_eq!((reason, field), (Reason::FieldInvalid, "")),
        (Some(_), Reason::FieldMissing, field) => assert!(field == "name" && event.get("name").is_none(), "{event:?}"),
        (Some(_), Reason::KeyDuplicate, field) => {
            let is_within = event.get(field).is_some_and(Tree::has_twins);
            assert!(event.count(field) > 1 || is_within, "{field} of {event:?}");
        }
        (Some(_), _, field) => assert!(["", "events"].contains(&field) || FIELDS.contains(&field), "{flaw:?}"),
    }
    // The plainest event there is must be taken.
    let is_plain = event.members().is_some_and(|members| {
        members
            .iter()
            .all(|(key, _)| !FIELDS.contains(&key.as_str()) || key == "name")
    });
    let name = event.get("name").and_then(Tree::text).unwrap_or_default();
    let is_named = (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
    // Time of sending may stand beside the events, and be wrong for all of them.
    assert!(
        ["sent_at", "events"].contains(&flaw.field) || !(is_plain && is_named && event.count("name") == 1),
        "{flaw:?} of {event:?}"
    );
}

/// Reads bytes as lines, and each line by itself.
pub fn lines(data: &[u8]) {
    let whole = told(data, Form::Lines);
    let mut singly = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        // In a document of its own, what looks like many events would be.
        match Tree::read(line) {
            Some(tree) if matches!(events_of(&tree).as_slice(), [only] if only.is_like(&tree)) => {
                singly.extend(told(line, Form::Json).unwrap_or_else(|reason| vec![Told::Wrong(reason, "")]));
            }
            Some(_) => singly.push(Told::Wrong(Reason::FieldInvalid, "any")),
            None => singly.push(Told::Wrong(Reason::JsonInvalid, "any")),
        }
    }
    let Ok(whole) = whole else {
        assert!(
            singly.is_empty() || singly.len() > EventsConfig::default().batch_max,
            "{singly:?}"
        );
        return;
    };
    assert_eq!(whole.len(), singly.len());
    for (together, alone) in whole.iter().zip(&singly) {
        match (together, alone) {
            // Many events on a line are an object without a name, or no object.
            (Told::Wrong(..), Told::Wrong(Reason::JsonInvalid, "any"))
            | (_, Told::Wrong(Reason::FieldInvalid, "any")) => {}
            _ => assert_eq!(together, alone),
        }
    }
}

fn told(data: &[u8], form: Form) -> Result<Vec<Told>, Reason> {
    let mut told = Vec::new();
    let mut decoder = Decoder::new(&EventsConfig::default());
    decoder.decode(&mut data.to_vec(), form, &mut |event| {
        told.push(match event {
            Ok(sent) => Told::Kept(format!("{sent:?}")),
            Err(flaw) => Told::Wrong(flaw.reason, flaw.field),
        });
    })?;
    Ok(told)
}

/// The first byte says how the rest is compressed: it may be broken, but never becomes too much; and it comes back when
/// it was compressed well.
pub fn compressed(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let all = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Brotli,
        Encoding::Zstd,
        Encoding::Deflate,
    ];
    let encoding = all[usize::from(*kind) % all.len()];
    let config = EventsConfig {
        decompressed_bytes_max: 1 << 20,
        ..EventsConfig::default()
    };
    let limits = ExpansionLimits::new(&config);
    if let Ok(read) = decompress(encoding, body.to_vec(), limits) {
        assert!(read.len() <= config.decompressed_bytes_max);
        assert!(read.len() <= (body.len() * config.decompressed_ratio_max).max(64 << 10));
    }
    // Up to here any ratio is allowed.
    let body = &body[..body.len().min(64 << 10)];
    assert_eq!(
        decompress(encoding, pressed(encoding, body), limits).as_deref(),
        Ok(body)
    );
}

fn pressed(encoding: Encoding, body: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::fast();
    match encoding {
        Encoding::Identity => body.to_vec(),
        Encoding::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(body).unwrap();
            writer.finish().unwrap()
        }
        Encoding::Deflate => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            writer.write_all(body).unwrap();
            writer.finish().unwrap()
        }
        Encoding::Zstd => zstd::encode_all(body, 1).unwrap(),
        Encoding::Brotli => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4_096, 1, 18)
                .write_all(body)
                .unwrap();
            out
        }
    }
}
