//! `footfall site` and `footfall key`, as an operator calls them.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::gateway::Settings;
use crate::support::wait::until_true;

const BACKENDS: [Backend; 3] = [Backend::Embedded, Backend::Redis, Backend::Valkey];

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command that must succeed, and gives what it printed.
#[track_caller]
fn run(settings: &Settings, arguments: &[&str]) -> String {
    let output = settings.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
    out(&output)
}

#[track_caller]
fn json(settings: &Settings, arguments: &[&str]) -> Value {
    serde_json::from_str(&run(settings, &[arguments, &["--json"]].concat())).unwrap()
}

/// Runs a command that must be refused, and gives the reason.
#[track_caller]
fn refused(settings: &Settings, arguments: &[&str]) -> String {
    let output = settings.run(arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}{}",
        out(&output),
        err(&output)
    );
    err(&output)
}

#[test]
fn a_site_is_added_listed_changed_and_removed() {
    for backend in BACKENDS {
        let stage = backend.stage();
        let settings = &stage.settings;
        let properties = [
            "--domain",
            "Shop.example,www.shop.test",
            "--time-zone",
            "europe/berlin",
            "--currency",
            "eur",
        ];
        let added = run(settings, &[&["site", "add", "shop"], &properties[..]].concat());
        assert!(added.starts_with("added site shop, id "), "{added}");

        let sites = json(settings, &["site", "list"]);
        assert_eq!(sites[0]["name"], "default");
        assert_eq!(sites[0]["id"], "0".repeat(32));
        let shop = &sites[1];
        assert_eq!(shop["domains"], serde_json::json!(["shop.example", "shop.test"]));
        assert_eq!(
            (&shop["time_zone"], &shop["currency"]),
            (&"Europe/Berlin".into(), &"EUR".into())
        );
        assert_eq!((&shop["visitors"], &shop["keys"]), (&"daily".into(), &0.into()));
        assert!(added.contains(shop["id"].as_str().unwrap()), "{added}");

        run(
            settings,
            &[
                "site",
                "change",
                "shop",
                "--name",
                "store",
                "--no-domains",
                "--visitors",
                "stable",
            ],
        );
        let table = run(settings, &["site", "list"]);
        let line = table.lines().find(|line| line.contains("store")).unwrap();
        assert!(line.contains("Europe/Berlin  EUR       stable    0"), "{table}");
        assert!(!table.contains("shop.example"), "{table}");

        let removed = run(settings, &["site", "remove", shop["id"].as_str().unwrap()]);
        assert!(removed.starts_with("removed site store"), "{removed}");
        assert!(removed.contains("stays, under its id"), "{removed}");
        assert_eq!(json(settings, &["site", "list"]).as_array().unwrap().len(), 1);
        run(
            settings,
            &["site", "add", "store", "--id", shop["id"].as_str().unwrap()],
        );
        assert_eq!(json(settings, &["site", "list"])[1]["id"], shop["id"]);
    }
}

#[test]
fn a_key_is_shown_once_and_kept_nowhere() {
    for backend in BACKENDS {
        let mut stage = backend.stage();
        let settings = stage.settings.clone().set("API_KEY_PREFIX", "ff_test_");
        run(&settings, &["site", "add", "shop"]);
        let key = run(
            &settings,
            &["key", "add", "shop", "--rights", "write", "--name", "the page"],
        );
        let key = key.strip_suffix('\n').unwrap();
        let parts: Vec<&str> = key.strip_prefix("ff_test_").unwrap().split('_').collect();
        let [id, secret] = parts[..] else { panic!("{key}") };
        assert_eq!((id.len(), secret.len()), (16, 64));

        let listed = json(&settings, &["key", "list", "shop"]);
        assert_eq!((&listed[0]["id"], &listed[0]["rights"]), (&id.into(), &"write".into()));
        assert_eq!(
            (&listed[0]["name"], &listed[0]["expires"]),
            (&"the page".into(), &Value::Null)
        );
        assert!(run(&settings, &["key", "list"]).contains("the page"));

        let mut kept = String::new();
        for folder in [
            Some(settings.data_dir()),
            stage.server.as_ref().map(|server| server.directory().into()),
        ] {
            let files = folder
                .filter(|folder| folder.exists())
                .into_iter()
                .flat_map(|folder| fs::read_dir(folder).unwrap());
            for file in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
                kept += &String::from_utf8_lossy(&fs::read(file).unwrap());
            }
        }
        if backend != Backend::Embedded {
            kept += &stage.server().cli(&["HGETALL", "ff:dir:register"]);
        }
        assert!(kept.contains(id), "this is where it would be");
        assert!(!kept.contains(secret));
    }
}

