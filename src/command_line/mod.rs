//! The command line: verbs, a few flags, and help that teaches. Running the verbs is the binary's part, except for
//! those that only look at the configuration or the types.

mod generate;
mod help;
mod import;
mod sites;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Flag, Sources};
use crate::reference;

pub use self::generate::GenerateOptions;
pub use self::import::{ImportOptions, LineFormat};
pub use self::sites::{Allowed, KeyVerb, ListOptions, SiteFields, SiteVerb, Visitors};

/// Counts visits of web and shop pages by country, without ever losing one that it answered.
#[derive(Debug, Parser)]
#[command(name = "footfall", version, long_about = help::LONG_ABOUT, after_help = help::MORE, after_long_help = help::EXAMPLES)]
#[command(disable_help_subcommand = true)]
pub struct CommandLine {
    /// What to do; `serve` when nothing is named.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Settings that are often wanted at hand.
    #[command(flatten)]
    pub settings: Settings,
}

/// What the binary can do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Run the gateway (what happens when no command is given).
    Serve,
    /// Say whether the configuration is good, and what differs from the defaults.
    #[command(long_about = help::CHECK_CONFIG)]
    CheckConfig,
    /// Write the reference pages of configuration, errors and metrics.
    Reference {
        /// Write nothing; fail if a page is missing or stale.
        #[arg(long)]
        check: bool,
        /// Directory of the pages.
        #[arg(default_value = "docs")]
        dir: PathBuf,
    },
    /// Add, list, change or remove sites.
    #[command(subcommand, long_about = help::SITE)]
    Site(SiteVerb),
    /// Add, list or revoke the keys that clients show.
    #[command(subcommand, long_about = help::KEY)]
    Key(KeyVerb),
    /// Make up a shop's traffic: write it, or send it to a gateway.
    #[command(long_about = help::GENERATE)]
    Generate(GenerateOptions),
    /// Bring what was before to a gateway: events, access logs, totals of a visits deployment.
    #[command(long_about = help::IMPORT)]
    Import(ImportOptions),
    /// Let the counters in Redis begin anew from what the gateways have counted.
    #[command(long_about = help::REBUILD)]
    Rebuild,
    /// Hold the counters against the journal and the gateway's own contribution.
    Verify,
}

/// Flags, each of which is also a setting of the file and the environment. They are texts here: the configuration
/// checks all sources alike.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help that a terminal shows")]
#[command(next_help_heading = "Settings (the strongest source)")]
pub struct Settings {
    /// TOML file with settings; `footfall.toml` in the working directory if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the journal, embedded counters, sites and keys [env: FOOTFALL_DATA_DIR] [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Ports to listen on, separated by commas; 0 is any free one [env: PORT] [default: 3030]
    #[arg(long, global = true, value_name = "PORTS")]
    port: Option<String>,
    /// Address to listen on [env: HOST] [default: 0.0.0.0]
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port of metrics and health, on loopback [env: FOOTFALL_ADMIN_PORT] [default: 9090]
    #[arg(long, global = true, value_name = "PORT")]
    admin_port: Option<String>,
    /// What a 2xx promises: os, disk or applied [env: FOOTFALL_DURABILITY] [default: disk]
    #[arg(long, global = true, value_name = "MODE")]
    durability: Option<String>,
    /// Count in this Redis; other users of the machine see flags, so prefer the environment [env: REDIS_URL]
    #[arg(long, global = true, value_name = "URL")]
    redis_url: Option<String>,
    /// MaxMind database with countries [env: FOOTFALL_GEO_DATABASE]
    #[arg(long, global = true, value_name = "FILE")]
    geo_database: Option<String>,
    /// error, warn, info, debug or trace [env: LOG_LEVEL] [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// human or json [env: FOOTFALL_LOG_FORMAT] [default: human]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl CommandLine {
    /// The verb, which is `serve` when none was given.
    pub fn verb(&self) -> Verb {
        self.verb.clone().unwrap_or(Verb::Serve)
    }

    /// Where this process has its settings from.
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.settings.config.clone(), self.settings.flags())
    }
}

impl Settings {
    fn flags(&self) -> Vec<Flag> {
        let flags = [
            ("--data-dir", "journal.data_dir", &self.data_dir),
            ("--port", "edge.ports", &self.port),
            ("--host", "edge.host", &self.host),
            ("--admin-port", "admin.port", &self.admin_port),
            ("--durability", "journal.durability", &self.durability),
            ("--redis-url", "counters.redis_url", &self.redis_url),
            ("--geo-database", "geo.database", &self.geo_database),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ];
        let given = flags.into_iter().filter_map(|(name, key, value)| {
            let value = value.clone()?;
            Some(Flag { name, key, value })
        });
        given.collect()
    }
}

