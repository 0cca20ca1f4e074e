//! Who may send events, and for which site.

use std::time::Duration;

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::backend::Backend;
use crate::support::client::{Client, Request};
use crate::support::gateway::{Gateway, Settings};
use crate::support::report::metric;
use crate::support::wait::{until, until_true};
use crate::{DEFAULT_SITE, PATH, assert_accepted, assert_problem, post, rejection, run, until_counted};

const EVENT: &str = r#"{"name":"a"}"#;

/// Adds a site with a domain and gives its id, as counters name it.
fn add_site(settings: &Settings, name: &str, domain: &str) -> String {
    let printed = run(settings, &["site", "add", name, "--domain", domain]);
    let mut words = printed.split([' ', ',']);
    let id = words.find(|word| word.len() == 32);
    id.unwrap_or_else(|| panic!("no id in {printed}")).to_owned()
}

fn add_key(settings: &Settings, site: &str, rights: &str) -> String {
    run(settings, &["key", "add", site, "--rights", rights])
}

fn until_keys(gateway: &Gateway, keys: u64) {
    until_true("the keys to be seen", || {
        metric(gateway, "footfall_directory_keys") == keys
    });
}

fn from_page(client: &mut Client, origin: &str, body: &str) -> Answer {
    let beacon = Request::new("POST", PATH).header("Content-Type", "text/plain;charset=UTF-8");
    client.send(&beacon.header("Origin", origin).body(body))
}

#[test]
fn a_write_key_sends_for_its_site_however_it_is_shown() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let site = add_site(&stage.settings, "shop", "shop.example");
        let key = add_key(&stage.settings, "shop", "write");
        let gateway = stage.settings.start();
        let mut client = gateway.client();
        assert_accepted(
            &client.send(&post(EVENT).header("Authorization", &format!("Bearer {key}"))),
            1,
        );
        assert_accepted(&client.send(&post(EVENT).header("X-API-Key", &key)), 1);
        let target = format!("{PATH}?key={key}");
        assert_accepted(&client.send(&Request::new("POST", &target).body(EVENT)), 1);
        // Whatever page it comes from, and whatever domain the event names.
        let elsewhere = post(r#"{"name":"a","domain":"other.example"}"#).header("Origin", "https://other.example");
        assert_accepted(&client.send(&elsewhere.header("X-API-Key", &key)), 1);
        until_counted(&stage, &site, &[("a", 4)]);
        until_counted(&stage, DEFAULT_SITE, &[]);
    }
}

