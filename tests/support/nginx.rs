//! A real nginx with the shipped configuration, moved to free ports and into a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::client::{Client, Request};
use super::process::{self, Lines};
use super::wait::{SOON, until_true};

/// A running nginx; dropped, it is stopped.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    log: Lines,
    address: SocketAddr,
    /// Removed when nginx has ended.
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx in front of a gateway, and waits until it serves.
    #[track_caller]
    pub fn start(gateway: SocketAddr) -> Self {
        Self::start_before(&[gateway])
    }

    /// The same in front of several gateways, among which each client address stays with one.
    #[track_caller]
    pub fn start_before(gateways: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Workers of an nginx started by root are nobody, and need to reach it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()));
        write_configuration(folder.path(), address, gateways);
        let mut child = Command::new(program())
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .args(["-g", &format!("daemon off; pid {}/nginx.pid;", folder.path().display())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nginx (tests/setup.sh installs it)");
        let log = Lines::follow(child.stderr.take().unwrap());
        until_true("nginx", || {
            assert_eq!(child.try_wait().unwrap(), None, "nginx ended:\n{}", log.text());
            Client::new(address).try_send(&Request::new("GET", "/livez")).is_ok()
        });
        Self {
            child,
            log,
            address,
            _folder: folder,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client of nginx.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright, the master would leave its workers behind.
        let stopping = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {}", self.child.id()))
            .status();
        if stopping.is_err() || process::wait_for_end(&mut self.child, SOON).is_none() {
            let _ = self.child.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- log of nginx at {}:\n{}", self.address, self.log());
        }
    }
}

/// Debian keeps it where the PATH of a user may not lead.
fn program() -> &'static str {
    let usual = "/usr/sbin/nginx";
    if Path::new(usual).exists() { usual } else { "nginx" }
}

/// Copies the shipped files; only addresses are changed, and for several gateways what they say to switch on is.
fn write_configuration(folder: &Path, listen: SocketAddr, gateways: &[SocketAddr]) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx");
    let servers: Vec<String> = gateways.iter().map(|gateway| format!("server {gateway};")).collect();
    let sticks = if gateways.len() > 1 { "" } else { "# " };
    let changes = [
        ("listen 80;", format!("listen {listen};")),
        ("server 127.0.0.1:3030;", servers.join("\n")),
        (
            "# hash $remote_addr consistent;",
            format!("{sticks}hash $remote_addr consistent;"),
        ),
    ];
    let mut changed = 0;
    for file in ["nginx.conf", "footfall.conf", "gateways.conf"] {
        let mut text = fs::read_to_string(shipped.join(file)).unwrap();
        for (shipped, ours) in &changes {
            changed += text.matches(shipped).count();
            text = text.replace(shipped, ours);
        }
        fs::write(folder.join(file), text).unwrap();
    }
    assert_eq!(changed, changes.len(), "the shipped configuration has other addresses");
}
