//! What questions are made of, and their answers, as the document shows it. As with [`super::shapes`], these types are
//! never filled.

use utoipa::ToSchema;

/// A question about events; docs/http-api.md tells what its words mean.
#[derive(Debug, ToSchema)]
pub struct Question {
    /// What is counted, such as `events`, `visitors`, `revenue`, `sum:price`.
    #[schema(min_items = 1, max_items = 20)]
    pub metrics: Vec<String>,
    /// By what events are grouped, such as `country`, `property:plan`, `time:day`.
    #[schema(max_items = 4)]
    pub dimensions: Option<Vec<String>>,
    /// When the events happened: a word such as `30d`, a date, or two dates or times.
    #[schema(value_type = serde_json::Value)]
    pub date_range: String,
    /// Filters that must all hold, such as `["is", "country", ["de"]]`.
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub filters: Option<String>,
    /// In which zone days and hours are meant; the site's if it is not named.
    #[schema(example = "Europe/London")]
    pub timezone: Option<String>,
    /// Pairs of what is ordered by and `asc` or `desc`.
    pub order_by: Option<Vec<Vec<String>>>,
    /// Rows of the answer.
    #[schema(maximum = 10_000)]
    pub limit: Option<u64>,
    /// Rows left out before the first.
    pub offset: Option<u64>,
    /// `previous_period`, `year_before`, or a range.
    #[schema(value_type = Option<serde_json::Value>)]
    pub compare: Option<String>,
}

/// Figures.
#[derive(Debug, ToSchema)]
pub struct Figures {
    /// A row for each group.
    pub results: Vec<FigureRow>,
    /// From what the answer was made, of which range, how visitors are told apart, what is estimated, and how
    /// many events of bots were left out.
    #[schema(value_type = Object)]
    pub meta: String,
    /// The question in its one form.
    #[schema(value_type = Object)]
    pub query: String,
    /// When the answer was made, ISO 8601.
    pub generated_at: String,
    /// Whether it was made for somebody before.
    pub cached: bool,
}

/// A group and its figures.
#[derive(Debug, ToSchema)]
pub struct FigureRow {
    /// In the order of the question's dimensions.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub dimensions: Vec<String>,
    /// In the order of the question's metrics.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub metrics: Vec<String>,
    /// The figures of the time that is compared with.
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub compare: Option<Vec<String>>,
}

/// A page of events.
#[derive(Debug, ToSchema)]
pub struct EventPage {
    /// The events; what is not known of one is left out.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<String>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// From what the page was made, and of which range.
    #[schema(value_type = Object)]
    pub meta: String,
}

/// What is being deleted.
#[derive(Debug, ToSchema)]
pub struct Deletion {
    /// `user`, `visitor` or `site`.
    #[schema(example = "user")]
    pub erasing: String,
}
