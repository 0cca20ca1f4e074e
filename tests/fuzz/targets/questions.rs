//! Questions about events.

use footfall::directory::Counting;
use footfall::event::SiteId;
use footfall::query::{Query, QueryError, SiteView};

/// What is understood means the same in its one form; what is not is told by its field.
pub fn query(data: &[u8]) {
    let site = SiteView {
        id: SiteId([1; 16]),
        counting: Counting::Stable,
        currency: "EUR",
        time_zone: "Australia/Lord_Howe",
    };
    let query = match Query::read(data, &site) {
        Ok(query) => query,
        Err(QueryError::Invalid { .. } | QueryError::Missing(_) | QueryError::NotRead(_)) => return,
        Err(other) => panic!("{other}"),
    };
    let form = query.to_json().to_string();
    assert_eq!(Query::read(form.as_bytes(), &site).expect(&form), query, "{form}");
}
