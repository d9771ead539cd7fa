//! `status` names a certificate that clients refuse, a log that cannot be written and a metrics port that is
//! taken, and what it prints as the fix puts them right.

use super::*;
use std::time::SystemTime;

const BUNDLE: &str = "/root/bundle";
const FOLDER: &str = "/etc/notice";
const LOGS: &str = "/var/log/redisguard";
const LOG: &str = "/var/log/redisguard/redis_port_notice.log";
const DAY: u64 = 86_400;

/// A host whose listener has a certificate that is valid for so many days, and serves metrics.
fn site(name: &str, days: u64) -> Option<Machine> {
    let machine = host(name)?;
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    let text = format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
         [[reserved]]\nport = 6379\nlabel = \"Old\"\nexternal = \"drop\"\nlisten = \"always\"\n\
         [notice.tls]\ncert = \"{FOLDER}/cert.pem\"\nkey = \"{FOLDER}/key.pem\"\n\
         [metrics]\nscrape-port = 9637\n"
    );
    std::fs::write(&spec, text).unwrap();
    bring_bundle(&machine, &spec, BUNDLE);
    bring_certificate(&machine, 0, days * DAY);
    redisguard(&machine, &["--bundle", BUNDLE, "apply"]).ok();
    redisguard(&machine, &["status"]).ok();
    Some(machine)
}

/// Makes a certificate that was valid since ten days ago, and lasts between these seconds from then.
fn bring_certificate(machine: &Machine, from: u64, until: u64) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let start = SystemTime::now() - Duration::from_secs(10 * DAY);
    let at = |seconds| (start + Duration::from_secs(seconds)).into();
    (params.not_before, params.not_after) = (at(from), at(until));
    let made = params.self_signed(&key).unwrap();
    machine.write_file(&format!("{FOLDER}/cert.pem"), made.pem());
    machine.write_file(&format!("{FOLDER}/key.pem"), key.serialize_pem());
}

/// Waits until the only finding has all these words; returns the whole status.
#[track_caller]
fn finds(machine: &Machine, words: &[&str]) -> Value {
    let mut status = Value::Null;
    wait_until(&format!("{words:?} is found"), || {
        let said = redisguard(machine, &["--json", "status"]);
        status = serde_json::from_str(&said.stdout).unwrap();
        let findings = status["findings"].as_array().unwrap();
        let [finding] = findings.as_slice() else { return false };
        let detail = finding["detail"].as_str().unwrap();
        words.iter().all(|words| detail.contains(words))
    });
    assert_eq!(status["findings"][0]["kind"], "listener", "{status:#}");
    assert_eq!(status["in_sync"], true, "{status:#}");
    status
}

