//! The rows of the lists that are part of the binary; lists/README.md says where they come from.

/// The rows of a list: columns between tabulators, lines that begin with `#` left out.
pub(super) fn rows<const COLUMNS: usize>(text: &str) -> impl Iterator<Item = [&str; COLUMNS]> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        let row = [(); COLUMNS].map(|()| columns.next());
        row.iter()
            .all(Option::is_some)
            .then(|| row.map(Option::unwrap_or_default))
    })
}

/// Names as somebody else gives them, and as they are called here.
pub(super) fn names(what: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    rows(include_str!("../../lists/names.tsv"))
        .filter(move |[of, _, _]| *of == what)
        .map(|[_, theirs, ours]| (theirs, ours))
}
