//! Visits of a fleet: gateways that count together, behind the shipped nginx, which leaves each visitor with one of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use super::House;
use super::support::backend::Backend;
use super::support::client::{Connection, Request};
use super::support::nginx::Nginx;
use super::support::report::metric;
use super::support::wait::until_true;

const VISITORS: u8 = 24;

/// A visitor's address: all of loopback is this machine.
fn address(visitor: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, visitor + 1).into()
}

/// A view through nginx; whether it was accepted.
fn view(nginx: &Nginx, key: &str, visitor: u8, page: &str) -> bool {
    let event =
        json!({"name": "page_view", "url": format!("https://shop.example/{page}"), "user": format!("u{visitor}")});
    let request = Request::new("POST", "/api/v1/events").header("X-API-Key", key);
    let request = request
        .header("Content-Type", "application/json")
        .body(event.to_string());
    let sent = Connection::open_from(address(visitor), nginx.address()).and_then(|mut connection| {
        connection.write(&request.bytes())?;
        connection.read_answer()
    });
    sent.is_ok_and(|answer| answer.status == 202)
}

/// Visits, visitors, views and bounces that a gateway tells.
fn figures(house: &mut House) -> [u64; 4] {
    let query = json!({"metrics": ["visits", "visitors", "pageviews", "bounce_rate"], "date_range": "24h"});
    let answer = house.ask(&query).json();
    let figures = answer["results"][0]["metrics"].as_array().cloned().unwrap_or_default();
    let count = |place: usize| {
        figures
            .get(place)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default()
    };
    let rate = figures.get(3).and_then(serde_json::Value::as_f64).unwrap_or_default();
    let visits = count(0);
    let is_rate = |bounces: &u64| (100.0 * *bounces as f64 / visits as f64 - rate).abs() < 1e-6;
    [
        visits,
        count(1),
        count(2),
        (0..=visits).find(is_rate).unwrap_or_default(),
    ]
}

/// What a gateway must tell when its visitors have viewed so many pages each.
fn expected(views: &BTreeMap<u8, u64>) -> [u64; 4] {
    let visits = views.len() as u64;
    let bounces = views.values().filter(|views| **views == 1).count() as u64;
    [visits, visits, views.values().sum(), bounces]
}

#[test]
fn visitors_stay_with_a_gateway_and_when_one_is_killed_the_rest_is_exact() {
    let stage = Backend::Redis.stage();
    let trusted = |settings: super::Settings| settings.set("FOOTFALL_EDGE_TRUSTED_PROXIES", "127.0.0.1/32");
    let mut first = House::with(&trusted(stage.settings.clone()), &["--visitors", "daily"]);
    let mut second = first.beside(&trusted(stage.settings.elsewhere()));
    let nginx = Nginx::start_before(&[first.gateway.address(), second.gateway.address()]);
    let key = first.write.clone();
    let stored = |house: &House| metric(&house.gateway, "footfall_store_events");
    // Who is with whom, as the gateways see it.
    let mut with_first: BTreeMap<u8, u64> = BTreeMap::new();
    let mut with_second: BTreeMap<u8, u64> = BTreeMap::new();
    let kept = |house: &House| metric(&house.gateway, "footfall_events_kept_total");
    let send = |visitor: u8, views: &mut [&mut BTreeMap<u8, u64>; 2], houses: [&House; 2]| {
        let before = houses.map(kept);
        assert!(view(&nginx, &key, visitor, "page"));
        let after = houses.map(kept);
        let which = (0..2)
            .find(|place| after[*place] > before[*place])
            .expect("one of them has it");
        *views[which].entry(visitor).or_default() += 1;
    };
    for round in 0..3 {
        for visitor in (0..VISITORS).filter(|visitor| visitor % 3 >= round) {
            send(visitor, &mut [&mut with_first, &mut with_second], [&first, &second]);
        }
    }
    assert!(!with_first.is_empty() && !with_second.is_empty(), "nginx spreads them");
    let stays = with_first.keys().all(|visitor| !with_second.contains_key(visitor));
    assert!(stays, "{with_first:?} {with_second:?}");
    let sum = |views: &BTreeMap<u8, u64>| views.values().sum::<u64>();
    until_true("all views to be stored", || {
        stored(&first) == sum(&with_first) && stored(&second) == sum(&with_second)
    });
    assert_eq!(figures(&mut first), expected(&with_first));
    assert_eq!(figures(&mut second), expected(&with_second));

    // One is killed: its visitors go to the other, where they begin anew; what that has is exact.
    first.gateway.kill();
    let mut lost = 0;
    for visitor in 0..VISITORS {
        if view(&nginx, &key, visitor, "after") {
            *with_second.entry(visitor).or_default() += 1;
        } else {
            lost += 1;
        }
    }
    assert_eq!(lost, 0, "nginx asks the next one");
    until_true("the views after it to be stored", || {
        stored(&second) == sum(&with_second)
    });
    // An answer of the moment before is given again for a second.
    until_true("what the other has now", || {
        figures(&mut second) == expected(&with_second)
    });
    first.gateway.start_again();
    first.client = first.gateway.client();
    until_true("the store to be open", || first.get("/api/v1/events").status == 200);
    until_true("what it had", || figures(&mut first) == expected(&with_first));
}
