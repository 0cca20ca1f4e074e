//! The real binary as a child process, with a data directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::client::Client;
use super::process::{self, Lines};
use super::report::Report;
use super::wait::{SOON, until, until_true};

/// How a gateway is to be started; the environment is all it gets.
#[derive(Debug, Clone)]
pub struct Settings {
    variables: Vec<(String, String)>,
    /// A command the gateway is run under, such as a tracer; it must become the gateway.
    under: Vec<String>,
    /// Shared, so that the directory outlives every gateway that is started on it.
    data: Arc<TempDir>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            variables: Vec::new(),
            under: Vec::new(),
            data: Arc::new(tempfile::tempdir().unwrap()),
        }
        .set("HOST", "127.0.0.1")
        .set("PORT", 0)
        .set("FOOTFALL_ADMIN_PORT", 0)
        .set("FOOTFALL_DURABILITY", "os")
        .set("FOOTFALL_LOG_FORMAT", "json")
        .set("RATE_LIMIT_MAX", 0)
        .set("FOOTFALL_LIMIT_KEYLESS_MAX", 0)
        // Temporary directories may lie anywhere, and many at once need no room for bad days.
        .set("FOOTFALL_JOURNAL_ALLOW_EPHEMERAL", true)
        .set("FOOTFALL_JOURNAL_RESERVE_BYTES", 0)
    }
}

