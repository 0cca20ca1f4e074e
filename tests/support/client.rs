//! A small blocking HTTP/1.1 client that sends exactly the bytes it is given.

use std::fmt::Write as _;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::answer::Answer;

/// How long an answer may take before a test fails instead of hanging.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// A request to be sent; see [`Client::send`].
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a body with `Content-Length`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The request's bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: footfall.test\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        head.push_str("\r\n");
        [head.as_bytes(), body].concat()
    }
}

/// A client that keeps its connection and makes a new one when the server closed it.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Client {
    /// A client of an address; it connects when it has something to send.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// `GET`.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.send(&Request::new("GET", target))
    }

    /// `POST` without body.
    #[track_caller]
    pub fn post(&mut self, target: &str) -> Answer {
        self.send(&Request::new("POST", target))
    }

    /// Counts a visit.
    #[track_caller]
    pub fn visit(&mut self, country: &str) -> Answer {
        self.post(&format!("/api/v1/stats?countryCode={country}"))
    }

    /// Sends a request and reads its answer.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Answer {
        self.try_send(request)
            .unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.target))
    }

    /// Makes the connection, if there is none; an error means that nothing was sent.
    pub fn connect(&mut self) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(self.address)?);
        }
        Ok(())
    }

    /// Sends a request and reads its answer; after an error the next request takes a new connection.
    pub fn try_send(&mut self, request: &Request) -> io::Result<Answer> {
        self.connect()?;
        let mut connection = self.connection.take().ok_or(ErrorKind::NotConnected)?;
        connection.write(&request.bytes())?;
        let answer = connection.read_answer_to(&request.method)?;
        if !answer.closes() {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

/// One connection, for tests that mind the bytes.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, ANSWER_PATIENCE)?)
    }

    /// Connects from an address of loopback other than the usual one.
    pub fn open_from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect(&address.into())?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.set_write_timeout(Some(ANSWER_PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// A second handle of the connection, to send from another thread.
    pub fn sender(&self) -> Sender {
        Sender(self.stream.get_ref().try_clone().unwrap())
    }

    /// Tells the server that nothing more will be sent; answers can still be read.
    pub fn end_sending(&mut self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// Reads one answer to a request that is not `HEAD`.
    pub fn read_answer(&mut self) -> io::Result<Answer> {
        self.read_answer_to("GET")
    }

    /// Reads one answer to a request of this method.
    pub fn read_answer_to(&mut self, method: &str) -> io::Result<Answer> {
        Answer::read(&mut self.stream, method != "HEAD")
    }

    /// Reads until the server closes: true when it does so without another byte. A reset is a close too.
    pub fn is_closed_without_a_word(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == ErrorKind::ConnectionReset && rest.is_empty(),
        }
    }
}

/// Sends on a connection that another thread reads.
#[derive(Debug)]
pub struct Sender(TcpStream);

impl Sender {
    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

/// Sends bytes on a new connection and reads the first answer.
#[track_caller]
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut connection = Connection::open(address).unwrap();
    connection.write(bytes).unwrap();
    connection
        .read_answer()
        .unwrap_or_else(|error| panic!("no answer: {error}"))
}
