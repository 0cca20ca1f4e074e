//! Which events are to be deleted for good.

use uuid::Uuid;

use super::path_id::path_id;
use super::questions_voice::Trouble;
use super::routes::Endpoint;
use crate::directory::Counting;
use crate::event::{Erasure, SiteId};
use crate::outcome::Reason;
use crate::query::SiteView;

/// The parameter by which the deletion of everything is confirmed.
const CONFIRM: &str = "confirm";
/// Hexadecimal digits of a day's hash.
const HASH_DIGITS: usize = 16;

/// Whose events are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// All of the site.
    Site,
    /// Those of a user.
    User(String),
    /// Those of a visitor, by the client's id.
    Visitor(String),
    /// Those of a visitor, by the hash of a day.
    DailyVisitor(u64),
}

impl Wish {
    /// Reads what is wished for. A parameter that means nothing here is refused: whoever sends one may believe that it
    /// narrows down what goes.
    ///
    /// # Errors
    /// The id can be none, a parameter is wrong, or a confirmation is missing.
    pub fn read<'p>(
        endpoint: Endpoint,
        path: &str,
        parameters: impl Iterator<Item = (&'p str, &'p str)>,
        site: &SiteView<'_>,
    ) -> Result<Self, Trouble> {
        let whole = endpoint == Endpoint::Events;
        let mut confirmed = false;
        for (name, value) in parameters {
            match name {
                // The key is for the door.
                "key" => {}
                CONFIRM if whole => confirmed = value == site.id.to_string(),
                other => {
                    let why = "means nothing here; nothing was deleted";
                    return Err(Trouble::about(Reason::FieldInvalid, other, why));
                }
            }
        }
        if whole {
            let missing = Trouble::from(Reason::ConfirmationMissing);
            return confirmed.then_some(Self::Site).ok_or(missing);
        }
        let id = path_id(path)?;
        if endpoint == Endpoint::User {
            return Ok(Self::User(id));
        }
        match site.counting {
            Counting::Stable => Ok(Self::Visitor(id)),
            Counting::Daily => {
                let hash = u64::from_str_radix(&id, 16).ok().filter(|_| id.len() == HASH_DIGITS);
                let why = "must be a visitor of this site as its events name them: 16 hexadecimal digits";
                // Pages of sessions clients keep an id for their visitor, however the default site counts others.
                let lasts = site.id.is_default() && Uuid::try_parse(&id).is_ok();
                let of_page = lasts.then_some(Self::Visitor(id));
                hash.map(Self::DailyVisitor)
                    .or(of_page)
                    .ok_or_else(|| Trouble::about(Reason::FieldInvalid, "id", why))
            }
        }
    }

    /// The erasure of it.
    pub fn erasure(&self, site: SiteId) -> Erasure<'_> {
        match self {
            Self::Site => Erasure::Site(site),
            Self::User(id) => Erasure::User(site, id),
            Self::Visitor(id) => Erasure::StableVisitor(site, id),
            Self::DailyVisitor(hash) => Erasure::DailyVisitor(site, *hash),
        }
    }

    /// Whose events go, in a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::User(_) => "user",
            Self::Visitor(_) | Self::DailyVisitor(_) => "visitor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: Endpoint, path: &str, parameters: &[(&str, &str)], counting: Counting) -> Result<Wish, Reason> {
        read_of(SiteId([7; 16]), (endpoint, path), parameters, counting)
    }

    fn read_of(
        id: SiteId,
        (endpoint, path): (Endpoint, &str),
        parameters: &[(&str, &str)],
        counting: Counting,
    ) -> Result<Wish, Reason> {
        let site = SiteView {
            id,
            counting,
            currency: "EUR",
            time_zone: "UTC",
        };
        Wish::read(endpoint, path, parameters.iter().copied(), &site).map_err(|trouble| trouble.reason)
    }

    #[test]
    fn a_site_is_only_emptied_when_its_id_confirms_it() {
        let site = "07".repeat(16);
        let all = |parameters: &[_]| read(Endpoint::Events, "/api/v1/events", parameters, Counting::Daily);
        assert_eq!(all(&[("confirm", &site)]), Ok(Wish::Site));
        assert_eq!(all(&[("key", "k"), ("confirm", &site)]), Ok(Wish::Site));
        for wrong in ["", "yes", "default", &site[1..]] {
            assert_eq!(all(&[("confirm", wrong)]), Err(Reason::ConfirmationMissing), "{wrong}");
        }
        assert_eq!(all(&[]), Err(Reason::ConfirmationMissing));
        // Nobody narrows a deletion down, and is not heard.
        assert_eq!(all(&[("confirm", &site), ("user", "anna")]), Err(Reason::FieldInvalid));
    }

    #[test]
    fn visitors_that_pages_of_sessions_clients_name_are_those_of_the_default_site() {
        let uuid = "8f6b1a52-3c4d-4e5f-8a9b-000000000001";
        let path = format!("/api/v1/visitors/{uuid}");
        let of = |site| read_of(site, (Endpoint::Visitor, &path), &[], Counting::Daily);
        assert_eq!(of(SiteId::DEFAULT), Ok(Wish::Visitor(uuid.into())));
        assert_eq!(of(SiteId([7; 16])), Err(Reason::FieldInvalid));
    }

    #[test]
    fn users_and_visitors_are_those_of_the_path() {
        let user = |parameters: &[_]| read(Endpoint::User, "/api/v1/users/anna%20b", parameters, Counting::Daily);
        assert_eq!(user(&[]), Ok(Wish::User("anna b".into())));
        assert_eq!(user(&[("name", "view")]), Err(Reason::FieldInvalid));
        let visitor = |id: &str, counting| read(Endpoint::Visitor, &format!("/api/v1/visitors/{id}"), &[], counting);
        assert_eq!(
            visitor("00000000000000ff", Counting::Stable),
            Ok(Wish::Visitor("00000000000000ff".into()))
        );
        assert_eq!(
            visitor("00000000000000ff", Counting::Daily),
            Ok(Wish::DailyVisitor(255))
        );
        for wrong in ["ff", "0000000000000-ff", "anna"] {
            assert_eq!(visitor(wrong, Counting::Daily), Err(Reason::FieldInvalid), "{wrong}");
        }
    }
}
