//! The bytes of a request: built once, then only the country and the client address are overwritten in place.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

/// Stands for the country in the path flag.
const COUNTRY_MARK: &str = "{country}";
/// Three times three digits, so that every address has the same length: `10.100.100.100` to `10.199.199.199`.
const ADDRESS: &str = "10.100.100.100";
/// Addresses of that form.
const ADDRESSES_MAX: u32 = 1_000_000;

/// Requests with two places that change, and bodies that take turns.
pub struct Requests {
    /// One for each body.
    templates: Vec<Vec<u8>>,
    /// All of the head that is the same for every body.
    head: String,
    country_at: Option<usize>,
    countries: Vec<[u8; 2]>,
    address_at: Option<usize>,
    addresses: u32,
}

impl Requests {
    /// Builds the template. Fails on a country that is not two letters, or more addresses than there are.
    pub fn new(method: &str, path: &str, host: SocketAddr, countries: &[String], addresses: u32) -> Result<Self> {
        ensure!(addresses <= ADDRESSES_MAX, "at most {ADDRESSES_MAX} addresses");
        ensure!(
            countries.iter().all(|code| code.len() == 2),
            "countries have two letters"
        );
        let mut text = format!(
            "{method} {} HTTP/1.1\r\nhost: {host}\r\n",
            path.replace(COUNTRY_MARK, "GB")
        );
        let country_at = path.find(COUNTRY_MARK).map(|at| method.len() + 1 + at);
        let mut address_at = None;
        if addresses > 0 {
            text.push_str("x-forwarded-for: ");
            address_at = Some(text.len());
            text.push_str(ADDRESS);
            text.push_str("\r\n");
        }
        let has_length = method == "POST";
        Ok(Self {
            templates: vec![finished(&text, has_length.then_some(b""))],
            head: text,
            country_at,
            countries: countries
                .iter()
                .map(|code| [code.as_bytes()[0], code.as_bytes()[1]])
                .collect(),
            address_at,
            addresses,
        })
    }

    /// Sends these bodies in turn, as JSON, with more header lines.
    #[must_use]
    pub fn with_bodies(mut self, bodies: &[&[u8]], headers: &[String]) -> Self {
        let mut head = self.head.clone();
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("content-type: application/json\r\n");
        self.templates = bodies.iter().map(|body| finished(&head, Some(body))).collect();
        self
    }

    /// Appends requests number `first` to `first + count - 1`.
    pub fn write(&self, first: u64, count: u64, out: &mut Vec<u8>) {
        for number in first..first + count {
            let begin = out.len();
            out.extend_from_slice(&self.templates[number as usize % self.templates.len()]);
            if let Some(at) = self.country_at {
                let country = self.countries[number as usize % self.countries.len()];
                out[begin + at..begin + at + 2].copy_from_slice(&country);
            }
            if let Some(at) = self.address_at {
                write_address((number % u64::from(self.addresses)) as u32, &mut out[begin + at..]);
            }
        }
    }
}

/// A request with its body, which may be empty or missing.
fn finished(head: &str, body: Option<&[u8]>) -> Vec<u8> {
    let mut request = head.as_bytes().to_vec();
    if let Some(body) = body {
        request.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body.unwrap_or_default());
    request
}

/// Writes the digits that change of address number `index`.
fn write_address(index: u32, at: &mut [u8]) {
    let mut rest = index;
    for place in [12, 8, 4] {
        at[place] = b'0' + (rest / 10 % 10) as u8;
        at[place + 1] = b'0' + (rest % 10) as u8;
        rest /= 100;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(addresses: u32, first: u64, count: u64) -> String {
        let countries = ["GB".to_owned(), "FR".to_owned()];
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let requests = Requests::new("POST", "/s?c={country}", host, &countries, addresses).unwrap();
        let mut out = Vec::new();
        requests.write(first, count, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn countries_and_addresses_take_turns() {
        let text = written(1_000_000, 123_456, 2);
        let requests: Vec<&str> = text.split_inclusive("\r\n\r\n").collect();
        assert_eq!(
            requests[0],
            "POST /s?c=GB HTTP/1.1\r\nhost: 127.0.0.1:80\r\nx-forwarded-for: 10.112.134.156\r\ncontent-length: 0\r\n\r\n"
        );
        assert!(requests[1].starts_with("POST /s?c=FR ") && requests[1].contains("10.112.134.157"));
    }

    #[test]
    fn bodies_take_turns_behind_their_lengths() {
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let requests = Requests::new("POST", "/e", host, &[], 0).unwrap();
        let requests = requests.with_bodies(&[b"{}", b"[1,2]"], &["x-api-key: k".to_owned()]);
        let mut out = Vec::new();
        requests.write(1, 2, &mut out);
        let head = "POST /e HTTP/1.1\r\nhost: 127.0.0.1:80\r\nx-api-key: k\r\ncontent-type: application/json\r\n";
        let expected = format!("{head}content-length: 5\r\n\r\n[1,2]{head}content-length: 2\r\n\r\n{{}}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_million_numbers_give_a_million_addresses() {
        let mut seen = std::collections::HashSet::new();
        let mut at = *b"10.100.100.100";
        for index in 0..ADDRESSES_MAX {
            write_address(index, &mut at);
            seen.insert(at);
        }
        assert_eq!(seen.len(), ADDRESSES_MAX as usize);
    }

    #[test]
    fn without_addresses_no_forwarding_header_is_sent() {
        assert!(!written(0, 0, 1).contains("forwarded"));
    }
}
