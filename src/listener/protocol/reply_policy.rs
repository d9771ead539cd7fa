//! Which command gets which reply. Every command gets the notice, except those that client libraries
//! send by themselves while they connect: the libraries would swallow, reword or endlessly retry an
//! error there, and the notice would not reach a person.
//!
//! Never: looks at anything but the command and the protocol version.

use std::num::NonZeroU8;

use super::command::{Command, Framing};

/// The version of RESP that the client asked for with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RespVersion {
    /// Every connection starts with it.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// One owed reply; `encode` renders it when it can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The notice, as a Redis error, to a client's own command.
    NoticeError,
    /// The same bytes, to a command that libraries send by themselves: many swallow the error.
    SetupError,
    /// The same bytes, to a client that waits and has asked nothing.
    Unprompted,
    /// `+OK`.
    Ok,
    /// `+OK`, the last reply of the connection.
    OkAndClose,
    /// `+PONG`.
    Pong,
    /// `:1`, the id of the client.
    ClientId,
    /// The map that HELLO returns.
    Hello(RespVersion),
    /// The argument of ECHO.
    Echo(Box<[u8]>),
    /// INFO of a server that is ready, with the notice as one of its fields.
    Info,
    /// `CLUSTER SLOTS`: the address that the client connected to is the only node.
    ClusterSlots,
    /// `CLUSTER SHARDS` with that node.
    ClusterShards(RespVersion),
    /// `CLUSTER NODES` with that node.
    ClusterNodes,
    /// `CLUSTER INFO` of that cluster.
    ClusterInfo,
    /// HTTP status 421 with the notice as reason phrase. The last reply of the connection.
    Http {
        /// Whether the notice is the body, too; a HEAD request forbids one.
        body: bool,
    },
    /// The fatal TLS alert `access_denied`. The last reply of the connection.
    TlsAlert,
}

impl Reply {
    /// Whether the client learns from this reply that the port is blocked. TLS has no words for it: the
    /// alert counts.
    pub fn carries_notice(&self) -> bool {
        self.is_notice_error() || matches!(self, Reply::Info | Reply::Http { .. } | Reply::TlsAlert)
    }

    /// Whether the reply is the notice as a Redis error.
    pub fn is_notice_error(&self) -> bool {
        matches!(self, Reply::NoticeError | Reply::SetupError | Reply::Unprompted)
    }

    /// Whether the notice is the reply to the client's own call, and not to a library's set-up.
    pub fn tells_user(&self) -> bool {
        matches!(self, Reply::NoticeError | Reply::Unprompted | Reply::Http { .. })
    }

    /// Whether the reply contains the address that the client connected to.
    pub fn needs_address(&self) -> bool {
        matches!(self, Reply::ClusterSlots | Reply::ClusterShards(_) | Reply::ClusterNodes)
    }

    /// A small number, the same for equal replies; `None` for ECHO, of which each differs, and for
    /// what can come only once.
    pub fn kind(&self) -> Option<NonZeroU8> {
        NonZeroU8::new(match self {
            Reply::NoticeError => 1,
            Reply::Ok => 2,
            Reply::ClientId => 3,
            Reply::Hello(RespVersion::Resp2) => 4,
            Reply::Hello(RespVersion::Resp3) => 5,
            Reply::Info => 6,
            Reply::ClusterSlots => 7,
            Reply::ClusterShards(RespVersion::Resp2) => 8,
            Reply::ClusterShards(RespVersion::Resp3) => 9,
            Reply::ClusterNodes => 10,
            Reply::ClusterInfo => 11,
            Reply::SetupError => 12,
            Reply::Unprompted => 13,
            Reply::Pong => 14,
            Reply::Echo(_) | Reply::OkAndClose | Reply::Http { .. } | Reply::TlsAlert => 0,
        })
    }

    /// Whether the session ends after this reply.
    pub fn is_last(&self) -> bool {
        matches!(self, Reply::OkAndClose | Reply::Http { .. } | Reply::TlsAlert)
    }
}

/// What the commands of a connection have established, as far as later replies depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handshake {
    version: RespVersion,
    /// The client has identified its connection with an ECHO, as StackExchange.Redis does. It takes an
    /// error in reply to a PING for a broken protocol, and never shows it.
    has_tracer: bool,
    /// The client asked for the server's configuration and was refused. StackExchange.Redis does that,
    /// and would read the nodes of a cluster as "no databases here": its own error, for every call with a
    /// database.
    asked_for_configuration: bool,
}

