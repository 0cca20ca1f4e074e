//! Bodies and what comes out of them.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::event::Country;

/// What the sink was told, with nothing borrowed.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Event {
        name: String,
        id: String,
        properties: Json,
        sent: String,
    },
    Flaw(Reason, &'static str, String),
}

fn decoder() -> Decoder {
    Decoder::new(&EventsConfig::default())
}

fn decode(body: &[u8], form: Form) -> (Result<(), Reason>, Vec<Told>) {
    decode_with(&mut decoder(), body, form)
}

fn decode_with(decoder: &mut Decoder, body: &[u8], form: Form) -> (Result<(), Reason>, Vec<Told>) {
    let mut told = Vec::new();
    let mut bytes = body.to_vec();
    let result = decoder.decode(&mut bytes, form, &mut |event| {
        told.push(match event {
            Ok(sent) => Told::Event {
                name: sent.name.into(),
                id: sent.id.into(),
                properties: serde_json::from_slice(sent.properties).unwrap_or(Json::Null),
                sent: format!("{sent:?}"),
            },
            Err(flaw) => Told::Flaw(flaw.reason, flaw.field, flaw.id.into()),
        });
    });
    (result, told)
}

fn names(body: &str, form: Form) -> Vec<String> {
    let (result, told) = decode(body.as_bytes(), form);
    assert_eq!(result, Ok(()), "{body}");
    let name = |told| match told {
        Told::Event { name, .. } => name,
        flaw @ Told::Flaw(..) => panic!("{flaw:?} in {body}"),
    };
    told.into_iter().map(name).collect()
}

/// The flaw of a body with one event.
fn flaw(body: &str) -> (Reason, &'static str) {
    match decode(body.as_bytes(), Form::Json) {
        (Ok(()), told) => match told.as_slice() {
            [Told::Flaw(reason, field, _)] => (*reason, field),
            other => panic!("{other:?} in {body}"),
        },
        (Err(reason), _) => (reason, "the body"),
    }
}

