//! The points dialect: `/v1/users/events`, every answer of its contract, and that a user has each timestamp once for
//! good, whatever breaks.

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod contract;
mod kills;
mod rates;
mod shared;

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use support::answer::Answer;
use support::client::{Client, Request};
use support::gateway::Gateway;

const PATH: &str = "/v1/users/events";

/// Points by user.
type Points = BTreeMap<String, u64>;

fn event(user: &str, kind: &str, timestamp: u64) -> Request {
    post(&json!({"user_id": user, "event_type": kind, "timestamp": timestamp}).to_string())
}

fn post(body: &str) -> Request {
    Request::new("POST", PATH)
        .header("Content-Type", "application/json")
        .body(body)
}

#[track_caller]
fn send(client: &mut Client, user: &str, kind: &str, timestamp: u64) -> u16 {
    let answer = client.send(&event(user, kind, timestamp));
    match answer.status {
        201 => assert_eq!(answer.json()["message"], "User events recorded Successfully"),
        409 => assert_eq!(answer.text(), r#"{"message":"User event already exists"}"#),
        _ => {}
    }
    answer.status
}

/// The points that an answer tells.
#[track_caller]
fn points_of(answer: &Answer) -> Points {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["message"], "User events queried Successfully");
    let of = |user: &Value| {
        (
            user["userId"].as_str().unwrap().to_owned(),
            user["points"].as_u64().unwrap(),
        )
    };
    body["data"].as_array().unwrap().iter().map(of).collect()
}

#[track_caller]
fn points(gateway: &Gateway) -> Points {
    points_of(&gateway.client().get(PATH))
}

fn try_points(gateway: &Gateway) -> io::Result<Option<Points>> {
    let answer = gateway.client().try_send(&Request::new("GET", PATH))?;
    Ok((answer.status == 200).then(|| points_of(&answer)))
}

fn given(points: &[(&str, u64)]) -> Points {
    points
        .iter()
        .map(|(user, points)| ((*user).to_owned(), *points))
        .collect()
}