/// The reply to `command`, which may change `handshake` for the commands after it.
pub fn reply_to(command: &Command, handshake: &mut Handshake) -> Reply {
    handshake.asked_for_configuration |= command.name_is("CONFIG")
        || command.name_is("SENTINEL")
        || (command.name_is("INFO") && command.arguments() == 1);
    match accepted(command, handshake) {
        Some(reply) => reply,
        None if is_setup(command) => Reply::SetupError,
        None => Reply::NoticeError,
    }
}

/// The reply to a command that is not refused.
fn accepted(command: &Command, handshake: &mut Handshake) -> Option<Reply> {
    let arguments = command.arguments();
    if command.name_is("HELLO") {
        hello(command, &mut handshake.version)
    } else if (command.name_is("AUTH") && (1..=2).contains(&arguments))
        || (command.name_is("SELECT") && arguments == 1)
    {
        Some(Reply::Ok)
    } else if command.name_is("READONLY") {
        // Cluster libraries that may read from replicas send it between HELLO and discovery.
        (arguments == 0 && handshake.version == RespVersion::Resp3).then_some(Reply::Ok)
    } else if command.name_is("CLIENT") {
        client(command)
    } else if command.name_is("CLUSTER") && arguments == 1 {
        cluster(command, *handshake)
    } else if command.name_is("ECHO") && arguments == 1 {
        // `redis-cli --pipe` ends its input with an ECHO, and waits for that very text.
        handshake.has_tracer |= is_tracer(command);
        command.first_argument().map(|text| Reply::Echo(text.into()))
    } else if command.name_is("PING") && arguments == 0 {
        let is_keep_alive = handshake.has_tracer && command.framing() == Framing::Array;
        is_keep_alive.then_some(Reply::Pong)
    } else if command.name_is("QUIT") {
        Some(Reply::OkAndClose)
    } else if command.name_is_exactly("info") && arguments == 0 {
        // The ready check of ioredis and node-redis; people and monitors write INFO.
        Some(Reply::Info)
    } else {
        None
    }
}

/// Whether an ECHO is the tracer of StackExchange.Redis: the 16 bytes of a random GUID (RFC 9562, version
/// 4), in the order in which .NET writes them. One of them is no ASCII, so that no person types it.
pub fn is_tracer(command: &Command) -> bool {
    command.framing() == Framing::Array
        && command.name_is("ECHO")
        && matches!(command.first_argument(), Some(guid @ [_, _, _, _, _, _, _, version, variant, ..])
            if guid.len() == 16 && version & 0xf0 == 0x40 && variant & 0xc0 == 0x80)
}

/// Whether libraries send `command` by themselves, so that a person may never see an error that it gets.
fn is_setup(command: &Command) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| command.name_is(name));
    let subcommand = |names: &[&str]| names.iter().any(|name| command.subcommand_is(name));
    any(&["HELLO", "AUTH", "SELECT", "READONLY", "READWRITE", "COMMAND", "SENTINEL"])
        || (command.name_is("CLIENT")
            && (subcommand(&["SETINFO", "SETNAME", "ID"]) || subcommand(OPTIONAL_SETUP)))
        || (command.name_is("CLUSTER") && subcommand(&["SLOTS", "SHARDS", "NODES", "INFO"]))
}

/// Subcommands of CLIENT with which libraries ask for an extra while they connect. Some go on without it,
/// others give up with an error of their own.
const OPTIONAL_SETUP: &[&str] =
    &["TRACKING", "MAINT_NOTIFICATIONS", "CAPA", "NO-EVICT", "NO-TOUCH"];

fn hello(command: &Command, version: &mut RespVersion) -> Option<Reply> {
    *version = match command.first_argument() {
        None if command.arguments() == 0 => *version,
        Some(b"2") => RespVersion::Resp2,
        Some(b"3") => RespVersion::Resp3,
        _ => return None,
    };
    Some(Reply::Hello(*version))
}

fn client(command: &Command) -> Option<Reply> {
    match command.arguments() {
        // Both attributes at once, too: Redis takes one, and old versions of rueidis send two.
        3 | 5 if command.subcommand_is("SETINFO") => Some(Reply::Ok),
        2 if command.subcommand_is("SETNAME") => Some(Reply::Ok),
        2.. if OPTIONAL_SETUP.iter().any(|name| command.subcommand_is(name)) => Some(Reply::Ok),
        1 if command.subcommand_is("ID") => Some(Reply::ClientId),
        _ => None,
    }
}

