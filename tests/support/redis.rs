//! Real Redis and Valkey servers, each with its own directory and port on loopback.
//!
//! `redis-server` comes from the system's packages, `valkey-server` from the tools directory that
//! `tests/setup.sh` fills.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{ConnectionLike, Value};
use tempfile::TempDir;

/// How long anything a server does may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Redis,
    Valkey,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    fn program(self) -> PathBuf {
        match self {
            Self::Redis => "redis-server".into(),
            Self::Valkey => tools().join("valkey-server"),
        }
    }
}

/// Where programs for tests are that the system has no package of.
pub fn tools() -> PathBuf {
    std::env::var_os("FOOTFALL_TEST_TOOLS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/footfall-tools"),
        PathBuf::from,
    )
}

/// A running server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct RedisServer {
    engine: Engine,
    port: u16,
    more: Vec<String>,
    directory: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// A server with an append-only file that is synced every second.
    pub fn start(engine: Engine) -> Self {
        Self::start_with(engine, &[])
    }

    /// The same with further arguments, which win; `{port}` and `{dir}` in them are replaced.
    pub fn start_with(engine: Engine, more: &[&str]) -> Self {
        let more: Vec<String> = more.iter().map(|argument| (*argument).to_owned()).collect();
        for _ in 0..20 {
            let mut server = Self {
                engine,
                port: free_port(),
                more: more.clone(),
                directory: tempfile::tempdir().unwrap(),
                process: None,
            };
            if server.try_start() {
                return server;
            }
        }
        panic!("{engine:?} does not start with {more:?}");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its data.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs one command, on a connection of its own; lists come as lines. Panics when the server refuses it.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let reply = ask(&self.url(), arguments);
        text_of(&reply.unwrap_or_else(|error| panic!("{arguments:?}: {error}")))
    }

    /// `SHUTDOWN`, and waits until it is gone.
    pub fn stop(&mut self) {
        // The answer is that the connection closes.
        let _ = ask(&self.url(), &["SHUTDOWN"]);
        let mut process = self.process.take().unwrap();
        until("the server stops", || process.try_wait().unwrap().is_some());
    }

    /// `SIGKILL`.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again on the same port and data.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        assert!(self.try_start(), "{:?} does not start again", self.engine);
    }

    /// `SIGSTOP`: it holds its connections and answers nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// `SIGCONT`.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.process.as_ref().unwrap().id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// False if it ended at once, as when somebody else took the port.
    fn try_start(&mut self) -> bool {
        let directory = self.directory.path().to_str().unwrap().to_owned();
        let port = self.port.to_string();
        let fixed = "--bind 127.0.0.1 --port {port} --dir {dir} --logfile {dir}/log --appendonly yes \
                     --appendfsync everysec --save";
        let arguments = fixed.split(' ').chain([""]).chain(self.more.iter().map(String::as_str));
        let arguments = arguments.map(|argument| argument.replace("{port}", &port).replace("{dir}", &directory));
        let program = self.engine.program();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!(
                "{} does not run ({error}); tests/setup.sh installs it",
                program.display()
            )
        });
        let mut ended = false;
        until("the server answers", || {
            ended = process.try_wait().unwrap().is_some();
            ended || self.answers()
        });
        self.process = (!ended).then_some(process);
        !ended
    }

    fn answers(&self) -> bool {
        if self.more.iter().any(|argument| argument == "--tls-port") {
            return TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        }
        match ask(&self.url(), &["PING"]) {
            Ok(_) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Tries again and again until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs one command at a URL.
pub fn ask(url: &str, arguments: &[&str]) -> redis::RedisResult<Value> {
    let (name, rest) = arguments.split_first().unwrap();
    let mut connection = redis::Client::open(url)?.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.req_command(redis::cmd(name).arg(rest))?.extract_error()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Nil => "(nil)".into(),
        Value::Okay => "OK".into(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        other => panic!("{other:?}"),
    }
}

/// A port below those that the system gives to outgoing connections, so that a server that is started again still
/// finds it free.
pub fn free_port() -> u16 {
    loop {
        let port = 12_000 + u16::try_from(getrandom::u32().unwrap() % 20_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
