//! `POST /api/analytics/collect`.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{COLLECT, House, Settings, ago, noon, posted, refusal};

/// The stored events, the newest first.
fn events(house: &mut House) -> Vec<Value> {
    let key = house.key.clone();
    let list = house
        .client
        .send(&Request::new("GET", "/api/v1/events").header("X-API-Key", &key));
    list.json()["events"].as_array().unwrap().clone()
}

#[test]
fn an_event_is_kept_with_all_that_it_says_and_what_the_gateway_finds_out() {
    const AGENT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                         (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let time = ago(90);
        let event = json!({
            "eventName": "login_form_cta_click",
            "url": "https://Blog.example/login?utm_source=news&utm_medium=email&utm_campaign=spring",
            "referrer": "https://google.com/",
            "userId": "anna",
            "metadata": {"plan": "pro", "nested": {"depth": [1, {"two": null}]}, "price": 4.5},
            "timestamp": time.to_string(),
            "screen": "1920x1080",
            "device": "mobile", "ipAddress": "203.0.113.7",
        });
        let request = posted(COLLECT, &event)
            .header("X-API-Key", &house.key)
            .header("User-Agent", AGENT);
        let answer = house.client.send(&request);
        assert_eq!(
            (answer.status, answer.json()),
            (202, json!({"accepted": 1, "rejected": 0, "errors": []}))
        );
        assert_eq!(answer.header("x-durability"), Some("os"));
        until_true("the event in the store", || {
            metric(&house.gateway, "footfall_store_events") == 1
        });
        let found = events(&mut house).remove(0);
        for (name, value) in [
            ("name", json!("login_form_cta_click")),
            ("host", json!("blog.example")),
            ("path", json!("/login")),
            ("referrer", json!("https://google.com/")),
            ("user", json!("anna")),
            ("screen", json!("1920x1080")),
            ("utm_campaign", json!("spring")),
            ("channel", json!("Email")),
            ("os", json!("iOS")),
            ("device", json!("mobile")),
            ("address", json!("127.0.0.0")),
            ("properties", event["metadata"].clone()),
        ] {
            assert_eq!(found[name], value, "{name} of {found}");
        }
        assert_eq!(found["time"], format!("{time:.3}"));
        // Free metadata can be asked about.
        let by = json!({"metrics": ["events", "sum:price"], "dimensions": ["property:plan"], "date_range": "7d"});
        let query = posted("/api/v1/query", &by).header("X-API-Key", &house.key);
        assert_eq!(
            house.client.send(&query).json()["results"][0],
            json!({"dimensions": ["pro"], "metrics": [1, 4.5]})
        );
    }
}

#[test]
fn a_bad_event_spoils_no_other_and_is_told_with_its_place() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let events = json!([
            {"eventName": "good"},
            {"url": "https://blog.example/"},
            {"eventName": ""},
            {"eventName": 7},
            {"eventName": "a", "metadata": [1]},
            {"eventName": "a", "metadata": "x"},
            {"eventName": "a", "timestamp": "yesterday"},
            {"eventName": "a", "timestamp": 17},
            {"eventName": "a", "url": "ftp://blog.example/"},
            {"eventName": "a", "userId": "x".repeat(129)},
            {"eventName": "a", "userId": 13},
            {"eventName": "a", "screen": "wide"},
            {"eventName": "a", "screen": {"width": 1}},
            7,
            {"eventName": "good", "screen": {"width": 390, "height": 844}, "metadata": null, "userId": null},
        ]);
        let answer = house.collect(&json!({ "events": events }));
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["accepted"], &body["rejected"]),
            (202, &json!(2), &json!(13)),
            "{body}"
        );
        let told: Vec<(u64, Option<&str>)> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                assert_eq!(error.as_object().unwrap().len(), 3, "{error}");
                assert!(
                    error["message"].as_str().is_some_and(|text| !text.is_empty()),
                    "{error}"
                );
                (error["index"].as_u64().unwrap(), error["field"].as_str())
            })
            .collect();
        let fields = [
            "eventName",
            "eventName",
            "eventName",
            "metadata",
            "metadata",
            "timestamp",
            "timestamp",
            "url",
            "userId",
            "userId",
            "screen",
            "screen",
        ];
        let mut expected: Vec<(u64, Option<&str>)> = (1..).zip(fields.map(Some)).collect();
        expected.push((13, None));
        assert_eq!(told, expected, "{}", backend.name());
        // Every one of them has one outcome.
        until_true("the good ones in the store", || {
            metric(&house.gateway, "footfall_store_events") == 2
        });
        let of = |name: &str| metric(&house.gateway, &format!("footfall_events_{name}"));
        assert_eq!((of("received_total"), of("kept_total")), (15, 2));
        let refused = ["field_missing", "field_invalid", "number_out_of_range"];
        let refused = refused.map(|reason| of(&format!("refused_total{{reason=\"{reason}\"}}")));
        assert_eq!(refused.iter().sum::<u64>(), 13, "{refused:?}");
    }
}

