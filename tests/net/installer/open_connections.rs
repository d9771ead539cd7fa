//! Open connections to reserved ports are named, and cut only with consent.

use super::{able, assert_contains, bundle, exit_status, install, json};
use crate::support::namespace::{Host, Started};
use crate::support::redis::{CUT, Session, met, redis};
use crate::support::{INSTALL, assert_same, tools, transcript};
use serde_json::json;
use std::io::Write;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

/// The host as the outsider reaches it.
const ADDRESS: &str = "198.51.1.1";

/// A host with a Redis on 6380, and an outsider who is connected to it.
struct Site {
    host: Host,
    outside: Host,
    redis: Started,
    session: Session,
}

fn site() -> Option<Site> {
    if !able() || !tools(&["redis-server", "redis-cli", "script", "timeout", "python3"]) {
        return None;
    }
    let (host, outside) = (Host::new(), Host::network_only());
    host.cabled_to(&outside, 1);
    let redis = redis(&host, "6380");
    let session = Session::open(&outside, ADDRESS, "6380");
    Some(Site { host, outside, redis, session })
}

/// A spec that guards 6380, with this in its \[firewall\].
fn guarding(firewall: &str) -> String {
    format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
         [[reserved]]\nport = 6380\nexternal = \"reject\"\nlisten = \"never\"\n[firewall]\n{firewall}\n"
    )
}

impl Site {
    fn bring(&self, firewall: &str) {
        let bundle = bundle(&guarding(firewall));
        self.host.copy_in(&bundle.path().join("generated"), "/run/bundle");
    }

    fn install(&self, arguments: &[&str]) -> Output {
        self.host.install(&[&["--bundle", "/run/bundle"], arguments].concat())
    }

