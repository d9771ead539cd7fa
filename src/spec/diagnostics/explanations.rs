//! The long explanation of every check: what it means, why it matters, and two examples. Data only.

use super::check::Check;

/// The explanation that `--explain` prints for one check.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The check.
    pub check: Check,
    /// What it means.
    pub meaning: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// A part of a TOML that breaks this check and no other.
    pub wrong: &'static str,
    /// The same part, corrected.
    pub right: &'static str,
}

/// Every check's explanation, in the order of [`Check::ALL`].
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        check: Check::Syntax,
        meaning: "The file cannot be read as TOML. It must be UTF-8 text of at most 4 MiB in which \
                  every line is a comment, a [table] or a key = value.",
        why: "Nothing behind such a place can be trusted to mean what its author meant, so nothing \
              else is judged until the file can be read.",
        wrong: "[cluster]\nports = 7000-7002",
        right: "[cluster]\nports = \"7000-7002\"",
    },
    Explanation {
        check: Check::UnknownKey,
        meaning: "A table or a key is none that redisguard knows, or stands in a table where it does \
                  not belong.",
        why: "A key with a slip in its name would otherwise be passed over in silence, and its \
              default would hold: ports would be guarded otherwise than the TOML seems to say.",
        wrong: "[[reserved]]\nport     = 6379\nexternal = \"notice\"\nlistn    = \"never\"",
        right: "[[reserved]]\nport     = 6379\nexternal = \"notice\"\nlisten   = \"never\"",
    },
    Explanation {
        check: Check::MissingKey,
        meaning: "Something has no default and must be given: the contact's team and email, the \
                  cluster's ports, a [[reserved]] with its port, and both paths of [notice.tls] if \
                  it is there.",
        why: "The notice tells users whom to ask and where to go. Nobody can guess that for you.",
        wrong: "[contact]\nteam = \"Operations\"",
        right: "[contact]\nteam  = \"Operations\"\nemail = \"operations@example.org\"",
    },
    Explanation {
        check: Check::WrongType,
        meaning: "The value is of another type than its key takes: text without quotes, a number \
                  within them, one value where a list is wanted, a table that is none.",
        why: "A value that was bent to fit might mean something that nobody wrote.",
        wrong: "[firewall]\nallow = \"10.20.0.0/16\"",
        right: "[firewall]\nallow = [\"10.20.0.0/16\"]",
    },
    Explanation {
        check: Check::Choice,
        meaning: "The key takes one of a few words, and this is none of them.",
        why: "Each of the words stands for another set of rules or another form of the log.",
        wrong: "[firewall]\nbackend = \"nft\"",
        right: "[firewall]\nbackend = \"nftables\"",
    },
    Explanation {
        check: Check::Number,
        meaning: "The number is below or above what its key takes.",
        why: "Outside of its bounds the listener would cut everyone off at once, \
              or hold more than a host has.",
        wrong: "[notice]\nidle = 0",
        right: "[notice]\nidle = 60",
    },
    Explanation {
        check: Check::Port,
        meaning: "It is no TCP port or no range of them: ports are 1-65535, a range runs upwards, and \
                  one [[reserved]] holds one port or one range.",
        why: "Every firewall would refuse such a rule, and then load none at all.",
        wrong: "[cluster]\nports = \"7002-7000\"",
        right: "[cluster]\nports = \"7000-7002\"",
    },
    Explanation {
        check: Check::Text,
        meaning: "A title, a label or a name is more than one printable line, is too long or empty, \
                  or holds a character that is syntax where the text ends up: one of \" \\ ` $ < > { } \
                  or one that nobody sees.",
        why: "The text goes into firewall rules, systemd units, shells, YAML and Markdown. In none of \
              them may it become anything but text.",
        wrong: "[contact]\nteam  = \"Ops <on call>\"\nemail = \"operations@example.org\"",
        right: "[contact]\nteam  = \"Ops (on call)\"\nemail = \"operations@example.org\"",
    },
    Explanation {
        check: Check::Contact,
        meaning: "The address of mail or the cluster's host is not a plain one: local@domain in ASCII, \
                  a host name or an IP address.",
        why: "Users copy both from the notice; they must work as they stand.",
        wrong: "[cluster]\nports = \"7000-7002\"\nhost  = \"redis.example.org:7000\"",
        right: "[cluster]\nports = \"7000-7002\"\nhost  = \"redis.example.org\"",
    },
    Explanation {
        check: Check::Network,
        meaning: "It is no network in canonical CIDR form, no packet can come from there, or the \
                  networks together hold half of all addresses or more.",
        why: "iptables and nft read 10.20.30.40/16 as a network that is larger than it looks. And a \
              guard that lets nearly everyone past guards nothing. Probes of nearly everyone would hide \
              all users.",
        wrong: "[firewall]\nallow = [\"10.20.30.40/16\"]",
        right: "[firewall]\nallow = [\"10.20.0.0/16\"]",
    },
    Explanation {
        check: Check::NetworkTwice,
        meaning: "The same network stands in `allow` or in `from` a second time.",
        why: "After one of them is removed, the other still exempts the network, or still counts its \
              attempts apart.",
        wrong: "[firewall]\nallow = [\"10.20.0.0/16\", \"10.20.0.0/16\"]",
        right: "[firewall]\nallow = [\"10.20.0.0/16\", \"10.30.0.0/16\"]",
    },
    Explanation {
        check: Check::Path,
        meaning: "The path does not lead where it must: the log lies under /var/log, certificate and \
                  key have absolute paths on the guarded host, documents are Markdown files below \
                  the root of the repository. No path has `..` or anything but letters, digits and \
                  / . _ - in it.",
        why: "The paths go into units and scripts that root runs, and documents are written over.",
        wrong: "[notice]\nlog = \"/tmp/redis_port_notice.log\"",
        right: "[notice]\nlog = \"/var/log/redis_port_notice.log\"",
    },
    Explanation {
        check: Check::PathTwice,
        meaning: "Two documents have the same path, or one would have to be a file and a folder at \
                  once.",
        why: "The later one would replace the earlier one in the same run.",
        wrong: "[docs]\noverview     = \"docs/redis.md\"\nreservations = \"docs/redis.md\"",
        right: "[docs]\noverview     = \"docs/redis.md\"\nreservations = \"docs/redis_ports.md\"",
    },
    Explanation {
        check: Check::ReservedTwice,
        meaning: "A port is reserved by two [[reserved]] tables, one of which may be a range.",
        why: "They may say different things about it, and no rule can do both.",
        wrong: "[[reserved]]\nport     = \"6370-6380\"\nexternal = \"notice\"\n\n\
                [[reserved]]\nport     = 6379\nexternal = \"reject\"",
        right: "[[reserved]]\nport     = \"6370-6378\"\nexternal = \"notice\"\n\n\
                [[reserved]]\nport     = 6379\nexternal = \"reject\"",
    },
    Explanation {
        check: Check::ReservedCluster,
        meaning: "A reserved port is one of the cluster's, or its bus port: 10000 above it, where its \
                  nodes talk to each other.",
        why: "The guard would shut the very place that users are sent to, or cut the cluster apart.",
        wrong: "[cluster]\nports = \"6379-6381\"\n\n\
                [[reserved]]\nport     = 6379\nexternal = \"notice\"",
        right: "[cluster]\nports = \"7000-7002\"\n\n\
                [[reserved]]\nport     = 6379\nexternal = \"notice\"",
    },
    Explanation {
        check: Check::Ssh,
        meaning: "Port 22 is among the reserved ports.",
        why: "Operators would be locked out of the host. If that is what you want, say so beside it.",
        wrong: "[[reserved]]\nport     = 22\nexternal = \"notice\"\nlisten   = \"never\"",
        right: "[[reserved]]\nport      = 22\nexternal  = \"notice\"\nlisten    = \"never\"\n\
                allow-ssh = true",
    },
    Explanation {
        check: Check::NoticePort,
        meaning: "The port that outsiders are redirected to is used by something else: it is reserved, \
                  the cluster's, a bus port, 22 or Sentinel's 26379.",
        why: "Outsiders would be led to a service instead of the notice, or the listener would find \
              its port taken.",
        wrong: "[notice]\nport = 26379",
        right: "[notice]\nport = 63790",
    },
    Explanation {
        check: Check::MetricsPort,
        meaning: "The port on which the listener shows its metrics is used by something else: it is \
                  reserved, the cluster's, a bus port, the notice port or Sentinel's 26379.",
        why: "The listener would find its port taken, or take one that others need.",
        wrong: "[metrics]\nscrape-port = 63790",
        right: "[metrics]\nscrape-port = 9637",
    },
    Explanation {
        check: Check::PrivilegedListen,
        meaning: "The listener is asked to listen on a port below 1024.",
        why: "It runs as a user without any rights and cannot. Outsiders can still be told with \
              external = \"notice\", which leads them to the notice port.",
        wrong: "[[reserved]]\nport     = 637\nexternal = \"notice\"\nlisten   = \"if-free\"",
        right: "[[reserved]]\nport     = 637\nexternal = \"notice\"\nlisten   = \"never\"",
    },
    Explanation {
        check: Check::NoticeLength,
        meaning: "The sentence for a port, with its label, the cluster's ports and host, the \
                  overview's path and the contact, has more than 512 bytes.",
        why: "Every client shows it as one line of an error. Some cut longer ones, and its end says \
              whom to ask.",
        wrong: "[cluster]\nports = [7001, 7003, 7005, 7007, 7009, 7011, 7013, 7015, 7017, 7019,\n\
                \x20        7021, 7023, 7025, 7027, 7029, 7031, 7033, 7035, 7037, 7039,\n\
                \x20        7041, 7043, 7045, 7047, 7049, 7051, 7053, 7055, 7057, 7059,\n\
                \x20        7061, 7063, 7065, 7067, 7069, 7071, 7073, 7075, 7077, 7079,\n\
                \x20        7081, 7083, 7085, 7087, 7089, 7091, 7093, 7095, 7097, 7099,\n\
                \x20        7101, 7103, 7105, 7107, 7109, 7111, 7113, 7115, 7117, 7119]",
        right: "[cluster]\nports = \"7001-7119\"",
    },
    Explanation {
        check: Check::Expect,
        meaning: "`[host] expect` does not name the rules, or names a part twice.",
        why: "The list says which parts of the guard a host must run before `status` calls it OK. \
              Without the rules there is no guard.",
        wrong: "[host]\nexpect = [\"listener\", \"timer\"]",
        right: "[host]\nexpect = [\"rules\", \"listener\", \"timer\"]",
    },
    Explanation {
        check: Check::ListenerExpected,
        meaning: "Outsiders of this port are redirected to the listener, and `[host] expect` declares \
                  hosts that do not run one.",
        why: "On such a host outsiders meet a reset and no notice. Expect the listener, or drop or \
              reject outsiders.",
        wrong: "[host]\nexpect = [\"rules\"]\n[[reserved]]\nport     = 6379\nexternal = \"notice\"",
        right: "[host]\nexpect = [\"rules\", \"listener\"]\n[[reserved]]\nport     = 6379\nexternal = \"notice\"",
    },
    Explanation {
        check: Check::DropHidesNotice,
        meaning: "Outsiders of this port meet silence and wait for their time-out. They never see the \
                  notice, which is told to local users only.",
        why: "Whoever is not told keeps connecting, and asks why Redis is down. Silence is right where \
              scanners matter more than users; then allow this warning.",
        wrong: "[[reserved]]\nport     = 6379\nexternal = \"drop\"",
        right: "[[reserved]]\nport     = 6379\nexternal = \"notice\"",
    },
    Explanation {
        check: Check::NobodyTold,
        meaning: "Nobody who uses this port is told where to go: the listener does not stand on it, \
                  and outsiders are not redirected to the notice.",
        why: "The port is shut, and its users are left to find out why. Somewhere they should read \
              the sentence.",
        wrong: "[[reserved]]\nport     = 6379\nexternal = \"reject\"\nlisten   = \"never\"",
        right: "[[reserved]]\nport     = 6379\nexternal = \"reject\"\nlisten   = \"if-free\"",
    },
];

impl Check {
    /// The explanation of this check.
    pub fn explanation(self) -> &'static Explanation {
        // EXPLANATIONS has the order of the enum; a test checks every entry.
        &EXPLANATIONS[self as usize]
    }
}
