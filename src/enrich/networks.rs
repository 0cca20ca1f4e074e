//! Networks in which no people are, such as those of data centres, from a file of the operator's.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

/// Longest name of a list, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// What a network without a name is called.
const USUAL_NAME: &str = "data-centre";
/// Most networks of a file: several times what all large clouds publish.
const NETWORKS_MAX: usize = 1_000_000;

/// Why a file of networks is not used.
#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unread {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no network.
    #[error(
        "{path}, line {line}: must be a network such as 192.0.2.0/24, and a name of at most 64 bytes if it has one"
    )]
    Wrong {
        /// Which.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// It has too many.
    #[error("{0}: must have at most 1000000 networks")]
    TooMany(PathBuf),
}

/// Networks with the names of the lists that they are in.
#[derive(Debug, Default)]
pub struct Networks {
    names: Vec<Box<str>>,
    /// The lengths of prefixes that there are, the longest first.
    v4: Vec<(u8, HashMap<u32, usize>)>,
    v6: Vec<(u8, HashMap<u128, usize>)>,
}

impl Networks {
    /// Reads a file: a network a line, and behind a space the name of its list. `#` begins a comment.
    ///
    /// # Errors
    /// It cannot be read, or a line is no network.
    pub fn open(path: Option<&Path>) -> Result<Self, NetworksError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = fs::read_to_string(path).map_err(|source| NetworksError::Unread {
            path: path.into(),
            source,
        })?;
        let networks = Self::read(&text).map_err(|line| NetworksError::Wrong {
            path: path.into(),
            line,
        })?;
        if networks.count() > NETWORKS_MAX {
            return Err(NetworksError::TooMany(path.into()));
        }
        tracing::info!(path = %path.display(), networks = networks.count(), "addresses of machines are known");
        Ok(networks)
    }

    /// Reads lines; the number of one that is wrong.
    fn read(text: &str) -> Result<Self, usize> {
        let mut networks = Self::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (network, name) = line.split_once(char::is_whitespace).unwrap_or((line, USUAL_NAME));
            let name = name.trim();
            if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
                return Err(number);
            }
            let network = network
                .parse::<IpNet>()
                .or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
            let network = network.map_err(|_| number)?.trunc();
            let place = *places.entry(name).or_insert_with(|| {
                networks.names.push(name.into());
                networks.names.len() - 1
            });
            match network {
                IpNet::V4(network) => put(
                    &mut networks.v4,
                    network.prefix_len(),
                    network.network().to_bits(),
                    place,
                ),
                IpNet::V6(network) => put(
                    &mut networks.v6,
                    network.prefix_len(),
                    network.network().to_bits(),
                    place,
                ),
            }
        }
        networks.v4.sort_unstable_by_key(|(length, _)| u8::MAX - length);
        networks.v6.sort_unstable_by_key(|(length, _)| u8::MAX - length);
        Ok(networks)
    }

    fn count(&self) -> usize {
        let v4 = self.v4.iter().map(|(_, networks)| networks.len());
        let v6 = self.v6.iter().map(|(_, networks)| networks.len());
        v4.chain(v6).sum()
    }

    /// The name of the smallest network that an address is in; empty if it is in none.
    pub fn name_of(&self, address: IpAddr) -> &str {
        let place = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.iter().find_map(|(length, networks)| {
                let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
                networks.get(&(address.to_bits() & mask))
            }),
            IpAddr::V6(address) => self.v6.iter().find_map(|(length, networks)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(*length)).unwrap_or(0);
                networks.get(&(address.to_bits() & mask))
            }),
        };
        place.and_then(|place| self.names.get(*place)).map_or("", |name| name)
    }
}

fn put<Bits: std::hash::Hash + Eq>(
    lengths: &mut Vec<(u8, HashMap<Bits, usize>)>,
    length: u8,
    network: Bits,
    name: usize,
) {
    let place = lengths.iter().position(|(known, _)| *known == length);
    let place = place.unwrap_or_else(|| {
        lengths.push((length, HashMap::new()));
        lengths.len() - 1
    });
    if let Some((_, networks)) = lengths.get_mut(place) {
        networks.insert(network, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_smallest_network_that_has_it() {
        let text =
            "# clouds\n192.0.2.0/24 cloud one\n192.0.2.128/25\tsmaller # half\n\n203.0.113.7\n2001:db8::/32 six\n";
        let networks = Networks::read(text).unwrap();
        for (address, name) in [
            ("192.0.2.1", "cloud one"),
            ("::ffff:192.0.2.1", "cloud one"),
            ("192.0.2.200", "smaller"),
            ("192.0.3.1", ""),
            ("203.0.113.7", "data-centre"),
            ("203.0.113.8", ""),
            ("2001:db8:1::1", "six"),
            ("2001:db9::1", ""),
        ] {
            assert_eq!(networks.name_of(address.parse().unwrap()), name, "{address}");
        }
        assert_eq!(networks.count(), 4);
        let everything = Networks::read("0.0.0.0/0 all\n::/0 all\n").unwrap();
        assert_eq!(everything.name_of("198.51.100.1".parse().unwrap()), "all");
        assert_eq!(everything.name_of("2001:db8::1".parse().unwrap()), "all");
        assert_eq!(Networks::default().name_of("192.0.2.1".parse().unwrap()), "");
    }

    #[test]
    fn a_line_that_is_no_network_is_named() {
        assert_eq!(Networks::read("192.0.2.0/24\n192.0.2.0/33\n").unwrap_err(), 2);
        assert_eq!(Networks::read("cloud 192.0.2.0/24\n").unwrap_err(), 1);
        let long = format!("192.0.2.0/24 {}\n", "x".repeat(65));
        assert_eq!(Networks::read(&long).unwrap_err(), 1);
        let missing = Networks::open(Some(Path::new("/nowhere/networks.txt"))).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/networks.txt: "), "{missing}");
    }
}
