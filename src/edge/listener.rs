//! Sockets that listen, all bound before any worker starts.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;

use super::EdgeError;
use super::passing::{Arrival, Dealer};
use crate::config::EdgeConfig;

/// Where the connections of one worker come from.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) sockets: Vec<TcpListener>,
    /// Those that another process passes.
    pub(super) arrivals: Option<mpsc::Receiver<Arrival>>,
}

/// One row of listening sockets for each worker.
#[derive(Debug)]
pub struct Listeners {
    rows: Vec<Row>,
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
        Self::inherit(config, workers, Vec::new())
    }

    /// Takes sockets that are listening already, as inherited from another process, and binds what is lacking: each
    /// worker has a socket of each port, and each inherited socket of a configured port has a worker.
    ///
    /// # Errors
    ///
    /// [`EdgeError::Bind`] names the address and the reason, also when a process that left no sockets listens there;
    /// [`EdgeError::Socket`] if one of them is no TCP socket.
    pub fn inherit(config: &EdgeConfig, workers: usize, sockets: Vec<TcpListener>) -> Result<Self, EdgeError> {
        let mut rows: Vec<Row> = Vec::new();
        rows.resize_with(workers.max(1), Row::default);
        let mut inherited = Inherited::new(sockets)?;
        let mut addresses = Vec::with_capacity(config.ports.len());
        for &port in &config.ports {
            let wanted = SocketAddr::new(config.host, port);
            let taken = inherited.take(wanted, &config.ports);
            if taken.is_none() {
                refuse_a_taken_port(wanted).map_err(|source| EdgeError::Bind {
                    address: wanted,
                    source,
                })?;
            }
            let (mut address, sockets) = taken.unwrap_or((wanted, Vec::new()));
            let lacking = rows.len().saturating_sub(sockets.len());
            for (place, socket) in sockets.into_iter().enumerate() {
                let turn = place % rows.len();
                if let Some(row) = rows.get_mut(turn) {
                    row.sockets.push(socket);
                }
            }
            for row in rows.iter_mut().rev().take(lacking) {
                let listener = listen(address, config.backlog).map_err(|source| EdgeError::Bind { address, source })?;
                address = listener.local_addr().map_err(EdgeError::Socket)?;
                row.sockets.push(listener);
            }
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(EdgeError::NoListener);
        }
        Ok(Self { rows, addresses })
    }

    /// Second handles of all sockets, to be handed to another process.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let sockets = self.rows.iter().flat_map(|row| &row.sockets);
        sockets.map(|socket| socket.as_fd().try_clone_to_owned()).collect()
    }

    /// From now on workers also serve what the dealer gives them.
    pub fn expect_arrivals(&mut self) -> Dealer {
        let (dealer, receivers) = Dealer::new(self.rows.len());
        for (row, arrivals) in self.rows.iter_mut().zip(receivers) {
            row.arrivals = Some(arrivals);
        }
        dealer
    }

    /// The addresses listened on, one for each configured port, in that order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// Inherited sockets by the address they listen on, in the order they came.
struct Inherited(Vec<(SocketAddr, Vec<TcpListener>)>);

impl Inherited {
    fn new(sockets: Vec<TcpListener>) -> Result<Self, EdgeError> {
        let mut groups: Vec<(SocketAddr, Vec<TcpListener>)> = Vec::new();
        for socket in sockets {
            socket.set_nonblocking(true).map_err(EdgeError::Socket)?;
            let address = socket.local_addr().map_err(EdgeError::Socket)?;
            match groups.iter_mut().find(|(known, _)| *known == address) {
                Some((_, group)) => group.push(socket),
                None => groups.push((address, vec![socket])),
            }
        }
        Ok(Self(groups))
    }

    /// The sockets for a configured address; port 0 takes the first that no configured port names.
    fn take(&mut self, wanted: SocketAddr, ports: &[u16]) -> Option<(SocketAddr, Vec<TcpListener>)> {
        let place = self.0.iter().position(|(address, _)| {
            let fits = address.port() == wanted.port() || wanted.port() == 0 && !ports.contains(&address.port());
            fits && address.ip() == wanted.ip()
        });
        place.map(|place| self.0.remove(place))
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
            let bound: Vec<_> = row.sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
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
    }

    #[test]
    fn accepted_sockets_send_without_delay() {
        let listeners = Listeners::bind(&loopback(vec![0]), 1).unwrap();
        let address = listeners.addresses()[0];
        let socket = listeners.into_rows().remove(0).sockets.remove(0);
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
    fn each_inherited_socket_has_a_worker_and_each_worker_a_socket() {
        for (before, workers, shares) in [(5, 2, vec![3, 2]), (1, 4, vec![1; 4]), (3, 3, vec![1; 3])] {
            let old = Listeners::bind(&loopback(vec![0]), before).unwrap();
            let address = old.addresses()[0];
            let copies = old.copies().unwrap();
            drop(old);
            let sockets = copies.into_iter().map(TcpListener::from).collect();
            let new = Listeners::inherit(&loopback(vec![address.port()]), workers, sockets).unwrap();
            assert_eq!(new.addresses(), [address]);
            let rows = new.into_rows();
            assert_eq!(rows.iter().map(|row| row.sockets.len()).collect::<Vec<_>>(), shares);
        }
    }

    #[test]
    fn free_ports_take_what_was_inherited_and_others_only_their_own() {
        let old = Listeners::bind(&loopback(vec![0, 0]), 1).unwrap();
        let addresses = old.addresses().to_vec();
        let sockets = || old.copies().unwrap().into_iter().map(TcpListener::from).collect();
        let same = Listeners::inherit(&loopback(vec![0, 0]), 1, sockets()).unwrap();
        assert_eq!(same.addresses(), addresses);
        let second = Listeners::inherit(&loopback(vec![0, addresses[0].port()]), 1, sockets()).unwrap();
        assert_eq!(second.addresses(), [addresses[1], addresses[0]]);
        let elsewhere = EdgeConfig {
            host: Ipv4Addr::new(127, 0, 0, 2).into(),
            ..loopback(vec![0])
        };
        let fresh = Listeners::inherit(&elsewhere, 1, sockets()).unwrap();
        assert!(!addresses.contains(&fresh.addresses()[0]));
    }
}
