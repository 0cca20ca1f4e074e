//! What became of a request, and why: one table, a row a reason.
//!
//! The code of a row is the `code` of error bodies and the label of metrics, and `docs/errors.md` is drawn from
//! this table. A dialect may answer with its own status and text; what a reason promises stays the same.

/// Whether the events of a refused request were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Definitely not kept: sending again is safe.
    No,
    /// Nobody knows: send again with the same id.
    Unknown,
}

/// Why a request was not answered as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Reason {
    /// The request has no country code.
    CountryMissing,
    /// The country code is not two letters, or is given twice.
    CountryInvalid,
    /// The `Idempotency-Key` is empty, too long or not printable.
    IdempotencyKeyInvalid,
    /// The address used up its allowance.
    RateLimited,
    /// No such path.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body came too slowly.
    BodyTimeout,
    /// The body broke off or is malformed.
    BodyBroken,
    /// More waits for the disk than may wait.
    Overloaded,
    /// More waits for the counters than may wait.
    SpoolFull,
    /// The file system has less room left than must be.
    DiskFull,
    /// The disk takes no writes.
    JournalFailing,
    /// A sync failed; what was written may or may not be on disk.
    DurabilityUnknown,
    /// The gateway is stopping.
    Draining,
    /// Another process has taken over this data directory's identity.
    Fenced,
    /// Redis has not been seen since the start, so totals are not known.
    TotalsUnknown,
    /// There is no key; or events came without one and for no known site, and such ones are not taken.
    KeyMissing,
    /// The key is not known or has expired, or may not send events.
    KeyInvalid,
    /// The body is of a type that is not read here.
    MediaTypeUnsupported,
    /// The body is compressed in a way that is not read here, or more than once.
    EncodingUnsupported,
    /// The compressed body is broken.
    EncodingBroken,
    /// The body becomes too large when it is decompressed.
    DecompressedTooLarge,
    /// There is no body.
    BodyEmpty,
    /// There are more events than a request may have.
    TooManyEvents,
    /// This is no JSON.
    JsonInvalid,
    /// The JSON nests too deep.
    JsonTooDeep,
    /// A text is no Unicode.
    Utf8Invalid,
    /// A number is none, or none that can be kept.
    NumberOutOfRange,
    /// A key comes twice in an object.
    KeyDuplicate,
    /// A field that must be there is not.
    FieldMissing,
    /// A field has a value that it cannot have.
    FieldInvalid,
    /// The event is larger than an event may be.
    EventTooLarge,
    /// No site has the domain that the event names.
    SiteUnknown,
    /// The key may not do this.
    RightsMissing,
    /// More questions wait for an answer than may wait.
    QueryOverloaded,
    /// The answer took longer than it may.
    QueryTimeout,
    /// The answer is made of more groups than it may be.
    QueryTooLarge,
    /// Events cannot be read at the moment.
    StoreUnavailable,
    /// The deletion was not confirmed.
    ConfirmationMissing,
    /// The batch of an import begins behind what is taken.
    ImportGap,
    /// Another batch of the import is on its way.
    ImportBusy,
    /// How far imports are is not known yet.
    ImportUnknown,
    /// There are as many imports as may be.
    ImportsFull,
    /// The operator does not let anyone make this call.
    Closed,
    /// There are as many sites or keys as there may be.
    DirectoryFull,
    /// Sites and keys cannot be changed at the moment.
    DirectoryUnavailable,
    /// A change of sites or keys broke off.
    DirectoryUnknown,
    /// The site has no events of this user.
    UserUnknown,
}

/// One row of the table.
#[derive(Debug)]
pub struct ReasonRow {
    /// The reason.
    pub reason: Reason,
    /// Stable code, `snake_case`.
    pub code: &'static str,
    /// HTTP status of the native API.
    pub status: u16,
    /// Seconds after which the client should come back, where time helps.
    pub retry_after: Option<u32>,
    /// Whether the events were kept.
    pub kept: Kept,
    /// Text for the client.
    pub text: &'static str,
}

