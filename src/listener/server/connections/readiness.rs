//! What a connection knows of its socket: whether a read or a send may get on.

/// Whether there is something to read. The socket is watched edge triggered, so the record has to
/// remember what the kernel reports only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing, until the kernel reports the socket as readable again.
    Drained,
    /// There may be bytes.
    Readable,
    /// There may be bytes, and the reads that follow lead to the peer's end.
    ReadableToEnd,
    /// The peer's end was read.
    Ended,
}

impl Input {
    /// Whether a read may bring something.
    pub(super) fn is_readable(self) -> bool {
        matches!(self, Input::Readable | Input::ReadableToEnd)
    }

    /// The kernel reported the socket as readable, with the peer's end if `ended`.
    pub(super) fn reported(self, ended: bool) -> Input {
        match self {
            Input::Ended => Input::Ended,
            Input::Drained | Input::Readable if !ended => Input::Readable,
            _ => Input::ReadableToEnd,
        }
    }

    /// A read took `bytes` into a buffer of `capacity`.
    pub(super) fn after_read(self, bytes: usize, capacity: usize) -> Input {
        match self {
            _ if bytes == 0 => Input::Ended,
            // A read that does not fill the buffer has emptied the socket, so that the one which
            // would say so is saved. Where the end is to come reads go on: it is reported only once.
            Input::Readable if bytes < capacity => Input::Drained,
            other => other,
        }
    }
}

/// Whether the socket's send buffer has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// It has, as far as is known.
    Writable,
    /// It had none when the latest send was tried.
    Blocked,
}

#[cfg(test)]
mod tests {
    use super::Input::{Drained, Ended, Readable, ReadableToEnd};

    #[test]
    fn a_short_read_drains_the_socket_unless_the_end_is_to_come() {
        assert_eq!(Readable.after_read(10, 10), Readable);
        assert_eq!(Readable.after_read(9, 10), Drained);
        assert_eq!(ReadableToEnd.after_read(9, 10), ReadableToEnd);
        for input in [Readable, ReadableToEnd] {
            assert_eq!(input.after_read(0, 10), Ended);
        }
    }

    #[test]
    fn a_known_end_is_not_forgotten() {
        for (before, ended, after) in [
            (Drained, false, Readable),
            (Drained, true, ReadableToEnd),
            (Readable, true, ReadableToEnd),
            (ReadableToEnd, false, ReadableToEnd),
            (Ended, false, Ended),
            (Ended, true, Ended),
        ] {
            assert_eq!(before.reported(ended), after, "{before:?} {ended}");
        }
    }
}
