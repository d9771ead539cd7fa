//! Every policy treats new and open connections as the spec says, on both IP families.

use super::*;

/// What a new connection meets at a port.
fn wanted(external: &str, port: &str) -> [String; 2] {
    let meets = match external {
        "drop" => "silence".to_owned(),
        "reject" => "refused".to_owned(),
        _ => format!("PORTCLOSED {port} "),
    };
    [meets.clone(), meets]
}

/// Sessions of an outsider to the container's port and the host's, over both families.
fn sessions(site: &Site) -> Vec<Session> {
    let ports = HOST.iter().flat_map(|address| [(*address, "6379"), (*address, "6380")]);
    ports.map(|(address, port)| Session::open(&site.outside, address, port)).collect()
}

#[track_caller]
fn assert_meets(site: &Site, external: &str, when: &str) {
    let ports = ["6379", "6380"];
    for (port, met) in ports.into_iter().zip(site.meets(ports)) {
        let right =
            met.iter().zip(wanted(external, port)).all(|(met, wanted)| met.starts_with(&wanted));
        assert!(right, "{when}, port {port}: {met:?}");
    }
}

#[test]
fn every_policy_treats_new_and_open_connections_as_the_spec_says() {
    on_both(|site| {
        site.publish(6379);
        for (existing, fate) in [("keep", "+PONG"), ("cut", CUT)] {
            for external in ["drop", "reject", "notice"] {
                let when = format!("{} {external} {existing}", site.backend);
                let mut open = sessions(&site);
                site.guard(external, &format!("existing = \"{existing}\""));
                let _listener = (external == "notice").then(|| site.listen());
                for session in &mut open {
                    assert_eq!(session.ask(), fate, "{when}");
                }
                assert_meets(&site, external, &when);
                let removed = site.host.install(&["remove"]);
                assert!(removed.status.success(), "{}", transcript(&removed));
            }
        }
    });
}

#[test]
fn allowed_networks_keep_new_and_open_connections() {
    on_both(|site| {
        site.publish(6379);
        for external in ["drop", "reject", "notice"] {
            let when = format!("{} {external}", site.backend);
            let mut open = sessions(&site);
            let allow = "allow = [\"198.51.1.0/24\", \"fd00:6379:1::/64\"]\nexisting = \"cut\"";
            site.guard(external, allow);
            for session in &mut open {
                assert_eq!(session.ask(), "+PONG", "{when}");
            }
            assert_eq!(site.meets(["6379", "6380", "7000"]), [PONG; 3], "{when}");
            // Others than they are not let past by it.
            site.guard(external, &allow.replace("198.51.1.", "198.51.3.").replace(":1::", ":3::"));
            let _listener = (external == "notice").then(|| site.listen());
            for session in &mut open {
                assert_eq!(session.ask(), CUT, "{when}");
            }
            assert_meets(&site, external, &when);
            let removed = site.host.install(&["remove"]);
            assert!(removed.status.success(), "{}", transcript(&removed));
        }
    });
}

#[test]
fn allowed_networks_are_left_to_the_hosts_own_rules() {
    on_both(|site| {
        site.publish(6379);
        site.guard("drop", "allow = [\"198.51.1.0/24\"]");
        assert_eq!(site.met("6379"), ["PONG", "silence"]);
        assert_eq!(site.met("6380"), ["PONG", "silence"]);
        site.host.sh("iptables -A INPUT -p tcp --dport 6380 -j REJECT --reject-with tcp-reset");
        assert_eq!(site.met("6380"), ["refused", "silence"]);
    });
}

#[test]
fn open_connections_are_named_before_the_first_apply() {
    on_both(|site| {
        site.publish(6379);
        let _open = sessions(&site);
        let plan = site.host.install(&["plan", "--json"]);
        let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
        let peer = |port: u16| move |address| serde_json::json!({"port": port, "address": address});
        let outsider = ["198.51.1.2", "fd00:6379:1::2"];
        // Those of the container are in the list of tracked connections only.
        let tracked = std::path::Path::new("/proc/net/nf_conntrack").exists();
        let published = outsider.into_iter().filter(|_| tracked).map(peer(6379));
        let peers: Vec<_> = published.chain(outsider.into_iter().map(peer(6380))).collect();
        assert_eq!(plan["peers"], serde_json::Value::from(peers), "who is connected");
    });
}
