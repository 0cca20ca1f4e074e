//! Figures of a day that look at the days before it, too.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::QueryError;
use super::answer::Table;
use super::dimension::{Dimension, Interval};
use super::metric::{ACTIVE_DAYS, Metric};
use super::model::Query;
use super::plan;
use super::site_view::SiteView;
use crate::store::search::{Condition, GroupKey, Key, Measure, Of, Search, What};
use crate::store::{Column, Snapshot};

/// Whether a question asks for such figures of anything but days.
pub fn is_misplaced(metrics: &[Metric], dimensions: &[Dimension]) -> bool {
    metrics.contains(&Metric::ActiveUsers) && !matches!(dimensions, [Dimension::Time(Interval::Day)])
}

/// Puts them into a table of days. They are counted by a look of their own, which begins earlier.
pub fn fill(
    table: &mut Table,
    snapshot: &Snapshot,
    query: &Query,
    (site, times): (&SiteView<'_>, &Range<u64>),
) -> Result<(), QueryError> {
    if !query.metrics.contains(&Metric::ActiveUsers) {
        return Ok(());
    }
    let begin = query.zone.days_before(times.start, ACTIVE_DAYS - 1);
    let (days, names) = query.zone.buckets(Interval::Day, &(begin..times.end))?;
    let times = begin..times.end;
    let found = snapshot.search(&Search {
        of: Of::Events,
        site: site.id,
        times: times.clone(),
        condition: plan::condition(snapshot, (Of::Events, &times), query, site)?,
        people_only: query.is_about_people(),
        keys: vec![GroupKey::Time(Arc::new(days))],
        measures: vec![Measure {
            what: What::DistinctOver(Column::User, ACTIVE_DAYS),
            only: Condition::All,
        }],
    })?;
    let by_day = found.groups.iter().filter_map(|group| {
        let name = names.get(bucket(&group.keys)?)?;
        Some((&**name, *group.figures.first()?))
    });
    let by_day: HashMap<&str, _> = by_day.collect();
    for row in &mut table.rows {
        let name = bucket(&row.keys).and_then(|day| table.buckets.get(day));
        let figure = name.and_then(|name| by_day.get(&**name)).copied();
        for (metric, place) in query.metrics.iter().zip(&mut row.figures) {
            if *metric == Metric::ActiveUsers {
                *place = figure;
            }
        }
    }
    Ok(())
}

fn bucket(keys: &[Key]) -> Option<usize> {
    match keys {
        [Key::Bucket(bucket)] => usize::try_from(*bucket).ok(),
        _ => None,
    }
}
