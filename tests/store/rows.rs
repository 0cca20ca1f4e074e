//! Rows that own what they say, random ones too.

use std::net::IpAddr;

use footfall::event::{Country, Event, EventId, Revenue, Row, Sequence, SiteId, Visitor};
use jiff::Timestamp;

use super::dice::Dice;

/// The site of most rows.
pub const SITE: SiteId = SiteId([7; 16]);
/// Another one, whose rows must not be seen.
pub const OTHER_SITE: SiteId = SiteId([8; 16]);

/// A row that owns what it says.
#[derive(Debug, Clone)]
pub struct OwnedRow {
    pub sequence: u64,
    pub site: SiteId,
    pub name: String,
    pub id: String,
    pub time_ms: u64,
    pub received_ms: u64,
    pub country: &'static str,
    pub city: String,
    pub host: String,
    pub path: String,
    pub visitor: Option<String>,
    pub daily: Option<u64>,
    pub user: String,
    pub session: String,
    pub screen: Option<(u16, u16)>,
    pub address: Option<IpAddr>,
    pub properties: String,
    pub revenue: Option<(i64, &'static str)>,
    pub items: String,
    pub browser: &'static str,
    pub bot: bool,
    pub source: String,
}

impl OwnedRow {
    /// A plain row.
    pub fn plain(sequence: u64, time: &str) -> Self {
        let time: Timestamp = time.parse().unwrap();
        Self::random(
            &mut Dice::new(sequence),
            sequence,
            time.as_millisecond().cast_unsigned(),
        )
    }

    /// The rule that names the machine.
    pub fn bot_rule(&self) -> &'static str {
        match (self.bot, self.sequence % 2) {
            (false, _) => "",
            (true, 0) => "seo:Example",
            (true, _) => "network:cloud",
        }
    }

    /// The row as the store takes it.
    pub fn row(&self) -> Row<'_> {
        let id = EventId::Client(self.id.as_bytes());
        let event = Event {
            time_ms: self.time_ms,
            country: Country::parse(self.country.as_bytes()).unwrap(),
            city: &self.city,
            host: &self.host,
            path: &self.path,
            visitor: match (&self.visitor, self.daily) {
                (Some(id), _) => Visitor::Stable(id),
                (None, Some(hash)) => Visitor::Daily(hash),
                (None, None) => Visitor::None,
            },
            user: &self.user,
            session: &self.session,
            screen: self.screen,
            address: self.address,
            properties: self.properties.as_bytes(),
            revenue: self.revenue.map(|(minor, currency)| Revenue {
                minor,
                currency: currency.as_bytes().try_into().unwrap(),
            }),
            items: self.items.as_bytes(),
            ..Event::new(self.site, &self.name, id, self.received_ms)
        };
        Row {
            browser: self.browser,
            bot_rule: self.bot_rule(),
            source: &self.source,
            ..Row::new(Sequence(self.sequence), event)
        }
    }

    /// A random row at some time; values come from small sets, so that groups have many rows.
    pub fn random(dice: &mut Dice, sequence: u64, time_ms: u64) -> Self {
        let of = |dice: &mut Dice, from: &[&'static str]| from[usize::try_from(dice.below(from.len() as u64)).unwrap()];
        let stable = dice.below(3);
        Self {
            sequence,
            site: if dice.below(12) == 0 { OTHER_SITE } else { SITE },
            name: of(dice, &["pageview", "page_view", "purchase", "sign up", "klick ü"]).into(),
            id: format!("id-{sequence}"),
            time_ms,
            received_ms: time_ms + dice.below(100_000),
            country: of(dice, &["de", "gb", "us", "xx"]),
            city: of(dice, &["", "Köln", "Leeds", "York"]).into(),
            host: of(dice, &["shop.example", "blog.example", ""]).into(),
            path: format!("/{}/{}", of(dice, &["a", "B", "blog"]), dice.below(4)),
            visitor: (stable == 0).then(|| format!("visitor-{}", dice.below(20))),
            daily: (stable == 1).then(|| dice.below(15)),
            user: if dice.below(3) == 0 {
                format!("user {}", dice.below(9))
            } else {
                String::new()
            },
            session: if dice.below(2) == 0 {
                format!("s{}", dice.below(40))
            } else {
                String::new()
            },
            screen: (dice.below(2) == 0).then(|| (1_920, u16::try_from(dice.below(3)).unwrap())),
            address: (dice.below(2) == 0).then(|| [203, 0, 113, 0].into()),
            properties: properties(dice),
            revenue: (dice.below(4) == 0).then(|| (dice.below(100_000).cast_signed() - 500, of(dice, &["EUR", "USD"]))),
            items: if dice.below(5) == 0 {
                r#"[{"sku":"1"}]"#.into()
            } else {
                String::new()
            },
            browser: of(dice, &["Firefox", "Chrome", ""]),
            bot: dice.below(10) == 0,
            source: of(dice, &["", "Google", "direct"]).into(),
        }
    }
}

fn properties(dice: &mut Dice) -> String {
    let price = match dice.below(4) {
        0 => "3".into(),
        1 => format!("{}.25", dice.below(20)),
        2 => "\"3\"".into(),
        _ => format!("-{}", dice.below(5)),
    };
    match dice.below(6) {
        0 => String::new(),
        1 => format!(r#"{{"plan":"pro","price":{price}}}"#),
        2 => format!(r#"{{"plan":"free","nested":{{"deep":{price}}},"flag":true}}"#),
        3 => format!(r#"{{"price":{price},"flag":false,"list":[1,2],"none":null}}"#),
        4 => format!(r#"{{"nested.deep":{price},"flag":"true"}}"#),
        _ => r#"{"plan":""}"#.into(),
    }
}

/// Moments at which a month, a day's length or an hour changes somewhere.
const BORDERS: [&str; 7] = [
    "2026-09-30T22:00:00Z",
    "2026-10-01T00:00:00Z",
    "2026-10-03T15:30:00Z",
    "2026-10-25T01:00:00Z",
    "2026-10-31T18:30:00Z",
    "2026-11-01T00:00:00Z",
    "2026-11-01T06:00:00Z",
];

/// A time in the autumn of 2026, often near a border.
pub fn time(dice: &mut Dice) -> u64 {
    let base: Timestamp = BORDERS[usize::try_from(dice.below(7)).unwrap()].parse().unwrap();
    let around = if dice.below(3) == 0 {
        8 * 86_400_000
    } else {
        3 * 3_600_000
    };
    (base.as_millisecond() + dice.below(2 * around).cast_signed() - around.cast_signed()).cast_unsigned()
}

/// So many random rows, with gaps between their sequences.
pub fn many(dice: &mut Dice, count: u64) -> Vec<OwnedRow> {
    let mut sequence = 0;
    let mut one = || {
        sequence += 1 + dice.below(3);
        let time_ms = time(dice);
        OwnedRow::random(dice, sequence, time_ms)
    };
    (0..count).map(|_| one()).collect()
}