#[test]
fn where_no_event_is_good_the_answer_is_400_with_the_same_body() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let one = house.collect(&json!({"url": "/x"}));
        let expected = json!({"accepted": 0, "rejected": 1, "errors": [
            {"index": 0, "field": "eventName", "message": "must be given"}]});
        assert_eq!(
            (one.status, one.json(), one.header("x-durability")),
            (400, expected, None)
        );
        let many = house.collect(&json!({"events": [{"eventName": ""}, {"eventName": "x".repeat(70_000)}]}));
        assert_eq!((many.status, &many.json()["rejected"]), (400, &json!(2)));
        let none = house.collect(&json!({"events": []}));
        assert_eq!(
            (none.status, none.json()),
            (202, json!({"accepted": 0, "rejected": 0, "errors": []}))
        );
        assert_eq!(
            house.collect(&json!({"events": {}})).json()["errors"][0]["field"],
            "events"
        );
    }
}

#[test]
fn a_time_is_corrected_as_everywhere_and_taken_in_milliseconds_or_as_text() {
    let mut house = House::on(Backend::Embedded);
    let then = ago(3 * 60).as_millisecond();
    house.keep(&json!([
        {"eventName": "number", "timestamp": then},
        {"eventName": "offset", "timestamp": noon(1).replace('Z', "+00:00")},
        {"eventName": "old", "timestamp": "2001-01-01T00:00:00.000Z"},
        {"eventName": "now"},
    ]));
    let found = events(&mut house);
    let names: Vec<&str> = found.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["now", "number", "offset", "old"]);
    let expected = jiff::Timestamp::from_millisecond(then).unwrap();
    assert_eq!(found[1]["time"], format!("{expected:.3}"));
    assert_eq!(
        found[2]["time"].as_str().unwrap().split('T').nth(1),
        Some("12:00:00.000Z")
    );
}

#[test]
fn a_request_that_comes_again_with_its_name_is_counted_once() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let mut send = |events: &Value| {
            let request = posted(COLLECT, &json!({ "events": events })).header("X-API-Key", &house.key);
            house.client.send(&request.header("Idempotency-Key", "batch-7"))
        };
        let events = json!([{"eventName": "a"}, {"eventName": "b"}]);
        let first = send(&events).json();
        assert_eq!(send(&events).json(), first, "{}", backend.name());
        let other = send(&json!([{"eventName": "c"}]));
        assert_eq!(
            (other.status, &other.json()["rejected"]),
            (202, &json!(1)),
            "{}",
            other.text()
        );
        until_true("both in the store", || {
            metric(&house.gateway, "footfall_store_events") == 2
        });
    }
}

#[test]
fn what_is_no_request_is_refused_in_this_dialects_words() {
    let house = House::embedded(Settings::new().set("FOOTFALL_EVENTS_BATCH_MAX", 3));
    let key = house.key.clone();
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        let request = headers
            .iter()
            .fold(Request::new("POST", COLLECT), |request, (name, value)| {
                request.header(name, value)
            });
        // Of a body that is refused by its length nothing is read: that ends the connection.
        house
            .gateway
            .client()
            .send(&request.header("X-API-Key", &key).body(body))
    };
    refusal(&send(&[], b""), 400, "BODY_EMPTY");
    refusal(&send(&[], b"{\"eventName\":"), 400, "JSON_INVALID");
    refusal(&send(&[], b"{\"eventName\":\"\xff\"}"), 400, "UTF8_INVALID");
    refusal(
        &send(
            &[],
            format!("{{\"eventName\":\"a\",\"metadata\":{}", "[".repeat(99)).as_bytes(),
        ),
        400,
        "JSON_TOO_DEEP",
    );
    refusal(&send(&[], br#"{"events":[{},{},{},{}]}"#), 413, "TOO_MANY_EVENTS");
    refusal(&send(&[], br#"{"events":[],"events":[]}"#), 400, "KEY_DUPLICATE");
    refusal(&send(&[], &vec![b' '; (1 << 20) + 1]), 413, "BODY_TOO_LARGE");
    refusal(
        &send(&[("Content-Type", "application/xml")], b"<a/>"),
        415,
        "MEDIA_TYPE_UNSUPPORTED",
    );
    refusal(
        &send(&[("Content-Encoding", "compress")], b"{}"),
        415,
        "ENCODING_UNSUPPORTED",
    );
    refusal(&send(&[("Content-Encoding", "gzip")], b"{}"), 400, "ENCODING_BROKEN");
    refusal(
        &send(&[("Idempotency-Key", "")], b"{\"eventName\":\"a\"}"),
        400,
        "IDEMPOTENCY_KEY_INVALID",
    );
    // One text that cannot be read is one event's matter.
    let mixed = send(
        &[("Content-Type", "text/plain")],
        b"{\"events\":[{\"eventName\":\"\xff\"},{\"eventName\":\"a\"}]}",
    );
    assert_eq!(
        (mixed.status, &mixed.json()["accepted"]),
        (202, &json!(1)),
        "{}",
        mixed.text()
    );
    for bad in [
        r#"{"eventName":"a","eventName":"b"}"#,
        r#"{"eventName":"a\u0000"}"#,
        r#"{"eventName":"a","metadata":{"k":1,"k":2}}"#,
    ] {
        assert_eq!(send(&[], bad.as_bytes()).status, 400, "{bad}");
    }
}
