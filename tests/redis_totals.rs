//! Totals in a real Redis 7 and a real Valkey 9: exact, shared by gateways, and patient when the server is away.

mod support;

use support::backend::{Backend, visits_in};
use support::gateway::Gateway;
use support::history::{Fate, History};
use support::load::{Load, Running};
use support::process::free_port;
use support::redis::RedisServer;
use support::report::{Report, metric};
use support::wait::until_true;

/// The servers that can be `REDIS_URL`.
const SERVERS: [Backend; 2] = [Backend::Redis, Backend::Valkey];

fn wait_for_visits(server: &RedisServer, expected: &Report) {
    until_true(&format!("{expected:?} in Redis"), || visits_in(server) == *expected);
}

/// What `/readyz` tells of Redis; visits are kept while it is away, so that alone does not make the gateway not ready.
fn is_away(gateway: &Gateway) -> bool {
    gateway.client().get("/readyz").json()["counters"]
        .as_str()
        .unwrap()
        .contains("away")
}

#[test]
fn a_person_reads_the_counts_with_hgetall() {
    for backend in SERVERS {
        let mut stage = backend.stage();
        let gateway = stage.settings.start();
        let mut client = gateway.client();
        for country in ["GB", "us", "gb"] {
            assert_eq!(client.visit(country).status, 201);
        }
        wait_for_visits(stage.server(), &Report([("gb".into(), 2), ("us".into(), 1)].into()));
        let events = stage.server().cli(&["HGETALL", "ff:{0}:events"]);
        assert_eq!(Report::parse_hash(&events), Report([("visit".into(), 3)].into()));
        let names = stage.server().cli(&["KEYS", "*"]);
        assert!(names.lines().all(|name| name.starts_with("ff:")), "{names}");
    }
}