/// The table, in the order of [`Reason`].
pub const REASONS: [ReasonRow; 49] = [
    row(
        Reason::CountryMissing,
        "country_missing",
        422,
        "Country code is required",
    ),
    row(
        Reason::CountryInvalid,
        "country_invalid",
        403,
        "Invalid country code format. Must be exactly 2 letters",
    ),
    row(
        Reason::IdempotencyKeyInvalid,
        "idempotency_key_invalid",
        400,
        "Idempotency-Key must be 1 to 128 printable ASCII characters, given once",
    ),
    row(
        Reason::RateLimited,
        "rate_limited",
        429,
        "Too many requests. Please try again later.",
    ),
    row(Reason::NotFound, "not_found", 404, "No such path"),
    row(
        Reason::MethodNotAllowed,
        "method_not_allowed",
        405,
        "This path does not take this method; see Allow",
    ),
    row(
        Reason::BodyTooLarge,
        "body_too_large",
        413,
        "The request body is too large",
    ),
    row(
        Reason::BodyTimeout,
        "body_timeout",
        408,
        "The request body came too slowly",
    ),
    row(
        Reason::BodyBroken,
        "body_broken",
        400,
        "The request body broke off or is malformed",
    ),
    row(
        Reason::Overloaded,
        "overloaded",
        503,
        "Too much waits for the disk; try again",
    )
    .after(1),
    row(
        Reason::SpoolFull,
        "spool_full",
        503,
        "Too much waits for the counters; try again later",
    )
    .after(10),
    row(
        Reason::DiskFull,
        "disk_full",
        503,
        "The disk is nearly full; try again later",
    )
    .after(5),
    row(
        Reason::JournalFailing,
        "journal_failing",
        503,
        "The journal takes no writes; try again later",
    )
    .after(5),
    row(
        Reason::DurabilityUnknown,
        "durability_unknown",
        500,
        "A sync failed: this may or may not be kept; send it again with the same id",
    )
    .unknown(),
    row(Reason::Draining, "draining", 503, "The gateway is stopping; try again").after(1),
    row(
        Reason::Fenced,
        "fenced",
        503,
        "Another gateway took over this data directory",
    )
    .after(10),
    row(
        Reason::TotalsUnknown,
        "totals_unknown",
        503,
        "Redis has not been reached since the start; totals are not known yet",
    )
    .after(1),
    row(
        Reason::KeyMissing,
        "key_missing",
        401,
        "A key is needed; events may come from the domain of a known site instead",
    ),
    row(
        Reason::KeyInvalid,
        "key_invalid",
        401,
        "The key is unknown, revoked or expired, or may not be used here",
    ),
    row(
        Reason::MediaTypeUnsupported,
        "media_type_unsupported",
        415,
        "Content-Type must be application/json, application/x-ndjson or text/plain",
    ),
    row(
        Reason::EncodingUnsupported,
        "encoding_unsupported",
        415,
        "Content-Encoding must be one of gzip, br, zstd and deflate",
    ),
    row(
        Reason::EncodingBroken,
        "encoding_broken",
        400,
        "The body cannot be decompressed",
    ),
    row(
        Reason::DecompressedTooLarge,
        "decompressed_too_large",
        413,
        "The body is too large when it is decompressed",
    ),
    row(Reason::BodyEmpty, "body_empty", 400, "The request has no body"),
    row(
        Reason::TooManyEvents,
        "too_many_events",
        413,
        "The request has too many events; send them in several",
    ),
    row(Reason::JsonInvalid, "json_invalid", 400, "This is no JSON"),
    row(Reason::JsonTooDeep, "json_too_deep", 400, "The JSON nests too deep"),
    row(Reason::Utf8Invalid, "utf8_invalid", 400, "A text is no Unicode"),
    row(
        Reason::NumberOutOfRange,
        "number_out_of_range",
        400,
        "A number is malformed or out of range",
    ),
    row(
        Reason::KeyDuplicate,
        "key_duplicate",
        400,
        "A key comes twice in an object",
    ),
    row(Reason::FieldMissing, "field_missing", 422, "A field is missing"),
    row(
        Reason::FieldInvalid,
        "field_invalid",
        422,
        "A field has a value that it cannot have",
    ),
    row(Reason::EventTooLarge, "event_too_large", 413, "The event is too large"),
    row(Reason::SiteUnknown, "site_unknown", 422, "No site has this domain"),
    row(
        Reason::RightsMissing,
        "rights_missing",
        403,
        "This key may not do that: asking needs a read key, deleting and importing a manage key",
    ),
    row(
        Reason::QueryOverloaded,
        "query_overloaded",
        503,
        "Too many questions wait for an answer; try again",
    )
    .after(1),
    row(
        Reason::QueryTimeout,
        "query_timeout",
        503,
        "The answer took too long; ask for less, or again later",
    )
    .after(5),
    row(
        Reason::QueryTooLarge,
        "query_too_large",
        422,
        "The answer is made of too many groups; filter, or leave out a dimension",
    ),
    row(
        Reason::StoreUnavailable,
        "store_unavailable",
        503,
        "Events cannot be read at the moment; they are kept, try again later",
    )
    .after(5),
    row(
        Reason::ConfirmationMissing,
        "confirmation_missing",
        422,
        "Deleting all events of a site needs its id as the parameter confirm",
    ),
    row(
        Reason::ImportGap,
        "import_gap",
        409,
        "The batch begins behind what is taken: ask how far the import is, and go on there",
    ),
    row(
        Reason::ImportBusy,
        "import_busy",
        503,
        "Another batch of this import is on its way; try again",
    )
    .after(1),
    row(
        Reason::ImportUnknown,
        "import_unknown",
        503,
        "How far imports are is not known while another process stops; try again",
    )
    .after(1),
    row(
        Reason::ImportsFull,
        "imports_full",
        409,
        "There are as many imports as imports.imports_max allows",
    ),
    row(
        Reason::Closed,
        "closed",
        403,
        "The operator of this gateway has closed this call",
    ),
    row(
        Reason::DirectoryFull,
        "directory_full",
        503,
        "There are as many sites or keys as there may be; ask the operator",
    )
    .after(3_600),
    row(
        Reason::DirectoryUnavailable,
        "directory_unavailable",
        503,
        "Sites and keys cannot be changed at the moment; nothing was changed, try again",
    )
    .after(5),
    row(
        Reason::DirectoryUnknown,
        "directory_unknown",
        500,
        "The change broke off: it may or may not have been made",
    )
    .unknown(),
    row(
        Reason::UserUnknown,
        "user_unknown",
        404,
        "There are no events of this user",
    ),
];

const fn row(reason: Reason, code: &'static str, status: u16, text: &'static str) -> ReasonRow {
    ReasonRow {
        reason,
        code,
        status,
        retry_after: None,
        kept: Kept::No,
        text,
    }
}

impl ReasonRow {
    const fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    const fn unknown(mut self) -> Self {
        self.kept = Kept::Unknown;
        self
    }
}

impl Reason {
    /// The reason's row of the table.
    #[allow(
        clippy::indexing_slicing,
        reason = "a test holds the table's order against the enum's"
    )]
    pub const fn row(self) -> &'static ReasonRow {
        &REASONS[self as usize]
    }

    /// The reason's stable code.
    pub const fn code(self) -> &'static str {
        self.row().code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_finds_its_own_row_and_codes_are_distinct() {
        for (place, row) in REASONS.iter().enumerate() {
            assert_eq!(row.reason as usize, place, "{}", row.code);
            assert_eq!(row.reason.row().code, row.code);
            assert!(REASONS.iter().skip(place + 1).all(|other| other.code != row.code));
        }
    }
}
