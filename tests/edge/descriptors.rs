//! A machine that is out of file descriptors.

use std::process::Command;

use crate::server::{Server, config};

const CHILD: &str = "FOOTFALL_TEST_FEW_DESCRIPTORS";
const DESCRIPTORS: usize = 64;

/// The limit holds for a whole process, so the test runs itself again in one of its own.
#[test]
fn a_worker_out_of_descriptors_pauses_and_goes_on() {
    if std::env::var_os(CHILD).is_some() {
        return run_out_of_descriptors();
    }
    let name = "descriptors::a_worker_out_of_descriptors_pauses_and_goes_on";
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -n {DESCRIPTORS}; exec \"$0\" --exact {name} --nocapture"),
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn run_out_of_descriptors() {
    let server = Server::start(&config());
    let mut first = server.connect();
    assert_eq!(first.get("/").body, "hello");
    let mut clients = Vec::new();
    while let Ok(client) = std::net::TcpStream::connect(server.address) {
        clients.push(client);
    }
    assert!(clients.len() > DESCRIPTORS / 4, "{}", clients.len());
    for _ in 0..100 {
        assert_eq!(first.get("/").body, "hello", "open connections do not suffer");
    }
    drop(clients);
    assert_eq!(server.connect().get("/").body, "hello");
}
