//! Bounds and rules over values that already have the right type. Bounds of numbers stand at the fields themselves.

use std::collections::BTreeSet;

use http::{HeaderName, Uri};

use super::Config;
use super::keys::{Key, Kind};

/// A rule that a value breaks.
#[derive(Debug, PartialEq, Eq)]
pub struct Breach {
    /// The setting: `edge.idle_ms`.
    pub key: String,
    /// The rule.
    pub rule: String,
}

/// Everything in a configuration that cannot work.
pub fn check(config: &Config, values: &serde_json::Value, keys: &[Key]) -> Vec<Breach> {
    let mut breaches: Vec<Breach> = keys.iter().filter_map(|key| bounds(key, values)).collect();
    let mut rule = |key: &str, rule: Option<String>| {
        breaches.extend(rule.map(|rule| Breach { key: key.into(), rule }));
    };
    rule("edge.ports", ports(config));
    rule("admin.port", admin_port(config));
    rule("limit.max", limit(config, config.limit.max));
    rule("limit.keyless_max", limit(config, config.limit.keyless_max));
    rule("limit.accounts_max", limit(config, config.limit.accounts_max));
    rule("geo.country_header", country_header(config));
    for origin in &config.http.allowed_origins {
        rule("http.allowed_origins", allowed_origin(origin));
    }
    rule("journal.data_dir", data_dir(config));
    rule("counters.redis_url", redis_url(config));
    rule("directory.key_prefix", key_prefix(config));
    breaches
}

fn bounds(key: &Key, values: &serde_json::Value) -> Option<Breach> {
    let Kind::Whole { min, max } = key.kind else {
        return None;
    };
    let (room, name) = key.path.split_once('.')?;
    let value = values.get(room)?.get(name)?.as_u64()?;
    let outside = value < min || max.is_some_and(|max| value > max);
    let rule = key.kind.rule().filter(|_| outside)?;
    let key = key.path.clone();
    Some(Breach { key, rule })
}

fn ports(config: &Config) -> Option<String> {
    const PORTS_MAX: usize = 16;
    let ports = &config.edge.ports;
    let mut seen = BTreeSet::new();
    // 0 may stand several times: each is another free port.
    let twice = ports.iter().find(|port| **port != 0 && !seen.insert(**port));
    match (ports.len(), twice) {
        (0, _) => Some("must name a port".into()),
        (_, Some(port)) => Some(format!("{port} is named twice")),
        (count, None) => (count > PORTS_MAX).then(|| format!("must name at most {PORTS_MAX} ports")),
    }
}

fn admin_port(config: &Config) -> Option<String> {
    let (edge, admin) = (&config.edge, &config.admin);
    let meet = edge.host == admin.host || edge.host.is_unspecified() || admin.host.is_unspecified();
    let taken = admin.port != 0 && edge.ports.contains(&admin.port);
    (meet && taken).then(|| "is also one of edge.ports".into())
}

/// An allowance refills by one request at a time, and time is counted in nanoseconds.
fn limit(config: &Config, max: u32) -> Option<String> {
    let nanoseconds = config.limit.window_ms.saturating_mul(1_000_000);
    (u64::from(max) > nanoseconds).then(|| "must be at most a million a millisecond of the window".into())
}

fn country_header(config: &Config) -> Option<String> {
    let header = config.geo.country_header.as_ref()?;
    let invalid = HeaderName::from_bytes(header.as_bytes()).is_err();
    invalid.then(|| "must be the name of a header, such as CF-IPCountry".into())
}

fn allowed_origin(origin: &str) -> Option<String> {
    if origin == "*" {
        return None;
    }
    let wrong = |what: &str| Some(format!("{origin:?} {what}"));
    let Ok(uri) = origin.parse::<Uri>() else {
        return wrong("must be * or scheme://host[:port]");
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong("must be * or scheme://host[:port]");
    };
    if origin != format!("{scheme}://{authority}") || authority.as_str().contains('@') {
        return wrong("must end after host or port, without a slash, and name no user");
    }
    if authority.host().contains('*') {
        return wrong("must name one host; only * alone stands for all");
    }
    // Browsers send origins in lower case, and origins are compared byte by byte.
    (origin != origin.to_lowercase()).then(|| format!("{origin:?} must be lower case"))
}

fn data_dir(config: &Config) -> Option<String> {
    let empty = config.journal.data_dir.as_os_str().is_empty();
    empty.then(|| "must name a directory".into())
}

/// Never quotes the URL, which may hold a password.
fn redis_url(config: &Config) -> Option<String> {
    let url = config.counters.redis_url.as_ref()?.reveal();
    let rest = url.strip_prefix("redis://").or_else(|| url.strip_prefix("rediss://"));
    let Some(rest) = rest else {
        return Some("must begin with redis:// or rediss://".into());
    };
    if rest.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Some("must hold no space or line break; write them as %XX".into());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let hostless = host.is_empty() || host.starts_with(':');
    hostless.then(|| "must name a host; write / ? and @ in a password as %XX".into())
}

