//! Owns who is measured: how each server is started, and which are not installed.

use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::limit;
use crate::server::Server;
use crate::stage::{Stage, on_path};

/// What every server says that can be told what to say; as long as the shipped sentence.
pub const SENTENCE: &str = "PORTCLOSED 6379 (Default Redis Port) is blocked here. Use the Redis \
    Cluster on ports 7000-7002, e.g. redis-cli -c -p 7000. See \
    docs/redis/REDIS_DEFAULT_PORTS_BLOCKING.md. Contact CommsOps Team commsops@nova.ai.";
/// As long as what Redis says to [`UNKNOWN`].
const BRIEF: &str = "PORTCLOSED Blocked. Use the cluster on ports 7000-7002";
/// One command; Redis would answer it.
pub const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// One command of the same size that no server knows.
pub const UNKNOWN: &[u8] = b"*1\r\n$4\r\nPONX\r\n";

/// Where Debian puts nginx's stream module.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A server that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contestant {
    Ours,
    OursBrief,
    Nginx,
    NginxBuffered,
    RedisUnknown,
    RedisFull,
    RedisProtected,
    LimitLogged,
    Limit,
    LimitUnread,
}

impl fmt::Display for Contestant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Contestant {
    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Contestant::Ours => "ours",
            Contestant::OursBrief => "ours, line of redis's length",
            Contestant::Nginx => "nginx",
            Contestant::NginxBuffered => "nginx, buffered log",
            Contestant::RedisUnknown => "redis, unknown command",
            Contestant::RedisFull => "redis, maxclients",
            Contestant::RedisProtected => "redis, protected mode",
            Contestant::LimitLogged => "epoll+log",
            Contestant::Limit => "epoll",
            Contestant::LimitUnread => "epoll+log, unread",
        }
    }

    /// Those of `wanted` that can be measured here, and why not for each of the others.
    pub fn sorted(stage: &Stage, wanted: &[Contestant]) -> (Vec<Contestant>, Vec<String>) {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for contestant in wanted {
            match contestant.missing(stage) {
                None => there.push(*contestant),
                Some(reason) => missing.push(format!("Left out: {contestant} ({reason}).")),
            }
        }
        (there, missing)
    }

    fn missing(self, stage: &Stage) -> Option<String> {
        match self {
            Contestant::RedisProtected if stage.outside.is_err() => stage.outside.clone().err(),
            Contestant::RedisUnknown | Contestant::RedisFull | Contestant::RedisProtected => {
                (!on_path("redis-server")).then(|| "redis-server is not installed".to_owned())
            }
            Contestant::Nginx | Contestant::NginxBuffered => {
                let there = on_path("nginx") && Path::new(STREAM_MODULE).exists();
                (!there).then(|| "nginx-light and libnginx-mod-stream are not installed".to_owned())
            }
            _ => None,
        }
    }

    /// Starts it.
    pub fn start(self, stage: &Stage) -> Server {
        let name = self.name();
        let local = Ipv4Addr::LOCALHOST;
        let start = |address, request, command: &dyn Fn(&Path, u16) -> Command| {
            Server::start(stage, name, address, request, command)
        };
        match self {
            Contestant::Ours => {
                start(local, PING, &|folder, port| ours(folder, port, UNBOUNDED, SENTENCE))
            }
            Contestant::OursBrief => {
                start(local, PING, &|folder, port| ours(folder, port, UNBOUNDED, BRIEF))
            }
            Contestant::Nginx => start(local, PING, &|folder, port| nginx(folder, port, "")),
            Contestant::NginxBuffered => {
                start(local, PING, &|folder, port| nginx(folder, port, " buffer=32k flush=1s"))
            }
            Contestant::RedisUnknown => start(local, UNKNOWN, &|folder, port| {
                redis(folder, port, &["--protected-mode", "no", "--maxclients", "50000"])
            }),
            Contestant::RedisFull => {
                let mut server = start(local, PING, &|folder, port| {
                    redis(folder, port, &["--protected-mode", "no", "--maxclients", "1"])
                });
                server.fill();
                server
            }
            Contestant::RedisProtected => {
                let outside = *stage.outside.as_ref().unwrap();
                start(outside, PING, &|folder, port| redis(folder, port, &[]))
            }
            Contestant::LimitLogged => start(local, PING, &|folder, port| {
                limit::command(port, true, Some(&folder.join("log")))
            }),
            Contestant::Limit => start(local, PING, &|_, port| limit::command(port, true, None)),
            Contestant::LimitUnread => start(local, PING, &|folder, port| {
                limit::command(port, false, Some(&folder.join("log")))
            }),
        }
    }
}

/// Our listener with its default limits, and only so many descriptors where that is said.
pub fn ours_with_defaults(stage: &Stage, descriptors: Option<u32>) -> Server {
    Server::start(stage, "ours", Ipv4Addr::LOCALHOST, PING, |folder, port| match descriptors {
        None => ours(folder, port, "", SENTENCE),
        Some(most) => {
            let listener = ours(folder, port, UNBOUNDED, SENTENCE);
            let mut command = Command::new("sh");
            command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &most.to_string()]);
            command.arg(listener.get_program()).args(listener.get_args());
            command
        }
    })
}

/// Settings under which every connection gets its line, and none is closed to make room.
const UNBOUNDED: &str =
    "log-per-source = 4000000000\nmax-connections = 60000\nmax-per-source = 60000\n";

/// Our listener with `settings`, logging into `folder`.
fn ours(folder: &Path, port: u16, settings: &str, sentence: &str) -> Command {
    let log = folder.join("log");
    let file = folder.join("notice.toml");
    let text = format!(
        "log = \"{}\"\n{settings}[[reserved]]\nfirst = {port}\nlast = {port}\n\
         sentence = \"{sentence}\"\n",
        log.display()
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_redisguard-install"));
    command.arg("notice").arg("--settings").arg(file);
    command
}

/// One worker that answers every connection with the sentence, and logs it.
fn nginx(folder: &Path, port: u16, buffering: &str) -> Command {
    let configuration = folder.join("nginx.conf");
    let folder = folder.display();
    let text = format!(
        "load_module {STREAM_MODULE};\ndaemon off;\nmaster_process on;\nworker_processes 1;\n\
         pid {folder}/pid;\nerror_log stderr crit;\nworker_rlimit_nofile 60000;\n{user}\
         events {{ worker_connections 50000; use epoll; multi_accept on; }}\n\
         stream {{\n\
         log_format line 'time=$time_iso8601 peer=$remote_addr peer-port=$remote_port '\n\
         'port=$server_port protocol=$protocol status=$status duration=$session_time';\n\
         access_log {folder}/log line{buffering};\n\
         server {{ listen {port} backlog=4096; return \"-{SENTENCE}\\r\\n\"; }}\n}}\n",
        user = if nix::unistd::Uid::effective().is_root() { "user root;\n" } else { "" },
    );
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.to_string()).arg("-c").arg(configuration);
    command.arg("-e").arg("stderr");
    command
}

/// Redis, without persistence and with nothing to log.
fn redis(folder: &Path, port: u16, settings: &[&str]) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "0.0.0.0", "--save", "", "--dir"]);
    command.arg(folder).args(["--tcp-backlog", "4096", "--loglevel", "warning"]).args(settings);
    command
}
