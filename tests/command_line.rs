//! The command line: refusals to start, what is checked before, and whether the counters agree with the journal.

mod support;

use std::process::Output;

use support::backend::{Backend, visits_in};
use support::gateway::{Gateway, Settings};
use support::load::Load;
use support::wait::until_true;

fn text_of(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_second_gateway_on_the_same_data_directory_refuses_to_start() {
    let gateway = Gateway::start();
    let output = gateway.settings().run(&["serve"]);
    assert!(!output.status.success());
    let text = text_of(&output);
    assert!(text.contains(&gateway.data_dir().display().to_string()), "{text}");
    assert!(text.contains("in use") || text.contains("another"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(gateway.client().visit("GB").status, 201, "the first is unharmed");
}

#[test]
fn a_bad_configuration_names_everything_that_is_wrong_and_exits_with_2() {
    let settings = Settings::new()
        .set("PORT", "many")
        .set("RATE_LIMIT_MAX", -1)
        .set("FOOTFALL_DURABILITY", "sometimes")
        .set("FOOTFALL_EDGE_IDEL_MS", 1);
    for arguments in [["serve"], ["check-config"]] {
        let output = settings.run(&arguments);
        let text = text_of(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        for name in [
            "PORT",
            "RATE_LIMIT_MAX",
            "FOOTFALL_DURABILITY",
            "FOOTFALL_EDGE_IDEL_MS",
            "FOOTFALL_EDGE_IDLE_MS",
        ] {
            assert!(text.contains(name), "{name} is not named:\n{text}");
        }
    }
}

#[test]
fn check_config_says_that_a_good_configuration_is_good_and_hides_secrets() {
    let output = Settings::new()
        .set("REDIS_URL", "redis://:hunter2@127.0.0.1:1")
        .run(&["check-config"]);
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    assert!(!text_of(&output).contains("hunter2"));
}

#[test]
fn settings_of_other_systems_do_not_stop_the_start_and_are_named_once() {
    let gateway = Settings::new()
        .set("NODE_ENV", "production")
        .set("DATABASE_URL", "postgres://user:hunter2@db/x")
        .set("ENABLE_CLUSTER", "true")
        .start();
    assert_eq!(gateway.client().visit("GB").status, 201);
    assert_eq!(gateway.log().matches("DATABASE_URL").count(), 1, "{}", gateway.log());
    assert!(!gateway.log().contains("hunter2"));
}

#[test]
fn an_unreachable_port_is_a_clear_refusal() {
    let gateway = Gateway::start();
    let admin_port = gateway.admin().port();
    let output = Settings::new().set("FOOTFALL_ADMIN_PORT", admin_port).run(&["serve"]);
    assert!(!output.status.success());
    assert!(
        text_of(&output).contains(&admin_port.to_string()),
        "{}",
        text_of(&output)
    );
}

#[test]
fn verify_finds_no_difference_in_a_stopped_data_directory() {
    for backend in Backend::KINDS {
        for end in ["stopped", "killed"] {
            let stage = backend.stage();
            let mut gateway = stage.settings.start();
            let history = Load::new(gateway.address(), 8).requests(25).run();
            if let Some(server) = &stage.server {
                until_true("Redis to hold every visit", || visits_in(server) == history.kept());
            }
            if end == "stopped" {
                gateway.stop();
            } else {
                gateway.kill();
            }
            let output = stage.settings.run(&["verify"]);
            assert_eq!(output.status.code(), Some(0), "{backend:?} {end}: {}", text_of(&output));
        }
    }
}

#[test]
fn verify_finds_a_planted_difference() {
    let mut stage = Backend::Redis.stage();
    let mut gateway = stage.settings.start();
    let history = Load::new(gateway.address(), 4).requests(25).run();
    until_true("Redis to hold every visit", || {
        visits_in(stage.server()) == history.kept()
    });
    gateway.stop();
    stage.server().cli(&["HINCRBY", "ff:{0}:visits", "gb", "-1"]);
    let output = stage.settings.run(&["verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", text_of(&output));
    assert!(text_of(&output).contains("gb"), "{}", text_of(&output));
}

#[test]
fn help_teaches_the_verbs() {
    let output = Settings::new().run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for verb in ["serve", "check-config", "reference", "rebuild", "verify"] {
        assert!(
            text_of(&output).contains(verb),
            "{verb} is missing:\n{}",
            text_of(&output)
        );
    }
    assert_eq!(Settings::new().run(&["dance"]).status.code(), Some(2));
}
