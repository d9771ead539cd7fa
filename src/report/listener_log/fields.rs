//! The fields of a line of the listener's log, and the record that they make together.

use crate::listener_contract::{MAX_CLIENT_NAME_BYTES, MAX_LOCAL_CLIENT_BYTES};
use crate::report::record::{
    AnswerKind, Attempt, ClientDetails, Library, Line, LostLines, Protocol, SkipReason,
};
use crate::report::source::{LocalClient, Source, UNIDENTIFIED};
use crate::report::timestamp::TimestampParser;
use serde::Deserialize;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// The most bytes of a command's name. The longest one that the listener knows has 20.
const MAX_COMMAND: usize = 32;
/// The digits of a container's id in the log.
const CONTAINER_DIGITS: usize = 12;

/// A line's fields, before its `outcome` tells which kind of line it is; as JSON those of its object. Fields
/// that a later version adds are ignored.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Fields<'a> {
    pub time: Option<&'a str>,
    pub peer: Option<&'a str>,
    pub port: Option<u16>,
    pub stated_peer: Option<&'a str>,
    #[serde(borrow)]
    pub unit: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub container: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub cgroup: Option<Cow<'a, str>>,
    pub uid: Option<u32>,
    pub protocol: Option<Protocol>,
    pub refused: Option<&'a str>,
    #[serde(borrow)]
    pub library: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub library_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub client_name: Option<Cow<'a, str>>,
    /// `true`; what is no probe has no such field.
    pub probe: Option<&'a str>,
    pub told: Option<Told>,
    pub lines: Option<u64>,
    pub attempts: Option<u64>,
    pub outcome: Option<&'a str>,
}

/// Whether the client's own call was answered with the notice, and the answer arrived. A word in both formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Told {
    #[serde(rename = "true")]
    Yes,
    #[serde(rename = "false")]
    No,
    #[serde(rename = "unknown")]
    Unknown,
}

