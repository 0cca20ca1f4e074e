//! `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD` as one URL.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use super::environment::secret;
use super::problem::Problem;
use super::variables::{Place, Variables};

/// The setting that the parts make up.
pub const KEY: &str = "counters.redis_url";

/// The URL, if this place has `REDIS_HOST`; port and password may stand in either place. Alone they mean no Redis:
/// other programs' settings must not switch it on.
pub fn assemble(variables: &Variables, place: Place) -> Option<Result<String, Problem>> {
    let host = variables.get(place, "REDIS_HOST")?;
    Some(url(host, variables).map_err(|(name, reason)| Problem {
        key: name.into(),
        value: None,
        origin: place.name().into(),
        reason,
    }))
}

fn url(host: &str, variables: &Variables) -> Result<String, (&'static str, String)> {
    let port = match variables.find("REDIS_PORT") {
        None => 6_379,
        Some(text) => text
            .trim()
            .parse::<u16>()
            .map_err(|_| ("REDIS_PORT", format!("{text:?} is not a port")))?,
    };
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) if is_host_name(host) => host.into(),
        Err(_) => return Err(("REDIS_HOST", format!("{host:?} is not a host name or address"))),
    };
    let password = Place::ALL
        .into_iter()
        .find_map(|place| secret(variables, place, "REDIS_PASSWORD"));
    let password = password
        .transpose()
        .map_err(|problem| ("REDIS_PASSWORD", problem.reason))?
        .map(|password| format!(":{}@", percent_encoded(&password)))
        .unwrap_or_default();
    Ok(format!("redis://{password}{host}:{port}"))
}

fn is_host_name(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// A text in which every byte that could mean something in a URL is written as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn assembled(variables: &[(&str, &str)]) -> Option<Result<String, String>> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let (variables, _) = Variables::new(&variables, Path::new("/nowhere/.env"));
        assemble(&variables, Place::Environment).map(|url| url.map_err(|problem| problem.to_string()))
    }

    #[test]
    fn parts_become_a_url_with_the_password_encoded() {
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[("REDIS_HOST", "redis")], "redis://redis:6379"),
            (
                &[("REDIS_HOST", "10.0.0.7"), ("REDIS_PORT", "7000")],
                "redis://10.0.0.7:7000",
            ),
            (
                &[("REDIS_HOST", "::1"), ("REDIS_PASSWORD", "p@ss:/w %ö")],
                "redis://:p%40ss%3A%2Fw%20%25%C3%B6@[::1]:6379",
            ),
            (
                &[("REDIS_HOST", "redis"), ("REDIS_PORT", "tcp://10.0.0.7:6379")],
                "redis://redis:6379",
            ),
        ];
        for (variables, url) in cases {
            assert_eq!(assembled(variables), Some(Ok(url.into())));
        }
    }

    #[test]
    fn port_and_password_alone_switch_nothing_on() {
        assert_eq!(assembled(&[("REDIS_PORT", "6379"), ("REDIS_PASSWORD", "p")]), None);
    }

    #[test]
    fn wrong_parts_are_named() {
        let port = assembled(&[("REDIS_HOST", "redis"), ("REDIS_PORT", "all")]);
        assert_eq!(
            port,
            Some(Err("REDIS_PORT (in the environment): \"all\" is not a port".into()))
        );
        let host = assembled(&[("REDIS_HOST", "redis:6379")]).unwrap().unwrap_err();
        assert!(host.starts_with("REDIS_HOST"), "{host}");
    }
}
