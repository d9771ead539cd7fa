//! `probe` reports what an outsider meets, and whether the bundle expects that.

use super::*;
use serde_json::Value;

/// Has somebody probe hosts with the bundle that was applied last; must end with this status.
#[track_caller]
fn probe(from: &Host, site: &Site, code: i32, hosts: &[&str]) -> Value {
    let bundle = site.bundle();
    let options = ["--bundle", bundle.to_str().unwrap(), "--json", "probe", "--timeout", "1s"];
    let output = from.install(&[&options[..], hosts].concat());
    assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each port of a host: what was promised and met over both families, which must not differ.
fn ports(host: &Value) -> Vec<String> {
    let ports = host["ports"].as_array().unwrap();
    let line = |port: &Value| {
        let word = |field: &str| port[field].as_str().unwrap().to_owned();
        format!("{} {}: {}", port["port"], word("promised"), word("met"))
    };
    let of = |family: &str| -> Vec<String> {
        ports.iter().filter(|port| port["family"] == family).map(line).collect()
    };
    assert_eq!(of("IPv4"), of("IPv6"));
    of("IPv4")
}

/// One host's answers over both of its addresses, as [`ports`] has them.
fn both(probed: &Value) -> Vec<String> {
    let [v4, v6] = probed["hosts"].as_array().unwrap().as_slice() else { panic!("{probed}") };
    let mut one = v4.clone();
    one["ports"].as_array_mut().unwrap().extend(v6["ports"].as_array().unwrap().clone());
    ports(&one)
}

#[test]
fn a_probe_reports_what_outsiders_meet_and_what_the_bundle_expects() {
    on_both(|site| {
        let others = [
            "7000 untouched: open",
            "7001 untouched: refused",
            "7002 untouched: refused",
            "22 untouched: refused",
        ];
        for (external, met) in [("drop", "dropped"), ("reject", "refused"), ("notice", "notice")] {
            site.guard(external, "");
            let _listener = (external == "notice").then(|| site.listen());
            let probed = probe(&site.outside, &site, 0, &HOST);
            let mut wanted = [6379, 6380].map(|port| format!("{port} {met}: {met}")).to_vec();
            if external == "notice" {
                wanted.push("63790 refused: refused".to_owned());
                let text = probed["hosts"][1]["ports"][0]["text"].as_str().unwrap();
                assert!(text.starts_with("PORTCLOSED 6379 ("), "{text}");
            }
            wanted.extend(others.map(str::to_owned));
            assert_eq!(both(&probed), wanted);

            site.host.install(&["rules", "unload"]);
            let probed = probe(&site.outside, &site, 1, &HOST);
            assert_eq!(both(&probed)[1], format!("6380 {met}: open"));
            assert_eq!(probed["as_promised"], false);
        }
    });
}

#[test]
fn a_probe_names_its_own_place_and_does_not_judge_a_silent_host() {
    if !able() {
        return;
    }
    let site = Site::new("iptables");
    site.guard("drop", "allow = [\"198.51.1.0/24\", \"fd00:6379:1::/64\"]");
    let allowed = probe(&site.outside, &site, 0, &HOST);
    assert!(!allowed.to_string().contains("unnamed_from"), "no rule counts it: {allowed}");
    let allowed = both(&allowed);
    assert_eq!(&allowed[..2], ["6379 nothing: refused", "6380 nothing: open"]);

    site.guard("drop", "");
    // On the host itself the listener is promised nowhere: no spec of these tests has it listen.
    let inside = both(&probe(&site.host, &site, 0, &HOST));
    assert_eq!(&inside[..2], ["6379 nothing: refused", "6380 nothing: open"]);

    // One with a fault does not hide another's answer, and each keeps its place.
    let hosts = ["198.51.1.1", "no-such-host.invalid", "198.51.1.99", "192.0.2.1"];
    site.outside.sh("ip route del default; ip -6 route del default");
    let probed = probe(&site.outside, &site, 1, &hosts);
    let told = probed["hosts"].as_array().unwrap().iter();
    let told: Vec<(&str, bool, &str)> = told
        .map(|host| {
            let problem = host["problem"].as_str().unwrap_or_default();
            let promised = host["as_promised"].as_bool().unwrap();
            (host["host"].as_str().unwrap(), promised, problem.split(':').next().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            (hosts[0], true, ""),
            (hosts[1], false, "its address was not found"),
            (hosts[2], false, "nothing on it answers"),
            (hosts[3], false, "it cannot be asked from here"),
        ]
    );

    // A host that drops everything is as silent as one that is down, unless something on it answers.
    site.host.sh("iptables -A INPUT -p tcp -m multiport ! --dports 2222 -j DROP");
    let probed = probe(&site.outside, &site, 1, &["198.51.1.1"]);
    let problem = probed["hosts"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("--control"), "{problem}");
    probe(&site.outside, &site, 0, &["198.51.1.1", "--control", "2222"]);
}
