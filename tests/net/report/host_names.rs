//! `report --resolve` shows host names, and only then asks for them.

use crate::support::namespace::Host;
use crate::support::report_logs::line;
use crate::support::{INSTALL, can_make_namespaces, transcript};

#[test]
fn host_names_are_resolved_only_on_request() {
    if !can_make_namespaces() {
        return;
    }
    let host = Host::new();
    host.sh("echo '198.51.100.7 app-1.example.org' >> /etc/hosts");
    let log = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
    let text = line(1, "198.51.100.7", 6379, "", "told") + &line(1, "192.0.2.9", 6379, "", "told");
    std::fs::write(log.path(), text).unwrap();
    // The host has a copy of /var of its own, with what was there before.
    let bytes = std::fs::read_to_string(log.path()).unwrap();
    host.sh(&format!("cat > /run/log <<'END'\n{bytes}END"));
    let said = transcript(&host.install(&["report", "--log", "/run/log", "--resolve"]));
    assert!(said.contains("  app-1.example.org; told 1\n"), "{said}");
    let said = transcript(&host.install(&["report", "--log", "/run/log"]));
    assert!(!said.contains("example.org"), "{said}");
    // A name service that never answers is waited for, and not for ever.
    host.sh("mkdir /run/bin; printf '#!/bin/sh\\nexec sleep 600\\n' > /run/bin/getent; chmod +x /run/bin/getent");
    let command = format!("PATH=/run/bin:$PATH {} report --log /run/log --resolve", INSTALL);
    let said = host.sh(&command);
    assert!(said.contains("198.51.100.7") && !said.contains("example.org"), "{said}");
}
