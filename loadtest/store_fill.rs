//! Fills an event store with made-up shop traffic and asks it questions: events a second, bytes an event by column,
//! the time of each question. Prints one JSON object.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use footfall::clock::now;
use footfall::directory::Counting;
use footfall::event::{Country, Event, EventId, Revenue, Row, Sequence, SiteId, Visitor};
use footfall::query::{Query, SiteView, answer};
use footfall::store::search::{Condition, List};
use footfall::store::{Column, Library, Snapshot, Store, StoreLimits};
use serde_json::{Value, json};

#[derive(Debug, Parser)]
struct Flags {
    /// The folder of the store; what is there is gone on from.
    folder: PathBuf,
    /// How many events it shall hold.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Over how many days they are spread.
    #[arg(long, default_value_t = 30)]
    days: u64,
    /// How often each question is asked.
    #[arg(long, default_value_t = 15)]
    times: usize,
    /// Events a second that are stored while the questions are asked.
    #[arg(long, default_value_t = 0)]
    beside: u64,
    /// Count every segment anew for every question.
    #[arg(long)]
    forgetful: bool,
    /// Only tell what the store in the folder takes on disk, and for what; nobody else may use it.
    #[arg(long)]
    sizes: bool,
}

const SITE: SiteId = SiteId([1; 16]);
/// The end of the traffic: 2026-11-01T00:00:00Z.
const END_MS: u64 = 1_793_491_200_000;
const DAY_MS: u64 = 86_400_000;
/// Time between two commits beside the questions.
const COMMIT_MS: u64 = 700;

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let mut limits = StoreLimits::default();
    if flags.forgetful {
        limits.partials_bytes_max = 0;
    }
    let (mut store, _) = Store::open(&flags.folder, limits)?;
    let library = store.library();
    let report = if flags.sizes {
        sizes(&library.snapshot())?
    } else {
        let fill = fill(&mut store, &flags)?;
        let mut report = sizes(&library.snapshot())?;
        report["fill"] = fill;
        report["questions_ms"] = beside(store, &flags, || questions(&library, &flags))?;
        report
    };
    writeln!(io::stdout(), "{report:#}")?;
    Ok(())
}

fn sizes(snapshot: &Snapshot) -> anyhow::Result<Value> {
    let sizes = snapshot.sizes()?;
    let events = snapshot.events().max(1) as f64;
    let by_column = sizes
        .iter()
        .map(|(name, bytes)| (name.clone(), json!(round(*bytes as f64 / events))));
    Ok(json!({
        "events": snapshot.events(),
        "bytes_an_event": round(sizes.values().sum::<u64>() as f64 / events),
        "bytes_an_event_by_column": by_column.collect::<serde_json::Map<_, _>>(),
    }))
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn fill(store: &mut Store, flags: &Flags) -> anyhow::Result<Value> {
    let first = store.cursor().0 + 1;
    let begun = now();
    let (mut last_commit, mut longest) = (now(), Duration::ZERO);
    for number in first..=flags.events {
        append(store, number, flags)?;
        if number % 1_024 == 0 && last_commit.elapsed() > Duration::from_secs(1) {
            longest = longest.max(commit(store)?);
            last_commit = now();
        }
    }
    store.commit()?;
    let appended = begun.elapsed();
    store.settle()?;
    let count = (flags.events + 1).saturating_sub(first) as f64;
    Ok(json!({
        "events_a_second": (count / appended.as_secs_f64()).round(),
        "longest_commit_ms": longest.as_millis(),
        "merges_after_ms": begun.elapsed().saturating_sub(appended).as_millis(),
    }))
}

/// Stores events at a rate, as a gateway does, while something else is done.
fn beside<T>(mut store: Store, flags: &Flags, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    if flags.beside == 0 {
        return work();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let storing = scope.spawn(|| -> anyhow::Result<()> {
            let mut number = store.cursor().0;
            while !done.load(Ordering::Relaxed) {
                let begun = now();
                for _ in 0..flags.beside * COMMIT_MS / 1_000 {
                    number += 1;
                    append(&mut store, number, flags)?;
                }
                store.commit()?;
                std::thread::sleep(Duration::from_millis(COMMIT_MS).saturating_sub(begun.elapsed()));
            }
            Ok(())
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        match storing.join() {
            Ok(stored) => stored.and(worked),
            Err(_) => anyhow::bail!("the thread that stores panicked"),
        }
    })
}

fn commit(store: &mut Store) -> anyhow::Result<Duration> {
    let begun = now();
    store.commit()?;
    Ok(begun.elapsed())
}

/// A number that follows from another, without pattern (splitmix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// One of a list, the earlier ones more often.
fn pick<'a>(dice: u64, from: &[&'a str]) -> &'a str {
    let length = from.len() as u64;
    let place = (dice % length).min(dice / length % length);
    usize::try_from(place)
        .ok()
        .and_then(|place| from.get(place))
        .copied()
        .unwrap_or("")
}

/// Who looks: everything about a visitor follows from a number.
struct Person {
    dice: u64,
    id: String,
    user: String,
}

