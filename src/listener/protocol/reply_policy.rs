//! Owns the decision: which command gets which answer. Everything gets the sentence, except what
//! client libraries send by themselves while they connect and whose failure they would swallow,
//! reword or retry for ever. Must never do I/O, nor look at anything but the command.

use std::num::NonZeroU8;

use super::command::Command;

/// The protocol that the client asked for with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::listener) enum Version {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// One answer, to be put into bytes when there is room to send them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::listener) enum Answer {
    /// The sentence, as an error.
    Sentence,
    /// `+OK`.
    Done,
    /// `+OK`, after which the connection ends.
    Farewell,
    /// `:1`, the client's number.
    Number,
    /// The map of HELLO.
    Hello(Version),
    /// The argument of ECHO.
    Echo(Box<[u8]>),
    /// A server that is up, and the sentence as one of its fields.
    Info,
    /// This address as the only node of a cluster, as `CLUSTER SLOTS` tells it.
    Slots,
    /// The same as `CLUSTER SHARDS` tells it.
    Shards(Version),
    /// The same as `CLUSTER NODES` tells it.
    Nodes,
    /// The state of that cluster.
    ClusterState,
    /// 421 with the sentence as reason, and as body where the request wants one.
    Http {
        /// Whether a body may follow.
        body: bool,
    },
    /// The fatal TLS alert `access_denied`.
    TlsAlert,
}

impl Answer {
    /// Whether the sentence (or for TLS, what stands for it) is in this answer.
    pub(in crate::listener) fn tells(&self) -> bool {
        matches!(self, Answer::Sentence | Answer::Info | Answer::Http { .. } | Answer::TlsAlert)
    }

    /// Whether the address that the client meant is in this answer.
    pub(in crate::listener) fn names_address(&self) -> bool {
        matches!(self, Answer::Slots | Answer::Shards(_) | Answer::Nodes)
    }

    /// A number that it shares with the answers that are equal to it; `None` for an echo and for what
    /// comes only once.
    pub(in crate::listener) fn kind(&self) -> Option<NonZeroU8> {
        NonZeroU8::new(match self {
            Answer::Sentence => 1,
            Answer::Done => 2,
            Answer::Number => 3,
            Answer::Hello(Version::Resp2) => 4,
            Answer::Hello(Version::Resp3) => 5,
            Answer::Info => 6,
            Answer::Slots => 7,
            Answer::Shards(Version::Resp2) => 8,
            Answer::Shards(Version::Resp3) => 9,
            Answer::Nodes => 10,
            Answer::ClusterState => 11,
            Answer::Echo(_) | Answer::Farewell | Answer::Http { .. } | Answer::TlsAlert => 0,
        })
    }

    /// Whether nothing is said after this answer.
    pub(in crate::listener) fn is_last(&self) -> bool {
        matches!(self, Answer::Farewell | Answer::Http { .. } | Answer::TlsAlert)
    }
}

/// Decides the answer to `command`; HELLO changes `version` for what follows.
pub(in crate::listener) fn answer(command: &Command, version: &mut Version) -> Answer {
    let arguments = command.arguments();
    if command.is("HELLO") {
        hello(command, version)
    } else if (command.is("AUTH") && (1..=2).contains(&arguments))
        || (command.is("SELECT") && arguments == 1)
    {
        Answer::Done
    } else if command.is("READONLY") && arguments == 0 && *version == Version::Resp3 {
        // Cluster libraries that may read from replicas send it between HELLO and discovery.
        Answer::Done
    } else if command.is("CLIENT") {
        client(command)
    } else if command.is("CLUSTER") && arguments == 1 {
        cluster(command, *version)
    } else if command.is("ECHO") && arguments == 1 {
        command.first_argument().map_or(Answer::Sentence, |text| Answer::Echo(text.into()))
    } else if command.is("QUIT") {
        Answer::Farewell
    } else if command.is_exactly("info") && arguments == 0 {
        // The ready check of ioredis and node-redis; people and monitors write INFO.
        Answer::Info
    } else {
        Answer::Sentence
    }
}

