//! The visits dialect: `POST /api/v1/stats?countryCode=GB` → `201 {"gb":17}`, `GET /api/v1/stats` → `{"cy":1,"gb":17}`.

use crate::event::Country;
use crate::outcome::Reason;

/// The query parameter that names the country.
const PARAMETER: &str = "countryCode";
/// The same sent as a list, which is no country.
const LIST: &str = "countryCode[]";

/// The country that a query string names.
///
/// # Errors
/// [`Reason::CountryMissing`] when there is none or an empty one, [`Reason::CountryInvalid`] when it is not two ASCII
/// letters or named twice.
pub fn country(query: Option<&str>) -> Result<Country, Reason> {
    let query = query.unwrap_or_default().as_bytes();
    // What nearly every request looks like; the general reading below gives the same.
    if let Some(code) = query.strip_prefix(b"countryCode=")
        && let Some(country) = Country::parse(code)
    {
        return Ok(country);
    }
    if form_urlencoded::parse(query).any(|(name, _)| name == LIST) {
        return Err(Reason::CountryMissing);
    }
    let mut codes = form_urlencoded::parse(query).filter(|(name, _)| name == PARAMETER);
    match (codes.next(), codes.next()) {
        (Some((_, code)), None) if !code.is_empty() => parse(&code),
        (None, _) | (Some(_), None) => Err(Reason::CountryMissing),
        (Some(_), Some(_)) => Err(Reason::CountryInvalid),
    }
}

fn parse(code: &str) -> Result<Country, Reason> {
    Country::parse(code.as_bytes()).ok_or(Reason::CountryInvalid)
}

/// The answer to a counted visit: `{"gb":17}`.
pub fn total(country: Country, total: u64, into: &mut Vec<u8>) {
    into.push(b'{');
    entry(country, total, into);
    into.push(b'}');
}

/// The report: every country and its total, `{}` when there is none.
pub fn report(totals: impl Iterator<Item = (Country, u64)>, into: &mut Vec<u8>) {
    into.push(b'{');
    for (place, (country, total)) in totals.enumerate() {
        if place > 0 {
            into.push(b',');
        }
        entry(country, total, into);
    }
    into.push(b'}');
}

fn entry(country: Country, total: u64, into: &mut Vec<u8>) {
    let [first, second] = country.letters();
    into.extend_from_slice(&[b'"', first, second, b'"', b':']);
    into.extend_from_slice(itoa::Buffer::new().format(total).as_bytes());
}

/// The error answer: `{"error":"…","code":"…"}`; the limit's has no code.
pub fn error(reason: Reason) -> Vec<u8> {
    let row = reason.row();
    let body = match code(reason) {
        Some(code) => serde_json::json!({ "error": row.text, "code": code }),
        None => serde_json::json!({ "error": row.text }),
    };
    body.to_string().into_bytes()
}

/// The code this dialect gives a reason; its clients know the first two.
fn code(reason: Reason) -> Option<String> {
    match reason {
        Reason::CountryMissing => Some("MISSING_COUNTRY_CODE".into()),
        Reason::CountryInvalid => Some("INVALID_COUNTRY_CODE_FORMAT".into()),
        Reason::RateLimited => None,
        other => Some(other.code().to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<String, Reason> {
        country(Some(query)).map(|country| country.to_string())
    }

    #[test]
    fn a_country_is_two_letters_of_any_case_named_once() {
        for query in [
            "countryCode=GB",
            "countryCode=gb",
            "a=b&countryCode=gB",
            "countryCode=%47B&x",
            "country%43ode=gb",
        ] {
            assert_eq!(read(query).as_deref(), Ok("gb"), "{query}");
        }
    }

    #[test]
    fn no_country_is_missing() {
        for query in [
            "",
            "countryCode",
            "countryCode=",
            "countryCode[]=GB",
            "countryCode[]=GB&countryCode=GB",
            "countryCode%5B%5D=GB",
            "countrycode=GB",
            "x=GB",
        ] {
            assert_eq!(read(query), Err(Reason::CountryMissing), "{query}");
        }
        assert_eq!(country(None), Err(Reason::CountryMissing));
    }

    #[test]
    fn other_countries_are_invalid() {
        for query in [
            "countryCode=G",
            "countryCode=GBR",
            "countryCode=G1",
            "countryCode=+GB",
            "countryCode=G%00",
            "countryCode=GB&countryCode=GB",
            "countryCode=&countryCode=GB",
            "countryCode=%C3%A9",
            "countryCode=%ff%fe",
        ] {
            assert_eq!(read(query), Err(Reason::CountryInvalid), "{query}");
        }
    }

    #[test]
    fn answers_are_compact_json() {
        let [gb, cy] = [b"gb", b"cy"].map(|code| Country::parse(code).unwrap());
        let mut body = Vec::new();
        total(gb, 9_000_000_000, &mut body);
        report([(cy, 1), (gb, 2)].into_iter(), &mut body);
        report(std::iter::empty(), &mut body);
        assert_eq!(body, br#"{"gb":9000000000}{"cy":1,"gb":2}{}"#);
    }

    #[test]
    fn errors_are_those_that_clients_know() {
        let text = |reason| String::from_utf8(error(reason)).unwrap();
        assert_eq!(
            text(Reason::RateLimited),
            r#"{"error":"Too many requests. Please try again later."}"#
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text(Reason::CountryMissing)).unwrap(),
            serde_json::json!({ "error": "Country code is required", "code": "MISSING_COUNTRY_CODE" })
        );
        assert!(text(Reason::SpoolFull).contains(r#""code":"SPOOL_FULL""#));
    }
}