impl Person {
    fn new(number: u64) -> Self {
        let dice = mixed(number);
        let parts = (
            dice >> 32,
            dice >> 16 & 0xffff,
            dice & 0xfff,
            dice >> 4 & 0xfff,
            mixed(dice) >> 16,
        );
        let is_customer = dice.is_multiple_of(5);
        Self {
            dice,
            id: format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                parts.0, parts.1, parts.2, parts.3, parts.4
            ),
            user: if is_customer {
                format!("customer-{number}")
            } else {
                String::new()
            },
        }
    }

    fn country(&self) -> Country {
        let known = [
            "de", "us", "gb", "fr", "nl", "at", "ch", "pl", "es", "it", "se", "dk", "in", "br",
        ];
        Country::parse(pick(self.dice >> 9, &known).as_bytes()).unwrap_or(Country::UNKNOWN)
    }

    fn city(&self) -> &'static str {
        let known = [
            "Berlin", "Köln", "London", "Paris", "Wien", "Zürich", "Lyon", "Leeds", "Utrecht",
        ];
        pick(self.dice >> 12, &known)
    }

    fn screen(&self) -> (u16, u16) {
        if self.dice.is_multiple_of(3) {
            (390, 844)
        } else {
            (1_920, 1_080)
        }
    }
}

/// What is looked at, and what is said about it.
struct Page {
    path: String,
    price: u64,
    properties: String,
}

impl Page {
    fn new(dice: u64) -> Self {
        let product = (dice >> 8) % 2_000 * ((dice >> 20) % 100) / 100;
        let shelf = pick(dice >> 3, &["shoes", "shirts", "hats", "sale", "home"]);
        let list = pick(dice >> 30, &["search", "category", "home", "related"]);
        let price = 500 + product * 7 % 9_000;
        let (whole, cents, stock) = (price / 100, price % 100, dice >> 40 & 0x3f);
        Self {
            path: format!("/{shelf}/product-{product}"),
            price,
            properties: format!(
                r#"{{"sku":"SKU-{product}","price":{whole}.{cents:02},"list":"{list}","stock":{stock}}}"#
            ),
        }
    }
}

fn append(store: &mut Store, number: u64, flags: &Flags) -> anyhow::Result<()> {
    let within = number.min(flags.events.saturating_sub(1));
    let time_ms = END_MS - flags.days * DAY_MS + within * flags.days * DAY_MS / flags.events.max(1);
    // A visitor looks at some pages in a row, and may come back.
    let person = Person::new(mixed(number / 6) % (flags.events / 12).max(1));
    let dice = mixed(number ^ 0x5555);
    let page = Page::new(dice);
    let session = format!("{:016x}", mixed((number / 6) ^ 0x77));
    let name = pick(
        dice,
        &["pageview", "pageview", "pageview", "click", "add_to_cart", "purchase"],
    );
    let mut own = [0; 16];
    for (to, from) in own
        .iter_mut()
        .zip(time_ms.to_be_bytes()[2..].iter().chain(&dice.to_be_bytes()))
    {
        *to = *from;
    }
    let event = Event {
        time_ms,
        country: person.country(),
        region: pick(person.dice >> 11, &["BE", "NW", "BY", "CA", "TX", "LND"]),
        city: person.city(),
        host: "shop.example",
        path: &page.path,
        query: pick(dice >> 17, &["", "", "utm_source=newsletter", "ref=ad"]),
        referrer: pick(
            person.dice >> 15,
            &[
                "",
                "https://google.example/",
                "https://news.example/a",
                "https://social.example/",
            ],
        ),
        title: page.path.trim_start_matches('/'),
        visitor: Visitor::Stable(&person.id),
        user: &person.user,
        session: &session,
        screen: Some(person.screen()),
        language: pick(person.dice >> 21, &["de-DE", "en-US", "en-GB", "fr-FR"]),
        properties: page.properties.as_bytes(),
        revenue: (name == "purchase").then(|| Revenue {
            minor: page.price.cast_signed(),
            currency: *b"EUR",
        }),
        ..Event::new(SITE, name, EventId::Own(own), time_ms + dice % 900)
    };
    Ok(store.append(&row(number, &event, (&person, dice)))?)
}

/// What a gateway would have derived.
fn row<'a>(number: u64, event: &Event<'a>, (person, dice): (&Person, u64)) -> Row<'a> {
    Row {
        browser: pick(person.dice >> 25, &["Chrome", "Safari", "Firefox", "Edge"]),
        os: pick(person.dice >> 28, &["Windows", "iOS", "Android", "macOS", "Linux"]),
        device: pick(person.dice >> 31, &["desktop", "mobile", "tablet"]),
        browser_version: pick(person.dice >> 34, &["139", "140", "18", "26"]),
        bot_rule: if person.dice.is_multiple_of(50) {
            pick(person.dice >> 36, &["search-engine:Googlebot", "seo:AhrefsBot"])
        } else {
            ""
        },
        referrer_group: pick(person.dice >> 15, &["", "search", "", "social"]),
        channel: pick(
            person.dice >> 15,
            &["Direct", "Organic Search", "Referral", "Organic Social"],
        ),
        click_id: pick(person.dice >> 38, &["", "", "", "", "", "", "", "gclid"]),
        source: pick(person.dice >> 15, &["", "Google", "news.example", "Social"]),
        utm_source: pick(dice >> 17, &["", "", "newsletter", ""]),
        utm_medium: pick(dice >> 17, &["", "", "email", ""]),
        utm_campaign: pick(dice >> 17, &["", "", "autumn", ""]),
        ..Row::new(Sequence(number), *event)
    }
}