#[test]
fn counts_that_others_put_there_are_part_of_the_totals() {
    for backend in SERVERS {
        let mut stage = backend.stage();
        stage.server().cli(&["HSET", "ff:{0}:visits", "gb", "40", "cy", "2"]);
        let gateway = stage.settings.start();
        assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":41}"#);
        assert_eq!(gateway.client().get("/api/v1/stats").text(), r#"{"cy":2,"gb":41}"#);
    }
}

#[test]
fn two_gateways_on_one_server_agree() {
    for backend in SERVERS {
        let mut stage = backend.stage();
        let (one, two) = (stage.settings.start(), stage.settings.elsewhere().start());
        let loads = [&one, &two].map(|gateway| Load::new(gateway.address(), 8).requests(50).start());
        let histories = loads.map(Running::join);
        let mut sum = Report::default();
        for history in &histories {
            history.check_all_kept();
            for (country, count) in history.kept().0 {
                *sum.0.entry(country).or_default() += count;
            }
        }
        until_true("both gateways to report the same", || {
            one.report() == sum && two.report() == sum
        });
        wait_for_visits(stage.server(), &sum);
    }
}

#[test]
fn a_server_that_stops_and_comes_back_under_load_fails_no_request() {
    for backend in SERVERS {
        let mut stage = backend.stage();
        let gateway = stage.settings.start();
        let running = Load::new(gateway.address(), 16).start();
        running.wait_for_answers(200);
        until_true("visits in Redis", || visits_in(stage.server()).sum() > 0);
        stage.server().stop();
        until_true("readyz to tell", || is_away(&gateway));
        running.wait_for_status(202);
        stage.server().start_again();
        until_true("readyz to tell", || !is_away(&gateway));
        running.wait_for_answers(200);
        let history = running.finish();
        history.check_all_kept();
        assert!(history.statuses().contains_key(&202), "{:?}", history.statuses());
        history.check(&gateway.report());
        wait_for_visits(stage.server(), &history.kept());
        assert_eq!(metric(&gateway, "footfall_counters_losses_total"), 0);
    }
}

#[test]
fn a_server_that_was_killed_and_lost_everything_gets_the_totals_again() {
    for backend in SERVERS {
        let mut stage = backend.stage_with(&["--appendonly", "no"]);
        let gateway = stage.settings.start();
        let running = Load::new(gateway.address(), 16).start();
        running.wait_for_answers(200);
        until_true("visits in Redis", || visits_in(stage.server()).sum() > 0);
        // The gateway sends no second commit before it knows of the first.
        let first = visits_in(stage.server()).sum();
        until_true("more visits in Redis", || visits_in(stage.server()).sum() > first);
        stage.server().kill();
        stage.server().start_again();
        running.wait_for_answers(200);
        let history = running.finish();
        history.check_all_kept();
        wait_for_visits(stage.server(), &history.kept());
        history.check(&gateway.report());
        assert!(
            metric(&gateway, "footfall_counters_losses_total") > 0,
            "nothing was lost"
        );
    }
}

#[test]
fn a_flushed_server_gets_the_totals_again() {
    for backend in SERVERS {
        let mut stage = backend.stage();
        let gateway = stage.settings.start();
        let mut history = Load::new(gateway.address(), 8).requests(20).run();
        wait_for_visits(stage.server(), &history.kept());
        stage.server().cli(&["FLUSHALL"]);
        history.merge(Load::new(gateway.address(), 8).requests(20).run());
        history.check_all_kept();
        wait_for_visits(stage.server(), &history.kept());
        history.check(&gateway.report());
    }
}

#[test]
fn while_the_server_is_away_visits_are_202_with_the_last_known_total_and_what_waits() {
    let mut stage = Backend::Redis.stage();
    stage.server().cli(&["HSET", "ff:{0}:visits", "gb", "40"]);
    let gateway = stage.settings.start();
    assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":41}"#);
    stage.server().stop();
    until_true("readyz to tell", || is_away(&gateway));
    // The view of Redis counts as current for a second after its last reply.
    let mut sent = 0;
    until_true("the first 202", || {
        sent += 1;
        gateway.client().visit("GB").status == 202
    });
    let answer = gateway.client().visit("GB");
    assert_eq!(
        (answer.status, answer.text()),
        (202, format!(r#"{{"gb":{}}}"#, 42 + sent))
    );
    assert_eq!(gateway.report().of("gb"), 42 + sent);
    stage.server().start_again();
    until_true("readyz to tell", || !is_away(&gateway));
}

#[test]
fn a_start_without_the_server_keeps_visits_and_knows_no_totals_until_it_comes() {
    let mut stage = Backend::Redis.stage();
    stage.server().stop();
    let mut gateway = stage.settings.start();
    let mut client = gateway.client();
    assert_eq!(client.visit("GB").text(), r#"{"gb":1}"#);
    assert_eq!(client.visit("GB").status, 202);
    let report = client.get("/api/v1/stats");
    assert_eq!(report.status, 503);
    assert_eq!(report.json()["code"], "TOTALS_UNKNOWN");
    assert!(report.header("retry-after").is_some());
    assert!(is_away(&gateway));

    gateway.kill();
    gateway.start_again();
    assert_eq!(gateway.client().visit("US").status, 202);
    stage.server().start_again();
    until_true("the totals", || gateway.client().get("/api/v1/stats").status == 200);
    let expected = Report([("gb".into(), 2), ("us".into(), 1)].into());
    assert_eq!(gateway.report(), expected);
    wait_for_visits(stage.server(), &expected);
}

#[test]
fn a_full_spool_is_503_until_the_server_has_caught_up() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage
        .settings
        .clone()
        .set("FOOTFALL_JOURNAL_SPOOL_BYTES_MAX", 20_000)
        .start();
    let mut client = gateway.client();
    assert_eq!(client.visit("GB").status, 201);
    stage.server().stop();
    until_true("readyz to tell", || is_away(&gateway));
    let mut history = History::default();
    until_true("the spool to fill", || {
        history.merge(Load::new(gateway.address(), 4).requests(50).run());
        history.statuses().contains_key(&503)
    });
    let answer = client.visit("GB");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "SPOOL_FULL");
    assert!(answer.json()["error"].is_string());
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);

    stage.server().start_again();
    until_true("visits to be taken again", || client.visit("de").status == 201);
    let mut report = gateway.report();
    report.0.remove("de");
    *report.0.get_mut("gb").unwrap() -= 1;
    history.visits.retain(|sent| !sent.country.eq_ignore_ascii_case("de"));
    assert!(history.visits.iter().all(|sent| sent.fate != Fate::Unknown));
    history.check(&report);
}

#[test]
fn a_silent_server_does_not_keep_clients_waiting() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone().set("FOOTFALL_COUNTERS_REDIS_TIMEOUT_MS", 300);
    let gateway = settings.start();
    let running = Load::new(gateway.address(), 8).start();
    running.wait_for_answers(100);
    stage.server().pause();
    until_true("readyz to tell", || is_away(&gateway));
    running.wait_for_answers(100);
    stage.server().resume();
    until_true("readyz to tell", || !is_away(&gateway));
    let history = running.finish();
    history.check_all_kept();
    wait_for_visits(stage.server(), &history.kept());
}

#[test]
fn a_server_that_may_evict_keys_makes_the_gateway_not_ready() {
    let mut stage = Backend::Redis.stage();
    stage
        .server()
        .cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let gateway = stage.settings.start();
    let ready = gateway.client().get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("noeviction"), "{}", ready.text());
    let allowed = stage
        .settings
        .elsewhere()
        .set("FOOTFALL_COUNTERS_ALLOW_EVICTION", true)
        .start();
    assert_eq!(allowed.client().get("/readyz").status, 200);
}

#[test]
fn the_password_of_the_server_appears_nowhere() {
    let settings = Backend::Embedded.stage().settings;
    let url = format!("redis://user:hunter2secret@127.0.0.1:{}", free_port());
    let gateway = settings.set("REDIS_URL", url).set("LOG_LEVEL", "trace").start();
    assert_eq!(gateway.client().visit("GB").status, 202);
    assert!(!gateway.client().get("/readyz").text().contains("hunter2secret"));
    assert!(!gateway.log().contains("hunter2secret"));
    assert!(gateway.log().contains("redis"), "the log says that Redis is away");
}
