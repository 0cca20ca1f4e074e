//! The reference server: what answering costs when nothing is done.
//!
//! It sends the status, headers, body length and timers of the gateway's answers, but constant bytes: no route, no
//! limit, no log, no counter. It shares no code with the gateway, so a slow habit of ours cannot make it slow too.
//! `--mode empty` sends a bare `204`: the ceiling of this HTTP library. See loadtest/README.md.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::LocalOptions;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Body = Either<Full<Bytes>, Empty<Bytes>>;

/// What the reference server answers, and with which timers.
#[derive(Parser, Clone)]
struct Flags {
    /// Port on loopback; `0` takes any free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Worker threads, each with its own runtime and listener.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Full answers, or an empty `204`.
    #[arg(long, value_enum, default_value_t = Mode::Reference)]
    mode: Mode,
    /// hyper's header deadline of 10 s, or no deadline.
    #[arg(long, value_enum, default_value_t = Timers::Hyper)]
    timers: Timers,
    /// Headers of the answer to POST, `name: value`; content-length and date are added.
    #[arg(long = "post-header", default_values_t = default_post_headers())]
    post_headers: Vec<String>,
    /// Length of the answer to POST, in bytes.
    #[arg(long, default_value_t = 10)]
    post_bytes: usize,
    /// Status of the answer to POST.
    #[arg(long, default_value_t = 201)]
    post_status: u16,
    /// Headers of the answer to GET, `name: value`; content-length and date are added.
    #[arg(long = "get-header", default_values_t = default_get_headers())]
    get_headers: Vec<String>,
    /// Length of the answer to GET, in bytes.
    #[arg(long, default_value_t = 2_600)]
    get_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Reference,
    Empty,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Timers {
    Hyper,
    None,
}

fn default_post_headers() -> Vec<String> {
    let mut headers = limited_headers();
    headers.push("x-durability: os".into());
    headers
}

fn default_get_headers() -> Vec<String> {
    let mut headers = limited_headers();
    headers.push("cache-control: no-cache".into());
    headers.push("etag: \"0123456789abcdef\"".into());
    headers
}

fn limited_headers() -> Vec<String> {
    [
        "content-type: application/json",
        "x-content-type-options: nosniff",
        "access-control-allow-origin: *",
        "ratelimit-policy: \"ip\";q=1000000000;w=60",
        "ratelimit: \"ip\";r=999999999;t=1",
    ]
    .map(String::from)
    .to_vec()
}

/// One constant answer.
#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn new(status: StatusCode, lines: &[String], length: usize) -> Result<Self> {
        let mut headers = HeaderMap::with_capacity(16);
        for line in lines {
            let (name, value) = line
                .split_once(':')
                .with_context(|| format!("no colon in header {line:?}"))?;
            // Leaked once at start: a static value clones without touching a reference count.
            let value: &'static str = Box::leak(value.trim().to_owned().into_boxed_str());
            let name = HeaderName::from_bytes(name.trim().as_bytes())?;
            headers.append(
                name,
                HeaderValue::try_from(value).map(|_| HeaderValue::from_static(value))?,
            );
        }
        let body: &'static [u8] = Box::leak(vec![b'0'; length].into_boxed_slice());
        Ok(Self {
            status,
            headers,
            body: Bytes::from_static(body),
        })
    }

    fn respond(&self) -> Response<Body> {
        let mut response = Response::new(Either::Left(Full::new(self.body.clone())));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Everything a worker answers with.
#[derive(Clone)]
struct Answers {
    mode: Mode,
    post: Answer,
    get: Answer,
}

impl Answers {
    fn new(flags: &Flags) -> Result<Self> {
        Ok(Self {
            mode: flags.mode,
            post: Answer::new(
                StatusCode::from_u16(flags.post_status)?,
                &flags.post_headers,
                flags.post_bytes,
            )?,
            get: Answer::new(StatusCode::OK, &flags.get_headers, flags.get_bytes)?,
        })
    }

    /// Reads what was sent, as every server must, and answers without a look at it.
    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let (head, body) = request.into_parts();
        if !body.is_end_stream() {
            body.collect().await?;
        }
        Ok(self.answer(&head.method))
    }

    fn answer(&self, method: &Method) -> Response<Body> {
        match (self.mode, method) {
            (Mode::Empty, _) => {
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            (Mode::Reference, &Method::POST) => self.post.respond(),
            (Mode::Reference, _) => self.get.respond(),
        }
    }
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let answers = Answers::new(&flags)?;
    let first = listen(flags.port)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    while listeners.len() < flags.workers {
        listeners.push(listen(address.port())?);
    }
    println!("listening on http://{address}");
    println!("ready");
    std::thread::scope(|scope| {
        let workers: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let answers = answers.clone();
                scope.spawn(move || work(listener, answers, flags.timers))
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker died"))??;
        }
        Ok(())
    })
}

/// A listener of its own for one worker; the kernel spreads connections over those of one port.
fn listen(port: u16) -> Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4_096)?;
    Ok(socket.into())
}

fn work(listener: std::net::TcpListener, answers: Answers, timers: Timers) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    runtime.block_on(accept(listener, answers, timers))
}

async fn accept(listener: std::net::TcpListener, answers: Answers, timers: Timers) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let http = protocol(timers);
    let answers = std::rc::Rc::new(answers);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = answers.clone();
        let service = service_fn(move |request| {
            let answers = answers.clone();
            async move { answers.respond(request).await }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::task::spawn_local(async move {
            // A client that goes away in the middle is the client's affair.
            let _ = connection.await;
        });
    }
}

fn protocol(timers: Timers) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    match timers {
        Timers::Hyper => http
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(10)),
        Timers::None => http.header_read_timeout(None),
    };
    http
}
