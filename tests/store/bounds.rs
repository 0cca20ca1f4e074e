//! Many different values: estimates within their stated error, refusals where an answer would be too large, and only
//! so many columns of properties.

use footfall::directory::Counting;
use footfall::query::{Query, QueryError, SiteView, answer};
use footfall::store::{Store, StoreError, StoreLimits};
use serde_json::{Value, json};

use super::dice::Dice;
use super::rows::{OwnedRow, SITE};

const TIME_MS: u64 = 1_793_000_000_000;

fn row(sequence: u64, path: String, visitor: u64, properties: &str) -> OwnedRow {
    OwnedRow {
        site: SITE,
        path,
        visitor: Some(format!("visitor-{visitor}")),
        properties: properties.into(),
        bot: false,
        ..OwnedRow::random(&mut Dice::new(sequence), sequence, TIME_MS)
    }
}

fn ask(store: &Store, mut query: Value) -> Result<footfall::query::Answer, QueryError> {
    let site = SiteView {
        id: SITE,
        counting: Counting::Stable,
        currency: "EUR",
        time_zone: "UTC",
    };
    query["date_range"] = "all".into();
    let query = Query::read(query.to_string().as_bytes(), &site)?;
    answer(&store.library().snapshot(), &query, &site, TIME_MS + 1)
}

fn with_limits(limits: StoreLimits) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits {
        writer_bytes: 15 << 20,
        ..limits
    };
    let (store, _) = Store::open(folder.path(), limits).unwrap();
    (folder, store)
}

#[test]
fn many_visitors_in_many_groups_are_estimated_within_the_stated_error_and_it_is_said() {
    let (_folder, mut store) = with_limits(StoreLimits::default());
    let (pages, visitors) = (5_000u64, 6_000u64);
    for sequence in 1..=pages + 2 * visitors {
        let (path, visitor) = match sequence.checked_sub(pages + 1) {
            None => (format!("/{sequence}"), sequence),
            // Each visitor looks twice at the one page that all look at.
            Some(place) => ("/all".into(), place % visitors),
        };
        store.append(&row(sequence, path, visitor, "").row()).unwrap();
        if sequence % 6_000 == 0 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    let by_page = json!({"metrics": ["visitors", "events"], "dimensions": ["path"], "limit": 1});
    let found = ask(&store, by_page).unwrap();
    assert_eq!(found.meta.total_rows as u64, pages + 1);
    let error = found.meta.estimated["visitors"];
    let (count, wanted) = (found.results[0].metrics[0].as_f64().unwrap(), visitors as f64);
    assert_eq!(
        (&found.results[0].dimensions[0], &found.results[0].metrics[1]),
        (&json!("/all"), &json!(2 * visitors))
    );
    assert!(
        (count - wanted).abs() < 5.0 * error * wanted,
        "{count} instead of {wanted}"
    );
    // One group alone is counted exactly.
    let one = ask(
        &store,
        json!({"metrics": ["visitors"], "filters": [["is", "path", ["/all"]]]}),
    )
    .unwrap();
    assert_eq!(
        (&one.results[0].metrics[0], one.meta.estimated.len()),
        (&json!(visitors), 0)
    );
}

#[test]
fn an_answer_of_more_groups_than_may_be_is_refused() {
    let (_folder, mut store) = with_limits(StoreLimits {
        groups_max: 10,
        ..StoreLimits::default()
    });
    for sequence in 1..=11 {
        store
            .append(&row(sequence, format!("/{sequence}"), 1, "").row())
            .unwrap();
    }
    store.commit().unwrap();
    let refused = ask(&store, json!({"metrics": ["events"], "dimensions": ["path"]}));
    assert!(matches!(refused, Err(QueryError::Store(error)) if matches!(*error, StoreError::TooManyGroups(10))));
    let fits = json!({"metrics": ["events"], "dimensions": ["path"], "filters": [["is_not", "path", ["/3"]]]});
    assert_eq!(ask(&store, fits).unwrap().results.len(), 10);
}

#[test]
fn only_so_many_properties_get_a_column_and_a_start_changes_nothing_about_it() {
    let limits = StoreLimits {
        property_paths_max: 2,
        writer_bytes: 15 << 20,
        ..StoreLimits::default()
    };
    let (folder, mut store) = with_limits(limits);
    let first = r#"{"a":{"b":1},"c":"x"}"#;
    store.append(&row(1, "/".into(), 1, first).row()).unwrap();
    store.commit().unwrap();
    drop(store);
    let (mut store, _) = Store::open(folder.path(), limits).unwrap();
    let second = r#"{"a":{"b":2},"c":"y","d":3}"#;
    store.append(&row(2, "/".into(), 1, second).row()).unwrap();
    store.commit().unwrap();
    let found = ask(
        &store,
        json!({"metrics": ["sum:a.b", "count:d"], "dimensions": ["property:c"]}),
    )
    .unwrap();
    let rows: Vec<(&Value, &[Value])> = found
        .results
        .iter()
        .map(|row| (&row.dimensions[0], &row.metrics[..]))
        .collect();
    assert_eq!(
        rows,
        [
            (&json!("y"), &[json!(2), json!(0)][..]),
            (&json!("x"), &[json!(1), json!(0)][..])
        ]
    );
    // It is given back all the same.
    assert!(
        super::everything(&store)
            .iter()
            .any(|event| event.properties == second.as_bytes())
    );
}
