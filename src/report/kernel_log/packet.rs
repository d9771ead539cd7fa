//! Parses the message that a rule of redisguard's makes the kernel log for a packet.

use crate::report::record::{AnswerKind, Attempt, ClientDetails, SkipReason};
use crate::report::source::Source;

/// The beginning of every log prefix in redisguard's rules.
pub const PREFIX: &[u8] = b"redisguard ";
/// The beginnings of messages: the prefix, the answer, and the first field of every packet (nf_log_syslog of the
/// kernel).
const BEGINNINGS: [&[u8]; 4] = [
    b"redisguard drop: IN=",
    b"redisguard reject: IN=",
    b"redisguard probe drop: IN=",
    b"redisguard probe reject: IN=",
];

/// Whether a text begins like a message.
pub fn begins(text: &[u8]) -> bool {
    BEGINNINGS.iter().any(|begin| text.starts_with(begin))
}

/// Whether a text is the beginning of a message, cut off before its first field.
pub fn is_cut(text: &[u8]) -> bool {
    text.len() > PREFIX.len() && BEGINNINGS.iter().any(|begin| begin.starts_with(text))
}

/// Parses a message. The timestamp is left at 0.
///
/// # Errors
/// Why the line is skipped.
pub fn parse(message: &[u8]) -> Result<Attempt<'static>, SkipReason> {
    let text = message.strip_prefix(PREFIX).map(String::from_utf8_lossy);
    let (answer, is_probe, packet) = match text.as_deref().and_then(|text| text.split_once(": ")) {
        Some(("drop", packet)) => (AnswerKind::Dropped, false, packet),
        Some(("reject", packet)) => (AnswerKind::Reset, false, packet),
        Some(("probe drop", packet)) => (AnswerKind::Dropped, true, packet),
        Some(("probe reject", packet)) => (AnswerKind::Reset, true, packet),
        _ => return Err(SkipReason::Torn),
    };
    let (mut source, mut protocol, mut port) = (None, None, None);
    for (name, value) in packet.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
        let field = match name {
            "SRC" => &mut source,
            "PROTO" => &mut protocol,
            "DPT" => &mut port,
            _ => continue,
        };
        if field.replace(value).is_some() {
            return Err(SkipReason::Malformed);
        }
    }
    let source = source.ok_or(SkipReason::Torn)?;
    let source = source.parse().map(Source::Address).map_err(|_| SkipReason::Malformed)?;
    if protocol.ok_or(SkipReason::Torn)? != "TCP" {
        // A word that ends the line may be cut off.
        let is_torn = port.is_none() && "TCP".starts_with(protocol.unwrap_or_default());
        return Err(if is_torn { SkipReason::Torn } else { SkipReason::Malformed });
    }
    let digits = port.ok_or(SkipReason::Torn)?;
    if packet.ends_with(&format!("DPT={digits}")) {
        // The line ends with the port: more digits may have been cut off.
        return Err(SkipReason::Torn);
    }
    let port: u16 = digits.parse().map_err(|_| SkipReason::Malformed)?;
    if port == 0 {
        return Err(SkipReason::Malformed);
    }
    Ok(Attempt {
        at: 0,
        source,
        is_probe,
        port: Some(port),
        answer,
        attempts: 1,
        protocol: None,
        library: None,
        details: ClientDetails::default(),
    })
}
