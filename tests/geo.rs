//! Counting by address: `POST /api/v1/visits` takes the country from where the client is.

mod support;

use support::answer::Answer;
use support::backend::Backend;
use support::client::Request;
use support::gateway::{Gateway, Settings, fixture};
use support::wait::until_true;

/// Settings with the test database of countries.
fn with_database() -> Settings {
    Settings::new().set(
        "FOOTFALL_GEO_DATABASE",
        fixture("geo/GeoIP2-Country-Test.mmdb").display(),
    )
}

fn visit_from(gateway: &Gateway, header: &str, value: &str) -> Answer {
    gateway
        .client()
        .send(&Request::new("POST", "/api/v1/visits").header(header, value))
}

#[test]
fn the_country_comes_from_the_address_a_trusted_proxy_names() {
    let gateway = with_database().start();
    let rows = [
        ("81.2.69.160", "gb"),
        ("89.160.20.112", "se"),
        ("216.160.83.56", "us"),
        ("2001:218::1", "jp"),
        ("::ffff:81.2.69.160", "gb"),
        ("81.2.69.160:4711", "gb"),
        ("[2001:218::1]:443", "jp"),
        ("89.160.20.112, 81.2.69.160", "gb"),
        ("81.2.69.160, 127.0.0.1", "gb"),
    ];
    for (address, country) in rows {
        let before = gateway.report().of(country);
        let answer = visit_from(&gateway, "X-Forwarded-For", address);
        let body = format!(r#"{{"{country}":{}}}"#, before + 1);
        assert_eq!((answer.status, answer.text()), (201, body), "{address}");
    }
    let answer = visit_from(&gateway, "Forwarded", r#"for="[2001:218::1]:4711";proto=https"#);
    assert_eq!(answer.text(), r#"{"jp":3}"#);
}

#[test]
fn an_address_without_a_country_counts_as_unknown() {
    let gateway = with_database().start();
    assert_eq!(
        visit_from(&gateway, "X-Forwarded-For", "192.0.2.1").text(),
        r#"{"xx":1}"#
    );
    assert_eq!(gateway.client().post("/api/v1/visits").text(), r#"{"xx":2}"#);
}

#[test]
fn without_a_database_every_country_is_unknown_and_readyz_says_so() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let answer = visit_from(&gateway, "X-Forwarded-For", "81.2.69.160");
        assert_eq!((answer.status, answer.text().as_str()), (201, r#"{"xx":1}"#));
        let ready = gateway.client().get("/readyz");
        assert_eq!(ready.status, 200, "no database is no reason not to be ready");
        assert!(ready.text().contains("geo"), "{}", ready.text());
    }
}

#[test]
fn the_country_header_of_a_trusted_proxy_counts_when_it_is_configured_and_only_then() {
    let by_header = with_database().set("FOOTFALL_GEO_COUNTRY_HEADER", "CF-IPCountry");
    assert_eq!(
        visit_from(&by_header.start(), "CF-IPCountry", "FR").text(),
        r#"{"fr":1}"#
    );
    assert_eq!(
        visit_from(&with_database().start(), "CF-IPCountry", "FR").text(),
        r#"{"xx":1}"#
    );
    let nobody_trusted = by_header
        .elsewhere()
        .set("FOOTFALL_EDGE_TRUSTED_PROXIES", "10.0.0.0/8")
        .start();
    assert_eq!(visit_from(&nobody_trusted, "CF-IPCountry", "FR").text(), r#"{"xx":1}"#);
}

#[test]
fn a_forwarded_address_from_an_untrusted_peer_is_not_believed() {
    let gateway = with_database()
        .set("FOOTFALL_EDGE_TRUSTED_PROXIES", "10.0.0.0/8")
        .start();
    assert_eq!(
        visit_from(&gateway, "X-Forwarded-For", "81.2.69.160").text(),
        r#"{"xx":1}"#
    );
}

#[test]
fn a_database_that_breaks_while_in_use_is_not_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("country.mmdb");
    let whole = std::fs::read(fixture("geo/GeoIP2-Country-Test.mmdb")).unwrap();
    let put = |bytes: &[u8]| {
        let next = folder.path().join("next");
        std::fs::write(&next, bytes).unwrap();
        std::fs::rename(next, &place).unwrap();
    };
    put(&whole);
    let settings = Settings::new()
        .set("FOOTFALL_GEO_DATABASE", place.display())
        .set("FOOTFALL_GEO_RELOAD_MS", 20);
    let gateway = settings.start();
    let country = || visit_from(&gateway, "X-Forwarded-For", "81.2.69.160").text();
    assert!(country().contains("gb"));

    put(&whole[..whole.len() / 2]);
    let complains = |line: &str| line.contains("geo") && (line.contains("WARN") || line.contains("ERROR"));
    until_true("word of the broken database in the log", || {
        gateway.log().lines().any(complains)
    });
    assert!(country().contains("gb"), "the good one stays in use");
}
