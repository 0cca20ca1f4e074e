//! The columns of the store.

/// One column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Column {
    /// What happened.
    Name,
    /// Country of the client, lower case.
    Country,
    /// Region of the country.
    Region,
    /// City.
    City,
    /// Host of the page.
    Host,
    /// Path of the page.
    Path,
    /// Query string of the page.
    Query,
    /// The page that led here.
    Referrer,
    /// Where the visitor came from, as a name.
    Source,
    /// What that is, such as `search`.
    ReferrerGroup,
    /// The channel by which the visitor came.
    Channel,
    /// The parameter that holds the id of a click.
    ClickId,
    /// Tag `utm_source`.
    UtmSource,
    /// Tag `utm_medium`.
    UtmMedium,
    /// Tag `utm_campaign`.
    UtmCampaign,
    /// Tag `utm_term`.
    UtmTerm,
    /// Tag `utm_content`.
    UtmContent,
    /// Title of the page.
    Title,
    /// The client's lasting id.
    Visitor,
    /// The hash of a day, as 16 hexadecimal digits.
    DailyVisitor,
    /// The id that the site gave its user.
    User,
    /// The session.
    Session,
    /// Language of the client.
    Language,
    /// Browser.
    Browser,
    /// The first number of its version.
    BrowserVersion,
    /// Operating system.
    Os,
    /// Class of the device.
    Device,
    /// The user agent as sent.
    UserAgent,
    /// The client's address as far as it is kept.
    Address,
    /// Currency of the revenue.
    Currency,
    /// Revenue in the currency's smallest unit.
    Revenue,
    /// Width and height of the screen.
    Screen,
    /// Whether a machine sent it of its own accord.
    Bot,
    /// The rule by which it did.
    BotRule,
    /// The visit that an event belongs to, by its number in hexadecimal.
    Visit,
    /// Of a visit: the path of the first page that was viewed.
    EntryPage,
    /// Of a visit: the path of the last page.
    ExitPage,
    /// Of a visit: its events.
    VisitEvents,
    /// Of a visit: its views of pages.
    VisitViews,
    /// Of a visit: its length in whole seconds.
    VisitSeconds,
    /// Of a visit: 1 if nothing followed its first event.
    VisitBounce,
}

/// How the values of a column are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that is often asked for by its exact value, so that its terms are indexed.
    Term,
    /// Text.
    Text,
    /// A signed number.
    Number,
    /// Two 16-bit numbers, shown as `1920x1080`.
    Screen,
    /// `true` or `false`.
    Flag,
}

/// Every column with its name and kind, in the order of [`Column`].
pub const COLUMNS: [(Column, &str, Kind); 41] = [
    (Column::Name, "name", Kind::Term),
    (Column::Country, "country", Kind::Term),
    (Column::Region, "region", Kind::Text),
    (Column::City, "city", Kind::Text),
    (Column::Host, "host", Kind::Text),
    (Column::Path, "path", Kind::Term),
    (Column::Query, "query", Kind::Text),
    (Column::Referrer, "referrer", Kind::Text),
    (Column::Source, "source", Kind::Term),
    (Column::ReferrerGroup, "referrer_group", Kind::Text),
    (Column::Channel, "channel", Kind::Term),
    (Column::ClickId, "click_id", Kind::Text),
    (Column::UtmSource, "utm_source", Kind::Text),
    (Column::UtmMedium, "utm_medium", Kind::Text),
    (Column::UtmCampaign, "utm_campaign", Kind::Text),
    (Column::UtmTerm, "utm_term", Kind::Text),
    (Column::UtmContent, "utm_content", Kind::Text),
    (Column::Title, "title", Kind::Text),
    (Column::Visitor, "visitor", Kind::Term),
    (Column::DailyVisitor, "daily_visitor", Kind::Term),
    (Column::User, "user", Kind::Term),
    (Column::Session, "session", Kind::Text),
    (Column::Language, "language", Kind::Text),
    (Column::Browser, "browser", Kind::Term),
    (Column::BrowserVersion, "browser_version", Kind::Text),
    (Column::Os, "os", Kind::Term),
    (Column::Device, "device", Kind::Term),
    (Column::UserAgent, "user_agent", Kind::Text),
    (Column::Address, "address", Kind::Text),
    (Column::Currency, "currency", Kind::Text),
    (Column::Revenue, "revenue", Kind::Number),
    (Column::Screen, "screen", Kind::Screen),
    (Column::Bot, "bot", Kind::Flag),
    (Column::BotRule, "bot_rule", Kind::Term),
    (Column::Visit, "visit", Kind::Text),
    (Column::EntryPage, "entry_page", Kind::Term),
    (Column::ExitPage, "exit_page", Kind::Term),
    (Column::VisitEvents, "visit_events", Kind::Number),
    (Column::VisitViews, "visit_views", Kind::Number),
    (Column::VisitSeconds, "visit_seconds", Kind::Number),
    (Column::VisitBounce, "visit_bounce", Kind::Number),
];

impl Column {
    /// Every column.
    pub fn all() -> impl Iterator<Item = Self> {
        COLUMNS.iter().map(|(column, ..)| *column)
    }

    /// The column's name in queries and answers.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// How its values are kept.
    pub const fn kind(self) -> Kind {
        self.row().2
    }

    /// The column of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|column| column.name() == name)
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "a test holds the table's order against the enum's"
    )]
    const fn row(self) -> &'static (Self, &'static str, Kind) {
        &COLUMNS[self as usize]
    }
}

/// What a question may be about: a column, or a property by its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// A column.
    Column(Column),
    /// A property; the keys of nested objects are joined by dots.
    Property(Box<str>),
}

impl From<Column> for Field {
    fn from(column: Column) -> Self {
        Self::Column(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_finds_its_own_row() {
        for (place, (column, name, _)) in COLUMNS.iter().enumerate() {
            assert_eq!(*column as usize, place, "{name}");
            assert_eq!(Column::parse(name), Some(*column));
        }
    }
}
