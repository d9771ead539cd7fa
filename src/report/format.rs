//! Owns how numbers and moments are worded for people.

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The day of a moment in RFC 3339.
pub fn day(moment: &str) -> &str {
    moment.get(..10).unwrap_or(moment)
}

/// The day and the minute of a moment in RFC 3339.
pub fn minute(moment: &str) -> String {
    moment.get(..16).unwrap_or(moment).replace('T', " ")
}

/// How long a step is.
pub fn step(seconds: i64) -> String {
    match seconds {
        60 => "minute".to_owned(),
        3600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        604_800 => "week".to_owned(),
        _ if seconds % 604_800 == 0 => format!("{} weeks", seconds / 604_800),
        _ => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(minute("2026-11-27T05:45:00Z"), "2026-11-27 05:45");
        assert_eq!([600, 2_419_200].map(step), ["10 minutes", "4 weeks"]);
    }
}
