//! The commands in the documents are valid, and do what the text says.

use crate::support::namespace::Host;
use crate::support::redis::{met, redis};
use crate::support::sites::{SITES, blocks, rendered, whole, with_many};
use crate::support::{GEN, INSTALL, can_make_namespaces, root, tools, transcript};
use redisguard::bundle::Bundle;
use redisguard::spec::{Source, Spec};
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The host as the outsider of the guarded site reaches it.
const HOST: &str = "198.51.1.1";

/// What a program says to this on its standard input.
fn given(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

#[test]
fn bash_and_shellcheck_accept_every_command_of_every_document() {
    if !tools(&["bash", "shellcheck"]) {
        return;
    }
    let of_sites = SITES.iter().map(|(name, toml)| (*name, whole(&rendered(toml))));
    let written = [
        "README.md",
        "docs/ci.md",
        "docs/packages.md",
        "docs/runbook.md",
        "docs/redis/redis-streams/redis_cluster_guide.md",
    ];
    let written = written.map(|path| (path, fs::read_to_string(root().join(path)).unwrap()));
    for (name, text) in of_sites.chain(written) {
        let blocks = blocks(&text, "bash");
        assert!(!blocks.is_empty(), "{name}");
        for block in blocks {
            for (program, arguments) in
                [("bash", &["-n"][..]), ("shellcheck", &["--shell=bash", "-"][..])]
            {
                let output = given(program, arguments, &block);
                assert!(output.status.success(), "{name}:\n{block}\n{}", transcript(&output));
            }
        }
    }
}

/// A guarded host with a listener, a node of a cluster, and an outsider on a cable.
struct Site {
    outside: Host,
    host: Host,
    overview: String,
    _folder: TempDir,
    _running: Vec<crate::support::namespace::Started>,
}

impl Site {
    fn new(backend: &str) -> Self {
        let toml = format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
             [[reserved]]\nport = \"6370-6379\"\nexternal = \"notice\"\n\
             [[reserved]]\nport = 6380\n\
             [[reserved]]\nport = 6381\nexternal = \"reject\"\nlisten = \"never\"\n\
             [[reserved]]\nport = 6382\nexternal = \"reject\"\nlisten = \"always\"\n\
             [firewall]\nbackend = \"{backend}\"\n"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
        let output = Command::new(GEN).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        let overview = folder.path().join("docs/redis/REDIS_DEFAULT_PORTS_BLOCKING.md");
        let overview = fs::read_to_string(overview).unwrap();
        let (outside, host) = (Host::network_only(), Host::new());
        host.cabled_to(&outside, 1);
        let mut running = vec![redis(&host, "6380")];
        let node = ["--port", "7000", "--cluster-enabled", "yes", "--save", "", "--dir", "/run"];
        running.push(host.start("redis-server", &node));
        let up = "for i in $(seq 100); do redis-cli -p 7000 cluster addslotsrange 0 16383 && break; \
                  sleep 0.1; done; until redis-cli -p 7000 cluster info | grep -q state:ok; do sleep 0.1; done";
        host.sh(up);
        host.copy_in(&folder.path().join("generated"), "/run/generated");
        let applied = host.install(&["--bundle", "/run/generated", "apply"]);
        assert!(applied.status.success(), "{}", transcript(&applied));
        let settings = ["notice", "--settings", "/etc/redisguard/notice.toml", "--log", "/run/log"];
        running.push(host.start(INSTALL, &settings));
        let answers = |_| met(&host, "127.0.0.1", "6379").starts_with("PORTCLOSED");
        assert!((0..100).any(answers), "the listener does not answer");
        Self { outside, host, overview, _folder: folder, _running: running }
    }

    /// What a command of a document says on the host or outside of it, where root needs no sudo.
    fn says(&self, on: &Host, command: &str) -> Output {
        let script = format!("sudo() {{ \"$@\"; }}\n{}", command.replace("HOST", HOST));
        on.run("timeout", &["60", "bash", "-c", &script])
    }

    /// The block that follows these words, as pairs of what is foretold and the command.
    fn foretold(&self, words: &str) -> Vec<(String, String)> {
        let (_, rest) = self.overview.split_once(words).unwrap();
        let block = blocks(rest, "bash").remove(0);
        let examples = block.split("\n\n").map(|example| example.split_once('\n').unwrap());
        let plain = |text: &str| text.trim_start_matches("# ").trim().to_owned();
        examples.map(|(comment, command)| (plain(comment), plain(command))).collect()
    }
}

/// Whether a command's output is what its comment says, in one of the ways that it names.
fn is_as_foretold(comment: &str, output: &Output) -> bool {
    let said = transcript(output);
    let any = |part: &str| match part.split(':').next().unwrap() {
        "shows the notice" => said.starts_with("PORTCLOSED "),
        "the Redis that runs there answers" | "what runs there answers" => said.starts_with("PONG"),
        "is refused" | "is refused at once" => said.contains(": Connection refused\n"),
        "shows nothing until it is ended" => {
            output.status.code() == Some(124) && output.stdout.is_empty()
        }
        other => panic!("nothing is known of {other:?}"),
    };
    comment.split(", or ").any(any)
}

#[test]
fn the_commands_of_the_overview_do_what_it_says() {
    let programs = ["iptables", "ip6tables", "nft", "redis-server", "redis-cli", "timeout"];
    if !can_make_namespaces() || !tools(&programs) {
        return;
    }
    for backend in ["iptables", "nftables"] {
        let site = Site::new(backend);
        let mut tried = 0;
        for (words, on) in
            [("On the host itself:\n", &site.host), ("in place of `HOST`:\n", &site.outside)]
        {
            for (comment, command) in site.foretold(words) {
                let output = site.says(on, &command);
                assert!(
                    is_as_foretold(&comment, &output),
                    "{comment}: {command}\n{}",
                    transcript(&output)
                );
                tried += 1;
            }
        }
        assert_eq!(tried, 8);
        // The others, each with a word that it must say.
        let of_rules = if backend == "iptables" { "REDISGUARD-IN" } else { "rg_guard" };
        for (begins, wanted) in [
            ("sudo redisguard-install --bundle", "attempts met what bundle"),
            ("redis-cli -c -p 7000", "PONG"),
            (
                "sudo redisguard-install status",
                "OK: outsiders are blocked, and everything is as it was applied",
            ),
            (if backend == "iptables" { "sudo iptables -L" } else { "sudo nft list" }, of_rules),
        ] {
            let commands: Vec<String> = blocks(&site.overview, "bash")
                .into_iter()
                .filter(|block| block.starts_with(begins))
                .collect();
            assert!(!commands.is_empty(), "{begins}");
            for command in commands {
                // redis-cli without a command waits for one: it is given a ping.
                let ping = if begins.starts_with("redis-cli") { " ping" } else { "" };
                let output = site.says(&site.host, &format!("{}{ping}", command.trim_end()));
                let said = transcript(&output);
                assert!(output.status.success() && said.contains(wanted), "{command}\n{said}");
            }
        }
    }
}

#[test]
fn redis_cli_shows_outsiders_what_the_overview_says() {
    if !can_make_namespaces()
        || !tools(&["iptables", "ip6tables", "redis-server", "redis-cli", "script"])
    {
        return;
    }
    let site = Site::new("iptables");
    // The kernel would wait for minutes.
    site.outside.sh("echo 1 > /proc/sys/net/ipv4/tcp_syn_retries");
    let (_, shown) = site.overview.split_once("`redis-cli` shows its user:\n").unwrap();
    let shown = shown.trim_start().split("\n\n").next().unwrap();
    for (port, wanted) in [
        ("6379", "(error) PORTCLOSED "),
        ("6381", "Could not connect to Redis at HOST:PORT: Connection refused"),
        ("6382", "Could not connect to Redis at HOST:PORT: Connection refused"),
        ("6380", "Could not connect to Redis at HOST:PORT: Connection timed out"),
    ] {
        let line = shown.lines().find(|line| line.contains(wanted)).unwrap();
        let ports = line.split(':').next().unwrap();
        assert!(ports.contains(port) || ports.contains("6370-6379"), "{port}: {line}");
        let call = format!("redis-cli -h {HOST} -p {port} get key");
        let output = site.outside.run("script", &["--quiet", "--command", &call, "/dev/null"]);
        let wanted = wanted.replace("HOST", HOST).replace("PORT:", &format!("{port}:"));
        assert!(transcript(&output).contains(&wanted), "{wanted}: {}", transcript(&output));
    }
}

#[test]
fn of_many_ports_one_of_each_kind_is_tried_and_the_rules_of_all_are_found() {
    let toml = with_many(40);
    let overview = rendered(&toml).files.remove(0).1;
    let tried = overview.matches(" ping\n").count();
    assert_eq!(tried, 18, "nine kinds, on the host and from outside");
    assert!(overview.contains("The other reserved ports do as one of these does"));
    if !can_make_namespaces() || !tools(&["iptables", "ip6tables"]) {
        return;
    }
    let source = Source::from_bytes("x.toml", toml.into_bytes()).unwrap();
    let bundle = Bundle::render(&Spec::parse(source).unwrap().0).unwrap();
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::network_only());
    for (version, program) in [("v4", "iptables"), ("v6", "ip6tables")] {
        let rules = folder.path().join(version);
        let path = format!("host/etc/redisguard/rules.{version}");
        fs::write(&rules, bundle.get(&path).unwrap()).unwrap();
        host.sh(&format!("{program}-restore --noflush < {}", rules.display()));
        let command = overview.lines().map(str::trim);
        let command =
            command.into_iter().find(|line| line.starts_with(&format!("sudo {program} ")));
        let found = host.sh(command.unwrap().trim_start_matches("sudo "));
        assert!(found.contains("REDISGUARD-IN"), "{found}");
    }
}
