//! `footfall import` and the call behind it: what was before is brought in, each line once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says why, and looks at the clock itself"
)]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod files;
mod hand_over;
mod kills;
mod logs;
mod visits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use footfall::event::{Event, Sequence};
use footfall::journal::payload::{Manner, Payload};
use footfall::journal::{Lane, Reader, RealDisk, look};
use serde_json::Value;
use tempfile::TempDir;

use support::answer::Answer;
use support::backend::{Backend, Stage, counts_in, events_in};
use support::client::{Client, Request};
use support::gateway::{Gateway, Settings, run};
use support::report::metric;
use support::wait::until_true;

/// Counts by name.
type Counts = BTreeMap<String, u64>;

/// A gateway with a site, of which we have a key that may import.
struct House {
    stage: Stage,
    gateway: Gateway,
    client: Client,
    site: String,
    key: String,
    folder: TempDir,
}

impl House {
    fn new(backend: Backend) -> Self {
        Self::with(backend, |settings| settings)
    }

    fn with(backend: Backend, change: impl FnOnce(Settings) -> Settings) -> Self {
        let mut stage = backend.stage();
        stage.settings = change(stage.settings);
        let site: Value = serde_json::from_str(&run(&stage.settings, &["site", "add", "shop", "--json"])).unwrap();
        let key = run(&stage.settings, &["key", "add", "shop", "--rights", "manage"]);
        let gateway = stage.settings.start();
        Self {
            client: gateway.client(),
            gateway,
            stage,
            site: site["id"].as_str().unwrap().to_owned(),
            key,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes a file.
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The command that imports.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
        command
            .args([
                "import",
                "--json",
                "--to",
                &format!("http://{}", self.gateway.address()),
            ])
            .args(arguments)
            .env_clear()
            .env("FOOTFALL_IMPORT_KEY", &self.key)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Imports; the exit code, what was said of the files, and of errors.
    fn try_import(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said = said.lines().map(|line| serde_json::from_str(line).unwrap());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said.collect(), errors)
    }

    /// Imports a file, which must succeed: lines that were taken before and now, events, and lines that were rejected.
    #[track_caller]
    fn import(&self, file: &Path, more: &[&str]) -> [u64; 4] {
        let (code, said, errors) = self.try_import(&[&[file.to_str().unwrap()], more].concat());
        assert_eq!(code, Some(0), "{errors}");
        ["before", "lines", "events", "rejected"].map(|name| said[0][name].as_u64().unwrap())
    }

    /// Events of the site by name, wherever they are counted.
    fn counts(&self) -> Counts {
        match &self.stage.server {
            None => events_in(&self.stage.settings.data_dir(), &self.site).0.0,
            Some(server) => {
                let printed = server.cli(&["HGETALL", &format!("ff:{{0}}:{}:events", self.site)]);
                let lines: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
                let pairs = lines.chunks(2);
                pairs
                    .map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap()))
                    .collect()
            }
        }
    }

    #[track_caller]
    fn until_counted(&self, expected: &[(&str, u64)]) {
        let expected: Counts = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        until_true(&format!("{expected:?} to be counted"), || self.counts() == expected);
    }

    /// A call of an import.
    fn call(&mut self, method: &str, target: &str, body: Option<(&str, &[u8])>) -> Answer {
        let request = Request::new(method, target).header("Authorization", &format!("Bearer {}", self.key));
        let request = match body {
            Some((content_type, body)) => request.header("Content-Type", content_type).body(body),
            None => request,
        };
        self.client.send(&request)
    }

    /// Sends lines of an import.
    fn lines(&mut self, name: &str, from: u64, body: &str) -> Answer {
        let target = format!("/api/v1/imports/{name}?from={from}");
        self.call("POST", &target, Some(("application/x-ndjson", body.as_bytes())))
    }

    /// Lines that are taken.
    fn taken(&mut self, name: &str) -> u64 {
        let answer = self.call("GET", &format!("/api/v1/imports/{name}"), None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["taken"].as_u64().unwrap()
    }

    /// Events that were received, and the sum of what became of them.
    fn outcomes(&self) -> (u64, u64) {
        let text = self.gateway.admin_client().get("/metrics").text();
        let refused = text
            .lines()
            .filter(|line| line.starts_with("footfall_events_refused_total"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        let of = |name: &str| metric(&self.gateway, name);
        let outcomes = of("footfall_events_kept_total") + of("footfall_events_duplicates_total");
        (of("footfall_events_received_total"), outcomes + refused.sum::<u64>())
    }

    /// Stops the gateway, and holds counters and store against the journal.
    #[track_caller]
    fn verify(&mut self) -> String {
        self.gateway.stop();
        let output = self.stage.settings.run(&["verify"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("store: 0 differences"),
            "{said}"
        );
        said
    }
}

/// Hands every event in the journal of a gateway that has ended to somebody, in their order.
fn journaled(settings: &Settings, take: &mut dyn FnMut(&Event<'_>, Manner)) {
    for lane in Lane::BOTH {
        let Some(identity) = lane.identity(&settings.data_dir()).unwrap() else {
            continue;
        };
        let disk = RealDisk::new(&lane.journal_folder(&settings.data_dir())).unwrap();
        let mut reader = Reader::new(look(Arc::new(disk), identity).unwrap(), Sequence::ZERO);
        let read = reader.read(Sequence(u64::MAX), |frame, _| {
            if let Some(Payload::Event(event, manner)) = Payload::read(frame.kind, frame.payload) {
                take(&event, manner);
            }
            true
        });
        read.unwrap();
    }
}

/// An event as a line, without its end.
fn event(number: u64) -> String {
    format!(r#"{{"name":"signup","time":"2024-02-03T04:05:06Z","properties":{{"number":{number}}}}}"#)
}

/// Lines of events.
fn events(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|number| event(number) + "\n").collect()
}
