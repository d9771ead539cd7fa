//! What precedes the kernel's message on a line: when it was written, and who wrote it, in the forms of syslog
//! daemons, journalctl and dmesg.
//!
//! Guarantees: the kernel is the author only where the whole text before the message says so, since everybody
//! may have text logged under a name of their own.

use crate::report::timestamp::{TimestampParser, When, Yearless};

/// The names of syslog's facilities (RFC 5424, section 6.2.1) as daemons and dmesg write them.
const FACILITIES: [&[u8]; 14] = [
    b"kern",
    b"user",
    b"mail",
    b"daemon",
    b"auth",
    b"syslog",
    b"lpr",
    b"news",
    b"uucp",
    b"cron",
    b"authpriv",
    b"ftp",
    b"ntp",
    b"security",
];
/// The highest number in `<N>` that the kernel's facility has: it is 8 for each facility, and 0 to 7 for how
/// severe a message is.
const MAX_KERNEL_PRIORITY: u32 = 7;
/// The longest `FACILITY.LEVEL:`, in bytes.
const MAX_SELECTOR: usize = 20;
/// The most words before the name of the program: a host and a facility.
const MAX_WORDS: usize = 3;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Kernel,
    /// Another program is named, or the kernel's message begins differently.
    Other,
    /// The text is in no known form.
    Unknown,
}

/// What precedes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub author: Author,
    /// `None` where there is no time, or only the time since boot.
    pub when: Option<When>,
    /// How many times the message was logged.
    pub repeated: u64,
}

/// The state of `dmesg --reltime`, which names the minute only where it differs from that of the line before.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelativeTime(Option<Yearless>);

impl RelativeTime {
    /// Notes the minute of a line of which nothing else is read.
    pub fn note(&mut self, line: &[u8]) {
        if let [b'[', b'A'..=b'Z', ..] = line
            && let Some(end) = line.iter().position(|byte| *byte == b']')
            && let Some(minute) = minute(&line[1..end])
        {
            self.0 = Some(minute);
        }
    }
}

/// Parses what precedes a message, up to its first byte.
pub fn parse(text: &[u8], timestamps: &mut TimestampParser, relative: &mut RelativeTime) -> Header {
    let mut header = Header { author: Author::Unknown, when: None, repeated: 1 };
    header.author = author(text, timestamps, relative, &mut header).unwrap_or(Author::Unknown);
    header
}

fn author(
    text: &[u8],
    timestamps: &mut TimestampParser,
    relative: &mut RelativeTime,
    header: &mut Header,
) -> Option<Author> {
    let mut text = text;
    if let Some((priority, rest)) = priority(text) {
        if priority > MAX_KERNEL_PRIORITY {
            return Some(Author::Other);
        }
        if rest.trim_ascii().is_empty() {
            return Some(Author::Kernel);
        }
        text = rest;
    }
    if let Some((facility, rest)) = decoded_facility(text) {
        if facility != b"kern" {
            return Some(Author::Other);
        }
        text = rest;
    }
    if let Some((facility, rest)) = selector(text) {
        if facility != b"kern" {
            return Some(Author::Other);
        }
        match end(rest, header) {
            Some(Author::Other) => text = rest.trim_ascii_start(),
            author => return author,
        }
    }
    if let Some(rest) = kernel_record(text) {
        return rest.map_or(Some(Author::Other), |rest| end(rest, header));
    }
    let is_rfc5424 = text
        .strip_prefix(b"1 ")
        .filter(|rest| rest.starts_with(b"- ") || rest.get(4) == Some(&b'-'));
    text = is_rfc5424.unwrap_or(text);
    // dmesg writes a time in brackets, or one with a comma, and then the message at once.
    let mut is_dmesg = false;
    if let Some(rest) = bracketed(text, timestamps, relative, header) {
        (text, is_dmesg) = (rest.trim_ascii_start(), true);
        while let Some(rest) = counter(text) {
            text = rest.trim_ascii_start();
        }
    } else if let Some((when, rest)) = timestamps.split_from(text) {
        if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace() && *byte != b':') {
            return None;
        }
        header.when = Some(when);
        is_dmesg = text.get(19) == Some(&b',');
        text = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
    } else if let (Some(_), Some(rest)) = (is_rfc5424, text.strip_prefix(b"- ")) {
        text = rest;
    }
    if is_rfc5424.is_some() {
        return rfc5424(text, header);
    }
    let unnamed = if is_dmesg { Author::Kernel } else { Author::Unknown };
    named(text, unnamed, header)
}

