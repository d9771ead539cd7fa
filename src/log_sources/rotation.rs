//! The names of rotated logs, as logrotate with every option, savelog, newsyslog, busybox and cronolog give them.

/// The extensions of compressed logs.
const COMPRESSED: [&str; 6] = ["gz", "xz", "zst", "bz2", "lz4", "Z"];
/// What stands between the digits of a date or time, or before them.
const SEPARATORS: &str = "-._:T";

/// Whether `name` is `log`, or one that was made of it: `log.1`, `log.2.gz`, `log-20261127.xz`,
/// `log.2026-11-27_00-00`, `log.old`; with the extension kept: `name-20261127.log`.
pub(super) fn is_rotated(log: &str, name: &str) -> bool {
    let name = uncompressed(name).unwrap_or(name);
    let stem_and_extension = log.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    let within = stem_and_extension.and_then(|(stem, extension)| {
        name.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')
    });
    name.strip_prefix(log).is_some_and(|mark| mark.is_empty() || mark == ".old" || is_mark(mark))
        || within.is_some_and(is_mark)
}

/// Whether a text is a separator and a number, a date or a time.
fn is_mark(text: &str) -> bool {
    let number = text.strip_prefix(['.', '-', '_']).unwrap_or_default();
    number.starts_with(|first: char| first.is_ascii_digit())
        && number.ends_with(|last: char| last.is_ascii_digit())
        && number.chars().all(|one| one.is_ascii_digit() || SEPARATORS.contains(one))
}

/// The name without the extension of a compressed file; `None` where it has none.
pub(super) fn uncompressed(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    COMPRESSED.contains(&extension).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_are_recognised_by_name() {
        for name in [
            "a.log",
            "a.log.0",
            "a.log.1",
            "a.log.12.gz",
            "a.log.gz",
            "a.log.old",
            "a.log.old.gz",
            "a.log-20261127",
            "a.log-20261127.zst",
            "a.log-2026-11-27",
            "a.log-20261127-05",
            "a.log.2026-11-27_00-00",
            "a.log.2026-11-27_00:00.lz4",
            "a.log-1795758300",
            "a.log_20261127T0545",
            "a.1.log",
            "a-20261127.log",
            "a-20261127.log.gz",
            "a.20261127.log.xz",
            "a_2026-11-27.log",
        ] {
            assert!(is_rotated("a.log", name), "{name}");
        }
        for name in ["messages", "messages.0", "messages-20261127.bz2"] {
            assert!(is_rotated("messages", name), "{name}");
        }
    }

    #[test]
    fn other_logs_and_copies_are_not_rotated_ones() {
        for name in [
            "a.log.1.txt",
            "a.logs",
            "b.log.1",
            "a.log.",
            "a.log-x.gz",
            "a.lo",
            "a.log.bak",
            "a.log~",
            "a.log.save",
            "a.log.1.bak",
            "a.log.1-",
            "ab-20261127.log",
            "a2.log",
            "a-b-1.log",
            "a..log",
            "a.log.orig",
        ] {
            assert!(!is_rotated("a.log", name), "{name}");
        }
    }
}