fn hello(command: &Command, version: &mut Version) -> Answer {
    let wanted = match command.first_argument() {
        None if command.arguments() == 0 => *version,
        Some(b"2") => Version::Resp2,
        Some(b"3") => Version::Resp3,
        _ => return Answer::Sentence,
    };
    if !command.hello_options_fit() {
        return Answer::Sentence;
    }
    *version = wanted;
    Answer::Hello(wanted)
}

fn client(command: &Command) -> Answer {
    match command.arguments() {
        3 if command.subcommand_is("SETINFO") => Answer::Done,
        2 if command.subcommand_is("SETNAME") => Answer::Done,
        // Client-side caches need it before their first command.
        2.. if command.subcommand_is("TRACKING") => Answer::Done,
        1 if command.subcommand_is("ID") => Answer::Number,
        _ => Answer::Sentence,
    }
}

fn cluster(command: &Command, version: Version) -> Answer {
    if command.subcommand_is("SLOTS") {
        Answer::Slots
    } else if command.subcommand_is("SHARDS") {
        Answer::Shards(version)
    } else if command.subcommand_is("NODES") {
        Answer::Nodes
    } else if command.subcommand_is("INFO") {
        Answer::ClusterState
    } else {
        Answer::Sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::protocol::command::Form;

    fn answer_to(line: &str, version: &mut Version) -> Answer {
        let mut command = Command::new();
        command.begin(Form::Array);
        for word in line.split(' ') {
            command.begin_word();
            command.extend_word(word.as_bytes());
            command.end_word();
        }
        answer(&command, version)
    }

    fn first_answer(line: &str) -> Answer {
        answer_to(line, &mut Version::Resp2)
    }

    #[test]
    fn what_libraries_send_while_connecting_is_granted() {
        for (line, expected) in [
            ("AUTH secret", Answer::Done),
            ("auth user secret", Answer::Done),
            ("SELECT 3", Answer::Done),
            ("CLIENT SETNAME me", Answer::Done),
            ("client setinfo LIB-VER 5", Answer::Done),
            ("CLIENT TRACKING ON", Answer::Done),
            ("CLIENT TRACKING ON OPTIN", Answer::Done),
            ("CLIENT ID", Answer::Number),
            ("ECHO mark", Answer::Echo((*b"mark").into())),
            ("QUIT", Answer::Farewell),
            ("CLUSTER SLOTS", Answer::Slots),
            ("CLUSTER SHARDS", Answer::Shards(Version::Resp2)),
            ("cluster nodes", Answer::Nodes),
            ("CLUSTER INFO", Answer::ClusterState),
            ("info", Answer::Info),
        ] {
            assert_eq!(first_answer(line), expected, "{line}");
        }
    }

    #[test]
    fn everything_else_gets_the_sentence() {
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
            assert_eq!(first_answer(line), Answer::Sentence, "{line}");
        }
        let long = format!("ECHO {}", "x".repeat(600));
        assert_eq!(first_answer(&long), Answer::Sentence);
    }

    #[test]
    fn whoever_said_hello_may_ask_for_replicas() {
        let mut version = Version::default();
        assert_eq!(answer_to("READONLY", &mut version), Answer::Sentence);
        answer_to("HELLO 3", &mut version);
        assert_eq!(answer_to("READONLY", &mut version), Answer::Done);
        assert_eq!(answer_to("READONLY please", &mut version), Answer::Sentence);
    }

    #[test]
    fn hello_changes_the_protocol_of_what_follows() {
        let mut version = Version::default();
        assert_eq!(answer_to("HELLO", &mut version), Answer::Hello(Version::Resp2));
        assert_eq!(answer_to("HELLO 4", &mut version), Answer::Sentence);
        assert_eq!(answer_to("CLUSTER SHARDS", &mut version), Answer::Shards(Version::Resp2));
        let full = "HELLO 3 AUTH u p SETNAME n";
        assert_eq!(answer_to(full, &mut version), Answer::Hello(Version::Resp3));
        assert_eq!(answer_to("CLUSTER SHARDS", &mut version), Answer::Shards(Version::Resp3));
        assert_eq!(answer_to("HELLO", &mut version), Answer::Hello(Version::Resp3));
        assert_eq!(answer_to("HELLO 2", &mut version), Answer::Hello(Version::Resp2));
    }
}
