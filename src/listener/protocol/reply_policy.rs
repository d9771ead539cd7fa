//! Which command gets which reply. Every command gets the notice, except those that client libraries
//! send by themselves while they connect: the libraries would swallow, reword or endlessly retry an
//! error there, and the notice would not reach a person.
//!
//! Never: looks at anything but the command and the protocol version.

use std::num::NonZeroU8;

use super::command::Command;

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
    /// The notice, as a Redis error.
    NoticeError,
    /// `+OK`.
    Ok,
    /// `+OK`, the last reply of the connection.
    OkAndClose,
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
        matches!(self, Reply::NoticeError | Reply::Info | Reply::Http { .. } | Reply::TlsAlert)
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
            Reply::Echo(_) | Reply::OkAndClose | Reply::Http { .. } | Reply::TlsAlert => 0,
        })
    }

    /// Whether the session ends after this reply.
    pub fn is_last(&self) -> bool {
        matches!(self, Reply::OkAndClose | Reply::Http { .. } | Reply::TlsAlert)
    }
}

/// The reply to `command`. HELLO changes `version` for the commands after it.
pub fn reply_to(command: &Command, version: &mut RespVersion) -> Reply {
    let arguments = command.arguments();
    if command.name_is("HELLO") {
        hello(command, version)
    } else if (command.name_is("AUTH") && (1..=2).contains(&arguments))
        || (command.name_is("SELECT") && arguments == 1)
    {
        Reply::Ok
    } else if command.name_is("READONLY") && arguments == 0 && *version == RespVersion::Resp3 {
        // Cluster libraries that may read from replicas send it between HELLO and discovery.
        Reply::Ok
    } else if command.name_is("CLIENT") {
        client(command)
    } else if command.name_is("CLUSTER") && arguments == 1 {
        cluster(command, *version)
    } else if command.name_is("ECHO") && arguments == 1 {
        // `redis-cli --pipe` ends its input with an ECHO, and waits for that very text.
        command.first_argument().map_or(Reply::NoticeError, |text| Reply::Echo(text.into()))
    } else if command.name_is("QUIT") {
        Reply::OkAndClose
    } else if command.name_is_exactly("info") && arguments == 0 {
        // The ready check of ioredis and node-redis; people and monitors write INFO.
        Reply::Info
    } else {
        Reply::NoticeError
    }
}

fn hello(command: &Command, version: &mut RespVersion) -> Reply {
    let wanted = match command.first_argument() {
        None if command.arguments() == 0 => *version,
        Some(b"2") => RespVersion::Resp2,
        Some(b"3") => RespVersion::Resp3,
        _ => return Reply::NoticeError,
    };
    if !command.hello_options_are_valid() {
        return Reply::NoticeError;
    }
    *version = wanted;
    Reply::Hello(wanted)
}

fn client(command: &Command) -> Reply {
    match command.arguments() {
        3 if command.subcommand_is("SETINFO") => Reply::Ok,
        2 if command.subcommand_is("SETNAME") => Reply::Ok,
        // Libraries with a client-side cache send it before their first command.
        2.. if command.subcommand_is("TRACKING") => Reply::Ok,
        1 if command.subcommand_is("ID") => Reply::ClientId,
        _ => Reply::NoticeError,
    }
}

/// Cluster libraries ask for the topology before they send a first command: to an error they would say
/// that no node can be reached. With this address as the only node they send the command here.
fn cluster(command: &Command, version: RespVersion) -> Reply {
    if command.subcommand_is("SLOTS") {
        Reply::ClusterSlots
    } else if command.subcommand_is("SHARDS") {
        Reply::ClusterShards(version)
    } else if command.subcommand_is("NODES") {
        Reply::ClusterNodes
    } else if command.subcommand_is("INFO") {
        Reply::ClusterInfo
    } else {
        Reply::NoticeError
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply_to_line(line: &str, version: &mut RespVersion) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        reply_to(&Command::of(&words), version)
    }

    fn first_reply(line: &str) -> Reply {
        reply_to_line(line, &mut RespVersion::Resp2)
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
            ("CLIENT ID", Reply::ClientId),
            ("ECHO mark", Reply::Echo((*b"mark").into())),
            ("QUIT", Reply::OkAndClose),
            ("CLUSTER SLOTS", Reply::ClusterSlots),
            ("CLUSTER SHARDS", Reply::ClusterShards(RespVersion::Resp2)),
            ("cluster nodes", Reply::ClusterNodes),
            ("CLUSTER INFO", Reply::ClusterInfo),
            ("info", Reply::Info),
        ] {
            assert_eq!(first_reply(line), expected, "{line}");
        }
    }

    #[test]
    fn every_other_command_gets_the_notice() {
        for line in [
            "PING",
            "COMMAND DOCS",
            "READONLY",
            "MULTI",
            "EXEC",
            "SUBSCRIBE news",
            "ROLE",
            "GET k",
            "SENTINEL masters",
            "PSYNC ? -1",
            "INFO",
            "info server",
            "CLIENT LIST",
            "CLIENT",
            "CLIENT TRACKING",
            "CLIENT TRACKINGINFO",
            "CLUSTER MYID",
            "CLUSTER",
            "SELECT",
            "AUTH",
            "AUTH a b c",
            "ECHO",
            "HELLO 4",
            "HELLO three",
            "HELLO 3 AUTH u",
            "HELLO 3 COLOUR red",
        ] {
            assert_eq!(first_reply(line), Reply::NoticeError, "{line}");
        }
        let long = format!("ECHO {}", "x".repeat(600));
        assert_eq!(first_reply(&long), Reply::NoticeError);
    }

    #[test]
    fn readonly_is_accepted_after_hello_3() {
        let mut version = RespVersion::default();
        assert_eq!(reply_to_line("READONLY", &mut version), Reply::NoticeError);
        reply_to_line("HELLO 3", &mut version);
        assert_eq!(reply_to_line("READONLY", &mut version), Reply::Ok);
        assert_eq!(reply_to_line("READONLY please", &mut version), Reply::NoticeError);
    }

    #[test]
    fn hello_changes_the_version_of_later_replies() {
        let mut version = RespVersion::default();
        assert_eq!(reply_to_line("HELLO", &mut version), Reply::Hello(RespVersion::Resp2));
        assert_eq!(reply_to_line("HELLO 4", &mut version), Reply::NoticeError);
        assert_eq!(
            reply_to_line("CLUSTER SHARDS", &mut version),
            Reply::ClusterShards(RespVersion::Resp2)
        );
        let full = "HELLO 3 AUTH u p SETNAME n";
        assert_eq!(reply_to_line(full, &mut version), Reply::Hello(RespVersion::Resp3));
        assert_eq!(
            reply_to_line("CLUSTER SHARDS", &mut version),
            Reply::ClusterShards(RespVersion::Resp3)
        );
        assert_eq!(reply_to_line("HELLO", &mut version), Reply::Hello(RespVersion::Resp3));
        assert_eq!(reply_to_line("HELLO 2", &mut version), Reply::Hello(RespVersion::Resp2));
    }
}
