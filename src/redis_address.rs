//! Where Redis is and how to get in: the URL, checked once, and never shown with its secrets. Every room that speaks
//! with Redis goes in by this door.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisError};

use crate::clock;
use crate::config::{CountersConfig, Secret};

/// Why a URL does not fit; never holds its secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Redis URL does not fit: {0}")]
pub struct AddressError(Box<str>);

/// A Redis or Valkey, by its URL: `redis://[user][:password@]host[:port][/database]`, `rediss://` for TLS, with
/// secrets percent-encoded and IPv6 addresses in brackets; `unix:///path?db=…&user=…&pass=…` for a socket.
///
/// Certificates are checked against those of the system, or against the file that `SSL_CERT_FILE` names.
#[derive(Clone)]
pub struct RedisAddress {
    info: ConnectionInfo,
}

impl RedisAddress {
    /// Reads a URL.
    ///
    /// # Errors
    /// What does not fit, without the URL's secrets.
    pub fn parse(url: &Secret) -> Result<Self, AddressError> {
        // The library's own texts name what is wrong, never the URL.
        let info: ConnectionInfo = url.reveal().parse().map_err(|error: RedisError| {
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            unsuitable(&format!("{}{detail}", first_words(&error)))
        })?;
        if let ConnectionAddr::TcpTls { insecure, .. } = info.addr() {
            if *insecure {
                return Err(unsuitable(
                    "#insecure is not supported: name the authority in SSL_CERT_FILE",
                ));
            }
            // Named, so that it stays clear which one it is should a dependency bring a second; whoever was first wins.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        // Commits are small and wait for their reply; its own delay of small writes would stall them.
        let tcp = TcpSettings::default().set_nodelay(true);
        // The library's name is one more command that an access list would have to allow.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.set_tcp_settings(tcp).set_redis_settings(settings);
        Ok(Self { info })
    }

    /// What the client library is told.
    pub fn info(&self) -> ConnectionInfo {
        self.info.clone()
    }

    /// A client, which asks nothing of the network yet.
    ///
    /// # Errors
    /// What does not fit.
    pub fn client(&self) -> Result<Client, AddressError> {
        Client::open(self.info()).map_err(|error| unsuitable(&first_words(&error)))
    }

    /// A failure, told without secrets: a server may repeat what it was sent.
    pub fn trouble(&self, error: &RedisError) -> Box<str> {
        // One error of a pipeline says what its others would repeat.
        match error.clone().into_server_errors().as_deref() {
            Some([(_, first), ..]) => self.told(&first.to_string()),
            _ => self.told(&error.to_string()),
        }
    }

    /// The same for what the pool has to say.
    pub fn told(&self, trouble: &str) -> Box<str> {
        let mut text = format!("{self}: {trouble}");
        if let Some(password) = self
            .info
            .redis_settings()
            .password()
            .filter(|password| !password.is_empty())
        {
            text = text.replace(password, "***");
        }
        text.into()
    }
}

/// Host, port and database, without user and password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => write_host(f, "redis", host, *port)?,
            ConnectionAddr::TcpTls { host, port, .. } => write_host(f, "rediss", host, *port)?,
            ConnectionAddr::Unix(path) => write!(f, "unix:{}", path.display())?,
            _ => f.write_str("redis")?,
        }
        write!(f, "/{}", self.info.redis_settings().db())
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, scheme: &str, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') {
        write!(f, "{scheme}://[{host}]:{port}")
    } else {
        write!(f, "{scheme}://{host}:{port}")
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

/// The limits of a connection: getting it, and each reply.
pub fn connecting(config: &CountersConfig) -> AsyncConnectionConfig {
    let timeout = Some(clock::ms(config.redis_timeout_ms));
    AsyncConnectionConfig::new()
        .set_connection_timeout(timeout)
        .set_response_timeout(timeout)
}

fn first_words(error: &RedisError) -> String {
    let text = error.to_string();
    text.split(" - ").next().unwrap_or_default().to_owned()
}

fn unsuitable(why: &str) -> AddressError {
    AddressError(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<RedisAddress, AddressError> {
        RedisAddress::parse(&Secret::new(url))
    }

    #[test]
    fn urls_of_every_kind_are_read() {
        let rows = [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379/0"),
            ("redis://cache.example:7000/3", "redis://cache.example:7000/3"),
            ("redis://[::1]:7000", "redis://[::1]:7000/0"),
            ("redis://:geheim@cache.example", "redis://cache.example:6379/0"),
            ("rediss://gate:geheim@cache.example/1", "rediss://cache.example:6379/1"),
            ("valkey://cache.example", "redis://cache.example:6379/0"),
            ("unix:///run/redis.sock?db=2&pass=geheim", "unix:/run/redis.sock/2"),
        ];
        for (url, shown) in rows {
            let address = parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("RedisAddress({shown})"));
            if !url.starts_with("unix") {
                assert!(address.info.tcp_settings().nodelay(), "{url}");
            }
        }
    }

    #[test]
    fn secrets_may_be_percent_encoded() {
        let address = parse("redis://g%40te:p%2Fa%25ss%3A%40@cache.example").unwrap();
        let settings = address.info.redis_settings();
        assert_eq!(settings.username(), Some("g@te"));
        assert_eq!(settings.password(), Some("p/a%ss:@"));
    }

    #[test]
    fn urls_that_do_not_fit_are_refused_without_their_secrets() {
        let rows = [
            ("http://:geheim@cache.example", "did not parse"),
            ("redis://:geheim@cache.example:99999", "did not parse"),
            ("redis://:geheim@cache.example/geheim", "database number"),
            ("redis://:geheim@0.0.0.0", "wildcard"),
            ("redis://:geheim@cache.example?protocol=9", "protocol"),
            ("rediss://:geheim@cache.example#insecure", "SSL_CERT_FILE"),
            ("geheim", "did not parse"),
        ];
        for (url, said) in rows {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(said), "{url}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn a_failure_never_repeats_the_password() {
        let address = parse("redis://gate:geheim@cache.example").unwrap();
        let error = RedisError::from((redis::ErrorKind::Client, "unknown command AUTH gate", "geheim".into()));
        let text = address.trouble(&error);
        assert!(text.contains("unknown command") && text.contains("***"), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }
}
