//! The pages under `docs/` that are drawn from the types say what the types say.

use std::path::Path;

#[test]
fn the_reference_pages_are_up_to_date() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let stale = footfall::reference::stale(&docs).unwrap();
    assert!(stale.is_empty(), "run `make docs`: {stale:?} differ from the types");
}