/// Keys travel in headers and URLs, and one click should select them whole.
fn key_prefix(config: &Config) -> Option<String> {
    const BYTES_MAX: usize = 32;
    let prefix = &config.directory.key_prefix;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let good = !prefix.is_empty() && prefix.len() <= BYTES_MAX && prefix.bytes().all(plain);
    (!good).then(|| format!("must be 1 to {BYTES_MAX} letters, digits, - and _"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, keys};

    fn breaches(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        let values = serde_json::to_value(&config).unwrap();
        let breaches = check(&config, &values, &keys::keys());
        breaches
            .into_iter()
            .map(|breach| format!("{} {}", breach.key, breach.rule))
            .collect()
    }

    #[test]
    fn the_defaults_break_no_rule() {
        assert!(breaches(|_| {}).is_empty());
    }

    #[test]
    fn a_prefix_of_keys_is_plain_and_short() {
        let said = "directory.key_prefix must be 1 to 32 letters, digits, - and _";
        for prefix in ["", "ak live", "ak:", "schlüssel", "a_key_prefix_that_is_longer_than_32"] {
            assert_eq!(
                breaches(|config| config.directory.key_prefix = prefix.into()),
                [said],
                "{prefix}"
            );
        }
        assert!(breaches(|config| config.directory.key_prefix = "AK-live_2_".into()).is_empty());
    }

    type Change = fn(&mut Config);

    #[test]
    fn numbers_stay_within_their_bounds() {
        let cases: [(Change, &str); 12] = [
            (
                |c| c.edge.header_bytes_max = 8_191,
                "edge.header_bytes_max must be a whole number between 8192 and 1048576",
            ),
            (
                |c| c.edge.idle_ms = 0,
                "edge.idle_ms must be a whole number between 1 and 86400000",
            ),
            (
                |c| c.edge.body_ms = 86_400_001,
                "edge.body_ms must be a whole number between 1 and 86400000",
            ),
            (
                |c| c.edge.backlog = 0,
                "edge.backlog must be a whole number between 1 and 65535",
            ),
            (
                |c| c.edge.workers = 1_025,
                "edge.workers must be a whole number between 0 and 1024",
            ),
            (
                |c| c.limit.sweep_ms = 0,
                "limit.sweep_ms must be a whole number between 1 and 86400000",
            ),
            (
                |c| c.limit.addresses_max = 0,
                "limit.addresses_max must be a whole number between 1 and 100000000",
            ),
            (
                |c| c.journal.segment_bytes = 4_096,
                "journal.segment_bytes must be a whole number between 1048576 and 4294967295",
            ),
            (
                |c| c.journal.spool_bytes_max = 1,
                "journal.spool_bytes_max must be a whole number of at least 4096",
            ),
            (
                |c| c.apply.window_ms = 0,
                "apply.window_ms must be a whole number between 1 and 3600000",
            ),
            (
                |c| c.counters.pool_size = 0,
                "counters.pool_size must be a whole number between 1 and 1024",
            ),
            (
                |c| c.http.body_bytes_max = 0,
                "http.body_bytes_max must be a whole number between 1 and 67108864",
            ),
        ];
        for (change, breach) in cases {
            assert_eq!(breaches(change), [breach]);
        }
    }

    #[test]
    fn ports_are_there_distinct_and_apart_from_the_admin_port() {
        assert_eq!(breaches(|c| c.edge.ports.clear()), ["edge.ports must name a port"]);
        assert_eq!(
            breaches(|c| c.edge.ports = vec![80, 81, 80]),
            ["edge.ports 80 is named twice"]
        );
        assert_eq!(
            breaches(|c| c.edge.ports = (1..=17).collect()),
            ["edge.ports must name at most 16 ports"]
        );
        assert!(breaches(|c| c.edge.ports = vec![0, 0]).is_empty());
        assert_eq!(
            breaches(|c| c.admin.port = 3030),
            ["admin.port is also one of edge.ports"]
        );
        let apart = breaches(|c| {
            c.admin.port = 3030;
            c.edge.host = [10, 0, 0, 1].into();
        });
        assert!(apart.is_empty());
    }

    #[test]
    fn a_limit_finer_than_the_clock_is_refused() {
        assert!(breaches(|c| c.limit.max = u32::MAX).is_empty());
        let fine = breaches(|c| (c.limit.max, c.limit.window_ms) = (1_000_001, 1));
        assert_eq!(
            fine,
            ["limit.max must be at most a million a millisecond of the window"]
        );
    }

    #[test]
    fn origins_are_a_star_or_exactly_what_browsers_send() {
        let origins =
            |list: &[&str]| breaches(|c| c.http.allowed_origins = list.iter().map(ToString::to_string).collect());
        assert!(origins(&["*", "https://shop.example", "http://localhost:3000", "http://[::1]:80"]).is_empty());
        for wrong in [
            "",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/path",
            "https://user@shop.example",
            "https://*.shop.example",
            "https://Shop.example",
            "null",
        ] {
            assert_eq!(origins(&[wrong]).len(), 1, "{wrong}");
        }
        assert_eq!(origins(&["a", "*", "b"]).len(), 2);
    }

    #[test]
    fn headers_and_directories_have_names() {
        assert!(breaches(|c| c.geo.country_header = Some("CF-IPCountry".into())).is_empty());
        assert_eq!(breaches(|c| c.geo.country_header = Some("CF IP".into())).len(), 1);
        assert_eq!(breaches(|c| c.journal.data_dir = "".into()).len(), 1);
    }

    #[test]
    fn a_redis_url_has_a_known_scheme_and_a_host_and_is_never_quoted() {
        let url = |url: &str| breaches(|c| c.counters.redis_url = Some(Secret::new(url)));
        for right in [
            "redis://h",
            "rediss://u:p%40@h:1/2?protocol=resp3",
            "redis://[::1]:6379",
        ] {
            assert!(url(right).is_empty(), "{right}");
        }
        for wrong in [
            "http://h",
            "hunter2",
            "redis://",
            "redis://:hunter2@",
            "redis://:6379",
            "redis://h h",
        ] {
            let found = url(wrong);
            assert_eq!(found.len(), 1, "{wrong}");
            assert!(!found[0].contains("hunter2"), "{found:?}");
        }
    }
}
