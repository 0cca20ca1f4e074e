//! What `footfall site` and `footfall key` take.

use clap::{Args, Subcommand, ValueEnum};

use super::help;

/// What can be done to sites.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SiteVerb {
    /// Add a site.
    #[command(long_about = help::SITE_ADD)]
    Add {
        /// What to call it: 1 to 128 bytes; no other site may be called so.
        name: String,
        /// The id of a site that was removed, so that its figures have a site again.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Its properties.
        #[command(flatten)]
        fields: SiteFields,
    },
    /// List all sites.
    List(ListOptions),
    /// Change a site; what is not named stays as it is.
    Change {
        /// The site, by name or id.
        site: String,
        /// A new name.
        #[arg(long)]
        name: Option<String>,
        /// Take all domains away.
        #[arg(long, conflicts_with = "domain")]
        no_domains: bool,
        /// Its properties.
        #[command(flatten)]
        fields: SiteFields,
    },
    /// Remove a site; what was counted and kept for it stays.
    #[command(long_about = help::SITE_REMOVE)]
    Remove {
        /// The site, by name or id.
        site: String,
        /// Revoke its keys too; without this, a site that has keys is not removed.
        #[arg(long)]
        with_keys: bool,
    },
}

/// What can be done to keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum KeyVerb {
    /// Add a key, and print it: the only time that it can be seen.
    #[command(long_about = help::KEY_ADD)]
    Add {
        /// The site, by name or id; `default` is the one of calls that name none.
        site: String,
        /// What it allows: sending events, asking figures, or also deleting events.
        #[arg(long)]
        rights: Allowed,
        /// When it ends: after a time (12h, 90d, 1y) or at a date (2030-12-31, 2030-12-31T12:00:00Z); without this, never.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// What to call it, such as where it is used.
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List all keys, or those of one site; never their secrets, which nobody has.
    List {
        /// The site, by name or id.
        site: Option<String>,
        /// How to list them.
        #[command(flatten)]
        options: ListOptions,
    },
    /// Revoke a key: running gateways refuse it within `directory.refresh_ms`.
    Revoke {
        /// Its id, or the whole key.
        key: String,
    },
}

/// What is known of a site beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct SiteFields {
    /// A host of its pages, such as shop.example; several with commas or given again. `www.` makes no difference.
    #[arg(long, value_delimiter = ',')]
    pub domain: Vec<String>,
    /// The time zone of its days (IANA), such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The currency of its sums (ISO 4217), such as EUR [default: USD]
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// How to tell visitors apart [default: daily]
    #[arg(long, value_name = "WAY")]
    pub visitors: Option<Visitors>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct ListOptions {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How visitors are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Visitors {
    /// By a hash whose salt changes every day: nothing is kept in the browser.
    Daily,
    /// By the id that the client keeps and sends.
    Stable,
}

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Allowed {
    /// Sending events.
    Write,
    /// Asking figures.
    Read,
    /// Asking figures, and deleting events for good.
    Manage,
    /// Sending events and asking figures, as keys of registered apps do. Who shows it may revoke or replace it.
    Both,
}
