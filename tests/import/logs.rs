//! Access logs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use footfall::event::Visitor;

use crate::support::backend::Backend;
use crate::support::gateway::fixture;
use crate::{House, journaled};

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                     Version/17.5 Mobile/15E148 Safari/604.1";

/// A log of one address a line, over some days.
fn log(lines: u64) -> String {
    let line = |number: u64| {
        let path = match number % 5 {
            0 => "/style.css",
            1 => "/cart?step=2",
            _ => "/",
        };
        format!(
            "203.0.113.{} - - [{:02}/Feb/2024:13:55:36 +0100] \"GET {path} HTTP/1.1\" {} 512 \"https://www.google.com/\" \"{PHONE}\"\n",
            number % 250,
            1 + number % 28,
            if number.is_multiple_of(7) { 404 } else { 200 },
        )
    };
    (0..lines).map(line).collect()
}

fn views(lines: u64) -> u64 {
    (0..lines).filter(|number| number % 5 != 0 && number % 7 != 0).count() as u64
}

fn a_log_is_imported_as_page_views(backend: Backend) {
    let mut house = House::new(backend);
    let text = log(3_000) + "broken line\n";
    let file = house.file("access.log", &text);
    assert_eq!(
        house.import(&file, &["--host", "shop.example"]),
        [0, 3_001, views(3_000), 1]
    );
    // Rotated, compressed, and grown a little before: the same import.
    let packed = house.folder.path().join("access.log.1.gz");
    let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::default());
    let grown = text + &log(3_010)[log(3_000).len()..];
    encoder.write_all(grown.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let more = views(3_010) - views(3_000);
    assert_eq!(house.import(&packed, &["--host", "shop.example"]), [3_001, 10, more, 0]);
    house.until_counted(&[("page_view", views(3_010))]);
    let told = std::fs::read_to_string(house.folder.path().join("access.log.rejects")).unwrap();
    assert!(
        told.ends_with("\n3001\tit has no time in brackets\tbroken line\n"),
        "{told}"
    );
    house.verify();
}

#[test]
fn a_log_is_imported_as_page_views_embedded() {
    a_log_is_imported_as_page_views(Backend::Embedded);
}

#[test]
fn a_log_is_imported_as_page_views_with_redis() {
    a_log_is_imported_as_page_views(Backend::Redis);
}

#[test]
fn a_line_becomes_an_event_with_country_visitor_and_agent() {
    let country = fixture("geo/GeoIP2-Country-Test.mmdb");
    let mut house = House::with(Backend::Embedded, |settings| {
        settings.set("FOOTFALL_GEO_DATABASE", country.display())
    });
    let line = |address: &str, day: u64, rest: &str| {
        format!("{address} - anna [{day:02}/Feb/2024:23:30:00 -0100] \"GET /a?utm_source=x HTTP/1.1\" 200 5{rest}\n")
    };
    let combined = format!(" \"https://blog.example/p\" \"{PHONE}\"");
    let text = [
        line("2.125.160.217", 1, &combined),
        line("2.125.160.217", 1, &combined),
        line("2.125.160.217", 2, &combined),
        line("2.125.160.218", 1, &combined),
        line("some.name.example", 1, ""),
        line("2.125.160.217", 1, " \"-\" \"curl/8.5.0\""),
    ];
    let file = house.file("access.log", text.concat());
    assert_eq!(house.import(&file, &["--host", "Shop.Example"]), [0, 6, 6, 0]);
    // The same visitor of the same day in another file is the same one.
    let other = house.file("other.log", line("2.125.160.217", 1, &combined).replace("/a?", "/b?"));
    assert_eq!(house.import(&other, &[]), [0, 1, 1, 0]);
    house.gateway.stop();
    let (mut visitors, mut number) = (Vec::new(), 0);
    journaled(&house.stage.settings, &mut |event, _| {
        number += 1;
        visitors.push(match event.visitor {
            Visitor::Daily(hash) => Some(hash),
            Visitor::None => None,
            Visitor::Stable(_) => panic!("the site counts by the day"),
        });
        if number != 1 {
            return;
        }
        let host_and_page = (event.name, event.host, event.path, event.query, event.referrer);
        assert_eq!(
            host_and_page,
            (
                "page_view",
                "shop.example",
                "/a",
                "utm_source=x",
                "https://blog.example/p"
            )
        );
        // Half past midnight of the second, in Greenwich.
        assert_eq!(event.time_ms, 1_706_833_800_000);
        assert_eq!((event.country.to_string().as_str(), event.user_agent), ("gb", PHONE));
        assert_eq!(event.address.unwrap().to_string(), "2.125.160.0");
    });
    assert_eq!(visitors[0], visitors[1]);
    assert_eq!(visitors[0], visitors[6], "another file");
    assert_eq!(visitors[4], None, "nobody knows the address");
    let different: BTreeMap<_, _> = [0, 2, 3, 5].map(|place| (visitors[place], place)).into();
    assert_eq!(different.len(), 4, "another day, another address, another agent");
}

#[test]
fn machines_in_a_log_are_bots() {
    let house = House::new(Backend::Embedded);
    let line = |agent: &str| {
        format!("203.0.113.7 - - [01/Feb/2024:13:55:36 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n")
    };
    let google = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let file = house.file("access.log", [line(PHONE), line(google), line("curl/8.5.0")].concat());
    assert_eq!(house.import(&file, &[]), [0, 3, 3, 0]);
    let gateway = &house.gateway;
    crate::until_true("all to be stored", || {
        crate::metric(gateway, "footfall_store_events") == 3
    });
    let query = serde_json::json!({
        "metrics": ["events"], "date_range": ["2024-02-01", "2024-02-02"], "timezone": "UTC"
    });
    let request = crate::Request::new("POST", "/api/v1/query")
        .header("Authorization", &format!("Bearer {}", house.key))
        .header("Content-Type", "application/json");
    let answer = house.gateway.client().send(&request.body(query.to_string())).json();
    assert_eq!(answer["results"][0]["metrics"][0], 1, "{answer}");
    assert_eq!(answer["meta"]["bots_left_out"], 2, "{answer}");
}
