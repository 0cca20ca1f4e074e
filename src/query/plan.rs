//! What must be searched for a question: events, sessions, or both.
//!
//! An event has a path, a visit has an entry page, and both have a country: a visit that of its first event. A question
//! by what both have is answered for each metric from where that is at home. By what only one has, from that one, as far
//! as it can tell. A filter by what only the other has means the visits that the other finds: visits with such an event,
//! or events of such visits.

use std::ops::Range;

use super::QueryError;
use super::dimension::Scope;
use super::filter::Filter;
use super::model::Query;
use super::site_view::SiteView;
use crate::store::Snapshot;
use crate::store::search::{Condition, Measure, Of};

/// How long before its other events a visit may have begun, or go on, for a filter that joins the two.
const JOINED_MS: u64 = 24 * 60 * 60 * 1_000;

/// From where each metric of a question is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    metrics: Vec<Of>,
}

impl Plan {
    /// Looks at a question.
    ///
    /// # Errors
    /// It asks in one breath for what only events have and for what only visits have.
    pub fn of(query: &Query, site: &SiteView<'_>) -> Result<Self, QueryError> {
        let scopes: Vec<Scope> = query.dimensions.iter().map(super::Dimension::scope).collect();
        let [event, visit] = [Scope::Event, Scope::Visit].map(|scope| scopes.iter().position(|one| *one == scope));
        let named = |place: Option<usize>| place.and_then(|place| query.dimensions.get(place));
        if let (Some(event), Some(visit)) = (named(event), named(visit)) {
            let reason = format!("has {event}, which only events have, and {visit}, which only visits have");
            return Err(QueryError::invalid("dimensions", reason));
        }
        for part in query.filter.parts() {
            part.scope()?;
        }
        let forced = match (event, visit) {
            (Some(_), _) => Some(Of::Events),
            (_, Some(_)) => Some(Of::Sessions),
            (None, None) => None,
        };
        let place = |(place, metric): (usize, &super::Metric)| {
            let of = forced.unwrap_or_else(|| metric.of());
            if metric.measures(of, site).is_some() {
                return Ok(of);
            }
            let by = named(event)
                .or(named(visit))
                .map(ToString::to_string)
                .unwrap_or_default();
            let hint = if of == Of::Events {
                "; ask by entry_page or exit_page"
            } else {
                ""
            };
            let reason = format!("cannot be told by {by}{hint}");
            Err(QueryError::invalid(format!("metrics[{place}]"), reason))
        };
        let metrics = query.metrics.iter().enumerate().map(place);
        Ok(Self {
            metrics: metrics.collect::<Result<_, _>>()?,
        })
    }

    /// What must be searched.
    pub fn searches(&self) -> impl Iterator<Item = Of> {
        [Of::Events, Of::Sessions]
            .into_iter()
            .filter(|of| self.metrics.contains(of))
    }

    /// Each metric with what is counted for it, and where.
    pub fn measures<'q>(
        &'q self,
        query: &'q Query,
        site: &'q SiteView<'_>,
    ) -> impl Iterator<Item = (Of, Vec<Measure>)> + 'q {
        let pairs = query.metrics.iter().zip(&self.metrics);
        pairs.map(|(metric, of)| (*of, metric.measures(*of, site).unwrap_or_default()))
    }
}

/// What events, or sessions, must meet.
///
/// # Errors
/// A filter cannot be understood, or the store cannot say which visits it means.
pub fn condition(
    snapshot: &Snapshot,
    (of, times): (Of, &Range<u64>),
    query: &Query,
    site: &SiteView<'_>,
) -> Result<Condition, QueryError> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let foreign = match of {
        Of::Events => Scope::Visit,
        Of::Sessions => Scope::Event,
    };
    for part in query.filter.parts() {
        let place = if part.scope()? == foreign {
            &mut others
        } else {
            &mut own
        };
        place.push(part.condition(site)?);
    }
    if !others.is_empty() {
        let (other, times) = match of {
            Of::Events => (Of::Sessions, times.start.saturating_sub(JOINED_MS)..times.end),
            Of::Sessions => (Of::Events, times.start..times.end.saturating_add(JOINED_MS)),
        };
        let meant = (&Condition::And(others), query.is_about_people());
        own.push(Condition::Among(snapshot.visits_of(other, (site.id, &times), meant)?));
    }
    Ok(Condition::And(own))
}

/// Whether a filter can be held against single events.
///
/// # Errors
/// It asks for what only a visit has.
pub fn is_of_events(filter: &Filter) -> Result<(), QueryError> {
    match filter.scope()? {
        Scope::Visit => Err(QueryError::invalid(
            "filters",
            "asks for what only a visit has; events are listed here",
        )),
        Scope::Both | Scope::Event => Ok(()),
    }
}
