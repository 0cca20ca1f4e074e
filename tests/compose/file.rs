//! `compose.yml` as far as we use its language; a word that is not here is a mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    #[serde(rename = "name")]
    pub _name: String,
    pub services: BTreeMap<String, Service>,
    pub volumes: BTreeMap<String, Option<BTreeMap<String, String>>>,
    pub networks: BTreeMap<String, Network>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub image: String,
    pub build: Option<PathBuf>,
    pub restart: String,
    pub user: Option<String>,
    pub command: Option<Vec<String>>,
    #[serde(default)]
    pub ports: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub volumes: Vec<String>,
    pub networks: Networks,
    #[serde(default)]
    pub depends_on: BTreeMap<String, Dependency>,
    pub healthcheck: Option<HealthCheck>,
    pub stop_grace_period: Option<String>,
    #[serde(default)]
    pub read_only: bool,
    #[serde(default)]
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<String>,
}

/// Where a service is reached: by name alone, or at fixed addresses.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Networks {
    Names(Vec<String>),
    Places(BTreeMap<String, Option<Place>>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub ipv4_address: std::net::Ipv4Addr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    pub condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    pub test: Vec<String>,
    #[serde(rename = "interval")]
    pub _interval: String,
    #[serde(rename = "timeout")]
    pub _timeout: String,
    #[serde(rename = "retries")]
    pub _retries: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    #[serde(default)]
    pub internal: bool,
    pub ipam: Option<Ipam>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipam {
    pub config: Vec<Pool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub subnet: ipnet::Ipv4Net,
}

impl Compose {
    /// The shipped file, variables replaced by what they are when nobody sets them.
    pub fn shipped() -> Self {
        serde_saphyr::from_str(&with_defaults(&read("compose.yml"))).unwrap()
    }

    /// A service that must be there.
    #[track_caller]
    pub fn service(&self, name: &str) -> &Service {
        &self.services[name]
    }
}

impl Service {
    /// Networks the service is on.
    pub fn networks(&self) -> Vec<&str> {
        match &self.networks {
            Networks::Names(names) => names.iter().map(String::as_str).collect(),
            Networks::Places(places) => places.keys().map(String::as_str).collect(),
        }
    }

    /// Its fixed address on a network.
    pub fn address_on(&self, network: &str) -> Option<std::net::Ipv4Addr> {
        match &self.networks {
            Networks::Names(_) => None,
            Networks::Places(places) => Some(places.get(network)?.as_ref()?.ipv4_address),
        }
    }

    /// What is mounted: source (a path or the name of a volume), place in the container, mode.
    pub fn mounts(&self) -> Vec<Vec<&str>> {
        self.volumes.iter().map(|volume| volume.split(':').collect()).collect()
    }
}

/// The project's own folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a shipped file.
#[track_caller]
pub fn read(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).unwrap()
}

/// Replaces `${NAME:-default}`.
fn with_defaults(text: &str) -> String {
    let mut pieces = text.split("${");
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (variable, rest) = piece.split_once('}').unwrap();
        let (_, default) = variable.split_once(":-").expect("a variable without a default");
        out.push_str(default);
        out.push_str(rest);
    }
    out
}
