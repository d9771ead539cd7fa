//! Certificates of every common kind are used, and others are reported without delaying clients.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::listener::clients::tls_clients::{logs, s_client, start};
use crate::listener::harness::{Notice, run, sentence, wait_until};
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
        openssl(&[&["req", "-x509", "-nodes", "-days", "2"], key, &subject].concat());
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
    let manager = UnixDatagram::bind(certificate.path("manager")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let notice = Notice::start_with(&certificate.settings(), |command| {
        command.env("NOTIFY_SOCKET", certificate.path("manager"))
    });
    let mut status = [0; 1024];
    let length = manager.recv(&mut status).unwrap();
    let status = String::from_utf8_lossy(&status[..length]);
    let cause = format!("could not read the key {}: No such file", certificate.path("key.pem"));
    let line = status.lines().find(|line| line.starts_with("STATUS=")).unwrap();
    let alert = "TLS clients get an alert instead of the notice";
    let trouble =
        redisguard::listener_contract::degraded(line).unwrap_or_else(|| panic!("{status}"));
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
