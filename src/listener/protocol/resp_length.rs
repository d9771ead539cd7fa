//! Owns the reading of a count or length, as RESP writes them after `*` and `$`: digits, perhaps
//! a minus, CR LF. Must never overflow, and never remember more than the value.

/// The most digits that make sense; twelve are a terabyte.
const MOST_DIGITS: u8 = 12;

/// A number on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::listener) struct Number {
    value: u64,
    digits: u8,
    negative: bool,
    ending: bool,
}

/// What one more byte made of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Progress {
    /// It goes on.
    Unfinished(Number),
    /// It is complete; `None` is a negative number.
    Finished(Option<u64>),
    /// It is none.
    Malformed,
}

impl Number {
    /// Reads one more byte.
    pub(in crate::listener) fn read(self, byte: u8) -> Progress {
        match byte {
            b'\n' if self.ending => Progress::Finished((!self.negative).then_some(self.value)),
            _ if self.ending => Progress::Malformed,
            b'0'..=b'9' if self.digits < MOST_DIGITS => Progress::Unfinished(Number {
                value: self.value * 10 + u64::from(byte - b'0'),
                digits: self.digits + 1,
                ..self
            }),
            b'-' if self.digits == 0 && !self.negative => {
                Progress::Unfinished(Number { negative: true, ..self })
            }
            b'\r' if self.digits > 0 => Progress::Unfinished(Number { ending: true, ..self }),
            _ => Progress::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Progress {
        let start = Progress::Unfinished(Number::default());
        text.bytes().fold(start, |progress, byte| match progress {
            Progress::Unfinished(number) => number.read(byte),
            ended => ended,
        })
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(read("0\r\n"), Progress::Finished(Some(0)));
        assert_eq!(read("999999999999\r\n"), Progress::Finished(Some(999_999_999_999)));
        assert_eq!(read("-1\r\n"), Progress::Finished(None));
        assert!(matches!(read("12\r"), Progress::Unfinished(_)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for odd in ["\r\n", "-\r\n", "--1", "1-", "+1", "1\n", "1\rx", "1000000000000", "0x1"] {
            assert_eq!(read(odd), Progress::Malformed, "{odd:?}");
        }
    }
}
