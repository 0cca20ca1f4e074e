//! `docs/errors.md`: every reason, from the table of reasons.

use super::{head, line};
use crate::outcome::{Kept, REASONS, ReasonRow};

const INTRODUCTION: &str = "# Errors

A `2xx` means kept. Everything else is one of these reasons; its code is the `code` of error bodies and the `reason` of metrics.
Some paths answer with a status and text of their own, which their clients expect; what a reason promises stays the same.

\"Kept\" says what became of the visits or events of the request: *no* means definitely not kept, so that sending them again is safe; *unknown* means that nobody can tell, so send them again with the same `Idempotency-Key` or the same ids. The same holds for a connection that breaks before the answer.
\"Come back\" is the time in `Retry-After`; where there is none, time alone does not help. A used-up allowance (`rate_limited`) names its own time.

";

pub fn render() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str(&head(&["code", "status", "kept", "come back", "text"]));
    for row in &REASONS {
        text.push_str(&line(&[
            &format!("`{}`", row.code),
            &row.status.to_string(),
            kept(row),
            &come_back(row),
            row.text,
        ]));
    }
    text
}

const fn kept(row: &ReasonRow) -> &'static str {
    match row.kept {
        Kept::No => "no",
        Kept::Unknown => "unknown",
    }
}

fn come_back(row: &ReasonRow) -> String {
    match row.retry_after {
        Some(seconds) => format!("{seconds} s"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_row_with_what_it_promises() {
        let text = render();
        for row in &REASONS {
            assert!(
                text.contains(&format!("| `{}` | {} |", row.code, row.status)),
                "{}",
                row.code
            );
        }
        assert!(text.contains("| `durability_unknown` | 500 | unknown |  | A sync failed"));
        assert!(text.contains("| `overloaded` | 503 | no | 1 s | Too much waits"));
    }
}