#[test]
fn one_object_an_array_an_envelope_and_lines_are_events() {
    let (a, b) = (r#"{"name":"a"}"#, r#"{"name":"b"}"#);
    assert_eq!(names(a, Form::Json), ["a"]);
    assert_eq!(names(&format!(" [{a} ,\n{b}]"), Form::Json), ["a", "b"]);
    assert_eq!(names(&format!(r#"{{"events":[{a},{b}]}}"#), Form::Json), ["a", "b"]);
    assert_eq!(names("[]", Form::Json), [""; 0]);
    assert_eq!(names(&format!("{a}\n\r\n {b}\r\n\n"), Form::Lines), ["a", "b"]);
    assert_eq!(names(&format!("{a}\n{b}"), Form::Lines), ["a", "b"]);
}

#[test]
fn a_bad_line_or_element_leaves_the_others_alone() {
    let (result, told) = decode(
        b"{\"name\":\"a\"}\n{\"name\":\n\xff\n[1]\n{\"name\":\"b\"}",
        Form::Lines,
    );
    assert_eq!(result, Ok(()));
    assert_eq!(told.len(), 5);
    assert!(matches!(&told[0], Told::Event { name, .. } if name == "a"));
    assert!(matches!(told[1], Told::Flaw(Reason::JsonInvalid, "", _)), "{told:?}");
    assert!(matches!(told[2], Told::Flaw(..)));
    assert!(matches!(told[3], Told::Flaw(Reason::FieldInvalid, "", _)));
    assert!(matches!(&told[4], Told::Event { name, .. } if name == "b"));
    let (result, told) = decode(br#"[{"name":"a"},7,{"id":"x"},{"name":"b"}]"#, Form::Json);
    assert_eq!(result, Ok(()));
    assert_eq!(told[1], Told::Flaw(Reason::FieldInvalid, "", String::new()));
    assert_eq!(told[2], Told::Flaw(Reason::FieldMissing, "name", "x".into()));
}

#[test]
fn a_value_that_cannot_be_read_costs_only_its_own_event() {
    let (a, b) = (r#"{"name":"a\u00e9","title":"\"[,"}"#, r#"{"name":"b"}"#);
    let deep = format!(r#"{{"name":"x","y":{}{}}}"#, "[".repeat(50), "]".repeat(50));
    for (bad, reason) in [
        (r#"{"name":"x","title":"cut \ud83d"}"#, Reason::Utf8Invalid),
        (r#"{"name":"x","properties":{"n":1e999}}"#, Reason::NumberOutOfRange),
        (deep.as_str(), Reason::JsonTooDeep),
    ] {
        for body in [
            format!("[{a},{bad} , {b}]"),
            format!(r#"{{"sent_at":1795000000000,"x":"\u00e9","events":[{a}, {bad},{b} ]}}"#),
        ] {
            let (result, told) = decode(body.as_bytes(), Form::Json);
            assert_eq!((result, told.len()), (Ok(()), 3), "{body}");
            assert!(matches!(&told[0], Told::Event { name, .. } if name == "aé"), "{told:?}");
            assert_eq!(told[1], Told::Flaw(reason, "", String::new()), "{body}");
            let sent_at = body.contains("sent_at").then_some(1_795_000_000_000_u64);
            let said = format!("sent_at_ms: {sent_at:?}");
            assert!(
                matches!(&told[2], Told::Event { name, sent, .. } if name == "b" && sent.contains(&said)),
                "{told:?}"
            );
        }
        // What is no JSON is refused whole all the same, and so are too many.
        for broken in [
            format!("[{bad},{b}"),
            format!("[{bad},{b} {b}]"),
            format!("[{bad},nul]"),
            format!("[{bad}]"),
        ] {
            assert!(decode(broken.as_bytes(), Form::Json).0.is_err(), "{broken}");
        }
        let many = format!("[{bad}{}]", format!(",{b}").repeat(1_000));
        assert_eq!(decode(many.as_bytes(), Form::Json).0, Err(Reason::TooManyEvents));
    }
    let raw = [b"[{\"name\":\"\xff\"},".as_slice(), b.as_bytes(), b"]"].concat();
    let (result, told) = decode(&raw, Form::Json);
    assert_eq!((result, told.len()), (Ok(()), 2));
    assert_eq!(told[0], Told::Flaw(Reason::Utf8Invalid, "", String::new()));
}

#[test]
fn what_cannot_be_read_beside_the_events_refuses_them_all() {
    let deep = format!("{}{}", "[".repeat(50), "]".repeat(50));
    let (good, bad) = (r#"{"name":"b"}"#, r#"{"name":"\ud800"}"#);
    for events in [
        format!("{good},{good}"),
        format!("{good},{bad}"),
        format!("{bad},{bad}"),
    ] {
        for (beside, reason) in [
            (r#""x":"\ud800""#, Reason::Utf8Invalid),
            (r#""\ud800":1"#, Reason::Utf8Invalid),
            (r#""sent_at":"\ud800""#, Reason::Utf8Invalid),
            (r#""x":[1e999]"#, Reason::NumberOutOfRange),
            (&format!(r#""x":{deep}"#), Reason::JsonTooDeep),
        ] {
            for body in [
                format!(r#"{{{beside},"events":[{events}]}}"#),
                format!(r#"{{"events":[{events}], {beside}}}"#),
            ] {
                let (result, told) = decode(body.as_bytes(), Form::Json);
                assert_eq!((result, told.len()), (Err(reason), 0), "{body}");
            }
        }
    }
    let raw = [b"{\"events\":[".as_slice(), good.as_bytes(), b",7],\"x\":\"\xff\"}"].concat();
    assert_eq!(decode(&raw, Form::Json).0, Err(Reason::Utf8Invalid));
    for twice in [
        format!(r#"{{"sent_at":1,"events":[{good},{bad}],"sent_at":2}}"#),
        format!(r#"{{"events":[{good},{bad}],"ev\u0065nts":[{good}]}}"#),
    ] {
        assert_eq!(
            decode(twice.as_bytes(), Form::Json).0,
            Err(Reason::KeyDuplicate),
            "{twice}"
        );
    }
}

#[test]
fn a_batch_that_would_lose_events_is_refused() {
    let twice = r#"{"events":[{"name":"a"}],"events":[{"name":"b"}]}"#;
    assert_eq!(flaw(twice), (Reason::KeyDuplicate, "the body"));
    let twice = r#"{"events":7,"events":[{"name":"b"}]}"#;
    assert_eq!(
        flaw(twice).0,
        Reason::FieldInvalid,
        "the first is no array: one event without a name"
    );
    let twice = r#"{"sent_at":1,"events":[{"name":"b"}],"sent_at":2}"#;
    assert_eq!(flaw(twice), (Reason::KeyDuplicate, "the body"));
    assert_eq!(flaw(r#"{"events":{"name":"a"}}"#), (Reason::FieldInvalid, "events"));
}

#[test]
fn every_field_is_read() {
    let body = json!({
        "name": "purchase", "id": "o-1", "time": "2026-11-22T10:00:00+02:00", "sent_at": 1_795_000_000_500_u64,
        "url": "https://Shop.example/basket?step=2#x", "domain": "shop.example", "referrer": "https://r.example/",
        "title": "Basket", "visitor": "v", "user": "u", "session": "s", "screen": "390x844", "language": "el-CY",
        "user_agent": "UA", "ip": "2001:db8::1", "country": "cy", "revenue": {"minor": -1999, "currency": "eur"},
        "properties": {"colour": "red", "size": 42}, "items": [{"sku": "a"}], "later": {"a": 1},
    });
    let mut bytes = body.to_string().into_bytes();
    let mut seen = 0;
    let mut sink = |event: Result<Sent<'_>, Flaw<'_>>| {
        seen += 1;
        let sent = Sent {
            name: "purchase",
            id: "o-1",
            time_ms: Some(1_795_334_400_000),
            sent_at_ms: Some(1_795_000_000_500),
            host: "Shop.example",
            path: "/basket",
            query: "step=2",
            domain: "shop.example",
            referrer: "https://r.example/",
            title: "Basket",
            visitor: "v",
            keeps_visitor: false,
            user: "u",
            session: "s",
            screen: Some((390, 844)),
            language: "el-CY",
            user_agent: "UA",
            address: Some("2001:db8::1".parse().unwrap()),
            country: Country::parse(b"cy"),
            revenue: Some(SentRevenue {
                minor: -1_999,
                currency: Some(*b"EUR"),
            }),
            properties: br#"{"colour":"red","size":42}"#,
            items: br#"[{"sku":"a"}]"#,
            points: None,
        };
        assert_eq!(event, Ok(sent));
    };
    decoder().decode(&mut bytes, Form::Json, &mut sink).unwrap();
    assert_eq!(seen, 1);
    let (_, told) = decode(br#"{"name":"a","ip":"::ffff:203.0.113.7"}"#, Form::Json);
    assert!(
        matches!(&told[0], Told::Event { sent, .. } if sent.contains("address: Some(203.0.113.7)")),
        "{told:?}"
    );
}

#[test]
fn a_batch_tells_when_it_was_sent_for_events_that_do_not() {
    assert_eq!(names(r#"{"sent_at":null,"events":[{"name":"a"}]}"#, Form::Json), ["a"]);
    let (_, told) = decode(
        br#"{"sent_at":1795000000000,"events":[{"name":"a"},{"name":"b","sent_at":1795000000007}]}"#,
        Form::Json,
    );
    let sent = |place: usize| match &told[place] {
        Told::Event { sent, .. } => sent.clone(),
        Told::Flaw(..) => panic!("{told:?}"),
    };
    assert!(sent(0).contains("sent_at_ms: Some(1795000000000)"));
    assert!(sent(1).contains("sent_at_ms: Some(1795000000007)"));
}

#[test]
fn bad_fields_are_named() {
    for (body, reason, field) in [
        (r#"{"name":""}"#, Reason::FieldInvalid, "name"),
        (r#"{"name":7}"#, Reason::FieldInvalid, "name"),
        (r#"{"name":null}"#, Reason::FieldMissing, "name"),
        (r#"{"name":"a\u0000"}"#, Reason::FieldInvalid, "name"),
        (r#"{"name":"a","name":"b"}"#, Reason::KeyDuplicate, "name"),
        (r#"{"name":"a","id":""}"#, Reason::FieldInvalid, "id"),
        (r#"{"name":"a","time":1795000000}"#, Reason::NumberOutOfRange, "time"),
        (r#"{"name":"a","time":-1}"#, Reason::NumberOutOfRange, "time"),
        (r#"{"name":"a","time":"yesterday"}"#, Reason::FieldInvalid, "time"),
        (r#"{"name":"a","time":1.5}"#, Reason::FieldInvalid, "time"),
        (
            r#"{"name":"a","url":"javascript:alert(1)"}"#,
            Reason::FieldInvalid,
            "url",
        ),
        (r#"{"name":"a","title":"\u0000"}"#, Reason::FieldInvalid, "title"),
        (r#"{"name":"a","screen":[1,2]}"#, Reason::FieldInvalid, "screen"),
        (r#"{"name":"a","ip":"1.2.3"}"#, Reason::FieldInvalid, "ip"),
        (r#"{"name":"a","ip":"fe80::1%eth0"}"#, Reason::FieldInvalid, "ip"),
        (r#"{"name":"a","country":"GBR"}"#, Reason::FieldInvalid, "country"),
        (r#"{"name":"a","revenue":19.99}"#, Reason::FieldInvalid, "revenue"),
        (
            r#"{"name":"a","revenue":{"minor":1.5}}"#,
            Reason::FieldInvalid,
            "revenue",
        ),
        (
            r#"{"name":"a","revenue":{"minor":9007199254740992}}"#,
            Reason::NumberOutOfRange,
            "revenue",
        ),
        (
            r#"{"name":"a","revenue":{"minor":1,"minor":2}}"#,
            Reason::FieldInvalid,
            "revenue",
        ),
        (r#"{"name":"a","properties":[]}"#, Reason::FieldInvalid, "properties"),
        (
            r#"{"name":"a","properties":{"a":1,"a":2}}"#,
            Reason::KeyDuplicate,
            "properties",
        ),
        (
            r#"{"name":"a","properties":{"b":{"a":1,"a":2}}}"#,
            Reason::KeyDuplicate,
            "properties",
        ),
        (
            r#"{"name":"a","properties":{"a":"\u0000"}}"#,
            Reason::FieldInvalid,
            "properties",
        ),
        (r#"{"name":"a","items":{}}"#, Reason::FieldInvalid, "items"),
        (r#"{"name":"a","items":[[[[[[[1]]]]]]]}"#, Reason::JsonTooDeep, "items"),
        ("7", Reason::FieldInvalid, ""),
        ("{}", Reason::FieldMissing, "name"),
    ] {
        assert_eq!(flaw(body), (reason, field), "{body}");
    }
}

#[test]
fn bodies_that_are_no_json_are_refused_whole() {
    for (body, reason) in [
        ("", Reason::BodyEmpty),
        (" \n", Reason::BodyEmpty),
        ("{", Reason::JsonInvalid),
        (r#"{"name":"a"} {"name":"b"}"#, Reason::JsonInvalid),
        (r#"{"name":"a"}x"#, Reason::JsonInvalid),
        (r#"{'name':"a"}"#, Reason::JsonInvalid),
        (r#"{"name":"\ud800"}"#, Reason::Utf8Invalid),
        (r#"{"name":"a","properties":{"x":1e999}}"#, Reason::NumberOutOfRange),
        (
            r#"{"name":"a","properties":{"x":18446744073709551616}}"#,
            Reason::NumberOutOfRange,
        ),
    ] {
        assert_eq!(flaw(body), (reason, "the body"), "{body}");
    }
    for nan in ["NaN", "Infinity", "-", "01"] {
        let refused = flaw(&format!(r#"{{"name":"a","properties":{{"x":{nan}}}}}"#));
        assert_eq!(refused.1, "the body", "{nan}");
    }
    let (result, _) = decode(b"{\"name\":\"\xff\"}", Form::Json);
    assert_eq!(result, Err(Reason::Utf8Invalid));
}

#[test]
fn depth_is_bounded_however_deep_a_body_is() {
    let deep = format!(r#"{{"name":"a","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(flaw(&deep), (Reason::JsonTooDeep, "the body"));
    let open = "[".repeat(1_000_000);
    assert_eq!(flaw(&open).0, Reason::JsonTooDeep);
}

#[test]
fn events_keys_and_bytes_are_bounded() {
    let config = EventsConfig {
        batch_max: 2,
        properties_keys_max: 3,
        properties_bytes_max: 20,
        ..EventsConfig::default()
    };
    let mut decoder = Decoder::new(&config);
    let mut tell = |body: &str, form| decode_with(&mut decoder, body.as_bytes(), form);
    let event = r#"{"name":"a"}"#;
    assert_eq!(
        tell(&format!("[{event},{event},{event}]"), Form::Json).0,
        Err(Reason::TooManyEvents)
    );
    let lines = format!("{event}\n{event}\n{event}");
    assert_eq!(tell(&lines, Form::Lines).0, Err(Reason::TooManyEvents));
    for (properties, good) in [
        (r#"{"a":1,"b":{"c":1}}"#, true),
        (r#"{"a":1,"b":{"c":1,"d":1}}"#, false),
        (r#"{"a":"123456789012"}"#, true),
        (r#"{"a":"1234567890123"}"#, false),
    ] {
        let (_, told) = tell(&format!(r#"{{"name":"a","properties":{properties}}}"#), Form::Json);
        let is_good = matches!(told[0], Told::Event { .. });
        assert_eq!(is_good, good, "{properties} {told:?}");
        if !good {
            assert!(matches!(told[0], Told::Flaw(Reason::EventTooLarge, "properties", _)));
        }
    }
}

#[test]
fn a_key_among_many_that_comes_twice_is_found() {
    let keys: Vec<_> = (0..50).map(|number| format!(r#""k{number}":1"#)).collect();
    let body = |keys: &[String]| format!(r#"{{"name":"a","properties":{{{}}}}}"#, keys.join(","));
    assert_eq!(names(&body(&keys), Form::Json), ["a"]);
    let twice = [&keys[..], &keys[7..8]].concat();
    assert_eq!(flaw(&body(&twice)), (Reason::KeyDuplicate, "properties"));
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(Json::from),
        "[^\\x00]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            proptest::collection::btree_map("[^\\x00]{0,6}", inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn properties_are_what_serde_reads(
        members in proptest::collection::btree_map("[^\\x00]{0,6}", any_json(), 1..6),
        spaced in any::<bool>(),
    ) {
        let properties = Json::Object(members.into_iter().collect());
        let body = json!({"name": "a", "properties": properties});
        let text = if spaced { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) };
        let (result, told) = decode(text.unwrap().as_bytes(), Form::Json);
        prop_assert_eq!(result, Ok(()));
        let Some(Told::Event { properties: read, .. }) = told.first() else { panic!("{told:?}") };
        // Serde reads some numbers a digit off, so what it reads is held against what it reads.
        let expected: Json = serde_json::from_str(&properties.to_string()).unwrap();
        prop_assert_eq!(read, &expected);
    }

    #[test]
    fn a_line_is_read_as_it_is_read_alone(
        lines in proptest::collection::vec(prop_oneof![
            any_json().prop_map(|json| json!({"name": "a", "properties": {"x": json}}).to_string()),
            r#"[{}\[\]":,a0-9 \\-]{0,20}"#,
            Just(r#"{"name":"open"#.to_owned()),
            Just(r#"{"name":"a","properties":{"x":"\"\u0061"}}"#.to_owned()),
        ], 1..6),
    ) {
        let lines: Vec<String> = lines.into_iter().map(|line| line.replace('\n', " ")).filter(|line| !line.trim().is_empty()).collect();
        let (_, together) = decode(lines.join("\n").as_bytes(), Form::Lines);
        let alone: Vec<_> = lines.iter().flat_map(|line| decode(line.as_bytes(), Form::Lines).1).collect();
        prop_assert_eq!(&together, &alone);
        // In a batch with one that cannot be read they are read one by one.
        let good: Vec<_> = lines.iter().filter(|line| serde_json::from_str::<Json>(line).is_ok()).cloned().collect();
        let alone: Vec<_> = good.iter().flat_map(|line| decode(line.as_bytes(), Form::Lines).1).collect();
        let (result, batch) = decode(format!("[{},1e999,7]", [good, vec!["7".into()]].concat().join(",")).as_bytes(), Form::Json);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(&batch[..alone.len()], &alone[..]);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), lines in any::<bool>()) {
        let form = if lines { Form::Lines } else { Form::Json };
        let _ = decode(&bytes, form);
    }

    #[test]
    fn a_body_with_a_byte_changed_is_read_as_serde_reads_it(place in 0_usize..200, byte in any::<u8>()) {
        let body = r#"[{"name":"view","id":"é\u0061\n","properties":{"a":[1,-2.5e3,true,null,"\ud83d\ude00"],"b":{"c":{}}}}]"#;
        let mut bytes = body.as_bytes().to_vec();
        let place = place % bytes.len();
        bytes[place] = byte;
        let (result, _) = decode(&bytes, Form::Json);
        prop_assert_eq!(result.is_ok(), serde_json::from_slice::<Json>(&bytes).is_ok());
    }

    #[test]
    fn a_decoder_that_is_used_again_remembers_nothing(bodies in proptest::collection::vec(any_json(), 1..5)) {
        let mut decoder = decoder();
        for body in bodies {
            let body = json!({"name": "a", "properties": {"x": body}}).to_string();
            prop_assert_eq!(decode_with(&mut decoder, body.as_bytes(), Form::Json), decode(body.as_bytes(), Form::Json));
        }
    }
}