impl Settings {
    /// An embedded gateway on loopback, `os` durability, limit off, a fresh data directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable of the environment.
    #[allow(clippy::needless_pass_by_value, reason = "numbers and texts read best as they are")]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Takes a variable out of the environment, so that the gateway's own default holds.
    pub fn unset(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Runs the gateway under another command, which must end up as the gateway's own process.
    pub fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The same settings with a data directory of their own.
    pub fn elsewhere(&self) -> Self {
        Self {
            variables: self.variables.clone(),
            under: self.under.clone(),
            data: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    /// Where journal and counters lie.
    pub fn data_dir(&self) -> PathBuf {
        let elsewhere = self.variables.iter().find(|(name, _)| name == "FOOTFALL_DATA_DIR");
        elsewhere.map_or_else(|| self.data.path().join("data"), |(_, path)| path.into())
    }

    /// Starts a gateway and waits until it is ready.
    #[track_caller]
    pub fn start(&self) -> Gateway {
        Gateway::launch(self.clone())
    }

    /// Runs a verb (`check-config`, `verify`, …) or a start that should fail, to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        if process::wait_for_end(&mut child, SOON).is_none() {
            child.kill().unwrap();
            panic!("{arguments:?} did not end: {:?}", child.wait_with_output());
        }
        child.wait_with_output().unwrap()
    }

    /// Starts a gateway and kills it a moment later, ready or not.
    pub fn kill_while_starting(&self, moment: Duration) {
        let mut child = self.command(&["serve"]).spawn().unwrap();
        process::wait_for_end(&mut child, moment);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let words = self.under.iter().map(String::as_str);
        let mut words = words.chain([env!("CARGO_BIN_EXE_footfall")]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(arguments)
            .env_clear()
            .env("FOOTFALL_DATA_DIR", self.data_dir())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // Away from the project's folder: no `.env` or `data` of a developer is picked up.
            .current_dir(self.data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running (or ended) gateway; dropped, it is killed, and a failed test shows its log.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    child: Child,
    /// The process that serves since the last hand-over; before the first it is the child.
    heir: Option<u32>,
    log: Lines,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts a gateway with the settings of [`Settings::new`].
    #[track_caller]
    pub fn start() -> Self {
        Settings::new().start()
    }

    #[track_caller]
    fn launch(settings: Settings) -> Self {
        let mut child = settings.command(&["serve"]).spawn().unwrap();
        let said = Lines::follow(child.stdout.take().unwrap());
        let log = Lines::follow(child.stderr.take().unwrap());
        until("the gateway's start", SOON, || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the gateway ended with {ended:?}:\n{}", log.text());
            said.after("ready")
        });
        let address = |prefix: &str| said.after(prefix).unwrap().parse().unwrap();
        Self {
            address: address("listening on http://"),
            admin: address("admin on http://"),
            settings,
            child,
            heir: None,
            log,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators connect.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.heir.unwrap_or(self.child.id())
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.settings.data_dir()
    }

    /// A client of the main listener.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A client of the admin listener.
    pub fn admin_client(&self) -> Client {
        Client::new(self.admin)
    }

    /// The counts as `GET /api/v1/stats` reports them.
    #[track_caller]
    pub fn report(&self) -> Report {
        let answer = self.client().get("/api/v1/stats");
        assert_eq!(answer.status, 200, "{answer:?}");
        Report::parse(&answer.body)
    }

    /// What stands in the way of its being ready, as `/readyz` lists it.
    pub fn obstacles(&self) -> String {
        self.admin_client().get("/readyz").json()["obstacles"].to_string()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Sends a signal by its short name to the process that serves.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        process::signal_process(self.pid(), name);
    }

    /// Has a new process take over and waits until the old one has ended and left everything to it.
    #[track_caller]
    pub fn hand_over(&mut self) {
        let taken_over = self.said("what it left is taken over");
        let old = self.begin_hand_over();
        until_true("the old process to end", || !process::runs(old));
        self.wait_for_word("what it left is taken over", taken_over + 1);
    }

    /// Has a new process take over, waits until it answers, and gives the old one's id.
    #[track_caller]
    pub fn begin_hand_over(&mut self) -> u32 {
        let (old, answering) = (self.pid(), self.said("the new process answers"));
        self.signal("USR2");
        self.wait_for_word("the new process answers", answering + 1);
        self.heir = Some(self.last_heir());
        old
    }

    /// How many lines of the log have these words.
    pub fn said(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// Waits until so many lines of the log have these words.
    #[track_caller]
    pub fn wait_for_word(&self, words: &str, times: usize) {
        until_true(&format!("{words:?} in the log, {times} times"), || {
            self.said(words) >= times
        });
    }

    fn last_heir(&self) -> u32 {
        let log = self.log();
        let mut lines = log.lines().rev();
        let line = lines.find(|line| line.contains("the new process answers")).unwrap();
        let number = line.split_once("\"process\":").unwrap().1;
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        number.parse().unwrap()
    }

    /// Waits for the end and gives the exit code; `None` when a signal ended it.
    #[track_caller]
    pub fn wait_for_end(&mut self, patience: Duration) -> Option<i32> {
        assert_eq!(self.heir, None, "only a parent hears the exit code");
        let status = process::wait_for_end(&mut self.child, patience);
        status.expect("the gateway did not end in time").code()
    }

    /// Asks it to stop, waits, and checks that it ended well.
    #[track_caller]
    pub fn stop(&mut self) {
        let stopped = self.said("everything that was answered is kept");
        self.signal("TERM");
        if let Some(heir) = self.heir {
            until_true("the gateway to end", || !process::runs(heir));
            self.wait_for_word("everything that was answered is kept", stopped + 1);
            self.heir = None;
        } else {
            assert_eq!(self.wait_for_end(SOON), Some(0), "exit code after SIGTERM");
        }
    }

    /// Ends it with `kill -9`.
    #[track_caller]
    pub fn kill(&mut self) {
        if let Some(heir) = self.heir {
            self.signal("KILL");
            until_true("the gateway to end", || !process::runs(heir));
            self.heir = None;
        } else {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }

    /// Starts it again on the same data directory, once stopped or killed; its ports are new ones.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(!process::runs(self.pid()), "it still runs");
        *self = Self::launch(self.settings.clone());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(heir) = self.heir.filter(|heir| process::runs(*heir)) {
            process::signal_process(heir, "KILL");
        }
        if std::thread::panicking() {
            eprintln!("--- log of the gateway at {}:\n{}", self.address, self.log());
        }
    }
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Runs a command of the binary, which must succeed, and gives what it printed.
#[track_caller]
pub fn run(settings: &Settings, arguments: &[&str]) -> String {
    let output = settings.run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
