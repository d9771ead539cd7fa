//! The number after `*` and `$` in RESP: digits, perhaps a minus, CR LF.
//!
//! Never: overflows, or keeps more than the value.

/// Twelve digits are a terabyte; Redis itself takes at most 512 MiB.
const MAX_DIGITS: u8 = 12;

/// A count or length of which not all bytes have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartialLength {
    value: u64,
    digits: u8,
    negative: bool,
    /// CR came, LF must follow.
    after_cr: bool,
}

/// The result of one more byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthStep {
    /// More bytes are needed.
    Partial(PartialLength),
    /// The number is complete; `None` if it is negative.
    Complete(Option<u64>),
    /// This is not a number.
    Malformed,
}

impl PartialLength {
    /// Reads one more byte.
    pub fn read(self, byte: u8) -> LengthStep {
        match byte {
            b'\n' if self.after_cr => LengthStep::Complete((!self.negative).then_some(self.value)),
            _ if self.after_cr => LengthStep::Malformed,
            b'0'..=b'9' if self.digits < MAX_DIGITS => LengthStep::Partial(PartialLength {
                value: self.value * 10 + u64::from(byte - b'0'),
                digits: self.digits + 1,
                ..self
            }),
            b'-' if self.digits == 0 && !self.negative => {
                LengthStep::Partial(PartialLength { negative: true, ..self })
            }
            b'\r' if self.digits > 0 => {
                LengthStep::Partial(PartialLength { after_cr: true, ..self })
            }
            _ => LengthStep::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LengthStep {
        let start = LengthStep::Partial(PartialLength::default());
        text.bytes().fold(start, |step, byte| match step {
            LengthStep::Partial(length) => length.read(byte),
            last => last,
        })
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(read("0\r\n"), LengthStep::Complete(Some(0)));
        assert_eq!(read("999999999999\r\n"), LengthStep::Complete(Some(999_999_999_999)));
        assert_eq!(read("-1\r\n"), LengthStep::Complete(None));
        assert!(matches!(read("12\r"), LengthStep::Partial(_)));
    }

    #[test]
    fn anything_else_is_malformed() {
        for odd in ["\r\n", "-\r\n", "--1", "1-", "+1", "1\n", "1\rx", "1000000000000", "0x1"] {
            assert_eq!(read(odd), LengthStep::Malformed, "{odd:?}");
        }
    }
}
