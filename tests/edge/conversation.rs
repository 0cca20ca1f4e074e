//! A client that speaks raw bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::server::PATIENCE;

/// A client's connection.
pub struct Conversation {
    pub socket: TcpStream,
    read: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn says_close(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }
}

impl Conversation {
    pub fn new(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            read: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send(request(path));
        self.reply()
    }

    /// The next answer, which must have a `Content-Length`.
    pub fn reply(&mut self) -> Reply {
        let end = self.read_until(b"\r\n\r\n");
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| {
                line.strip_prefix("content-length: ")
                    .map(|length| length.parse().unwrap())
            })
            .unwrap_or(0);
        while self.read.len() < length {
            assert!(self.read_more() > 0, "the body ended early");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body }
    }

    /// Reads up to and including `pattern`; the length of all that.
    pub fn read_until(&mut self, pattern: &[u8]) -> usize {
        loop {
            if let Some(start) = self.read.windows(pattern.len()).position(|window| window == pattern) {
                return start + pattern.len();
            }
            assert!(
                self.read_more() > 0,
                "closed early, after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.read_more() > 0, "closed early, after {:?}", self.read);
        }
        self.read.drain(..length).collect()
    }

    /// Everything up to the close, by whichever means.
    pub fn rest(mut self) -> String {
        let began = Instant::now();
        while self.read_more() > 0 {
            assert!(began.elapsed() < PATIENCE, "still open");
        }
        String::from_utf8_lossy(&self.read).into_owned()
    }

    fn read_more(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(length) => {
                self.read.extend_from_slice(&buffer[..length]);
                length
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&self.read)),
        }
    }
}

pub fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}
