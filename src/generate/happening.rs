//! One made-up event, in the buffers of the one before.

use std::net::Ipv4Addr;

use super::dice::{Dice, mixed};
use super::product::Product;
use super::session::{Deed, Page, Session};
use super::world::{COUPONS, PAYMENTS};
use super::write::{amount, hex, member, number, raw_member, uuid};
use crate::event::{Country, Event, EventId, Revenue, SiteId, Visitor as Told};

/// The shop's host.
const HOST: &str = "shop.example";
/// The shop.
const ORIGIN: &str = "https://shop.example";

/// An event that happened in the shop: what its client says, and what a gateway would find out.
#[derive(Debug, Default)]
pub struct Happening {
    /// Whether the client says when it happened.
    pub(super) says_time: bool,
    /// Whether the client gives an id.
    pub(super) says_id: bool,
    name: &'static str,
    time_ms: u64,
    id: String,
    path: String,
    query: String,
    referrer: String,
    title: String,
    visitor: String,
    user: String,
    session: String,
    screen: (u16, u16),
    language: &'static str,
    user_agent: &'static str,
    address: [u8; 4],
    country: &'static str,
    place: (&'static str, &'static str),
    properties: String,
    items: String,
    revenue: Option<Revenue>,
}

impl Happening {
    /// Lets a session go on, and takes down what happens then.
    pub(super) fn take(&mut self, session: &mut Session, (time_ms, count): (u64, u64), dice: &mut Dice) {
        let deed = session.go_on(dice);
        self.clear();
        self.name = deed.name();
        self.time_ms = time_ms;
        let high = (time_ms << 16) | (count & 0xfff);
        uuid(&mut self.id, '7', (high, mixed(count ^ mixed(session.mark))));
        self.page(session);
        self.person(session);
        self.properties(session, deed, dice);
        self.bought(session, deed);
    }

    fn clear(&mut self) {
        for text in [
            &mut self.id,
            &mut self.path,
            &mut self.query,
            &mut self.referrer,
            &mut self.title,
            &mut self.visitor,
            &mut self.user,
            &mut self.session,
            &mut self.properties,
            &mut self.items,
        ] {
            text.clear();
        }
        self.revenue = None;
    }

    fn page(&mut self, session: &Session) {
        path(session.page, &mut self.path);
        title(session.page, &mut self.title);
        if let Some(before) = session.before {
            self.referrer.push_str(ORIGIN);
            path(before, &mut self.referrer);
        } else {
            self.referrer.push_str(session.source.referrer);
            self.query.push_str(session.source.query);
        }
        if let Page::Search(words) = session.page {
            if !self.query.is_empty() {
                self.query.push('&');
            }
            self.query.push_str("q=");
            self.query.push_str(words);
        }
    }

    fn person(&mut self, session: &Session) {
        let visitor = &session.visitor;
        uuid(&mut self.visitor, '4', (visitor.mark, mixed(visitor.mark)));
        if session.is_known {
            self.user.push_str("customer-");
            number(&mut self.user, visitor.number);
        }
        hex(&mut self.session, session.mark, 16);
        self.screen = visitor.habit(1, &visitor.device.screens);
        self.language = visitor.habit(2, &visitor.land.languages);
        self.place = visitor.habit(3, &visitor.land.places);
        self.country = visitor.land.code;
        self.user_agent = visitor.device.user_agent;
        let [_, second, third, fourth, ..] = visitor.mark.to_le_bytes();
        self.address = [10, second, third, fourth];
    }

    fn properties(&mut self, session: &Session, deed: Deed, dice: &mut Dice) {
        let (visitor, out) = (&session.visitor, &mut self.properties);
        out.push_str("{\"device\":\"");
        out.push_str(visitor.device.class);
        out.push_str("\",\"experiment\":\"");
        out.push_str(visitor.habit(4, &["a", "b"]));
        out.push('"');
        match deed {
            Deed::View | Deed::Search => {
                out.push_str(",\"load_ms\":");
                number(out, 120 + dice.below(60) * dice.below(60));
            }
            Deed::Look(product) => {
                describe(product, visitor.land.rate, out);
                out.push_str(",\"stock\":");
                number(out, product.stock());
            }
            Deed::Add(product, quantity) => {
                describe(product, visitor.land.rate, out);
                out.push_str(",\"quantity\":");
                number(out, quantity);
            }
            Deed::Checkout | Deed::Purchase => {
                out.push_str(",\"payment\":\"");
                out.push_str(visitor.habit(5, &PAYMENTS));
                out.push_str("\",\"coupon\":\"");
                out.push_str(visitor.habit(6, &COUPONS));
                out.push('"');
            }
        }
        out.push('}');
    }

