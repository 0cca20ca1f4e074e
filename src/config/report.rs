//! What `check-config` tells about a configuration.

use std::fmt::{self, Write as _};

use super::load::Loaded;

impl Loaded {
    /// Every setting that differs from its default, with its origin, and what is not used; secrets hidden.
    pub fn describe(&self) -> String {
        let mut text = String::from("configuration is good\n");
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let settings: Vec<String> = self
            .changed
            .iter()
            .map(|changed| format!("{} = {}", changed.key, changed.value))
            .collect();
        let width = settings
            .iter()
            .map(|setting| setting.chars().count())
            .max()
            .unwrap_or(0);
        for (setting, changed) in settings.iter().zip(&self.changed) {
            writeln!(text, "  {setting:width$}  from {}", changed.origin)?;
        }
        for ignored in &self.ignored {
            writeln!(text, "not used: {} ({})", ignored.name, ignored.reason)?;
        }
        text.write_str(if self.changed.is_empty() {
            "every setting has its default\n"
        } else {
            "every other setting has its default\n"
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sources};

    fn described(environment: &[(&str, &str)]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources {
            directory: directory.path().into(),
            environment: environment
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            ..Sources::default()
        };
        Config::load(&sources).unwrap().describe()
    }

    #[test]
    fn a_report_names_what_differs_its_origin_and_what_is_not_used() {
        assert_eq!(
            described(&[
                ("PORT", "80"),
                ("REDIS_URL", "redis://:hunter2@h"),
                ("ENABLE_CLUSTER", "true")
            ]),
            "configuration is good\n  \
             edge.ports = [80]         from PORT in the environment\n  \
             counters.redis_url = ***  from REDIS_URL in the environment\n\
             not used: ENABLE_CLUSTER (workers are threads: FOOTFALL_EDGE_WORKERS)\n\
             every other setting has its default\n"
        );
    }

    #[test]
    fn a_report_without_changes_says_so() {
        assert_eq!(described(&[]), "configuration is good\nevery setting has its default\n");
    }
}
