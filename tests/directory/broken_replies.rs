//! A change whose reply is lost: nobody can tell whether it was made, and nobody says so.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use footfall::config::Secret;
use footfall::directory::DirectoryError;

use crate::support::redis::Engine;
use crate::{Home, keeper, named, names};

/// Passes everything on to a server but the reply to a script: then it hangs up. Ends with the test's process.
fn forgetful(server: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
            let hang_up = Arc::new(AtomicBool::new(false));
            let (to, from) = (
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            );
            let seen = hang_up.clone();
            thread::spawn(move || {
                pass(to.0, to.1, |bytes| {
                    let script = bytes.windows(7).any(|word| word == b"EVALSHA");
                    seen.fetch_or(script, Ordering::SeqCst);
                    true
                });
            });
            thread::spawn(move || pass(from.0, from.1, |_| !hang_up.load(Ordering::SeqCst)));
        }
    });
    format!("redis://127.0.0.1:{port}")
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !look(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test]
async fn a_lost_reply_means_unknown_and_the_next_look_tells() {
    let home = Home::on(Engine::Redis);
    let mut direct = home.keeper();
    // With it the server has the script, so that the next call is a single one.
    direct.add_site(&named("shop"), None).await.unwrap();

    let mut config = home.neighbour();
    config.counters.redis_url = Some(Secret::new(forgetful(home.server().port())));
    let mut unlucky = keeper(&config);
    let result = unlucky.add_site(&named("blog"), None).await;
    assert!(matches!(result, Err(DirectoryError::Unknown(_))), "{result:?}");
    assert!(result.unwrap_err().to_string().contains("look before you try again"));
    assert_eq!(names(&unlucky), ["default", "shop"]);

    unlucky.refresh().await.unwrap();
    direct.refresh().await.unwrap();
    for keeper in [&unlucky, &direct] {
        assert_eq!(names(keeper), ["blog", "default", "shop"]);
    }
}
