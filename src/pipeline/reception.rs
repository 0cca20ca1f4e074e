//! From what a client says of its events to the frames that are kept.

use std::borrow::Cow;
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::Shared;
use super::batch::EventBatch;
use super::names::Namer;
use super::own_ids::OwnIds;
use crate::config::EventsConfig;
use crate::decode::{Flaw, Sent, cut};
use crate::directory::{Counting, Directory, Register};
use crate::enrich::{Countries, Networks, Place, Salt, Salts, event_time, kept_address, visitor_hash};
use crate::event::{Event, EventId, ImportId, ImportMark, Revenue, SiteId, Visitor};
use crate::journal::payload::Manner;
use crate::outcome::Reason;

/// What a body usually says less of an event than is kept of it.
const BYTES_ADDED: usize = 256;
const DAY_MS: u64 = 86_400_000;

/// What a sign of life is called; nobody sees it.
const SIGN: &str = "sign";

/// What all workers receive events with.
pub struct Reception {
    /// The pipeline.
    pub shared: Arc<Shared>,
    /// Countries of addresses.
    pub countries: Arc<Countries>,
    /// Networks of machines.
    pub networks: Arc<Networks>,
    /// Sites and keys.
    pub directory: Arc<Directory>,
    /// Salts of visitor hashes.
    pub salts: Arc<Salts>,
    /// What requests are told apart with: the data directory's own, so that it is the same after a restart and nobody
    /// else can know what comes out.
    pub request_key: [u8; 16],
    /// Ids of events that have none.
    pub ids: OwnIds,
}

/// For which site a request may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// For the site of its key.
    Key(SiteId),
    /// For the site that its page or the event names; if neither does, for this one.
    Page(Option<SiteId>),
}

/// What a request says of whoever sends it.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// For which site.
    pub origin: Origin,
    /// Where from; nobody knows if there is none.
    pub address: Option<IpAddr>,
    /// Where that is.
    pub place: Place,
    /// The `User-Agent`.
    pub user_agent: &'a str,
    /// Whether it is to be told by nothing who that is.
    pub is_nobody: bool,
    /// The host of the page that sends; empty if nobody says.
    pub host: &'a str,
    /// What tells these events from others.
    pub named: Naming,
}

/// What tells the events of a request from others, as far as the client has named them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Nothing.
    None,
    /// The name of the request, its `Idempotency-Key`.
    Request(Request),
    /// The import that they are of.
    Import(ImportId),
}

/// A request that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What events without an id are named after.
    name: u128,
    /// Tells it from another request that has the same name.
    fingerprint: u64,
}

/// The events of a request, received one after the other.
pub struct Received<'r> {
    context: Context<'r>,
    /// What is to be kept.
    pub batch: EventBatch,
    /// What is thought of all of them.
    pub judged: Judged,
    /// The id that the last one was given that had none.
    pub own_id: [u8; 16],
}

/// Which events of a request are to be kept, and which cannot be.
#[derive(Debug, Default)]
pub struct Judged {
    /// How many are to be kept.
    pub accepted: usize,
    /// Those of them that have an id of the client's, which apply may have seen before.
    pub named: Vec<Named>,
    /// Those that cannot be kept.
    pub rejected: Vec<Rejected>,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// In the request.
    index: usize,
    /// In the import, counted from 1.
    line: u64,
}

/// What all events of a request have in common.
struct Context<'r> {
    reception: &'r Reception,
    sender: Sender<'r>,
    register: Arc<Register>,
    now_ms: u64,
}

/// An event that is to be kept, unless one with its id was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its place in the batch.
    pub place: usize,
    /// Its place in the request.
    pub index: usize,
    /// The client's id; empty if it is the request that has one.
    pub id: Box<str>,
}

