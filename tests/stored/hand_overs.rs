//! Processes that take each other's place write into one store.

use serde_json::json;

use crate::support::client::{Connection, Request};
use crate::support::gateway::Settings;
use crate::support::process::runs;
use crate::support::wait::until_true;
use crate::{PATH, accept, counts, stored_names, until_stored, verify};

fn event(name: &str) -> Vec<u8> {
    let request = Request::new("POST", PATH).header("Content-Type", "application/json");
    request.body(json!({ "name": name }).to_string()).bytes()
}

/// What the one writes last and the other first must not get the same place in the log, also when the one had written
/// nothing before.
#[test]
fn what_two_processes_keep_at_the_same_time_is_stored_whole() {
    // What one worker answers after a connection began, it has answered after it read from that.
    let mut gateway = Settings::new().set("FOOTFALL_EDGE_WORKERS", 1).start();
    gateway.hand_over();
    let mut slow = Connection::open(gateway.address()).unwrap();
    let bytes = event("old");
    slow.write(&bytes[..20]).unwrap();
    assert_eq!(gateway.client().get("/livez").status, 200);
    let old = gateway.begin_hand_over();
    gateway.wait_for_word("passing what is open", 2);
    accept(&gateway, &json!([{"name": "new"}, {"name": "new"}]));
    assert!(runs(old));
    slow.write(&bytes[20..]).unwrap();
    assert_eq!(slow.read_answer().unwrap().status, 202);
    until_true("the old process to end", || !runs(old));
    gateway.wait_for_word("what it left is taken over", 2);
    until_stored(&gateway, 3);
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("new", 2), ("old", 1)]));
    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("store: 0 differences"), "{said}");
}