/// Cluster libraries ask for the topology before they send a first command: to an error they would say
/// that no node can be reached. With this address as the only node they send the command here.
fn cluster(command: &Command, handshake: Handshake) -> Option<Reply> {
    if command.subcommand_is("SLOTS") {
        Some(Reply::ClusterSlots)
    } else if command.subcommand_is("SHARDS") {
        Some(Reply::ClusterShards(handshake.version))
    } else if command.subcommand_is("NODES") {
        (!handshake.asked_for_configuration).then_some(Reply::ClusterNodes)
    } else if command.subcommand_is("INFO") {
        Some(Reply::ClusterInfo)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply_to_line(line: &str, handshake: &mut Handshake) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        reply_to(&Command::of(&words), handshake)
    }

    fn first_reply(line: &str) -> Reply {
        reply_to_line(line, &mut Handshake::default())
    }

    #[test]
    fn what_libraries_send_while_connecting_is_accepted() {
        for (line, expected) in [
            ("AUTH secret", Reply::Ok),
            ("auth user secret", Reply::Ok),
            ("SELECT 3", Reply::Ok),
            ("CLIENT SETNAME me", Reply::Ok),
            ("client setinfo LIB-VER 5", Reply::Ok),
            ("CLIENT TRACKING ON", Reply::Ok),
            ("CLIENT TRACKING ON OPTIN", Reply::Ok),
            ("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip", Reply::Ok),
            ("CLIENT CAPA redirect", Reply::Ok),
            ("CLIENT NO-EVICT ON", Reply::Ok),
            ("client no-touch on", Reply::Ok),
            ("CLIENT ID", Reply::ClientId),
            ("ECHO mark", Reply::Echo((*b"mark").into())),
            ("QUIT", Reply::OkAndClose),
            ("CLUSTER SLOTS", Reply::ClusterSlots),
            ("CLUSTER SHARDS", Reply::ClusterShards(RespVersion::Resp2)),
            ("cluster nodes", Reply::ClusterNodes),
            ("CLUSTER INFO", Reply::ClusterInfo),
            ("HELLO 3 AUTH u", Reply::Hello(RespVersion::Resp3)),
            ("HELLO 3 COLOUR red", Reply::Hello(RespVersion::Resp3)),
            ("info", Reply::Info),
        ] {
            assert_eq!(first_reply(line), expected, "{line}");
        }
    }

    #[test]
    fn every_other_command_gets_the_notice() {
        for line in [
            "PING",
            "MULTI",
            "EXEC",
            "SUBSCRIBE news",
            "ROLE",
            "GET k",
            "PSYNC ? -1",
            "INFO",
            "info server",
            "CLIENT LIST",
            "CLIENT",
            "CLIENT TRACKINGINFO",
            "CLUSTER MYID",
            "CLUSTER",
            "ECHO",
        ] {
            assert_eq!(first_reply(line), Reply::NoticeError, "{line}");
        }
        let long = format!("ECHO {}", "x".repeat(600));
        assert_eq!(first_reply(&long), Reply::NoticeError);
    }

    #[test]
    fn set_up_that_is_refused_is_not_the_reply_to_a_person() {
        for line in [
            "COMMAND DOCS",
            "READONLY",
            "SELECT",
            "AUTH",
            "AUTH a b c",
            "HELLO 4",
            "HELLO three",
            "CLIENT TRACKING",
            "CLIENT SETINFO LIB-NAME",
            "SENTINEL get-master-addr-by-name main",
        ] {
            assert_eq!(first_reply(line), Reply::SetupError, "{line}");
        }
    }

    #[test]
    fn readonly_is_accepted_after_hello_3() {
        let mut handshake = Handshake::default();
        assert_eq!(reply_to_line("READONLY", &mut handshake), Reply::SetupError);
        reply_to_line("HELLO 3", &mut handshake);
        assert_eq!(reply_to_line("READONLY", &mut handshake), Reply::Ok);
        assert_eq!(reply_to_line("READONLY please", &mut handshake), Reply::SetupError);
    }

    #[test]
    fn hello_changes_the_version_of_later_replies() {
        let mut handshake = Handshake::default();
        for (line, expected) in [
            ("HELLO", Reply::Hello(RespVersion::Resp2)),
            ("HELLO 4", Reply::SetupError),
            ("CLUSTER SHARDS", Reply::ClusterShards(RespVersion::Resp2)),
            ("HELLO 3 AUTH u p SETNAME n", Reply::Hello(RespVersion::Resp3)),
            ("CLUSTER SHARDS", Reply::ClusterShards(RespVersion::Resp3)),
            ("HELLO", Reply::Hello(RespVersion::Resp3)),
            ("HELLO 2", Reply::Hello(RespVersion::Resp2)),
        ] {
            assert_eq!(reply_to_line(line, &mut handshake), expected, "{line}");
        }
    }
}
