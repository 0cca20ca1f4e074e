//! `site`.

use std::io::Write;

use footfall::command_line::{SiteFields, SiteVerb, Visitors};
use footfall::directory::{Counting, Keeper, Refusal, Register, Site, SiteWish, parse_id};
use serde_json::{Value, json};

use super::{Trouble, print};

pub async fn run(keeper: &mut Keeper, verb: SiteVerb, out: &mut dyn Write) -> Result<(), Trouble> {
    match verb {
        SiteVerb::Add { name, id, fields } => {
            let wrong = |id| Refusal {
                field: "id",
                reason: format!("{id:?} is not an id: 32 hexadecimal digits"),
            };
            let id = id.map(|id| parse_id(&id).ok_or_else(|| wrong(id))).transpose();
            let json = fields.json;
            let wish = SiteWish {
                name: Some(name),
                ..wish(fields)
            };
            let site = keeper.add_site(&wish, id.map_err(Trouble::refused)?).await?;
            told(keeper, out, ("added", &site), json)
        }
        SiteVerb::List(options) => {
            keeper.refresh().await?;
            list(&keeper.directory().register(), options.json, out)
        }
        SiteVerb::Change {
            site,
            name,
            no_domains,
            fields,
        } => {
            let json = fields.json;
            let mut wish = SiteWish { name, ..wish(fields) };
            if no_domains {
                wish.domains = Some(Vec::new());
            }
            let site = keeper.change_site(&site, &wish).await?;
            told(keeper, out, ("changed", &site), json)
        }
        SiteVerb::Remove { site, with_keys } => {
            let site = keeper.remove_site(&site, with_keys).await?;
            told(keeper, out, ("removed", &site), false)?;
            Ok(writeln!(out, "what was counted and kept for it stays, under its id")?)
        }
    }
}

impl Trouble {
    pub fn refused(refusal: Refusal) -> Self {
        Self::Directory(refusal.into())
    }
}

fn wish(fields: SiteFields) -> SiteWish {
    SiteWish {
        name: None,
        domains: Some(fields.domain).filter(|domains| !domains.is_empty()),
        time_zone: fields.time_zone,
        currency: fields.currency,
        counting: fields.visitors.map(|visitors| match visitors {
            Visitors::Daily => Counting::Daily,
            Visitors::Stable => Counting::Stable,
        }),
    }
}

fn told(keeper: &Keeper, out: &mut dyn Write, (done, site): (&str, &Site), json: bool) -> Result<(), Trouble> {
    if json {
        print::json(&object(site, &keeper.directory().register()), out)?;
    } else {
        writeln!(out, "{done} site {}, id {}, in {}", site.name, site.id, keeper.place())?;
    }
    Ok(())
}

fn list(register: &Register, json: bool, out: &mut dyn Write) -> Result<(), Trouble> {
    if json {
        let sites = register.sites().map(|site| object(site, register)).collect();
        return Ok(print::json(&Value::Array(sites), out)?);
    }
    let head = ["ID", "NAME", "TIME ZONE", "CURRENCY", "VISITORS", "KEYS", "DOMAINS"];
    let rows = register.sites().map(|site| {
        [
            site.id.to_string(),
            site.name.to_string(),
            site.time_zone.to_string(),
            currency(site),
            site.counting.name().to_owned(),
            register.keys_of(site.id).count().to_string(),
            domains(site),
        ]
    });
    Ok(print::table(head, rows, out)?)
}

fn object(site: &Site, register: &Register) -> Value {
    json!({
        "id": site.id.to_string(),
        "name": site.name,
        "domains": site.domains,
        "registered": site.registered,
        "time_zone": site.time_zone,
        "currency": currency(site),
        "visitors": site.counting.name(),
        "keys": register.keys_of(site.id).count(),
        "created": (site.created_ms > 0).then(|| print::time(site.created_ms)),
    })
}

/// Its domains; the one that was only named when it was registered stands in brackets.
fn domains(site: &Site) -> String {
    let named = site.registered.iter().map(|domain| format!("({domain})"));
    let all: Vec<String> = site.domains.iter().map(ToString::to_string).chain(named).collect();
    all.join(", ")
}

fn currency(site: &Site) -> String {
    String::from_utf8_lossy(&site.currency).into_owned()
}
