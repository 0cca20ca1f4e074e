//! What `footfall import` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineFormat {
    /// An event a line, as POST /api/v1/events takes them.
    Events,
    /// An access log of nginx or Apache, common or combined.
    AccessLog,
}

/// What to import, how it is read, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ImportOptions {
    /// Files, the oldest first, plain or compressed with gzip; `-` is the standard input.
    #[arg(value_name = "FILE", required_unless_present = "redis")]
    pub files: Vec<PathBuf>,
    /// The gateway, such as `http://localhost:3030`: always the same one, no load balancer.
    #[arg(long, value_name = "URL", default_value = "http://localhost:3030")]
    pub to: String,
    /// A key of the site with the rights `manage`.
    #[arg(long, env = "FOOTFALL_IMPORT_KEY", hide_env_values = true)]
    pub key: String,
    /// What the lines are; by the first line if it is not given.
    #[arg(long, value_enum)]
    pub format: Option<LineFormat>,
    /// The host of the pages in an access log whose lines name none.
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub host: Option<String>,
    /// Count stylesheets, scripts, pictures and the like as page views, too.
    #[arg(long)]
    pub include_assets: bool,
    /// Import the totals by country that a visits deployment keeps in this Redis.
    #[arg(long, value_name = "URL", env = "FOOTFALL_IMPORT_REDIS", hide_env_values = true, conflicts_with_all = ["files", "format", "host", "include_assets", "rejects", "lines", "last_line"])]
    pub redis: Option<String>,
    /// The hash in it.
    #[arg(
        long,
        value_name = "KEY",
        requires = "redis",
        default_value = "country_statscountry_stats"
    )]
    pub hash: String,
    /// The import's name, by which the gateway knows what was taken; made from the first line if it is not given.
    #[arg(long)]
    pub name: Option<String>,
    /// Where lines go that can be no event; FILE.rejects if it is not given.
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Lines of a request.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub lines: u64,
    /// Take a last line that has no end; otherwise it is left, since it may be half a line.
    #[arg(long)]
    pub last_line: bool,
    /// How long to try while the gateway takes nothing, in seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience: u64,
    /// Show no progress.
    #[arg(long)]
    pub quiet: bool,
    /// Print what became of each file as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The host of a page, with a port if it has one, as it stands in a URL.
fn host(text: &str) -> Result<String, String> {
    let is_good = |letter: char| letter.is_alphanumeric() || ".-_:[]".contains(letter);
    if !text.is_empty() && text.chars().all(is_good) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("it is a host alone, such as shop.example".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_host_alone() {
        assert_eq!(host("Shop.Example:8080").as_deref(), Ok("shop.example:8080"));
        for wrong in ["", "https://shop.example", "shop.example/", "a b"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