/// The author by the words up to the name of a program: `HOST FACILITY.LEVEL kernel: `.
fn named(text: &[u8], unnamed: Author, header: &mut Header) -> Option<Author> {
    let mut text = text;
    let mut hosts = 0;
    for _ in 0..=MAX_WORDS {
        if let Some(rest) = after_kernel(text) {
            return end(rest, header);
        }
        if text.is_empty() {
            return (hosts == 0).then_some(unnamed);
        }
        // Before the name of the program only logread of OpenWrt has a counter: the time once more.
        if let Some(rest) = counter(text) {
            text = rest.trim_ascii_start();
            if text.is_empty() {
                return (hosts == 0).then_some(unnamed);
            }
            continue;
        }
        let length = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(length);
        match facility(word) {
            Some(b"kern") => {}
            Some(_) => return Some(Author::Other),
            None if is_program(word) => return Some(Author::Other),
            None => hosts += 1,
        }
        if hosts > 1 {
            return None;
        }
        text = rest.trim_ascii_start();
    }
    None
}

/// `HOST APP-NAME PROCID MSGID STRUCTURED-DATA` and the message (RFC 5424, section 6).
fn rfc5424(text: &[u8], header: &mut Header) -> Option<Author> {
    let mut words = text.splitn(5, |byte| *byte == b' ');
    let (_host, program, _process, _message) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    if program != b"kernel" {
        return Some(Author::Other);
    }
    let mut rest = words.next()?;
    match rest.strip_prefix(b"-") {
        Some(after) => rest = after,
        None => {
            while let Some(element) = rest.strip_prefix(b"[") {
                rest = after_element(element)?;
            }
        }
    }
    let rest = rest.trim_ascii_start();
    end(rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest), header)
}

/// The text after an element of structured data, whose values are quoted.
fn after_element(text: &[u8]) -> Option<&[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b']' if !is_quoted => return Some(&text[place + 1..]),
            _ => {}
        }
    }
    None
}

/// The text after the kernel's name, in the forms of syslog, of metalog (`[kernel]`) and of socklog
/// (`kern.warn:`). The process of its messages is 0, where one is named.
fn after_kernel(text: &[u8]) -> Option<&[u8]> {
    let known: [&[u8]; 4] = [b"kernel:", b"kernel[0]:", b"[kernel]", b"kernel[0]"];
    let rest = known.iter().find_map(|name| text.strip_prefix(*name));
    rest.or_else(|| {
        selector(text).filter(|(facility, _)| *facility == b"kern").map(|(_, rest)| rest)
    })
}

/// `kern.warn:`, as socklog writes it.
fn selector(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().take(MAX_SELECTOR).position(|byte| *byte == b':')?;
    Some((facility(&text[..end])?, &text[end + 1..]))
}

/// What may stand between the kernel's name and its message: the name again, a level, times since boot, and
/// how many times the message was logged.
fn end(text: &[u8], header: &mut Header) -> Option<Author> {
    const REPEATED: &[u8] = b"message repeated ";
    let mut rest = text.trim_ascii_start();
    while let Some(after) = after_kernel(rest) {
        rest = after.trim_ascii_start();
    }
    if let Some((0..=MAX_KERNEL_PRIORITY, after)) = priority(rest) {
        rest = after.trim_ascii_start();
    }
    if let Some(after) = rest.strip_prefix(REPEATED) {
        let end = after.iter().position(|byte| *byte == b' ')?;
        header.repeated =
            std::str::from_utf8(&after[..end]).ok()?.parse().ok().filter(|times| *times > 0)?;
        rest = after[end..].strip_prefix(b" times: [")?.trim_ascii_start();
    }
    while let Some(after) = counter(rest) {
        rest = after.trim_ascii_start();
    }
    Some(if rest.is_empty() { Author::Kernel } else { Author::Other })
}

/// `<N>`.
fn priority(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.strip_prefix(b"<")?;
    let end = text.iter().take(5).position(|byte| *byte == b'>')?;
    let number = text[..end].iter().all(u8::is_ascii_digit).then_some(&text[..end])?;
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, &text[end + 1..]))
}

