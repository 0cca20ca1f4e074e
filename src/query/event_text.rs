//! One stored event as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::site_view::SiteView;
use crate::store::search::StoredEvent;
use crate::store::{Column, Kind};

/// Writes an event as a JSON object. Properties and items are put in as they are kept, which is JSON already.
pub fn write_event(text: &mut Vec<u8>, event: &StoredEvent, site: &SiteView<'_>) {
    text.extend_from_slice(b"{\"id\":");
    write(text, &event.id.as_str().into());
    let times = [("time", event.position.time_ms), ("received_at", event.received_ms)];
    for (name, time_ms) in times {
        field(text, name);
        write(text, &shown_time(time_ms).into());
    }
    let mut revenue = (None, None);
    for (column, value) in &event.columns {
        match column {
            Column::Revenue => revenue.0 = value.parse::<i64>().ok(),
            Column::Currency => revenue.1 = Some(value.as_str()),
            // Only those whom the site's way of counting knows.
            Column::Visitor | Column::DailyVisitor if *column != site.visitor_column() => {}
            Column::Visitor | Column::DailyVisitor => {
                field(text, Column::Visitor.name());
                write(text, &value.as_str().into());
            }
            _ => {
                field(text, column.name());
                let shown = match column.kind() {
                    Kind::Flag => Value::from(value == "true"),
                    _ => value.as_str().into(),
                };
                write(text, &shown);
            }
        }
    }
    if let (Some(minor), Some(currency)) = revenue {
        field(text, "revenue");
        write(text, &json!({"minor": minor, "currency": currency}));
    }
    for (name, kept) in [("properties", &event.properties), ("items", &event.items)] {
        if !kept.is_empty() {
            field(text, name);
            text.extend_from_slice(kept);
        }
    }
    text.push(b'}');
}

/// A time in milliseconds since 1970, as text.
pub fn shown_time(time_ms: u64) -> String {
    let time = Timestamp::from_millisecond(time_ms.cast_signed()).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

fn field(text: &mut Vec<u8>, name: &str) {
    text.push(b',');
    write(text, &name.into());
    text.push(b':');
}

fn write(text: &mut Vec<u8>, value: &Value) {
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(text, value);
}
