//! SAML's times.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// Reads `YYYY-MM-DDThh:mm:ss[.f…]Z`: SAML times are `xs:dateTime` in UTC (SAML core 1.3.3). An
/// offset, none at all, a leap second and `24:00:00` are no times here. Digits beyond nanoseconds
/// are dropped.
///
/// What lies beyond the last moment that can be held, in the last hours of the year 9999, counts as
/// that moment, later years with it: `xs:dateTime` knows them, and some write them for "never".
pub(crate) fn instant(value: &str) -> Option<Timestamp> {
    let date = value.find('T').filter(|at| *at >= 10)?;
    let (year, rest) = value.split_at_checked(date - 6)?;
    let (seconds, fraction) = rest.strip_suffix('Z')?.split_at_checked(15)?;
    let shape = seconds.bytes().zip(*b"-dd-ddTdd:dd:dd");
    if !shape.into_iter().all(|(byte, expected)| match expected {
        b'd' => byte.is_ascii_digit(),
        _ => byte == expected,
    }) {
        return None;
    }
    let digits = match fraction {
        "" => "0",
        _ => fraction.strip_prefix('.')?,
    };
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(digits) || !all_digits(year) || seconds.ends_with("60") {
        return None;
    }
    if year.len() > 4 {
        // XML Schema allows no leading zero. Four hundred years are one turn of the calendar.
        let last = year.get(year.len() - 4..)?.parse::<u32>().ok()?;
        let like = format!("{}{seconds}", 2000 + last % 400);
        let is_one = !year.starts_with('0') && like.parse::<DateTime>().is_ok();
        return is_one.then_some(Timestamp::MAX);
    }
    let digits = digits.get(..9).unwrap_or(digits);
    let text = format!("{year}{seconds}.{digits}");
    match format!("{text}Z").parse() {
        Ok(instant) => Some(instant),
        Err(_) if year == "9999" => text.parse::<DateTime>().is_ok().then_some(Timestamp::MAX),
        Err(_) => None,
    }
}

/// How a moment is written where people and programs read it: the last one that can be held stands
/// for the end of the year 9999.
pub(crate) fn written(instant: Timestamp) -> String {
    match instant == Timestamp::MAX {
        true => "9999-12-31T23:59:59.999999999Z".to_owned(),
        false => instant.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_the_last_that_can_be_held_count_as_that() {
        for never in [
            "9999-12-30T22:00:01Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59.9999999Z",
            "10000-01-01T00:00:00Z",
            "12000-02-29T00:00:00Z",
            "99999999999999999999-12-31T23:59:59Z",
        ] {
            assert_eq!(instant(never), Some(Timestamp::MAX), "{never}");
        }
        for none in [
            "9999-12-32T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59.Z",
            "09999-12-31T23:59:59Z",
            "11900-02-29T00:00:00Z",
            "10000-13-01T00:00:00Z",
            "-9999-01-01T00:00:00Z",
            "+9999-01-01T00:00:00Z",
            "999-01-01T00:00:00Z",
        ] {
            assert_eq!(instant(none), None, "{none}");
        }
        assert!(instant("9999-12-30T21:59:59.5Z").is_some_and(|instant| instant < Timestamp::MAX));
    }

    #[test]
    fn the_last_moment_is_written_as_the_end_of_its_year() {
        assert_eq!(written(Timestamp::MAX), "9999-12-31T23:59:59.999999999Z");
        assert_eq!(written(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
