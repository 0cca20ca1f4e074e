//! The guard's scripts with a check taken out, put in the place of the real ones on the way to Redis.

use crate::proxy::Proxy;
use crate::support::redis::RedisServer;

const APPLY: &str = include_str!("../src/counters/lua/apply.lua");
const CLAIM: &str = include_str!("../src/counters/lua/claim.lua");

/// Conditions of the scripts that are made never to hold.
const SEQUENCES: [&str; 2] = ["cursor >= to", "cursor ~= from"];
const CLAIMS: [&str; 1] = ["held[3] ~= nonce or stored ~= epoch"];
const RIVALS: [&str; 2] = [
    "is_original and (ours == 0 or held[4] == '')",
    "is_original or ours > 0 and is_rival",
];

/// Commits are applied wherever they begin, and whoever sends them.
pub fn without_guard(proxy: &Proxy, server: &RedisServer) {
    weaken(proxy, server, APPLY, &[&SEQUENCES[..], &CLAIMS].concat());
}

/// Commits are applied whoever sends them: epochs and nonces are not looked at.
pub fn without_fence(proxy: &Proxy, server: &RedisServer) {
    weaken(proxy, server, APPLY, &CLAIMS);
    weaken(proxy, server, CLAIM, &RIVALS);
}

fn weaken(proxy: &Proxy, server: &RedisServer, script: &str, conditions: &[&str]) {
    let mut weak = script.to_owned();
    for condition in conditions {
        let held = format!("if {condition} then");
        assert!(weak.contains(&held), "no {condition:?} in the script");
        weak = weak.replace(&held, "if false then");
    }
    let load = |text: &str| server.cli(&["SCRIPT", "LOAD", text]);
    proxy.replace(&load(script), &load(&weak));
}
