//! A visitor's activity without a long pause: what is known of it while it lasts and when it is over.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Country, Event, EventId, Row, Sequence, SiteId, Visitor};

/// Names of events that are views of pages.
pub const PAGE_VIEWS: [&str; 2] = ["page_view", "pageview"];

/// Whether an event of this name is the view of a page.
pub fn is_page_view(name: &str) -> bool {
    PAGE_VIEWS.contains(&name)
}

/// A visitor's activity: events of one site that follow each other within half an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, which no other session of any gateway is meant to have; below 2^53.
    pub number: u64,
    /// Whose visitor.
    pub site: SiteId,
    /// When its first event happened, in milliseconds since 1970.
    pub start_ms: u64,
    /// When its last activity was, in milliseconds since 1970.
    pub end_ms: u64,
    /// How many events it has.
    pub events: u64,
    /// How many of them are views of pages.
    pub views: u64,
    /// The page that was viewed first, by the time of the view.
    pub entry: Option<Page>,
    /// The page that was viewed last.
    pub exit: Option<Page>,
    /// Where from.
    pub country: Country,
    /// The visitor's hash, if that is by what it is told apart.
    pub visitor_hash: Option<u64>,
    /// Width and height of the screen.
    pub screen: Option<(u16, u16)>,
    /// The client's address, as far as it is kept.
    pub address: Option<IpAddr>,
    /// What the first event says of its client, by [`TEXTS`].
    texts: Texts,
}

/// A page and when it was viewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In milliseconds since 1970.
    pub time_ms: u64,
    /// The path of its URL.
    pub path: Box<str>,
}

/// Texts of a row that hold for its session as well; one column each.
const TEXTS: usize = 23;
/// The place of the user's id among them: the one that may become known later.
const USER: usize = 5;

/// Several texts in one piece of memory: a gateway has many sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Texts {
    all: Box<str>,
    ends: [u32; TEXTS],
}

impl Texts {
    fn of(texts: &[&str; TEXTS]) -> Self {
        let mut all = String::with_capacity(texts.iter().map(|text| text.len()).sum());
        let ends = texts.map(|text| {
            all.push_str(text);
            u32::try_from(all.len()).unwrap_or(u32::MAX)
        });
        let all = all.into();
        Self { all, ends }
    }

    fn get(&self, place: usize) -> &str {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        let begin = place.checked_sub(1).map_or(0, end);
        self.all.get(begin..end(place)).unwrap_or_default()
    }
}

impl Session {
    /// A session that begins with an event.
    pub fn begin(number: u64, row: &Row<'_>) -> Self {
        let event = &row.event;
        let mut session = Self {
            number,
            site: event.site,
            start_ms: event.time_ms,
            end_ms: event.time_ms,
            events: 0,
            views: 0,
            entry: None,
            exit: None,
            country: event.country,
            visitor_hash: None,
            screen: None,
            address: None,
            texts: Texts::of(&[""; TEXTS]),
        };
        session.introduce(row, "");
        session.add(row);
        session
    }

    /// Takes another event in.
    pub fn join(&mut self, row: &Row<'_>) {
        let event = &row.event;
        // What holds for the session is what its first event says, in whatever order they come.
        if event.time_ms < self.start_ms {
            let user = Box::<str>::from(self.texts.get(USER));
            self.introduce(row, &user);
        } else if self.texts.get(USER).is_empty() && !event.user.is_empty() {
            self.texts = Texts::of(&self.texts_with_user(event.user));
        }
        self.start_ms = self.start_ms.min(event.time_ms);
        self.touch(event.time_ms);
        self.add(row);
    }

    /// The visitor was active at some time, without an event.
    pub fn touch(&mut self, time_ms: u64) {
        self.end_ms = self.end_ms.max(time_ms);
    }

    /// How long it was, in whole seconds.
    pub const fn seconds(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms) / 1_000
    }

    /// Whether nothing followed its first event.
    pub const fn is_bounce(&self) -> bool {
        self.events == 1
    }

    /// The visitor by which it is one session.
    pub fn visitor(&self) -> Visitor<'_> {
        match (self.visitor_hash, self.texts.get(4)) {
            (Some(hash), _) => Visitor::Daily(hash),
            (None, "") => Visitor::None,
            (None, id) => Visitor::Stable(id),
        }
    }

    /// The user's id with the client; empty if nobody knows.
    pub fn user(&self) -> &str {
        self.texts.get(USER)
    }

    /// What holds for the whole session, as a row: what its first event says, without what only that is about.
    pub fn row(&self) -> Row<'_> {
        let text = |place| self.texts.get(place);
        let event = Event {
            country: self.country,
            region: text(0),
            city: text(1),
            host: text(2),
            referrer: text(3),
            visitor: self.visitor(),
            user: text(USER),
            session: text(6),
            language: text(7),
            user_agent: text(8),
            screen: self.screen,
            address: self.address,
            ..Event::new(self.site, "", EventId::Client(b""), self.start_ms)
        };
        Row {
            visit: Some(self.number),
            browser: text(9),
            browser_version: text(10),
            os: text(11),
            device: text(12),
            bot_rule: text(13),
            source: text(14),
            referrer_group: text(15),
            channel: text(16),
            click_id: text(17),
            utm_source: text(18),
            utm_medium: text(19),
            utm_campaign: text(20),
            utm_term: text(21),
            utm_content: text(22),
            ..Row::new(Sequence::ZERO, event)
        }
    }

    fn add(&mut self, row: &Row<'_>) {
        let event = &row.event;
        self.events += 1;
        if !is_page_view(event.name) {
            return;
        }
        self.views += 1;
        let time_ms = event.time_ms;
        let page = || Page {
            time_ms,
            path: event.path.into(),
        };
        if self.entry.as_ref().is_none_or(|entry| time_ms < entry.time_ms) {
            self.entry = Some(page());
        }
        // Of two at the same time the one that came later.
        if self.exit.as_ref().is_none_or(|exit| time_ms >= exit.time_ms) {
            self.exit = Some(page());
        }
    }

    fn introduce(&mut self, row: &Row<'_>, known_user: &str) {
        let event = &row.event;
        (self.country, self.screen, self.address) = (event.country, event.screen, event.address);
        let visitor = match event.visitor {
            Visitor::Stable(id) => id,
            Visitor::Daily(hash) => {
                self.visitor_hash = Some(hash);
                ""
            }
            Visitor::None => "",
        };
        let user = if event.user.is_empty() { known_user } else { event.user };
        self.texts = Texts::of(&[
            event.region,
            event.city,
            event.host,
            event.referrer,
            visitor,
            user,
            event.session,
            event.language,
            event.user_agent,
            row.browser,
            row.browser_version,
            row.os,
            row.device,
            row.bot_rule,
            row.source,
            row.referrer_group,
            row.channel,
            row.click_id,
            row.utm_source,
            row.utm_medium,
            row.utm_campaign,
            row.utm_term,
            row.utm_content,
        ]);
    }

    fn texts_with_user<'a>(&'a self, user: &'a str) -> [&'a str; TEXTS] {
        let mut texts = [""; TEXTS];
        for (place, text) in texts.iter_mut().enumerate() {
            *text = if place == USER { user } else { self.texts.get(place) };
        }
        texts
    }
}
