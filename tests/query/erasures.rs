//! Deletions: what goes, what stays, who may.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::client::Request;
use crate::{House, Settings, ago, problem, run, until_true};

impl House {
    /// Deletes with a key that may.
    fn delete(&mut self, target: &str) -> Answer {
        let key = if let Some(key) = &self.manage {
            key.clone()
        } else {
            let key = run(self.gateway.settings(), &["key", "add", "shop", "--rights", "manage"]);
            let get = Request::new("GET", "/api/v1/events").header("X-API-Key", &key);
            until_true("the key to be known", || self.client.send(&get).status == 200);
            self.manage.insert(key).clone()
        };
        self.client
            .send(&Request::new("DELETE", target).header("X-API-Key", &key))
    }

    #[track_caller]
    fn until_left(&mut self, names: &[&str]) {
        until_true(&format!("{names:?} to be what is left"), || {
            self.listed("/api/v1/events", "name") == names
        });
    }
}

#[track_caller]
fn assert_erasing(answer: &Answer, whose: &str) {
    assert_eq!((answer.status, answer.json()), (202, json!({"erasing": whose})));
    assert_eq!(answer.header("x-durability"), Some("os"));
}

fn events() -> Value {
    json!([
        {"name": "a", "time": ago(4), "user": "anna b", "visitor": "v1"},
        {"name": "b", "time": ago(3), "user": "bert", "visitor": "v1"},
        {"name": "c", "time": ago(2), "user": "anna b", "visitor": "v2"},
        {"name": "d", "time": ago(1)},
    ])
}

#[test]
fn a_users_a_visitors_and_all_events_go_for_good() {
    let mut house = House::new();
    house.keep(&events());
    assert_erasing(&house.delete("/api/v1/users/anna%20b"), "user");
    house.until_left(&["d", "b"]);
    assert_erasing(&house.delete("/api/v1/visitors/v1"), "visitor");
    house.until_left(&["d"]);
    // Nobody is there any more; to say so again does no harm.
    assert_erasing(&house.delete("/api/v1/visitors/v1"), "visitor");
    let site = house.site.clone();
    assert_erasing(&house.delete(&format!("/api/v1/events?confirm={site}")), "site");
    house.until_left(&[]);
    // What comes afterwards is kept as ever, also of the same people.
    house.sent = 0;
    house.keep(&json!([{"name": "again", "user": "anna b", "visitor": "v1"}]));
    house.until_left(&["again"]);
}

#[test]
fn visits_of_whoever_is_deleted_go_as_well_whether_they_go_on_or_not() {
    let mut house = House::new();
    house.keep(&json!([
        {"name": "a", "time": ago(200), "visitor": "v1"},
        {"name": "b", "time": ago(3), "visitor": "v1"},
        {"name": "c", "time": ago(2), "visitor": "v2", "user": "anna"},
    ]));
    let until_visits = |house: &mut House, count: u64| {
        let query = json!({"metrics": ["visits"], "date_range": [ago(60 * 24), ago(0)]});
        until_true(&format!("{count} visits"), || {
            house.rows(&query) == json!([[[], [count]]])
        });
    };
    until_visits(&mut house, 3);
    house.delete("/api/v1/visitors/v1");
    until_visits(&mut house, 1);
    house.delete("/api/v1/users/anna");
    until_visits(&mut house, 0);
}

#[test]
fn an_answer_that_was_given_before_a_deletion_is_not_given_again() {
    let mut house = House::new();
    house.keep(&events());
    let query = json!({"metrics": ["events"], "date_range": [ago(60 * 24), ago(1)]});
    let mut count = || {
        let answer = house.ask(&query).json();
        (
            answer["results"][0]["metrics"][0].as_u64().unwrap(),
            answer["cached"].as_bool().unwrap(),
        )
    };
    let before = count().0;
    assert_eq!(count(), (before, true));
    house.delete("/api/v1/users/bert");
    let mut count = || house.ask(&query).json()["results"][0]["metrics"][0].as_u64().unwrap();
    until_true("the answer to be another one", || count() == before - 1);
}

#[test]
fn a_site_that_counts_by_the_day_deletes_by_the_days_hash() {
    let mut house = House::with(&Settings::new(), &[]);
    house.keep(&json!([
        {"name": "a", "ip": "203.0.113.7", "user_agent": "one"},
        {"name": "b", "ip": "203.0.113.7", "user_agent": "two"},
    ]));
    let visitor = house.events("/api/v1/events?name=a")[0]["visitor"]
        .as_str()
        .unwrap()
        .to_owned();
    let wrong = house.delete("/api/v1/visitors/anna");
    assert_eq!(problem(&wrong, 422, "field_invalid").0, "id");
    assert_erasing(&house.delete(&format!("/api/v1/visitors/{visitor}")), "visitor");
    house.until_left(&["b"]);
}

#[test]
fn a_deletion_needs_its_right_and_its_confirmation_and_nothing_else() {
    let mut house = House::new();
    house.keep(&events());
    let site = house.site.clone();
    let whole = format!("/api/v1/events?confirm={site}");
    for (key, code, status) in [
        (Some(house.read.clone()), "rights_missing", 403),
        (Some(house.write.clone()), "rights_missing", 403),
        (None, "key_missing", 401),
    ] {
        for target in [&whole, "/api/v1/users/bert", "/api/v1/visitors/v1"] {
            let mut request = Request::new("DELETE", target);
            if let Some(key) = &key {
                request = request.header("X-API-Key", key);
            }
            problem(&house.client.send(&request), status, code);
        }
    }
    problem(&house.delete("/api/v1/events"), 422, "confirmation_missing");
    problem(&house.delete("/api/v1/events?confirm=yes"), 422, "confirmation_missing");
    let narrowed = house.delete(&format!("{whole}&user=bert"));
    assert_eq!(problem(&narrowed, 422, "field_invalid").0, "user");
    assert_eq!(
        problem(&house.delete("/api/v1/users/bert?name=a"), 422, "field_invalid").0,
        "name"
    );
    // A deletion that is taken shows that none of these was.
    house.delete("/api/v1/users/nobody");
    house.keep(&json!({"name": "e"}));
    house.until_left(&["e", "d", "c", "b", "a"]);
}

#[test]
fn a_deletion_that_was_answered_survives_a_kill() {
    let mut house = House::new();
    house.keep(&events());
    assert_erasing(&house.delete("/api/v1/users/bert"), "user");
    house.gateway.kill();
    house.gateway.start_again();
    house.client = house.gateway.client();
    until_true("the store to be open", || house.get("/api/v1/events").status == 200);
    house.until_left(&["d", "c", "a"]);
}