impl Told {
    pub fn from_word(word: &str) -> Option<Told> {
        match word {
            "true" => Some(Told::Yes),
            "false" => Some(Told::No),
            "unknown" => Some(Told::Unknown),
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    /// The texts that come from clients or from the host, which a line has in its format's escapes.
    pub fn received_texts(&mut self) -> [&mut Option<Cow<'a, str>>; 6] {
        [
            &mut self.unit,
            &mut self.container,
            &mut self.cgroup,
            &mut self.library,
            &mut self.library_version,
            &mut self.client_name,
        ]
    }

    /// The record that the fields make together.
    ///
    /// # Errors
    /// Why the line is skipped.
    pub fn into_line(self, timestamps: &mut TimestampParser) -> Result<Line<'a>, SkipReason> {
        let malformed = SkipReason::Malformed;
        let outcome = self.outcome.ok_or(malformed)?;
        let Some((at, [])) = timestamps.rfc3339(self.time.ok_or(malformed)?.as_bytes()) else {
            return Err(SkipReason::Misdated);
        };
        if outcome == "dropped" {
            let (lines, attempts) = self.lines.zip(self.attempts).ok_or(malformed)?;
            return Ok(Line::Lost { at, lost: LostLines { lines, attempts } });
        }
        let answer = answer(outcome, self.told).ok_or(malformed)?;
        let client = local_client(self.unit, self.container, self.cgroup)?;
        let source = source(self.peer.ok_or(malformed)?, client).ok_or(malformed)?;
        // A connection's line names its address and port; a count may be for several of both.
        let is_connection = source.address().is_some() && self.port.is_some();
        let attempts = match answer {
            AnswerKind::Folded => self.attempts,
            _ => is_connection.then_some(1),
        };
        let attempts = attempts.filter(|_| self.port != Some(0)).ok_or(malformed)?;
        let version = self.library_version.unwrap_or_default();
        let library = self.library.map(|name| Library { name, version });
        let details = ClientDetails {
            name: self.client_name,
            refused: self.refused,
            stated_peer: self.stated_peer.map(stated_peer).transpose()?,
            uid: self.uid,
        };
        check(&details).ok_or(malformed)?;
        let is_probe = match self.probe {
            None => false,
            Some("true") => true,
            Some(_) => return Err(malformed),
        };
        let (port, protocol) = (self.port, self.protocol);
        Ok(Line::Attempt(Attempt {
            at,
            source,
            is_probe,
            port,
            answer,
            attempts,
            protocol,
            library,
            details,
        }))
    }
}

/// How an attempt was answered, by how its connection ended and whether the client was told. Lines of version
/// 0.1 have no `told`: there only the outcome `told` means so.
fn answer(outcome: &str, told: Option<Told>) -> Option<AnswerKind> {
    match (outcome, told) {
        ("folded", _) => Some(AnswerKind::Folded),
        ("told", None | Some(Told::Yes)) => Some(AnswerKind::NoticeSent),
        ("closed" | "reset" | "idle" | "shed" | "limit" | "shutdown", Some(Told::Yes)) => {
            Some(AnswerKind::NoticeSent)
        }
        ("closed" | "reset" | "idle" | "shed" | "limit" | "shutdown", Some(Told::Unknown)) => {
            Some(AnswerKind::Unknown)
        }
        ("closed", None | Some(Told::No)) => Some(AnswerKind::Closed),
        ("reset" | "idle" | "shed" | "limit" | "shutdown", None | Some(Told::No)) => {
            Some(AnswerKind::Broken)
        }
        _ => None,
    }
}

/// The local client that a line names in at most one of three fields.
fn local_client<'a>(
    unit: Option<Cow<'a, str>>,
    container: Option<Cow<'a, str>>,
    cgroup: Option<Cow<'a, str>>,
) -> Result<Option<LocalClient<'a>>, SkipReason> {
    let client = match (unit, container, cgroup) {
        (None, None, None) => return Ok(None),
        (Some(name), None, None) if is_name(&name) => LocalClient::Unit(name),
        (None, Some(id), None) if is_container(&id) => LocalClient::Container(id),
        (None, None, Some(path)) if is_cgroup(&path) => LocalClient::Cgroup(path),
        _ => return Err(SkipReason::Malformed),
    };
    Ok(Some(client))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_LOCAL_CLIENT_BYTES
}

fn is_container(id: &str) -> bool {
    id.len() == CONTAINER_DIGITS && id.bytes().all(is_hex)
}

pub(super) fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_cgroup(path: &str) -> bool {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = path == UNIDENTIFIED || path.strip_prefix('#').is_some_and(is_id);
    is_name(path) && (is_known || path.starts_with('/'))
}

/// The source of a line. A name says nothing about several addresses: there it is left out.
fn source<'a>(peer: &str, client: Option<LocalClient<'a>>) -> Option<Source<'a>> {
    match (peer, peer.strip_suffix("/64"), client) {
        ("others", _, _) => Some(Source::Others),
        (_, Some(first), _) => first.parse().ok().map(Source::Network),
        (address, None, None) => address.parse().ok().map(Source::Address),
        (address, None, Some(client)) => {
            address.parse().ok().map(|address| Source::Local(address, client))
        }
    }
}

/// The address of `ADDRESS:PORT`. The port differs with each connection and is of no use.
fn stated_peer(text: &str) -> Result<IpAddr, SkipReason> {
    text.parse().map(|peer: SocketAddr| peer.ip()).map_err(|_| SkipReason::Malformed)
}

/// Whether the texts are some that the listener can write.
fn check(details: &ClientDetails<'_>) -> Option<()> {
    let is_short = |name: &Cow<'_, str>| name.len() <= MAX_CLIENT_NAME_BYTES;
    let is_fine =
        details.name.as_ref().is_none_or(is_short) && details.refused.is_none_or(is_command);
    is_fine.then_some(())
}

/// Whether a text is `other` or like the names in the listener's known_commands.txt.
fn is_command(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let is_known = !name.is_empty() && name.len() <= MAX_COMMAND && name.bytes().all(is_plain);
    is_known || name == "other"
}
