//! Certificates of every common kind are used, and others are reported without delaying clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use redisguard::listener_contract::{certificate_end, degraded, faults};
use tempfile::TempDir;

use crate::listener::clients::tls_clients::{logs, s_client, start};
use crate::listener::harness::{Manager, Notice, run, sentence, wait_until};
use crate::support::tools;

/// A key over P-256, as `openssl req` takes it.
const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// A folder with `cert.pem` and `key.pem`.
pub struct Certificate(TempDir);

impl Certificate {
    /// One for localhost that signs itself, or `None` where no openssl is there to make it.
    pub fn new() -> Option<Certificate> {
        tools(&["openssl"]).then(|| {
            let certificate = Certificate(TempDir::new().unwrap());
            certificate.renew();
            certificate
        })
    }

    /// Makes both files anew.
    pub fn renew(&self) {
        self.sign_itself(&[P256, &["-keyout", &self.path("key.pem")]].concat());
    }

    fn sign_itself(&self, key: &[&str]) {
        let (config, cert) = (self.path("openssl.cnf"), self.path("cert.pem"));
        fs::write(
            &config,
            "[req]\ndistinguished_name = name\nx509_extensions = server\n[name]\n\
             [server]\nsubjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = CA:FALSE\n",
        )
        .unwrap();
        let subject = ["-subj", "/CN=localhost", "-config", &config, "-out", &cert];
        openssl(&[&["req", "-x509", "-nodes", "-days", "90"], key, &subject].concat());
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// What the settings say of it.
    pub fn settings(&self) -> String {
        format!("[tls]\ncert = \"{}\"\nkey = \"{}\"", self.path("cert.pem"), self.path("key.pem"))
    }
}

fn openssl(arguments: &[&str]) {
    let seen = run(&[&["openssl"], arguments].concat(), b"");
    assert!(seen.status.success(), "{arguments:?}: {}", seen.text);
}

#[test]
fn keys_of_every_common_kind_and_form_are_accepted() {
    let Some(certificate) = Certificate::new() else { return };
    let (key, pem) = (certificate.path("other.pem"), certificate.path("key.pem"));
    let curve = "ec_paramgen_curve:P-384";
    for (begins, make) in [
        ("-----BEGIN RSA PRIVATE", &["genrsa", "-traditional", "-out", &key, "2048"][..]),
        ("-----BEGIN EC PARAMETERS", &["ecparam", "-genkey", "-name", "prime256v1", "-out", &key]),
        ("-----BEGIN PRIVATE", &["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", &key]),
        ("-----BEGIN PRIVATE", &["genpkey", "-algorithm", "ED25519", "-out", &key]),
        ("-----BEGIN PRIVATE", &["genpkey", "-algorithm", "RSA", "-out", &key]),
    ] {
        openssl(make);
        assert!(fs::read_to_string(&key).unwrap().starts_with(begins), "{make:?}");
        certificate.sign_itself(&["-key", &key]);
        fs::copy(&key, &pem).unwrap();
        let notice = Notice::start(&certificate.settings());
        let cert = certificate.path("cert.pem");
        let seen = s_client(&notice, &["-CAfile", &cert, "-verify_return_error"]);
        assert!(seen.text.contains(&notice.line()), "{make:?}: {}", seen.text);
    }
}

/// Has an authority sign `name`.pem; it may sign others itself.
fn signed(folder: &Path, name: &str, extensions: &str, signer: Option<&str>) {
    let path = |name: &str, kind: &str| folder.join(format!("{name}.{kind}")).display().to_string();
    let config = path(name, "cnf");
    let text = format!("[req]\ndistinguished_name = name\n[name]\n[v3]\n{extensions}\n");
    fs::write(&config, text).unwrap();
    let (key, out) = (path(name, "key"), path(name, "pem"));
    let subject = format!("/CN={name}");
    let mut request = vec!["req", "-x509", "-nodes", "-days", "2", "-config", &config];
    request.extend(["-extensions", "v3", "-subj", &subject, "-keyout", &key, "-out", &out]);
    request.extend(P256);
    let [signer_pem, signer_key] = ["pem", "key"].map(|kind| path(signer.unwrap_or(""), kind));
    if signer.is_some() {
        request.extend(["-CA", &signer_pem, "-CAkey", &signer_key]);
    }
    openssl(&request);
}

#[test]
fn the_whole_chain_is_sent_so_that_its_root_is_enough_to_trust() {
    let Some(certificate) = Certificate::new() else { return };
    let folder = PathBuf::from(certificate.path(""));
    signed(&folder, "root", "basicConstraints = critical, CA:TRUE", None);
    signed(&folder, "middle", "basicConstraints = critical, CA:TRUE", Some("root"));
    signed(&folder, "server", "subjectAltName = DNS:localhost", Some("middle"));
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    fs::write(folder.join("cert.pem"), text("server.pem") + &text("middle.pem")).unwrap();
    fs::copy(folder.join("server.key"), folder.join("key.pem")).unwrap();
    let notice = Notice::start(&certificate.settings());
    let root = certificate.path("root.pem");
    let verified = ["-CAfile", &root, "-verify_return_error", "-verify_hostname", "localhost"];
    let seen = s_client(&notice, &verified);
    assert!(seen.text.contains(&notice.line()), "{}", seen.text);
}

#[test]
fn an_unusable_certificate_is_reported_and_delays_no_plain_client() {
    let Some(certificate) = Certificate::new() else { return };
    let key = fs::read(certificate.path("key.pem")).unwrap();
    fs::remove_file(certificate.path("key.pem")).unwrap();
    let manager = Manager::new();
    let notice = Notice::start_with(&certificate.settings(), |command| manager.known_to(command));
    let status = manager.hears(|_| true);
    let cause = format!("could not read the key {}: No such file", certificate.path("key.pem"));
    let alert = "TLS clients get an alert instead of the notice";
    let trouble = degraded(&status).unwrap_or_else(|| panic!("{status}"));
    assert!(trouble.starts_with(&format!("{alert}: {cause}")), "{status}");
    let said = notice.diagnostics();
    assert!(
        said.contains(&cause) && said.contains("put it where") && said.contains(alert),
        "{said}"
    );

    let port = notice.port.to_string();
    if tools(&["redis-cli"]) {
        let plain = run(&["redis-cli", "-p", &port, "ping"], b"");
        assert!(plain.text.contains(&sentence(notice.port)), "{}", plain.text);
    }
    let seen = s_client(&notice, &[]);
    assert!(seen.text.contains("alert access denied"), "{}", seen.text);
    logs(&notice, " protocol=tls command=none replies=1 ");

    fs::write(certificate.path("key.pem"), key).unwrap();
    notice.signal(Signal::SIGHUP);
    wait_until("TLS is ended", || s_client(&notice, &[]).text.contains(&notice.line()));
}

/// Makes a certificate for localhost with these dates, in seconds from now.
fn valid_between(certificate: &Certificate, from: u64, until: u64) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let at = |seconds| (SystemTime::now() + Duration::from_secs(seconds)).into();
    (params.not_before, params.not_after) = (at(from), at(until));
    let made = params.self_signed(&key).unwrap();
    fs::write(certificate.path("cert.pem"), made.pem()).unwrap();
    fs::write(certificate.path("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn the_dates_of_a_certificate_are_judged_while_time_passes() {
    let Some(certificate) = Certificate::new() else { return };
    valid_between(&certificate, 3, 6);
    let manager = Manager::new();
    let notice = Notice::start_with(&certificate.settings(), |command| manager.known_to(command));
    let cert = certificate.path("cert.pem");
    let early = manager.hears(|status| status.contains(" is not valid before "));
    let fault = faults(&early).next().unwrap();
    assert!(fault.starts_with(&format!("the certificate {cert} is not valid")), "{early}");
    let soon = manager.hears(|status| status.contains(" ends soon, on "));
    let end = certificate_end(&soon).unwrap();
    assert!(faults(&soon).next().unwrap().ends_with(end), "{soon}");
    let late = manager.hears(|status| status.contains(" ended on "));
    assert_eq!(certificate_end(&late), Some(end));
    for words in [" is not valid before ", " ends soon, on ", " ended on "] {
        assert_eq!(notice.diagnostics().matches(words).count(), 1, "{words}");
    }
    // Who checks it learns why it is refused; who does not is told.
    let seen = s_client(&notice, &["-CAfile", &cert, "-verify_return_error"]);
    assert!(seen.text.contains("certificate has expired"), "{}", seen.text);
    let seen = s_client(&notice, &[]);
    assert!(seen.text.contains(&notice.line()), "{}", seen.text);

    certificate.renew();
    notice.signal(Signal::SIGHUP);
    let status = manager.hears(|status| degraded(status).is_none());
    assert_ne!(certificate_end(&status), Some(end));
    fs::write(certificate.path("key.pem"), "").unwrap();
    notice.signal(Signal::SIGHUP);
    let status = manager.hears(|status| degraded(status).is_some());
    let former = "TLS clients are shown the former certificate: could not read the key";
    assert!(faults(&status).next().unwrap().starts_with(former), "{status}");
}

#[test]
fn sighup_loads_a_renewed_certificate_but_no_broken_one() {
    let Some((notice, certificate)) = start() else { return };
    let shows = |cert: &str| {
        let seen = s_client(&notice, &["-CAfile", cert, "-verify_return_error"]);
        seen.text.contains(&notice.line())
    };
    let (former, cert) = (certificate.path("former.pem"), certificate.path("cert.pem"));
    fs::copy(&cert, &former).unwrap();
    certificate.renew();
    assert!(shows(&former) && !shows(&cert), "it was read before it was told to");
    notice.signal(Signal::SIGHUP);
    wait_until("the new one is shown", || shows(&cert));
    assert!(!shows(&former));

    fs::copy(&cert, &former).unwrap();
    fs::write(certificate.path("key.pem"), "").unwrap();
    notice.signal(Signal::SIGHUP);
    wait_until("it is told", || notice.diagnostics().contains("the former certificate is still"));
    assert!(shows(&former));
}
