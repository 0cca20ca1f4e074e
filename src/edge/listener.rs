//! Sockets that listen, all bound before any worker starts.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::EdgeError;
use crate::config::EdgeConfig;

/// One row of listening sockets for each worker.
#[derive(Debug)]
pub struct Listeners {
    rows: Vec<Vec<TcpListener>>,
    addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// Binds every configured port once for each worker; the kernel spreads connections over them.
    ///
    /// Port 0 takes any free port, the same one for all workers.
    ///
    /// # Errors
    ///
    /// [`EdgeError::Bind`] names the address and the reason, also when another process already listens there.
    pub fn bind(config: &EdgeConfig, workers: usize) -> Result<Self, EdgeError> {
        let mut rows: Vec<Vec<TcpListener>> = Vec::new();
        rows.resize_with(workers.max(1), Vec::new);
        let mut addresses = Vec::with_capacity(config.ports.len());
        for &port in &config.ports {
            let mut address = SocketAddr::new(config.host, port);
            refuse_a_taken_port(address).map_err(|source| EdgeError::Bind { address, source })?;
            for row in &mut rows {
                let listener = listen(address, config.backlog).map_err(|source| EdgeError::Bind { address, source })?;
                address = listener.local_addr().map_err(EdgeError::Socket)?;
                row.push(listener);
            }
            addresses.push(address);
        }
        Self::checked(rows, addresses)
    }

    /// Takes sockets that are listening already, as inherited from another process, and deals them out to at most
    /// `workers` workers, so that none is left without someone who accepts.
    ///
    /// # Errors
    ///
    /// [`EdgeError::Socket`] if one of them is no TCP socket, [`EdgeError::NoListener`] if there are none.
    pub fn adopt(sockets: Vec<TcpListener>, workers: usize) -> Result<Self, EdgeError> {
        let mut rows: Vec<Vec<TcpListener>> = Vec::new();
        rows.resize_with(workers.clamp(1, sockets.len().max(1)), Vec::new);
        let mut addresses = Vec::new();
        let count = rows.len();
        for (place, socket) in sockets.into_iter().enumerate() {
            socket.set_nonblocking(true).map_err(EdgeError::Socket)?;
            let address = socket.local_addr().map_err(EdgeError::Socket)?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
            if let Some(row) = rows.get_mut(place % count) {
                row.push(socket);
            }
        }
        Self::checked(rows, addresses)
    }

    /// The addresses listened on, one for each configured port, in that order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(super) fn into_rows(self) -> Vec<Vec<TcpListener>> {
        self.rows
    }

    fn checked(rows: Vec<Vec<TcpListener>>, addresses: Vec<SocketAddr>) -> Result<Self, EdgeError> {
        if addresses.is_empty() {
            return Err(EdgeError::NoListener);
        }
        Ok(Self { rows, addresses })
    }
}

/// With `SO_REUSEPORT` a second gateway of the same user would silently share the port and take half of the traffic,
/// so the port is first tried without it.
fn refuse_a_taken_port(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = socket(address.ip())?;
    socket.bind(&address.into())
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = socket(address.ip())?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit this on Linux: no system call for each of them.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn socket(host: IpAddr) -> io::Result<Socket> {
    let domain = if host.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if host.is_ipv6() {
        // `::` serves IPv4 clients too, whatever the machine's default is.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    use super::*;

    fn loopback(ports: Vec<u16>) -> EdgeConfig {
        EdgeConfig {
            host: Ipv4Addr::LOCALHOST.into(),
            ports,
            ..EdgeConfig::default()
        }
    }

    #[test]
    fn all_workers_share_the_free_port_that_the_first_bind_got() {
        let listeners = Listeners::bind(&loopback(vec![0, 0]), 3).unwrap();
        let addresses = listeners.addresses().to_vec();
        assert_eq!(addresses.len(), 2);
        assert_ne!(addresses[0].port(), addresses[1].port());
        for row in listeners.into_rows() {
            let bound: Vec<_> = row.iter().map(|socket| socket.local_addr().unwrap()).collect();
            assert_eq!(bound, addresses);
        }
    }

    #[test]
    fn a_taken_port_is_an_error_that_names_it() {
        let first = Listeners::bind(&loopback(vec![0]), 2).unwrap();
        let address = first.addresses()[0];
        let error = Listeners::bind(&loopback(vec![address.port()]), 2)
            .unwrap_err()
            .to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("in use"), "{error}");
    }

    #[test]
    fn no_port_is_an_error() {
        assert!(matches!(
            Listeners::bind(&loopback(vec![]), 2),
            Err(EdgeError::NoListener)
        ));
        assert!(matches!(Listeners::adopt(vec![], 2), Err(EdgeError::NoListener)));
    }

    #[test]
    fn accepted_sockets_send_without_delay() {
        let listeners = Listeners::bind(&loopback(vec![0]), 1).unwrap();
        let address = listeners.addresses()[0];
        let socket = listeners.into_rows().remove(0).remove(0);
        socket.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (accepted, _) = socket.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
    }

    #[test]
    fn an_ipv6_wildcard_serves_ipv4_clients() {
        let config = EdgeConfig {
            host: Ipv6Addr::UNSPECIFIED.into(),
            ..loopback(vec![0])
        };
        let listeners = Listeners::bind(&config, 1).unwrap();
        let port = listeners.addresses()[0].port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn inherited_sockets_are_dealt_out_so_that_each_has_a_worker() {
        let inherit = |count| -> Vec<TcpListener> {
            (0..count)
                .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
                .collect()
        };
        let shares = |sockets, workers| -> Vec<usize> {
            let rows = Listeners::adopt(inherit(sockets), workers).unwrap().into_rows();
            rows.iter().map(Vec::len).collect()
        };
        assert_eq!(shares(5, 2), [3, 2]);
        assert_eq!(shares(1, 4), [1]);
    }
}
