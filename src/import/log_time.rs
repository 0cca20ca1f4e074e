//! Times of access logs: `10/Oct/2000:13:55:36 -0700`.

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A time in milliseconds since 1970; `None` if it is none, or before 1970.
pub fn parse(text: &[u8]) -> Option<u64> {
    let &[
        d1,
        d2,
        b'/',
        m1,
        m2,
        m3,
        b'/',
        y1,
        y2,
        y3,
        y4,
        b':',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b' ',
        sign,
        z1,
        z2,
        z3,
        z4,
    ] = text
    else {
        return None;
    };
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(&[m1, m2, m3]))?
        + 1;
    let (day, year) = (number(&[d1, d2])?, number(&[y1, y2, y3, y4])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    let (zone_hours, zone_minutes) = (number(&[z1, z2])?, number(&[z3, z4])?);
    // 60: a leap second.
    let good =
        (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60 && zone_hours < 24 && zone_minutes < 60;
    if !good {
        return None;
    }
    let zone = zone_hours * 3_600 + zone_minutes * 60;
    let zone = match sign {
        b'+' => zone,
        b'-' => -zone,
        _ => return None,
    };
    let days = days_before(year, i64::try_from(month).ok()?, day);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - zone;
    u64::try_from(seconds).ok()?.checked_mul(1_000)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Days from 1970 to a day of the Gregorian calendar. Years are counted from March, so that the leap day is the last.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let since_march = (month + 9) % 12;
    let of_year = (153 * since_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_logs_are_read() {
        for (text, expected) in [
            ("10/Oct/2000:13:55:36 -0700", Some(971_211_336_000)),
            ("01/Jan/1970:00:00:00 +0000", Some(0)),
            ("01/jan/1970:05:30:00 +0530", Some(0)),
            ("29/Feb/2024:23:59:60 +0000", Some(1_709_251_200_000)),
            ("31/Dec/1969:23:59:59 +0000", None),
            ("10/Okt/2000:13:55:36 -0700", None),
            ("10/Oct/2000:24:00:00 +0000", None),
            ("00/Oct/2000:13:55:36 +0000", None),
            ("10/Oct/2000:13:55:36", None),
            ("10/Oct/2000 13:55:36 +0000", None),
            ("1 /Oct/2000:13:55:36 +0000", None),
            ("10/Oct/2000:13:55:36 00700", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_is_the_one_that_the_calendar_says(second in 0_i64..100_000_000_000) {
            let time = Timestamp::from_second(second).unwrap();
            let text = time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            prop_assert_eq!(parse(text.as_bytes()), Some(second.unsigned_abs() * 1_000), "{}", text);
        }
    }
}