/// Questions with their names; those with filters are others in every round.
fn asked(round: usize) -> Vec<(&'static str, Value)> {
    let rounds = round as u64;
    let names = ["pageview", "click", "add_to_cart", "purchase"];
    let countries = [
        ["de", "gb"],
        ["us", "fr"],
        ["nl", "at"],
        ["gb", "ch"],
        ["de", "pl"],
        ["fr", "es"],
        ["us", "it"],
    ];
    let pick = |from: usize| usize::try_from(mixed(rounds) % from as u64).unwrap_or(0);
    let name = names.get(round % names.len()).copied().unwrap_or("pageview");
    let pair = countries.get(pick(countries.len())).copied().unwrap_or(["de", "gb"]);
    let two = json!([["is", "name", [name]], ["is", "country", pair]]);
    let of = |metric: &str, dimension: &str| json!({"metrics": [metric], "dimensions": [dimension]});
    let with = |mut query: Value, filters: &Value| {
        query["filters"] = filters.clone();
        query
    };
    let sku = json!([["is", "property:sku", ["SKU-7"]]]);
    let revenue = json!({"metrics": ["revenue", "average_revenue"], "dimensions": ["time:day"]});
    vec![
        ("events by country", of("events", "country")),
        ("browsers, two filters", with(of("events", "browser"), &two)),
        ("visitors by device, two filters", with(of("visitors", "device"), &two)),
        ("top pages, two filters", with(of("events", "path"), &two)),
        ("top pages", of("pageviews", "path")),
        ("top pages by visitors", of("visitors", "path")),
        ("events by day", of("events", "time:day")),
        ("daily visitors", of("visitors", "time:day")),
        ("visitors", json!({"metrics": ["visitors", "events"]})),
        ("revenue by day", revenue),
        (
            "a property",
            json!({"metrics": ["events", "sum:price"], "dimensions": ["property:list"]}),
        ),
        ("a property's value", with(json!({"metrics": ["events"]}), &sku)),
        (
            "paths that contain",
            with(json!({"metrics": ["events"]}), &json!([["contains", "path", ["sale"]]])),
        ),
    ]
}

fn questions(library: &Library, flags: &Flags) -> anyhow::Result<Value> {
    let site = SiteView {
        id: SITE,
        counting: Counting::Stable,
        currency: "EUR",
        time_zone: "Europe/Berlin",
    };
    let mut spent: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..flags.times.max(1) {
        for (name, mut query) in asked(round) {
            query["date_range"] = format!("{}d", flags.days).into();
            let query = Query::read(query.to_string().as_bytes(), &site)?;
            let begun = now();
            answer(&library.snapshot(), &query, &site, END_MS - 1)?;
            spent.entry(name).or_default().push(begun.elapsed());
        }
    }
    let times = spent
        .into_iter()
        .map(|(name, mut spent)| (name.to_owned(), told(&mut spent)));
    let mut times: serde_json::Map<_, _> = times.collect();
    times.insert("one user's history".into(), history(&library.snapshot(), flags)?);
    Ok(times.into())
}

fn history(snapshot: &Snapshot, flags: &Flags) -> anyhow::Result<Value> {
    let newest = List {
        site: SITE,
        times: 0..u64::MAX,
        condition: Condition::Not(Box::new(Condition::Is(Column::User.into(), vec![None]))),
        after: None,
        limit: 1,
    };
    let someone = snapshot
        .list(&newest)?
        .into_iter()
        .next()
        .and_then(|event| event.columns.get(&Column::User).cloned());
    let user = someone.context("nobody is a user")?;
    let list = List {
        condition: Condition::Is(Column::User.into(), vec![Some(user.into())]),
        limit: 100,
        ..newest
    };
    let mut spent = Vec::new();
    for _ in 0..flags.times.max(1) {
        let begun = now();
        snapshot.list(&list)?;
        spent.push(begun.elapsed());
    }
    Ok(told(&mut spent))
}

/// First, median, 95th percentile and longest, in milliseconds.
fn told(spent: &mut [Duration]) -> Value {
    let ms = |time: Option<&Duration>| time.map(|time| round(time.as_secs_f64() * 1_000.0));
    let first = ms(spent.first());
    spent.sort_unstable();
    let of = |share: usize| ms(spent.get((spent.len() * share).div_ceil(100).saturating_sub(1)));
    json!({"first": first, "median": of(50), "p95": of(95), "longest": ms(spent.last())})
}