/// The finding is a person's: `status` says first what to do, and `apply` does not say that all is well.
#[track_caller]
fn only_a_person_helps(machine: &Machine, status: &Value, first: &str) {
    assert!(status["fix"][0].as_str().unwrap().starts_with(first), "{status:#}");
    let applied = redisguard(machine, &["--bundle", BUNDLE, "apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.stdout.starts_with("nothing that apply can change: "), "{applied:?}");
    assert!(applied.stderr.contains("warning: redis-port-notice.service: "), "{applied:?}");
    assert!(applied.stderr.contains(&format!("\n    fix: {first}")), "{applied:?}");
}

/// The command that status prints puts all right.
#[track_caller]
fn the_fix_fixes(machine: &Machine, status: &Value) {
    assert_eq!(status["fix"].as_array().unwrap().len(), 1, "{status:#}");
    let fix = status["mend"].as_str().unwrap_or_else(|| panic!("{status:#}"));
    machine.run(&["sh", "-c", fix]).ok();
    redisguard(machine, &["status"]).ok();
    let again = redisguard(machine, &["--bundle", BUNDLE, "apply"]);
    assert!(again.stdout.starts_with("nothing to change: "), "{again:?}");
}

/// All is well again without a command, as soon as the cause is gone.
fn recovers(machine: &Machine) {
    wait_until("it recovers", || redisguard(machine, &["status"]).code == 0);
}

fn metrics(machine: &Machine) -> String {
    redisguard(machine, &["metrics"]).ok()
}

#[test]
fn a_certificate_that_clients_refuse_is_found_until_a_good_one_is_used() {
    let Some(machine) = site("refused-cert", 100) else { return };
    let shown = "redisguard_notice_certificate_expiry_timestamp_seconds ";
    assert!(metrics(&machine).contains(shown), "{}", metrics(&machine));
    for (from, until, words, healthy) in [
        (0, 9 * DAY, " ended on ", false),
        (11 * DAY, 100 * DAY, " is not valid before ", false),
        (0, 23 * DAY, " ends soon, on ", true),
    ] {
        bring_certificate(&machine, from, until);
        machine.run(&["systemctl", "restart", NOTICE]).ok();
        let status = finds(&machine, &["the certificate /etc/notice/cert.pem", words]);
        assert_eq!(status["healthy"], healthy, "{status:#}");
        let line = format!("\nredisguard_healthy {}\n", u8::from(healthy));
        assert!(metrics(&machine).contains(&line), "{}", metrics(&machine));
        only_a_person_helps(&machine, &status, "renew /etc/notice/cert.pem");
        bring_certificate(&machine, 0, 100 * DAY);
        the_fix_fixes(&machine, &finds(&machine, &[words]));
    }
    let good = machine.read_file(&format!("{FOLDER}/key.pem"));
    bring_certificate(&machine, 0, 100 * DAY);
    let matching = machine.read_file(&format!("{FOLDER}/key.pem"));
    machine.write_file(&format!("{FOLDER}/key.pem"), good);
    machine.run(&["systemctl", "restart", NOTICE]).ok();
    let status = finds(&machine, &["TLS clients get an alert", "belongs to another one"]);
    only_a_person_helps(&machine, &status, "put a certificate and its key there (now: ");
    assert!(!metrics(&machine).contains(shown), "no certificate is shown");
    machine.write_file(&format!("{FOLDER}/key.pem"), matching);
    the_fix_fixes(&machine, &finds(&machine, &["belongs to another one"]));
}

#[test]
fn a_log_that_cannot_be_written_is_found_until_it_can_be() {
    let Some(machine) = site("unwritable-log", 100) else { return };
    let unwritable = "\nredisguard_notice_log_writable 0\n";
    let sh = |script: &str| machine.run(&["sh", "-ec", script]).ok();
    // A disk of its own, from before the listener starts.
    sh(&format!("systemctl stop {NOTICE}; rm -f {LOG}; mount -t tmpfs -o size=64k logs {LOGS}/"));
    sh(&format!("systemctl start {NOTICE}"));
    recovers(&machine);
    sh(&format!("cat /dev/zero >{LOGS}/filler || true"));
    let status = finds(&machine, &[LOG, "cannot be written since 20", "No space left on device"]);
    assert_eq!(status["healthy"], false, "{status:#}");
    assert!(metrics(&machine).contains(unwritable), "{}", metrics(&machine));
    only_a_person_helps(&machine, &status, "free space on the disk of /var/log/redisguard");
    assert_eq!(status["mend"], Value::Null, "no command is needed: {status:#}");
    sh(&format!("rm {LOGS}/filler"));
    recovers(&machine);
    assert!(!metrics(&machine).contains(unwritable), "{}", metrics(&machine));

    sh(&format!("systemctl stop {NOTICE}; umount {LOGS}/; systemctl start {NOTICE}"));
    recovers(&machine);
    sh(&format!("rm -f {LOG}; mkdir {LOG}"));
    let status = finds(&machine, &[LOG, "Is a directory"]);
    only_a_person_helps(&machine, &status, "move the directory ");
    // A restart does not make it worse.
    machine.run(&["systemctl", "restart", NOTICE]).ok();
    finds(&machine, &["Is a directory"]);
    assert!(ping(&machine, 6379).starts_with("PORTCLOSED"));
    sh(&format!("rmdir {LOG}"));
    recovers(&machine);

    // Found at once: status looks itself.
    sh(&format!("rm -rf /var/log/private/redisguard {LOGS}"));
    let status = finds(&machine, &[LOG]);
    the_fix_fixes(&machine, &status);
    ping(&machine, 6379);
    wait_until("it is logged", || machine.run(&["cat", LOG]).stdout.contains(" port=6379 "));

    // Put back by hand it is not the directory that the unit may write to.
    sh("rm -rf /var/log/private/redisguard/; mkdir -m 750 /var/log/private/redisguard");
    let status = finds(&machine, &[LOG, "cannot be written since"]);
    the_fix_fixes(&machine, &status);
    assert_guards_one(&machine);
}

/// The host's only reserved port is guarded, and the listener answers.
fn assert_guards_one(machine: &Machine) {
    assert_shut(machine, &[6379]);
    assert!(ping(machine, 6379).starts_with("PORTCLOSED 6379"));
}

#[test]
fn a_metrics_port_that_is_taken_is_found_with_its_holder_until_it_is_free() {
    let Some(machine) = site("metrics-port", 100) else { return };
    machine.run(&["systemctl", "stop", NOTICE]).ok();
    serve(&machine, 9637);
    machine.run(&["systemctl", "start", NOTICE]).ok();
    let pid = unit(&machine, "serve-9637.service", "MainPID");
    let status = finds(&machine, &["no metrics on port 9637: Address already in use"]);
    let fix = status["fix"][0].as_str().unwrap();
    assert!(fix.contains(&format!("(pid {pid}, serve-9637.service) has: systemctl ")), "{fix}");
    assert!(ping(&machine, 6379).starts_with("PORTCLOSED"));
    only_a_person_helps(&machine, &status, "free port 9637, which ");
    stop_serving(&machine, 9637);
    recovers(&machine);
}
