//! Values that the TOML writes as one of a few names.

/// A value with a fixed set of names.
pub trait Choice: Copy + 'static {
    /// The key of the TOML that takes it.
    const KEY: &'static str;

    /// Every name, as the TOML writes it, with its meaning for the author.
    const CHOICES: &'static [(&'static str, &'static str)];

    /// The value of that name.
    fn named(name: &str) -> Option<Self>;
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident $key:literal {
        $($(#[$about:meta])* $variant:ident $text:literal $meaning:literal,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {$(
            $(#[$about])*
            $variant,
        )*}

        impl Choice for $name {
            const KEY: &'static str = $key;
            const CHOICES: &'static [(&'static str, &'static str)] = &[$(($text, $meaning)),*];

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl $name {
            /// The name that the TOML uses.
            pub fn as_str(self) -> &'static str {
                match self {$(Self::$variant => $text),*}
            }
        }
    )*};
}

choices! {
    /// What happens to connections to a reserved port from outside.
    External "external" {
        /// Packets are dropped.
        Drop "drop" "silence, until their time-out",
        /// The connection is refused with a reset.
        Reject "reject" "a reset, at once",
        /// The connection is redirected to the notice port, where the listener answers.
        Notice "notice" "the sentence that says where to go",
    }

    /// Whether the listener listens on the reserved port itself, for clients on the host.
    Listen "listen" {
        /// It does; a port that is in use is an error.
        Always "always" "it does, and takes a busy port once that is free",
        /// It does while no other program listens there.
        IfFree "if-free" "it does while nothing else listens there, and makes room for Redis",
        /// It does not.
        Never "never" "it does not, as must be below port 1024",
    }

    /// The firewall that holds the rules.
    Backend "backend" {
        /// iptables and ip6tables.
        Iptables "iptables" "chains of its own in the tables of the host",
        /// nft.
        Nftables "nftables" "one table of its own for both families",
    }

    /// What happens to connections from outside that are open when the rules are loaded.
    Existing "existing" {
        /// They are reset.
        Cut "cut" "they are reset",
        /// They stay open.
        Keep "keep" "they live on until they end by themselves",
    }

    /// A part of the guard that a host is expected to run. Without systemd something else runs them.
    Part "expect" {
        /// The rules are in the kernel.
        Rules "rules" "the rules are in the kernel; always expected",
        /// Something loads the rules at boot.
        Boot "boot" "something loads the rules at boot",
        /// The listener runs.
        Listener "listener" "the listener runs",
        /// Something checks the rules every minute.
        Timer "timer" "something checks the rules every minute",
    }

    /// The format of the listener's log lines.
    LogFormat "log-format" {
        /// `key=value` pairs.
        Logfmt "logfmt" "key=value pairs",
        /// One JSON object a line.
        Json "json" "one JSON object a line",
    }
}