#[test]
fn keys_that_are_unknown_revoked_expired_or_for_reading_are_one_401() {
    let settings = Settings::new();
    add_site(&settings, "shop", "shop.example");
    let key = add_key(&settings, "shop", "write");
    let read_key = add_key(&settings, "shop", "read");
    let gateway = settings.start();
    let mut client = gateway.client();
    let mut bodies = Vec::new();
    let damaged = format!("{}x", &key[..key.len() - 1]);
    for bad in ["", "nonsense", "ak_live_x_y", read_key.as_str(), damaged.as_str()] {
        let answer = client.send(&post(EVENT).header("X-API-Key", bad));
        assert_problem(&answer, 401, "key_invalid");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let mut body = answer.json();
        body["request_id"] = json!(null);
        bodies.push(body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
    // A bad key is not forgiven for the page it comes from.
    let page = post(EVENT)
        .header("Origin", "https://shop.example")
        .header("X-API-Key", "nonsense");
    assert_problem(&client.send(&page), 401, "key_invalid");
    assert_accepted(&client.send(&post(EVENT).header("X-API-Key", &key)), 1);
    run(&settings, &["key", "revoke", &key]);
    let refused = until("the key to be refused", Duration::from_secs(5), || {
        let answer = client.send(&post(EVENT).header("X-API-Key", &key));
        (answer.status != 202).then_some(answer)
    });
    assert_problem(&refused, 401, "key_invalid");
    // One that ends does so by itself, and one that ends later is good.
    let [soon, later] = ["1s", "1h"].map(|when| {
        run(
            &settings,
            &["key", "add", "shop", "--rights", "write", "--expires", when],
        )
    });
    until_true("the later key to be seen", || {
        client.send(&post(EVENT).header("X-API-Key", &later)).status == 202
    });
    let refused = until("the key to end", Duration::from_secs(5), || {
        let answer = client.send(&post(EVENT).header("X-API-Key", &soon));
        (answer.status != 202).then_some(answer)
    });
    assert_problem(&refused, 401, "key_invalid");
    assert_accepted(&client.send(&post(EVENT).header("X-API-Key", &later)), 1);
}

#[test]
fn a_page_sends_for_the_site_of_its_domain() {
    let stage = Backend::Embedded.stage();
    let shop = add_site(&stage.settings, "shop", "shop.example");
    let blog = add_site(&stage.settings, "blog", "blog.example");
    let gateway = stage.settings.start();
    let mut client = gateway.client();
    assert_accepted(&from_page(&mut client, "https://www.Shop.example:8443", EVENT), 1);
    let referred = post(EVENT).header("Referer", "https://blog.example/a?b#c");
    assert_accepted(&client.send(&referred), 1);
    // What the event names comes first: a page may stand elsewhere than its site.
    let named = r#"[{"name":"a","domain":"blog.example"},{"name":"b","domain":"unknown.example"},{"name":"c"}]"#;
    let answer = from_page(&mut client, "https://shop.example", named);
    let body = answer.json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(2), &json!(1)), "{body}");
    assert_eq!(
        (&body["errors"][0]["code"], &body["errors"][0]["index"]),
        (&json!("site_unknown"), &json!(1))
    );
    // A page of no site, and nobody at all.
    assert_accepted(&from_page(&mut client, "https://unknown.example", EVENT), 1);
    assert_accepted(&client.send(&post(EVENT)), 1);
    let mut of_sites = [
        (shop.as_str(), [("a", 1), ("c", 1)].as_slice()),
        (&blog, &[("a", 2)]),
        (DEFAULT_SITE, &[("a", 2)]),
    ];
    of_sites.sort_unstable();
    for (site, expected) in of_sites {
        until_counted(&stage, site, expected);
    }
}

#[test]
fn a_closed_gateway_takes_only_what_has_a_key_or_a_known_domain() {
    let settings = Settings::new().set("FOOTFALL_EVENTS_OPEN", false);
    add_site(&settings, "shop", "shop.example");
    let key = add_key(&settings, "shop", "write");
    let gateway = settings.start();
    until_keys(&gateway, 1);
    let mut client = gateway.client();
    let nobody = client.send(&post(EVENT));
    assert_eq!((nobody.status, rejection(&nobody).0), (401, "key_missing".into()));
    assert_eq!(from_page(&mut client, "https://unknown.example", EVENT).status, 401);
    assert_accepted(&from_page(&mut client, "https://shop.example", EVENT), 1);
    assert_accepted(&client.send(&post(r#"{"name":"a","domain":"shop.example"}"#)), 1);
    assert_accepted(&client.send(&post(EVENT).header("X-API-Key", &key)), 1);
}

#[test]
fn those_without_a_key_have_a_limit_of_their_own() {
    let settings = Settings::new()
        .set("RATE_LIMIT_MAX", 2)
        .set("FOOTFALL_LIMIT_KEYLESS_MAX", 3);
    add_site(&settings, "shop", "shop.example");
    let key = add_key(&settings, "shop", "write");
    let gateway = settings.start();
    let mut client = gateway.client();
    for left in [2, 1, 0] {
        let answer = client.send(&post(EVENT));
        assert_accepted(&answer, 1);
        assert_eq!(answer.parameter("ratelimit", "r"), Some(left));
        assert_eq!(answer.parameter("ratelimit-policy", "q"), Some(3));
    }
    let refused = client.send(&post(EVENT));
    assert_problem(&refused, 429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        client.get("/api/v1/pixel.gif").status,
        429,
        "the pixel has the same limit"
    );
    for _ in 0..5 {
        let answer = client.send(&post(EVENT).header("X-API-Key", &key));
        assert_accepted(&answer, 1);
        assert_eq!(answer.header("ratelimit"), None);
    }
    assert_eq!(client.visit("GB").status, 201, "visits have theirs");
    let off = Settings::new().set("FOOTFALL_LIMIT_KEYLESS_MAX", 0).start();
    assert_eq!(off.client().send(&post(EVENT)).header("ratelimit"), None);
}
