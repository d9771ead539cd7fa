//! Splits the numbers of timestamps from text.

/// A day in milliseconds.
pub const DAY: i64 = 86_400_000;

/// Two decimal digits.
pub fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let digits = bytes.get(at..at + 2)?;
    digits
        .iter()
        .all(u8::is_ascii_digit)
        .then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// Milliseconds since midnight of `HH:MM:SS` at the beginning of `bytes`. A leap second (`:60`) is taken
/// for the second after it.
pub fn time_of_day(bytes: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (two(bytes, 0)?, two(bytes, 3)?, two(bytes, 6)?);
    let in_bounds = hour < 24 && minute < 60 && second <= 60;
    let colons = bytes[2] == b':' && bytes[5] == b':';
    (in_bounds && colons).then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

/// Splits the digits of a fraction of a second from what follows them, as milliseconds, rounded down.
pub fn milliseconds(text: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, rest) = digits(text)?;
    let digit = |index: usize| digits.get(index).map_or(0, |digit| i64::from(digit - b'0'));
    Some((digit(0) * 100 + digit(1) * 10 + digit(2), rest))
}

/// Splits one or more decimal digits from what follows them.
pub fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}
