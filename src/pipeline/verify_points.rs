//! `verify`: holds the sums of points against the claims, in the file and in Redis.

use std::io::Write;

use super::points::PointsDesk;
use super::{PipelineError, VerifyError};
use crate::config::Config;
use crate::counters::CountersError;
use crate::points::{PointsError, RemotePoints, TOLD_AT_ONCE};
use crate::redis_address::RedisAddress;

/// Checks the points of a data directory that no gateway is using, and those in Redis if there is one. Whether all is
/// well.
///
/// # Errors
/// When the file or Redis cannot be read.
pub async fn verify_points(config: &Config, desk: &PointsDesk, out: &mut dyn Write) -> Result<bool, VerifyError> {
    let told = |error: PointsError| VerifyError::Pipeline(PipelineError::Points(error));
    let (claims, wrong) = desk.book.audit().map_err(told)?;
    if claims > 0 {
        writeln!(out, "points: {claims} claims, {wrong} wrong sums")?;
    }
    let Some(url) = config.counters.redis_url.as_ref().filter(|_| claims > 0) else {
        return Ok(wrong == 0);
    };
    let address = RedisAddress::parse(url).map_err(CountersError::from)?;
    let mut remote = RemotePoints::new(&address, &config.counters).map_err(told)?;
    let good = compare(desk, &mut remote, out).await?;
    Ok(wrong == 0 && good)
}

async fn compare(desk: &PointsDesk, remote: &mut RemotePoints, out: &mut dyn Write) -> Result<bool, VerifyError> {
    let told = |error: PointsError| VerifyError::Pipeline(PipelineError::Points(error));
    let noted = desk.book.told_upto().map_err(told)?;
    let held = match &noted {
        Some((token, upto)) => remote.told_by(token).await.map_err(told)?.map(|held| held.min(*upto)),
        None => None,
    };
    let Some(held) = held else {
        writeln!(out, "points: Redis was told of no claim; the next start tells all")?;
        return Ok(true);
    };
    let (mut lacking, mut number) = (0, 0);
    while number < held {
        let mut rows = desk.book.after(number, TOLD_AT_ONCE).map_err(told)?;
        let Some(last) = rows.last() else { break };
        number = last.number;
        rows.retain(|row| row.number <= held);
        lacking += remote.lacks(&rows).await.map_err(told)?;
    }
    let wrong = remote.wrong_sums().await.map_err(told)?;
    let sums = wrong.map_or_else(
        || "sums changed meanwhile".into(),
        |wrong| format!("{wrong} wrong sums"),
    );
    writeln!(
        out,
        "points: Redis lacks {lacking} claims of those that it was told; {sums}"
    )?;
    Ok(lacking == 0 && wrong.unwrap_or_default() == 0)
}