/// An event that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the request.
    pub index: usize,
    /// The client's id; empty if it has none.
    pub id: Box<str>,
    /// Why.
    pub reason: Reason,
    /// The field that is wrong; empty if it is none.
    pub field: &'static str,
    /// What would be right.
    pub rule: &'static str,
}

impl Naming {
    const fn request(&self) -> Option<&Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::None | Self::Import(_) => None,
        }
    }

    const fn import(&self) -> Option<ImportId> {
        match self {
            Self::Import(id) => Some(*id),
            Self::None | Self::Request(_) => None,
        }
    }
}

impl Request {
    /// What tells an event that is sent again from one that only has the same id. 0 stands for a request without a name.
    fn mark_of(&self, index: usize) -> u64 {
        self.fingerprint.wrapping_add(index as u64).max(1)
    }

    /// The id of an event of this request that has none of its own.
    fn id_of(&self, index: usize) -> String {
        format!("{:032x}-{index}", self.name)
    }
}

impl Reception {
    /// A request by its `Idempotency-Key` and body. Who has no write key cannot take the names of those who have one.
    pub fn request(&self, origin: Origin, key: &[u8], body: &[u8]) -> Request {
        let mut hasher = SipHasher13::new_with_key(&self.request_key);
        hasher.write_u8(u8::from(matches!(origin, Origin::Key(_))));
        hasher.write_usize(key.len());
        hasher.write(key);
        let name = hasher.finish128().as_u128();
        hasher.write(body);
        let hash = hasher.finish128();
        Request {
            name,
            fingerprint: hash.h1 ^ hash.h2,
        }
    }

    /// That a visitor of the default site is still there.
    pub fn sign(&self, visitor: Visitor<'_>) -> EventBatch {
        let now_ms = self.shared.log.clock().unix_ms();
        let id = EventId::Own(self.ids.next(now_ms));
        EventBatch::sign(&Event {
            visitor,
            ..Event::new(SiteId::DEFAULT, SIGN, id, now_ms)
        })
    }

    /// Begins to receive the events of a request whose body has so many bytes.
    pub fn receive<'r>(&'r self, sender: Sender<'r>, body_bytes: usize) -> Received<'r> {
        let context = Context {
            reception: self,
            sender,
            register: self.directory.register(),
            now_ms: self.shared.log.clock().unix_ms(),
        };
        Received {
            context,
            batch: EventBatch::with_capacity(body_bytes + BYTES_ADDED),
            judged: Judged::default(),
            own_id: [0; 16],
        }
    }
}

impl Judged {
    /// Number of events.
    pub const fn count(&self) -> usize {
        self.accepted + self.rejected.len()
    }
}

impl Received<'_> {
    /// Takes the next event, or what is wrong with it.
    pub fn take(&mut self, event: Result<Sent<'_>, Flaw<'_>>) {
        let index = self.judged.count();
        self.take_at(Standing { index, line: 0 }, &event);
    }

    /// Takes the event of a line of an import, counted from 1, which is at a place in the request.
    pub fn take_line(&mut self, (index, line): (usize, u64), event: Result<Sent<'_>, Flaw<'_>>) {
        self.take_at(Standing { index, line }, &event);
    }

    fn take_at(&mut self, at: Standing, event: &Result<Sent<'_>, Flaw<'_>>) {
        let Self {
            context,
            batch,
            judged,
            own_id,
        } = self;
        let (index, has_name) = (at.index, context.sender.named.request().is_some());
        let taken = (*event).and_then(|sent| {
            let kept = context.keep(&sent, at, (&mut *batch, &mut *own_id));
            kept.map(|()| sent.id)
        });
        match taken {
            Ok(id) => {
                if has_name || !id.is_empty() {
                    judged.named.push(Named {
                        place: judged.accepted,
                        index,
                        id: id.into(),
                    });
                }
                judged.accepted += 1;
            }
            Err(flaw) => judged.rejected.push(Rejected {
                index,
                id: flaw.id.into(),
                reason: flaw.reason,
                field: flaw.field,
                rule: flaw.rule,
            }),
        }
    }
}

