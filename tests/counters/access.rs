//! Getting in: passwords, access lists, databases, TLS, sockets.

use std::path::Path;
use std::process::Command;

use footfall::config::Secret;
use footfall::counters::RedisReader;
use footfall::event::Sequence;
use footfall::redis_address::RedisAddress;

use crate::server::{Engine, RedisServer, ask};
use crate::{IDENTITY, VISITS, config, counters_at, unavailable, visit};

/// Set in a copy of this test program that trusts the test's authority.
const TLS_URL: &str = "FOOTFALL_TEST_TLS_URL";

async fn counts_and_reads(url: &str) {
    let mut counters = counters_at(url, IDENTITY);
    assert_eq!(counters.connect(&[]).await, Ok(None));
    visit(&mut counters, 1).await;
    assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(1))));
    let address = RedisAddress::parse(&Secret::new(url)).unwrap();
    let reader = RedisReader::new(&address, &config(), IDENTITY).unwrap();
    reader.ping().await.unwrap();
    let (cursor, totals) = reader.read_totals(&VISITS).await.unwrap();
    assert_eq!((cursor, totals["gb"]), (Some(Sequence(1)), 1));
    reader.server().await.unwrap();
}

#[tokio::test]
async fn a_user_of_an_access_list_with_the_documented_rights_suffices_in_a_database_of_its_own() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let rights = "+evalsha +script|load +hmget +hset +hincrby +hsetnx +hkeys +hget +hgetall +exists +ping +unwatch +info \
                      +select +keys +rename +hdel";
        let user = ["ACL", "SETUSER", "gate", "on", ">p/ss@:%", "~ff:*"];
        let rights: Vec<&str> = rights.split_whitespace().collect();
        server.cli(&[&user[..], &rights].concat());
        let url = format!("redis://gate:p%2Fss%40%3A%25@127.0.0.1:{}/3", server.port());
        counts_and_reads(&url).await;
        let address = RedisAddress::parse(&Secret::new(&*url)).unwrap();
        let reader = RedisReader::new(&address, &config(), IDENTITY).unwrap();
        assert_eq!(reader.renew(0).await, Ok((true, 1)));
        assert_eq!(server.cli(&["DBSIZE"]), "0");
        let size = ask(&format!("{}/3", server.url()), &["DBSIZE"]).unwrap();
        assert_eq!(size, redis::Value::Int(3));
    }
}

#[tokio::test]
async fn a_password_is_asked_for_and_never_shown() {
    let server = RedisServer::start_with(Engine::Redis, &["--requirepass", "geheim"]);
    let text = unavailable(counters_at(&server.url(), IDENTITY).connect(&[]).await);
    assert!(text.contains("NoAuth") || text.contains("NOAUTH"), "{text}");
    let wrong = format!("redis://:falsch@127.0.0.1:{}", server.port());
    let mut counters = counters_at(&wrong, IDENTITY);
    let text = unavailable(counters.connect(&[]).await);
    assert!(!text.contains("falsch"), "{text}");
    assert!(!format!("{counters:?}").contains("falsch"));
    counts_and_reads(&format!("redis://:geheim@127.0.0.1:{}", server.port())).await;
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let server = RedisServer::start_with(Engine::Redis, &["--unixsocket", "{dir}/socket"]);
    let socket = server.directory().join("socket");
    counts_and_reads(&format!("unix://{}", socket.display())).await;
}

#[tokio::test]
async fn an_ipv6_address_serves_as_well() {
    // The later `--bind` wins.
    let server = RedisServer::start_with(Engine::Redis, &["--bind", "127.0.0.1", "-::1"]);
    if std::net::TcpStream::connect(("::1", server.port())).is_err() {
        return; // a machine without IPv6
    }
    counts_and_reads(&format!("redis://[::1]:{}", server.port())).await;
}

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command
        .current_dir(directory)
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority of our own, and a certificate of it for 127.0.0.1.
fn certificates(directory: &Path) {
    std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    let key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        directory,
        &format!("{key} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"),
    );
    openssl(
        directory,
        &format!("{key} -subj /CN=server -keyout server.key -out server.csr"),
    );
    openssl(
        directory,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
}

/// Trust comes by `SSL_CERT_FILE`, which must not change in a process with threads: a copy of this test has it.
#[tokio::test]
async fn tls_is_spoken_with_a_server_whose_authority_is_trusted_and_with_no_other() {
    if let Ok(url) = std::env::var(TLS_URL) {
        return counts_and_reads(&url).await;
    }
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let names = [
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
    ];
    let ports = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"];
    let server = RedisServer::start_with(Engine::Redis, &[&ports[..], &names].concat());
    let url = format!("rediss://127.0.0.1:{}", server.port());

    let text = unavailable(counters_at(&url, IDENTITY).connect(&[]).await);
    assert!(text.contains("certificate"), "{text}");

    let name = "access::tls_is_spoken_with_a_server_whose_authority_is_trusted_and_with_no_other";
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]);
    let output = again
        .env("SSL_CERT_FILE", &authority)
        .env(TLS_URL, &url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}
