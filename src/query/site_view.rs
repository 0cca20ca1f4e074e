//! The site that a question is about.

use crate::directory::{Counting, Site};
use crate::event::SiteId;
use crate::store::Column;

/// What a question must know of the site it is about.
#[derive(Debug, Clone, Copy)]
pub struct SiteView<'a> {
    /// The site.
    pub id: SiteId,
    /// How its visitors are told apart.
    pub counting: Counting,
    /// Its currency, ISO 4217, upper case.
    pub currency: &'a str,
    /// Its time zone.
    pub time_zone: &'a str,
}

/// A [`SiteView`] that goes to another thread.
#[derive(Debug, Clone)]
pub struct SiteOwned {
    id: SiteId,
    counting: Counting,
    currency: Box<str>,
    time_zone: Box<str>,
}

impl From<&SiteView<'_>> for SiteOwned {
    fn from(site: &SiteView<'_>) -> Self {
        Self {
            id: site.id,
            counting: site.counting,
            currency: site.currency.into(),
            time_zone: site.time_zone.into(),
        }
    }
}

impl SiteOwned {
    /// The same, borrowed.
    pub fn view(&self) -> SiteView<'_> {
        SiteView {
            id: self.id,
            counting: self.counting,
            currency: &self.currency,
            time_zone: &self.time_zone,
        }
    }
}

impl<'a> From<&'a Site> for SiteView<'a> {
    fn from(site: &'a Site) -> Self {
        Self {
            id: site.id,
            counting: site.counting,
            // Codes of currencies are ASCII.
            currency: str::from_utf8(&site.currency).unwrap_or_default(),
            time_zone: &site.time_zone,
        }
    }
}

impl SiteView<'_> {
    /// The column that holds what tells visitors apart.
    pub fn visitor_column(&self) -> Column {
        match self.counting {
            Counting::Daily => Column::DailyVisitor,
            Counting::Stable => Column::Visitor,
        }
    }
}