impl Context<'_> {
    /// Adds an event to those that are to be kept.
    fn keep<'s>(
        &self,
        sent: &Sent<'s>,
        at: Standing,
        (batch, own_id): (&mut EventBatch, &mut [u8; 16]),
    ) -> Result<(), Flaw<'s>> {
        let flaw = |reason, field, rule| Flaw {
            reason,
            field,
            rule,
            id: sent.id,
        };
        if self.sender.named.import().is_some() && sent.time_ms.is_none() {
            return Err(flaw(Reason::FieldMissing, "time", "must be given in an import"));
        }
        let site = self.site(sent).map_err(|(reason, rule)| flaw(reason, "domain", rule))?;
        let revenue = self
            .revenue(sent, site)
            .map_err(|rule| flaw(Reason::FieldInvalid, "revenue", rule))?;
        let derived;
        let id = match (sent.id, self.sender.named.request()) {
            ("", None) => {
                *own_id = self.reception.ids.next(self.now_ms);
                EventId::Own(*own_id)
            }
            ("", Some(request)) => {
                derived = request.id_of(at.index);
                EventId::Client(derived.as_bytes())
            }
            (id, _) => EventId::Client(id.as_bytes()),
        };
        let (host, place) = (self.host(sent), self.place(sent));
        let event = Event {
            revenue,
            host: &host,
            country: place.country,
            region: place.region.as_str(),
            city: place.city.as_str(),
            ..self.with_person(sent, &Event::new(site, sent.name, id, self.now_ms))
        };
        // The operator has named the events that earn points.
        let namer = match self.sender.origin {
            Origin::Page(_) if sent.points.is_none() => Namer::Anyone,
            _ => Namer::Known,
        };
        let (is_other, claim) = self.reception.shared.names.is_other(site, (sent.name, namer));
        let manner = Manner {
            request: self
                .sender
                .named
                .request()
                .map_or(0, |request| request.mark_of(at.index)),
            is_other,
            import: self.sender.named.import().map(|id| ImportMark { id, line: at.line }),
            points: sent.points,
        };
        if batch.push(&event, manner, self.config().event_bytes_max) {
            batch.claim(claim);
            Ok(())
        } else {
            let rule = "must not be larger than events.event_bytes_max";
            Err(flaw(Reason::EventTooLarge, "", rule))
        }
    }

    /// The site that an event is for. With a key that is settled, whatever the event says.
    fn site(&self, sent: &Sent<'_>) -> Result<SiteId, (Reason, &'static str)> {
        match self.sender.origin {
            Origin::Page(_) if !sent.domain.is_empty() => self
                .register
                .site_of_domain(sent.domain)
                .ok_or((Reason::SiteUnknown, "must be a domain of a known site")),
            Origin::Key(site) | Origin::Page(Some(site)) => Ok(site),
            Origin::Page(None) => Err((Reason::KeyMissing, "must name a known site, if there is no key")),
        }
    }

    /// The revenue, in the site's currency if the event names none.
    fn revenue(&self, sent: &Sent<'_>, site: SiteId) -> Result<Option<Revenue>, &'static str> {
        let Some(revenue) = sent.revenue else { return Ok(None) };
        let usual = || self.register.site(site).map(|site| site.currency);
        let currency = revenue.currency.or_else(usual);
        let currency = currency.ok_or("must name its currency, since the site has none")?;
        Ok(Some(Revenue {
            minor: revenue.minor,
            currency,
        }))
    }

    fn host<'h>(&'h self, sent: &Sent<'h>) -> Cow<'h, str> {
        let named = [sent.host, sent.domain, self.sender.host];
        let host = named.into_iter().find(|host| !host.is_empty()).unwrap_or_default();
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            host.to_ascii_lowercase().into()
        } else {
            host.into()
        }
    }

    /// Where it happened. Who has a key may say it: the address, or the country.
    fn place(&self, sent: &Sent<'_>) -> Place {
        let said = matches!(self.sender.origin, Origin::Key(_));
        let place = match sent.address.filter(|_| said) {
            Some(address) => self.reception.countries.place_of(address, false, None),
            None => self.sender.place,
        };
        match sent.country.filter(|_| said) {
            Some(country) if country != place.country => Place::in_country(country),
            _ => place,
        }
    }

    /// Adds when and by whom. Only who has a key may say these of somebody else.
    fn with_person<'e>(&'e self, sent: &Sent<'e>, event: &Event<'e>) -> Event<'e> {
        let (sender, config) = (&self.sender, self.config());
        let said = matches!(sender.origin, Origin::Key(_));
        let other = sent.address.filter(|_| said);
        let address = other.or(sender.address);
        let user_agent = match sent.user_agent {
            named if said && !named.is_empty() => named,
            _ => sender.user_agent,
        };
        let user_agent = cut(user_agent, config.user_agent_bytes_max);
        // Who has a key and names no address may be a server: its network says nothing of visitors.
        let network = match (said, other, address) {
            (true, None, _) | (_, _, None) => "",
            (_, _, Some(address)) => self.reception.networks.name_of(address),
        };
        let time_ms = self.time(sent);
        let visitor = match self.counting(event.site) {
            _ if sender.is_nobody => Visitor::None,
            _ if sent.keeps_visitor => Visitor::Stable(sent.visitor),
            Counting::Daily => address.map_or(Visitor::None, |address| {
                let salt = self.salt(event.site, time_ms);
                Visitor::Daily(visitor_hash(&salt, event.site, address, user_agent))
            }),
            Counting::Stable if sent.visitor.is_empty() => Visitor::None,
            Counting::Stable => Visitor::Stable(sent.visitor),
        };
        Event {
            time_ms,
            path: sent.path,
            query: sent.query,
            referrer: sent.referrer,
            title: sent.title,
            visitor,
            user: if sender.is_nobody { "" } else { sent.user },
            session: if sender.is_nobody { "" } else { sent.session },
            screen: sent.screen,
            language: sent.language,
            user_agent,
            // The agent of an import's line is never that of a server which sends for somebody.
            has_key: said && sender.named.import().is_none(),
            network,
            address: address
                .and_then(|address| kept_address(address, config.address))
                .filter(|_| !sender.is_nobody),
            properties: sent.properties,
            items: sent.items,
            ..*event
        }
    }

    /// When it happened. What is imported may be of any time that has been.
    fn time(&self, sent: &Sent<'_>) -> u64 {
        match (self.sender.named.import(), sent.time_ms) {
            (Some(_), Some(time_ms)) => time_ms.min(self.now_ms.saturating_add(self.config().early_ms_max)),
            _ => event_time(sent.time_ms, sent.sent_at_ms, self.now_ms, self.config()),
        }
    }

    /// The salt of a visitor's hash. That of a day long past is destroyed; imports have others, so that each day of a
    /// site has one, however many files its lines come in.
    fn salt(&self, site: SiteId, time_ms: u64) -> Salt {
        if self.sender.named.import().is_none() {
            return self.reception.salts.of(time_ms, self.now_ms);
        }
        let mut hasher = SipHasher13::new_with_key(&self.reception.request_key);
        hasher.write(b"import");
        hasher.write(&site.0);
        hasher.write_u64(time_ms / DAY_MS);
        hasher.finish128().as_bytes()
    }

    /// How a site tells its visitors apart. A site counts in one way, so that its numbers never mix two.
    fn counting(&self, site: SiteId) -> Counting {
        let site = self.register.site(site);
        site.map_or(Counting::Daily, |site| site.counting)
    }

    fn config(&self) -> &EventsConfig {
        &self.reception.shared.config.events
    }
}