    /// Applies at a terminal, and types this.
    fn at_terminal(&self, typed: &str) -> Output {
        let command = format!("timeout --foreground 60 {INSTALL} --bundle /run/bundle apply");
        let mut script = self.host.command("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().unwrap();
        let mut keyboard = script.stdin.take().unwrap();
        keyboard.write_all(typed.as_bytes()).unwrap();
        let said = script.wait_with_output().unwrap();
        drop(keyboard);
        said
    }
}

#[track_caller]
fn assert_cut(session: &mut Session) {
    assert_eq!(session.ask(), CUT);
}

#[test]
fn open_connections_are_cut_only_with_consent() {
    let Some(mut site) = site() else { return };
    site.bring("existing = \"cut\"");
    let before = (site.host.rules(), site.host.changed_files());

    for refused in [site.install(&["apply"]), site.install(&["apply", "--json"])] {
        assert_eq!(exit_status(&refused), 2, "{}", transcript(&refused));
        for words in ["port 6380 from 198.51.1.2;", "nothing was changed", "--cut-sessions"] {
            assert!(transcript(&refused).contains(words), "{words}: {}", transcript(&refused));
        }
    }
    for typed in ["\n", "n\n", "yesterday\n"] {
        let refused = site.at_terminal(typed);
        assert_eq!(exit_status(&refused), 2, "{typed}: {}", transcript(&refused));
        assert_contains(&refused, "cut them? [y/N]");
    }
    assert_same(&(site.host.rules(), site.host.changed_files()), &before, "before");
    assert_eq!(site.session.ask(), "+PONG");

    let allowed = site.at_terminal("Yes\n");
    assert_eq!(exit_status(&allowed), 0, "{}", transcript(&allowed));
    assert_contains(&allowed, "\r\n  port 6380 from 198.51.1.2\r\n");
    assert_cut(&mut site.session);
}

#[test]
fn a_flag_is_consent_and_bringing_back_lost_rules_needs_none() {
    let Some(mut site) = site() else { return };
    site.bring("existing = \"cut\"");
    let applied = site.install(&["apply", "--cut-sessions", "--json"]);
    assert_eq!(exit_status(&applied), 0, "{}", transcript(&applied));
    assert_eq!(json(&applied)["peers"], json!([{"port": 6380, "address": "198.51.1.2"}]));
    assert_cut(&mut site.session);

    // The rules are lost for a while, and somebody uses it.
    site.host.sh("iptables -F INPUT");
    let mut session = Session::open(&site.outside, ADDRESS, "6380");
    install(&site.host, &["rules", "load"], 0);
    assert_cut(&mut session);
    site.host.sh("iptables -F INPUT");
    let mut session = Session::open(&site.outside, ADDRESS, "6380");
    let fixed = site.install(&["apply", "--json"]);
    assert_eq!(exit_status(&fixed), 0, "{}", transcript(&fixed));
    assert!(json(&fixed)["steps"].to_string().contains("the jump from INPUT is missing"));
    assert_cut(&mut session);
    // They are in place: what else changes cuts nobody.
    site.host.sh("echo >> /etc/redisguard/notice.toml");
    assert_eq!(exit_status(&site.install(&["apply"])), 0);
}

#[test]
fn connections_that_are_kept_or_allowed_need_no_consent() {
    for firewall in ["existing = \"keep\"", "existing = \"cut\"\nallow = [\"198.51.1.0/24\"]"] {
        let Some(mut site) = site() else { return };
        site.bring(firewall);
        let applied = site.install(&["apply", "--json"]);
        assert_eq!(exit_status(&applied), 0, "{}", transcript(&applied));
        assert_eq!(site.session.ask(), "+PONG", "{firewall}");
        let allowed = firewall.contains("allow");
        assert_eq!(json(&applied)["peers"].is_null(), allowed, "{firewall}");
        let redis = met(&site.host, "127.0.0.1", "6380");
        assert_eq!(redis, "PONG");
        drop(site.redis);
    }
}

#[test]
fn the_plan_names_who_uses_the_reserved_ports() {
    let Some(site) = site() else { return };
    site.bring("");
    let plan = site.install(&["plan", "--json"]);
    let plan = json(&plan);
    assert_eq!(plan["peers"], json!([{"port": 6380, "address": "198.51.1.2"}]));
    let listeners = plan["listeners"].as_array().unwrap();
    let addresses: Vec<_> = listeners.iter().map(|one| one["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["0.0.0.0", "::"]);
    for listener in listeners {
        assert_eq!(listener["program"], "redis-server", "{listener}");
        let name = format!("/proc/{}/comm", listener["pid"]);
        assert_eq!(std::fs::read_to_string(name).unwrap(), "redis-server\n");
    }
    let said = transcript(&site.install(&["plan"]));
    assert!(said.contains("\n  port 6380 on 0.0.0.0: redis-server (pid "), "{said}");
    assert!(said.contains("\n  port 6380 from 198.51.1.2\n"), "{said}");

    // Also where nothing is to change any more.
    site.bring("existing = \"keep\"");
    assert_eq!(exit_status(&site.install(&["apply"])), 0);
    let same = json(&site.install(&["plan", "--json"]));
    assert_eq!((&same["changed"], &same["peers"]), (&false.into(), &plan["peers"]));
    assert_eq!(same["listeners"], plan["listeners"]);
    let output = site.install(&["plan"]);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    let said = transcript(&output);
    assert!(said.contains("nothing to change"), "{said}");
    assert!(said.contains("\n  port 6380 on 0.0.0.0: redis-server (pid "), "{said}");
    assert!(said.contains("\n  port 6380 from 198.51.1.2\n"), "{said}");

    // The host's own addresses are no outsiders.
    let _own = Session::open(&site.host, ADDRESS, "6380");
    assert_eq!(json(&site.install(&["plan", "--json"]))["peers"].as_array().unwrap().len(), 1);
}

#[test]
fn connections_to_the_listener_need_no_consent() {
    if !able() {
        return;
    }
    let (host, outside) = (Host::new(), Host::network_only());
    host.cabled_to(&outside, 1);
    let spec = guarding("existing = \"cut\"").replace("\"never\"", "\"always\"");
    host.copy_in(&bundle(&spec).path().join("generated"), "/run/bundle");
    install(&host, &["--bundle", "/run/bundle", "apply"], 0);
    let listen = ["--bundle", "/run/bundle", "notice", "--log", "/run/log"];
    let _listener = host.start(INSTALL, &listen);
    // The rules are lost, and somebody reaches the listener and stays.
    host.sh("iptables -F INPUT");
    let stay = format!("until exec 3<>/dev/tcp/{ADDRESS}/6380; do sleep 0.02; done; exec sleep 60");
    let _outsider = outside.start("bash", &["-c", &stay]);
    let connected = || host.sh("ss -Htnp state established '( sport = :6380 )'");
    let up = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(20));
        connected().contains("redisguard")
    });
    assert!(up, "nobody is connected");
    let fixed = install(&host, &["--bundle", "/run/bundle", "apply", "--json"], 0);
    let rules = json(&fixed)["steps"].to_string();
    assert!(rules.contains("the jump from INPUT is missing"), "{rules}");
    assert!(json(&fixed)["peers"].is_null(), "{}", transcript(&fixed));
}