/// `kern  :warn  : `, as `dmesg --decode` writes it.
fn decoded_facility(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (facility, rest) = padded(text)?;
    let (_level, rest) = padded(rest)?;
    FACILITIES.contains(&facility).then_some((facility, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// A word, blanks and a colon.
fn padded(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (word, rest) = text.split_at(length);
    Some((word, rest.trim_ascii_start().strip_prefix(b":")?)).filter(|_| length > 0)
}

/// A record of /dev/kmsg: `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;`. The text after it, or `None` inside where it
/// is not the kernel's.
fn kernel_record(text: &[u8]) -> Option<Option<&[u8]>> {
    let end = text.iter().position(|byte| *byte == b';')?;
    let mut fields = text[..end].split(|byte| *byte == b',');
    let mut number = || -> Option<u64> {
        let digits = fields.next().filter(|field| field.iter().all(u8::is_ascii_digit))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let (priority, _sequence, _time) = (number()?, number()?, number()?);
    fields.next()?;
    Some((priority <= MAX_KERNEL_PRIORITY.into()).then(|| &text[end + 1..]))
}

/// A time in brackets at the beginning of a line, as dmesg and `journalctl -o short-monotonic` write it.
fn bracketed<'a>(
    text: &'a [u8],
    timestamps: &mut TimestampParser,
    relative: &mut RelativeTime,
    header: &mut Header,
) -> Option<&'a [u8]> {
    let inside = text.strip_prefix(b"[")?;
    if let Some(rest) = counter(text) {
        if inside.trim_ascii_start().starts_with(b"+") {
            // Seconds since the line before, in the same minute as that.
            header.when = relative.0.map(When::Yearless);
        }
        return Some(rest);
    }
    let end = inside.iter().position(|byte| *byte == b']')?;
    let (inside, rest) = (&inside[..end], &inside[end + 1..]);
    if let Some(minute) = minute(inside) {
        relative.0 = Some(minute);
        header.when = Some(When::Yearless(minute));
        return Some(rest);
    }
    let (when, after) = timestamps.split_from(inside)?;
    let is_delta = after.trim_ascii().is_empty() || after.trim_ascii_start().starts_with(b"<");
    header.when = is_delta.then_some(when);
    is_delta.then_some(rest)
}

/// `Nov26 05:45`, as `dmesg --reltime` writes it.
fn minute(text: &[u8]) -> Option<Yearless> {
    let (month, rest) = text.split_first_chunk::<3>()?;
    let (day, time) = rest.split_first_chunk::<2>()?;
    let time = time.strip_prefix(b" ").filter(|time| time.len() == 5)?;
    let line = [month, b" ".as_slice(), day, b" ", time, b":00"].concat();
    Yearless::parse(&line)
}

/// The text after a counter in brackets: `[ 1234.567890]`, `[1.2 <    0.1>]`, `[<    0.000012>]`, `[  +0.1]`,
/// and the caller of a kernel that names it (`[    T1]`, `[   C0]`; CONFIG_PRINTK_CALLER).
fn counter(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"[")?;
    let end = inside.iter().position(|byte| *byte == b']')?;
    let (inside, rest) = (inside[..end].trim_ascii(), &inside[end + 1..]);
    let digits = match inside {
        [b'T' | b'C' | b'+', digits @ ..] => digits,
        digits => digits,
    };
    let is_counter = digits.iter().any(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || b" .<>*".contains(byte));
    is_counter.then_some(rest)
}

/// The facility of `FACILITY.LEVEL`.
fn facility(word: &[u8]) -> Option<&[u8]> {
    const LEVELS: [&[u8]; 12] = [
        b"emerg", b"panic", b"alert", b"crit", b"err", b"error", b"warn", b"warning", b"notice",
        b"info", b"debug", b"none",
    ];
    let dot = word.iter().position(|byte| *byte == b'.')?;
    let (facility, level) = (&word[..dot], &word[dot + 1..]);
    let is_local = facility.len() == 6 && facility.starts_with(b"local");
    let is_facility = is_local || FACILITIES.contains(&facility);
    (is_facility && LEVELS.contains(&level)).then_some(facility)
}

/// Whether a word is the name of a program: `sshd[123]:`, `sudo:` or `[sudo]`.
fn is_program(word: &[u8]) -> bool {
    word.ends_with(b":") || word.contains(&b'[')
}
