//! systemd hands the certificate to the listener, which works without it until it is there.

use super::*;
use std::fs;
use support::{root, tools};

/// Where the machine has the bundle of the spec with a certificate.
const BUNDLE: &str = "/root/bundle";
/// Where that spec says that the certificate is.
const FOLDER: &str = "/etc/letsencrypt/live/redis.example.org";

/// Makes a certificate and puts it where only root can read it.
fn bring_certificate(machine: &Machine) {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-nodes", "-days", "90", "-subj", "/CN=localhost"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command.args(["-keyout", "privkey.pem", "-out", "fullchain.pem"]).current_dir(&folder);
    assert!(command.output().unwrap().status.success());
    for name in ["fullchain.pem", "privkey.pem"] {
        let path = format!("{FOLDER}/{name}");
        machine.write_file(&path, fs::read(folder.path().join(name)).unwrap());
        machine.run(&["chmod", "600", &path]).ok();
    }
}

/// What a client reads that goes through TLS and trusts the certificate on the machine.
fn ping_through_tls(machine: &Machine) -> String {
    let cert = format!("{FOLDER}/fullchain.pem");
    let said = machine.run(&["redis-cli", "--tls", "--cacert", &cert, "-p", "6379", "ping"]);
    said.stdout + &said.stderr
}

#[test]
fn a_missing_certificate_leaves_the_plain_listener_working() {
    let Some(machine) = host("tls").filter(|_| tools(&["openssl"])) else { return };
    bring_bundle(&machine, &root().join("tests/specs/good/tls/redisguard.toml"), BUNDLE);
    let applied = redisguard(&machine, &["--bundle", BUNDLE, "apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    let missing = "fullchain.pem: there was no such file when the service started";
    for words in [NOTICE, "TLS clients get an alert", missing] {
        assert!(applied.stderr.contains(words), "{}", applied.stderr);
    }
    assert!(ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    let refused = machine.run(&["redis-cli", "--tls", "--insecure", "-p", "6379", "ping"]).stderr;
    assert!(refused.contains("access denied"), "{refused}");
    let status = json(&machine, 1, &["status"]);
    assert_eq!(status["findings"].as_array().unwrap().len(), 1, "{status:#}");
    assert_eq!(status["findings"][0]["kind"], "listener");
    assert!(status["findings"][0]["detail"].as_str().unwrap().contains(missing), "{status:#}");

    bring_certificate(&machine);
    machine.run(&["systemctl", "try-restart", NOTICE]).ok();
    let told = ping_through_tls(&machine);
    assert!(told.starts_with("PORTCLOSED 6379"), "{told}");
    assert!(unit(&machine, NOTICE, "StatusText").contains(", also through TLS until 20"));
    redisguard(&machine, &["status"]).ok();
    let again = redisguard(&machine, &["--bundle", BUNDLE, "apply"]);
    assert_eq!((again.code, again.stderr.as_str()), (0, ""), "{again:?}");

    // Renewed: the listener shows what it got when it started, until it is restarted.
    bring_certificate(&machine);
    machine.run(&["systemctl", "reload", NOTICE]).ok();
    let outdated = ping_through_tls(&machine);
    assert!(outdated.contains("certificate verify failed"), "{outdated}");
    machine.run(&["systemctl", "try-restart", NOTICE]).ok();
    let told = ping_through_tls(&machine);
    assert!(told.starts_with("PORTCLOSED 6379"), "{told}");
    let paths = format!("/etc/systemd/system/{NOTICE}");
    let said = machine.run(&["systemd-analyze", "verify", &paths]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""));
}