#[test]
fn a_key_is_revoked_by_its_id_or_its_text_and_its_text_is_never_repeated() {
    let settings = Settings::new();
    for whole in [false, true] {
        let made = json(&settings, &["key", "add", "default", "--rights", "read"]);
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let said = run(&settings, &["key", "revoke", if whole { key } else { id }]);
        assert_eq!(said, format!("revoked key {id} of site default\n"));
        let said = refused(&settings, &["key", "revoke", key]);
        assert!(said.contains("no such key") && !said.contains(key), "{said}");
    }
    assert_eq!(json(&settings, &["key", "list"]), serde_json::json!([]));
}

#[test]
fn the_list_says_when_a_key_ends_and_that_it_has() {
    let settings = Settings::new();
    run(
        &settings,
        &["key", "add", "default", "--rights", "read", "--expires", "2999-12-31"],
    );
    assert!(run(&settings, &["key", "list"]).contains("  2999-12-31T00:00:00Z"));
    run(
        &settings,
        &["key", "add", "default", "--rights", "write", "--expires", "1s"],
    );
    until_true("the key to end", || {
        run(&settings, &["key", "list"]).contains("  expired 20")
    });
    let ended = json(&settings, &["key", "list"]);
    let ended = ended
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["expired"] == true)
        .count();
    assert_eq!(ended, 1);
}

#[test]
fn bad_input_is_refused_with_the_field_and_what_would_be_right() {
    let settings = Settings::new();
    run(&settings, &["site", "add", "shop", "--domain", "shop.example"]);
    let before = run(&settings, &["site", "list"]);
    let long = "x".repeat(129);
    let rows: [(&[&str], &str); 21] = [
        (&["site", "add", ""], "name: "),
        (&["site", "add", " a"], "name: "),
        (&["site", "add", "a\nb"], "name: "),
        (&["site", "add", &long], "128 bytes"),
        (&["site", "add", "shop"], "another site is called \"shop\""),
        (&["site", "add", "default"], "another site is called \"default\""),
        (&["site", "add", "a", "--id", "7"], "32 hexadecimal digits"),
        (&["site", "add", "a", "--domain", "https://a.example"], "domain: "),
        (&["site", "add", "a", "--domain", "*.example"], "domain: "),
        (
            &["site", "add", "a", "--domain", "www.shop.example"],
            "belongs to another site",
        ),
        (&["site", "add", "a", "--time-zone", "Middle/Earth"], "Europe/Berlin"),
        (&["site", "add", "a", "--currency", "gold"], "ISO 4217"),
        (&["site", "add", "a", "--visitors", "guessed"], "daily"),
        (&["site", "change", "default", "--name", "a"], "name: "),
        (&["site", "change", "nowhere"], "site list"),
        (&["site", "remove", "default"], "site: "),
        (&["key", "add", "shop"], "--rights"),
        (&["key", "add", "shop", "--rights", "all"], "write"),
        (&["key", "add", "nowhere", "--rights", "read"], "site list"),
        (&["key", "add", "shop", "--rights", "read", "--expires", "soon"], "90d"),
        (
            &["key", "add", "shop", "--rights", "read", "--expires", "2001-01-01"],
            "future",
        ),
    ];
    for (arguments, reason) in rows {
        let said = refused(&settings, arguments);
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    assert_eq!(run(&settings, &["site", "list"]), before);
    let said = refused(&settings.clone().set("API_KEY_PREFIX", "ak live"), &["site", "list"]);
    assert!(said.contains("API_KEY_PREFIX"), "{said}");
}

#[test]
fn looking_leaves_nothing_behind() {
    let settings = Settings::new();
    assert!(run(&settings, &["site", "list"]).contains("default"));
    assert_eq!(run(&settings, &["key", "list"]).lines().count(), 1);
    assert!(!settings.data_dir().exists());
}

#[test]
fn without_redis_a_command_fails_and_says_so() {
    let settings = Settings::new().set("REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    for arguments in [&["site", "list"][..], &["site", "add", "shop"], &["key", "list"]] {
        let output = settings.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = err(&output);
        assert!(said.contains("127.0.0.1:1") && !said.contains("hunter2"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(!settings.data_dir().exists());
}

#[test]
fn help_teaches_how_to_begin() {
    let settings = Settings::new();
    let rows: [(&[&str], &str); 5] = [
        (&["--help"], "footfall key add shop --rights write"),
        (&["site", "--help"], "directory.refresh_ms"),
        (&["site", "add", "--help"], "--time-zone Europe/Berlin"),
        (&["site", "remove", "--help"], "What was counted and kept for it stays"),
        (&["key", "add", "--help"], "only time that it can be seen"),
    ];
    for (arguments, words) in rows {
        assert!(run(&settings, arguments).contains(words), "{arguments:?}");
    }
}
