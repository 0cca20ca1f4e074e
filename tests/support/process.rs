//! Child processes: their output, their signals, their end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Lines a child has written so far.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Collects the lines of a stream on a thread of its own, until the stream ends.
    pub fn follow(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let kept = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                kept.0.lock().unwrap().push(line);
            }
        });
        lines
    }

    /// What follows a prefix, on the first line that begins with it.
    pub fn after(&self, prefix: &str) -> Option<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
    }

    /// How many lines are just this.
    pub fn count(&self, line: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|said| *said == line).count()
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// Sends a signal by its short name (`TERM`, `STOP`, …) to a process, child or not.
#[track_caller]
pub fn signal_process(id: u32, name: &str) {
    let told = Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status();
    assert!(told.unwrap().success(), "could not send {name} to {id}");
}

/// Whether any thread of a process runs. One that has ended and that nobody has asked about does not; one whose first
/// thread has ended may still hold its locks.
pub fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
    threads > 1 || !matches!(state, None | Some('Z' | 'X'))
}

/// Waits for a child to end; `None` when it has not ended in time.
pub fn wait_for_end(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// A port on loopback that was free a moment ago, for programs that cannot choose one themselves.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Lets this process and its children open many files; the hard limit must allow it.
#[track_caller]
pub fn allow_open_files(count: u32) {
    let done = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), &format!("--nofile={count}:")])
        .status();
    assert!(done.unwrap().success(), "{count} open files are not allowed here");
}

/// Memory of a process that is in the machine's memory.
pub fn resident_bytes(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}
