//! A proxy between the gateway and Redis that breaks the conversation as a seed decides.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::support::dice::Dice;

/// How long a half-closed connection may linger.
const LINGER: Duration = Duration::from_secs(2);

/// A way to break a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// What was sent arrives up to 200 ms later.
    Delay,
    /// What was sent arrives byte by byte.
    Split,
    /// Both ends are reset; the request does not arrive.
    Reset,
    /// The request arrives, and nothing can be sent after it.
    HalfClose,
    /// The request is carried out; the reply is swallowed and the connection cut.
    DropReply,
    /// The gateway's end is cut; the request arrives up to 200 ms later.
    Late,
    /// Half of the reply arrives, then both ends are reset.
    CutReply,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Delay,
        Self::Split,
        Self::Reset,
        Self::HalfClose,
        Self::DropReply,
        Self::Late,
        Self::CutReply,
    ];
}

/// What is to be broken, and how often.
#[derive(Debug)]
struct Plan {
    dice: Dice,
    kinds: Vec<Fault>,
    of_hundred: u64,
    done: BTreeMap<Fault, u64>,
}

/// What both the proxy's thread and the test know.
#[derive(Debug)]
struct Shared {
    plan: Mutex<Plan>,
    target: watch::Sender<SocketAddr>,
    replaced: Mutex<Vec<(String, String)>>,
}

/// A running proxy; dropped, it stops.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy to a port of loopback, which breaks nothing yet.
    pub fn to(port: u16, seed: u64) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Plan {
            dice: Dice::new(seed),
            kinds: Fault::ALL.to_vec(),
            of_hundred: 0,
            done: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            plan: Mutex::new(plan),
            target: watch::channel((Ipv4Addr::LOCALHOST, port).into()).0,
            replaced: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, Arc::clone(&shared), stopped);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap();
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(std::thread::spawn(move || runtime.block_on(serving))),
        }
    }

    /// Where Redis seems to be.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Breaks so many of a hundred sendings, in these ways.
    pub fn begin(&self, of_hundred: u64, kinds: &[Fault]) {
        let mut plan = self.shared.plan.lock().unwrap();
        plan.of_hundred = of_hundred;
        plan.kinds = kinds.to_vec();
    }

    /// Breaks nothing more.
    pub fn end(&self) {
        self.shared.plan.lock().unwrap().of_hundred = 0;
    }

    /// What was broken so far, by kind.
    pub fn done(&self) -> BTreeMap<Fault, u64> {
        self.shared.plan.lock().unwrap().done.clone()
    }

    /// Leads to another port from now on; connections that there are get cut.
    pub fn lead_to(&self, port: u16) {
        self.shared.target.send_replace((Ipv4Addr::LOCALHOST, port).into());
    }

    /// Replaces a text in all requests by another of the same length.
    pub fn replace(&self, from: &str, to: &str) {
        assert_eq!(from.len(), to.len(), "lengths are named in the requests");
        let pair = (from.to_owned(), to.to_owned());
        self.shared.replaced.lock().unwrap().push(pair);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Whether a sending of this side is to be broken, and how, and for how long.
    fn draw(&self, kinds: &[Fault]) -> Option<(Fault, Duration)> {
        let mut plan = self.plan.lock().unwrap();
        if plan.dice.below(100) >= plan.of_hundred {
            return None;
        }
        let choice: Vec<Fault> = plan.kinds.iter().copied().filter(|kind| kinds.contains(kind)).collect();
        if choice.is_empty() {
            return None;
        }
        let place = plan.dice.below(choice.len() as u64);
        let fault = choice[usize::try_from(place).unwrap()];
        *plan.done.entry(fault).or_default() += 1;
        Some((fault, Duration::from_millis(plan.dice.spread(1, 200))))
    }

    fn replace_in(&self, request: &mut [u8]) {
        for (from, to) in self.replaced.lock().unwrap().iter() {
            let mut at = 0;
            while at + from.len() <= request.len() {
                if &request[at..at + from.len()] == from.as_bytes() {
                    request[at..at + from.len()].copy_from_slice(to.as_bytes());
                }
                at += 1;
            }
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).unwrap();
    // Connections end with the runtime.
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connection(client, Arc::clone(&shared)));
                }
            }
        }
    }
}

/// How a connection ended.
enum End {
    Closed,
    Reset,
    Late(Vec<u8>, Duration),
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let mut target = shared.target.subscribe();
    let address = *target.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(address).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let end = {
        let swallow = AtomicBool::new(false);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            end = requests(from_client, to_server, &shared, &swallow) => end,
            end = replies(from_server, to_client, &shared, &swallow) => end,
            _ = target.changed() => End::Closed,
        }
    };
    match end {
        End::Closed => {}
        End::Reset => reset(&client, &server),
        End::Late(request, pause) => {
            drop(client);
            sleep(pause).await;
            let _ = server.write_all(&request).await;
            let _ = timeout(LINGER, server.read(&mut [0; 1_024])).await;
        }
    }
}

/// Closing a socket with no time to linger resets its connection.
fn reset(client: &TcpStream, server: &TcpStream) {
    for stream in [client, server] {
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

async fn requests(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared, swallow: &AtomicBool) -> End {
    const KINDS: [Fault; 6] = [
        Fault::Delay,
        Fault::Split,
        Fault::Reset,
        Fault::HalfClose,
        Fault::DropReply,
        Fault::Late,
    ];
    let mut bytes = vec![0; 65_536];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else {
            return End::Closed;
        };
        let request = &mut bytes[..length];
        shared.replace_in(request);
        let drawn = shared.draw(&KINDS);
        match drawn {
            Some((Fault::Reset, _)) => return End::Reset,
            Some((Fault::Late, pause)) => return End::Late(request.to_vec(), pause),
            Some((Fault::DropReply, _)) => swallow.store(true, Ordering::Relaxed),
            Some((Fault::Delay, pause)) => sleep(pause).await,
            _ => {}
        }
        if write(&mut to, request, drawn).await.is_err() {
            return End::Closed;
        }
        if matches!(drawn, Some((Fault::HalfClose, _))) {
            let _ = to.shutdown().await;
            sleep(LINGER).await;
            return End::Closed;
        }
    }
}

async fn replies(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared, swallow: &AtomicBool) -> End {
    const KINDS: [Fault; 4] = [Fault::Delay, Fault::Split, Fault::HalfClose, Fault::CutReply];
    let mut bytes = vec![0; 65_536];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else {
            return End::Closed;
        };
        if swallow.load(Ordering::Relaxed) {
            return End::Closed;
        }
        // A request is broken more often than its reply, since it has more ways to break.
        let drawn = shared.draw(&KINDS);
        if let Some((Fault::Delay, pause)) = drawn {
            sleep(pause).await;
        }
        if let Some((Fault::CutReply, _)) = drawn {
            let _ = to.write_all(&bytes[..length / 2]).await;
            return End::Reset;
        }
        if write(&mut to, &bytes[..length], drawn).await.is_err() {
            return End::Closed;
        }
        if matches!(drawn, Some((Fault::HalfClose, _))) {
            let _ = to.shutdown().await;
            sleep(LINGER).await;
            return End::Closed;
        }
    }
}

async fn write(to: &mut WriteHalf<'_>, bytes: &[u8], drawn: Option<(Fault, Duration)>) -> std::io::Result<()> {
    if !matches!(drawn, Some((Fault::Split, _))) {
        return to.write_all(bytes).await;
    }
    for byte in bytes {
        to.write_all(&[*byte]).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}
