//! Pages of a list of sessions, the newest first.

use super::QueryError;
use super::dimension::Dimension;
use super::filter::Filter;
use super::model::Query;
use super::plan;
use super::range::DateRange;
use super::site_view::SiteView;
use super::zone::Zone;
use crate::store::Snapshot;
use crate::store::search::{Of, SessionList, StoredSession};

/// A session of a list.
pub type ListedSession = StoredSession;

/// A question about single sessions, by the time at which they began.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPage {
    /// Which sessions, and when they began.
    query: Query,
    /// How many of the newest are left out.
    pub skip: usize,
    /// How many at most.
    pub limit: usize,
}

impl SessionPage {
    /// A page of the sessions of a time that filters let through; a filter by what only an event has means sessions with
    /// such an event. Those of machines are among them.
    pub fn new(range: DateRange, zone: Zone, filters: Vec<Filter>, (skip, limit): (usize, usize)) -> Self {
        let mut query = Query::about(Vec::new(), Vec::<Dimension>::new(), range, zone);
        query.filter = Filter::And([filters, vec![Filter::everyone()]].concat());
        Self { query, skip, limit }
    }

    /// How many sessions there are in all, and those of the page.
    ///
    /// # Errors
    /// The store cannot answer.
    pub fn look(
        &self,
        snapshot: &Snapshot,
        site: &SiteView<'_>,
        now_ms: u64,
    ) -> Result<(u64, Vec<ListedSession>), QueryError> {
        let times = self.query.range.times(&self.query.zone, now_ms)?;
        let condition = plan::condition(snapshot, (Of::Sessions, &times), &self.query, site)?;
        let list = SessionList {
            site: site.id,
            times,
            condition,
            skip: self.skip,
            limit: self.limit,
        };
        Ok(snapshot.list_sessions(&list)?)
    }
}