/// `check-config`: tells about the configuration; returns the exit code.
///
/// # Errors
/// If the report cannot be written.
pub fn check_config(sources: &Sources, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match Config::load(sources) {
        Ok(loaded) => {
            out.write_all(loaded.describe().as_bytes())?;
            Ok(0)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(2)
        }
    }
}

/// `reference`: writes the pages, or says which are stale; returns the exit code.
///
/// # Errors
/// If pages or report cannot be read or written.
pub fn write_reference(check: bool, dir: &Path, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    if !check {
        for path in reference::write(dir)? {
            writeln!(out, "wrote {}", path.display())?;
        }
        return Ok(0);
    }
    let stale = reference::stale(dir)?;
    for path in &stale {
        writeln!(err, "{} is stale; run `footfall reference`", path.display())?;
    }
    Ok(u8::from(!stale.is_empty()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::keys::keys;

    fn parsed(words: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(std::iter::once(&"footfall").chain(words))
    }

    fn sources(words: &[&str], directory: &Path) -> Sources {
        Sources {
            directory: directory.into(),
            environment: Vec::new(),
            ..parsed(words).unwrap().sources()
        }
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn serve_is_what_happens_without_a_verb() {
        assert_eq!(parsed(&[]).unwrap().verb(), Verb::Serve);
        assert_eq!(parsed(&["--port", "1"]).unwrap().verb(), Verb::Serve);
        assert_eq!(parsed(&["check-config"]).unwrap().verb(), Verb::CheckConfig);
        assert_eq!(parsed(&["verify"]).unwrap().verb(), Verb::Verify);
        let dir = "docs".into();
        let reference = parsed(&["reference", "--check"]).unwrap().verb();
        assert_eq!(reference, Verb::Reference { check: true, dir });
        assert!(parsed(&["sreve"]).is_err());
    }

    #[test]
    fn flags_stand_before_or_behind_the_verb_and_become_settings() {
        let directory = tempfile::tempdir().unwrap();
        for words in [["--port", "1,2", "serve"], ["serve", "--port", "1,2"]] {
            let loaded = Config::load(&sources(&words, directory.path())).unwrap();
            assert_eq!(loaded.config.edge.ports, [1, 2]);
            assert_eq!(loaded.changed[0].origin, "--port");
        }
    }

    #[test]
    fn every_flag_stands_for_a_setting_that_exists() {
        let value = Some(String::new());
        let all = Settings {
            config: None,
            data_dir: value.clone(),
            port: value.clone(),
            host: value.clone(),
            admin_port: value.clone(),
            durability: value.clone(),
            redis_url: value.clone(),
            geo_database: value.clone(),
            log_level: value.clone(),
            log_format: value,
        };
        let flags = all.flags();
        let arguments = CommandLine::command();
        let long: Vec<_> = arguments.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert_eq!(
            flags.len() + 1,
            long.len(),
            "each flag but --config is a setting: {long:?}"
        );
        for flag in flags {
            assert!(keys().iter().any(|key| key.path == flag.key), "{}", flag.key);
            assert!(long.contains(&flag.name.trim_start_matches('-')), "{}", flag.name);
        }
    }

    #[test]
    fn help_teaches_with_examples_and_the_version_is_known() {
        let help = CommandLine::command().render_long_help().to_string();
        for part in [
            "curl -X POST",
            "REDIS_URL=",
            "check-config",
            "docs/configuration.md",
            "Exit codes",
        ] {
            assert!(help.contains(part), "{part} is not in {help}");
        }
        let version = CommandLine::command().render_version();
        assert_eq!(version, format!("footfall {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn check_config_tells_good_from_bad_by_text_and_exit_code() {
        let directory = tempfile::tempdir().unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let good = sources(&["check-config", "--port", "80"], directory.path());
        assert_eq!(check_config(&good, &mut out, &mut err).unwrap(), 0);
        assert!(
            String::from_utf8(out)
                .unwrap()
                .starts_with("configuration is good\n  edge.ports = [80]")
        );
        assert!(err.is_empty());

        let (mut out, mut err) = (Vec::new(), Vec::new());
        let bad = sources(&["--port", "80,80", "--log-level", "loud"], directory.path());
        assert_eq!(check_config(&bad, &mut out, &mut err).unwrap(), 2);
        assert!(out.is_empty());
        assert_eq!(String::from_utf8(err).unwrap().lines().count(), 3);
    }

    #[test]
    fn the_reference_is_written_and_compared() {
        let directory = tempfile::tempdir().unwrap();
        let docs = directory.path().join("docs");
        let run = |check| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = write_reference(check, &docs, &mut out, &mut err).unwrap();
            (code, out.len() + err.len() > 0)
        };
        assert_eq!(run(true), (1, true));
        assert_eq!(run(false), (0, true));
        assert_eq!(run(true), (0, false));
    }
}
