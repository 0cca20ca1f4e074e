//! `key`.

use std::io::Write;

use footfall::clock;
use footfall::command_line::{Allowed, KeyVerb};
use footfall::directory::{Keeper, KeyRecord, KeyWish, Refusal, Register, Rights};
use footfall::event::SiteId;
use serde_json::{Map, Value, json};

use super::{Trouble, expiry, print};

/// `err` gets what is not for the script that takes the key.
pub async fn run(
    keeper: &mut Keeper,
    verb: KeyVerb,
    (out, err): (&mut dyn Write, &mut dyn Write),
) -> Result<(), Trouble> {
    match verb {
        KeyVerb::Add {
            site,
            rights,
            expires,
            name,
            json,
        } => {
            let rights = match rights {
                Allowed::Write => Rights::Write,
                Allowed::Read => Rights::Read,
                Allowed::Manage => Rights::Manage,
                Allowed::Both => Rights::Both,
            };
            let expires = expires.map(|when| expiry::parse(&when, clock::unix_ms())).transpose();
            let expires_ms = expires.map_err(Trouble::refused)?;
            let (new, record) = keeper
                .add_key(&KeyWish {
                    site,
                    rights,
                    name,
                    expires_ms,
                })
                .await?;
            let register = keeper.directory().register();
            if json {
                let mut shown = object(&record, &register);
                shown.insert("key".into(), new.text.into());
                return Ok(print::json(&shown.into(), out)?);
            }
            writeln!(out, "{}", new.text)?;
            let (rights, site) = (rights.name(), site_name(&register, record.key.site));
            writeln!(
                err,
                "added key {} to {rights} site {site}; it is shown this once only",
                new.id
            )?;
            Ok(())
        }
        KeyVerb::List { site, options } => {
            keeper.refresh().await?;
            list(&keeper.directory().register(), site.as_deref(), options.json, out)
        }
        KeyVerb::Revoke { key } => {
            let record = keeper.revoke_key(&key).await?;
            let site = site_name(&keeper.directory().register(), record.key.site);
            writeln!(out, "revoked key {} of site {site}", record.key.id)?;
            Ok(())
        }
    }
}

fn list(register: &Register, site: Option<&str>, json: bool, out: &mut dyn Write) -> Result<(), Trouble> {
    let unknown = |name| Refusal {
        field: "site",
        reason: format!("there is no site {name:?}; `site list` shows all"),
    };
    let wanted = |name| {
        register
            .find_site(name)
            .map(|site| site.id)
            .ok_or_else(|| unknown(name))
    };
    let site = site.map(wanted).transpose().map_err(Trouble::refused)?;
    let keys = register
        .keys()
        .filter(|record| site.is_none_or(|site| record.key.site == site));
    if json {
        return Ok(print::json(
            &keys.map(|record| object(record, register)).collect::<Value>(),
            out,
        )?);
    }
    let head = ["ID", "SITE", "RIGHTS", "ADDED", "EXPIRES", "NAME"];
    let rows = keys.map(|record| {
        [
            record.key.id.to_string(),
            site_name(register, record.key.site),
            record.key.rights.name().to_owned(),
            print::time(record.created_ms),
            expires(record),
            record.name.to_string(),
        ]
    });
    Ok(print::table(head, rows, out)?)
}

fn expires(record: &KeyRecord) -> String {
    match record.key.expires_ms {
        None => "never".into(),
        Some(end) if record.key.is_expired(clock::unix_ms()) => format!("expired {}", print::time(end)),
        Some(end) => print::time(end),
    }
}

fn object(record: &KeyRecord, register: &Register) -> Map<String, Value> {
    let fields = [
        ("id", json!(record.key.id)),
        ("site", json!(record.key.site.to_string())),
        ("site_name", json!(site_name(register, record.key.site))),
        ("rights", json!(record.key.rights.name())),
        ("name", json!(record.name)),
        ("created", json!(print::time(record.created_ms))),
        ("expires", json!(record.key.expires_ms.map(print::time))),
        ("expired", json!(record.key.is_expired(clock::unix_ms()))),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn site_name(register: &Register, id: SiteId) -> String {
    register
        .site(id)
        .map_or_else(|| id.to_string(), |site| site.name.to_string())
}