    fn bought(&mut self, session: &Session, deed: Deed) {
        let land = session.visitor.land;
        if matches!(deed, Deed::Checkout | Deed::Purchase) {
            for (product, quantity) in session.cart.things() {
                self.items.push(if self.items.is_empty() { '[' } else { ',' });
                self.items.push_str("{\"quantity\":");
                number(&mut self.items, *quantity);
                describe(*product, land.rate, &mut self.items);
                self.items.push('}');
            }
            self.items.push(']');
        }
        if deed == Deed::Purchase {
            self.revenue = Some(Revenue {
                minor: session.cart.price(land.rate).cast_signed(),
                currency: land.currency,
            });
        }
    }

    /// The event as a gateway would keep it, for parts that are tried without one.
    pub fn event(&self, site: SiteId) -> Event<'_> {
        let (region, city) = self.place;
        Event {
            country: Country::parse(self.country.as_bytes()).unwrap_or(Country::UNKNOWN),
            region,
            city,
            host: HOST,
            path: &self.path,
            query: &self.query,
            referrer: &self.referrer,
            title: &self.title,
            visitor: Told::Stable(&self.visitor),
            user: &self.user,
            session: &self.session,
            screen: Some(self.screen),
            language: self.language,
            user_agent: self.user_agent,
            address: Some(Ipv4Addr::from(self.address).into()),
            properties: self.properties.as_bytes(),
            revenue: self.revenue,
            items: self.items.as_bytes(),
            ..Event::new(site, self.name, EventId::Client(self.id.as_bytes()), self.time_ms)
        }
    }

    /// Appends the event as a client sends it: one JSON object, without a line's end.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"{\"name\":\"");
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'"');
        if self.says_id {
            member(out, "id", &self.id);
        }
        if self.says_time {
            raw_member(out, "time", digits.format(self.time_ms));
        }
        out.extend_from_slice(b",\"url\":\"");
        out.extend_from_slice(ORIGIN.as_bytes());
        out.extend_from_slice(self.path.as_bytes());
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(self.query.as_bytes());
        }
        out.push(b'"');
        member(out, "referrer", &self.referrer);
        member(out, "title", &self.title);
        member(out, "visitor", &self.visitor);
        member(out, "user", &self.user);
        member(out, "session", &self.session);
        self.write_machine(out, &mut digits);
        raw_member(out, "properties", &self.properties);
        raw_member(out, "items", &self.items);
        if let Some(revenue) = self.revenue {
            raw_member(out, "revenue", "{\"minor\":");
            out.extend_from_slice(digits.format(revenue.minor).as_bytes());
            out.extend_from_slice(b",\"currency\":\"");
            out.extend_from_slice(&revenue.currency);
            out.extend_from_slice(b"\"}");
        }
        out.push(b'}');
    }

    fn write_machine(&self, out: &mut Vec<u8>, digits: &mut itoa::Buffer) {
        out.extend_from_slice(b",\"screen\":\"");
        out.extend_from_slice(digits.format(self.screen.0).as_bytes());
        out.push(b'x');
        out.extend_from_slice(digits.format(self.screen.1).as_bytes());
        out.push(b'"');
        member(out, "language", self.language);
        member(out, "user_agent", self.user_agent);
        out.extend_from_slice(b",\"ip\":\"");
        for (place, part) in self.address.iter().enumerate() {
            if place > 0 {
                out.push(b'.');
            }
            out.extend_from_slice(digits.format(*part).as_bytes());
        }
        out.push(b'"');
        member(out, "country", self.country);
    }
}

/// Members that say which product it is.
fn describe(product: Product, rate: u64, out: &mut String) {
    out.push_str(",\"sku\":\"SKU-");
    number(out, product.0);
    out.push_str("\",\"category\":\"");
    out.push_str(product.shelf().0);
    out.push_str("\",\"price\":");
    amount(out, product.price(rate));
}

fn path(page: Page, out: &mut String) {
    match page {
        Page::Home => out.push('/'),
        Page::Shelf((shelf, _)) => {
            out.push('/');
            out.push_str(shelf);
        }
        Page::Search(_) => out.push_str("/search"),
        Page::Product(product) => {
            out.push('/');
            out.push_str(product.shelf().0);
            out.push_str("/product-");
            number(out, product.0);
        }
        Page::Cart => out.push_str("/cart"),
        Page::Checkout => out.push_str("/checkout"),
        Page::Done => out.push_str("/checkout/done"),
    }
}

fn title(page: Page, out: &mut String) {
    match page {
        Page::Home => out.push_str("The Shop"),
        Page::Shelf((_, name)) => out.push_str(name),
        Page::Search(_) => out.push_str("Search"),
        Page::Product(product) => {
            out.push_str(product.style());
            out.push(' ');
            out.push_str(product.shelf().1);
            out.push(' ');
            number(out, product.0);
        }
        Page::Cart => out.push_str("Your cart"),
        Page::Checkout => out.push_str("Checkout"),
        Page::Done => out.push_str("Thank you!"),
    }
}
