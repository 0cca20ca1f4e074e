//! Currencies of ISO 4217: three capital letters, and how many digits stand behind the point.

use iso_currency::Currency;

/// The code of a currency that things can be paid in, in any letter case; gold, test codes and units of account are
/// none.
pub fn parse(code: &str) -> Option<[u8; 3]> {
    let currency = money(&code.to_ascii_uppercase())?;
    currency.code().as_bytes().try_into().ok()
}

/// How many digits of an amount are behind the point: 2 for euros and cents, 0 for yen.
pub fn minor_digits(code: [u8; 3]) -> Option<u16> {
    money(str::from_utf8(&code).ok()?)?.exponent()
}

fn money(code: &str) -> Option<Currency> {
    Currency::from_code(code).filter(|currency| currency.exponent().is_some() && !currency.is_special())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_money_are_known_in_any_case_and_nothing_else_is() {
        assert_eq!(parse("eur"), Some(*b"EUR"));
        assert_eq!(parse("JPY"), Some(*b"JPY"));
        for code in ["", "E", "EU", "EURO", "XXX", "XTS", "XAU", "QQQ", "12E", "é1", "€€€"] {
            assert_eq!(parse(code), None, "{code}");
        }
    }

    #[test]
    fn digits_behind_the_point_are_those_of_the_currency() {
        assert_eq!(minor_digits(*b"EUR"), Some(2));
        assert_eq!(minor_digits(*b"JPY"), Some(0));
        assert_eq!(minor_digits(*b"KWD"), Some(3));
        assert_eq!(minor_digits(*b"eur"), None);
        assert_eq!(minor_digits([0xff; 3]), None);
    }
}
