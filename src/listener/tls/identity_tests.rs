//! Which files are accepted as a certificate and its key, and the errors about others.
#![allow(clippy::unwrap_used)]
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A folder with a matching pair, `cert.pem` and `key.pem`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        folder.fill(["cert.pem", "key.pem"]);
        folder
    }

    fn fill(&self, names: [&str; 2]) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.path(names[0]), made.cert.pem()).unwrap();
        fs::write(self.path(names[1]), made.signing_key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { cert: self.path("cert.pem"), key: self.path("key.pem") }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The error when the file of this name has `text` in it.
    fn refused(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let before = fs::read(self.path(name)).unwrap();
        fs::write(self.path(name), text).unwrap();
        let refused = load(&self.files(), None).unwrap_err().to_string();
        fs::write(self.path(name), before).unwrap();
        refused
    }
}

#[track_caller]
fn assert_error(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
    assert_eq!(message.lines().count(), 2, "not exactly one line of help: {message}");
}

#[test]
fn a_pair_is_accepted_with_text_around_it_and_in_one_file() {
    let folder = Folder::new();
    assert!(load(&folder.files(), None).is_ok());
    let all = format!("Bag Attributes\n{}\n\n{}", folder.text("key.pem"), folder.text("cert.pem"));
    fs::write(folder.path("all.pem"), all).unwrap();
    let all = TlsFiles { cert: folder.path("all.pem"), key: folder.path("all.pem") };
    assert!(load(&all, None).is_ok());
}

#[test]
fn an_unreadable_file_is_named_with_cause_and_help() {
    let folder = Folder::new();
    for (name, what) in [("cert.pem", "the certificate"), ("key.pem", "the key")] {
        let path = folder.path(name);
        let text = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let named = format!("could not read {what} {}: ", path.display());
        let missing = load(&folder.files(), None).unwrap_err().to_string();
        assert_error(&missing, &[&named, "No such file", "\n  put it where", "SIGHUP"]);
        for (other, cause) in [("/dev/zero", "not an ordinary file"), ("/proc", "not an ordinary")]
        {
            symlink(other, &path).unwrap();
            assert_error(&load(&folder.files(), None).unwrap_err().to_string(), &[&named, cause]);
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, vec![b'\n'; 1 + (1 << 20)]).unwrap();
        assert_error(
            &load(&folder.files(), None).unwrap_err().to_string(),
            &[&named, "more than 1 MiB"],
        );
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn a_file_with_other_content_is_refused_without_showing_a_key() {
    let folder = Folder::new();
    let (cert, key) = (folder.text("cert.pem"), folder.text("key.pem"));
    assert_error(
        &folder.refused("cert.pem", ""),
        &["it holds no certificate", "begins with the server's"],
    );
    assert_error(&folder.refused("cert.pem", &key), &["it holds no certificate"]);
    assert_error(
        &folder.refused("cert.pem", &cert[..cert.len() / 2]),
        &["could not read the certificate"],
    );
    assert_error(
        &folder.refused("key.pem", &cert),
        &["it holds no private key", "PKCS#8, PKCS#1 or SEC1"],
    );
    let secret = key.lines().nth(1).unwrap();
    let garbled = key.replace(secret, &secret.replace(char::is_alphanumeric, "!"));
    for damaged in [key[..key.len() / 2].to_owned(), garbled, key.replace(secret, &secret[4..])] {
        let message = folder.refused("key.pem", damaged);
        assert_error(&message, &["could not read the key"]);
        assert!(!message.contains("!!!!") && !message.contains(&secret[4..20]), "{message}");
    }
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_error(&folder.refused("key.pem", encrypted), &["it is encrypted", "openssl pkey"]);
}

#[test]
fn a_key_of_another_certificate_and_a_chain_in_the_wrong_order_are_refused() {
    let folder = Folder::new();
    folder.fill(["other.pem", "other-key.pem"]);
    assert_error(
        &folder.refused("key.pem", folder.text("other-key.pem")),
        &["belongs to another one"],
    );
    let (cert, other) = (folder.text("cert.pem"), folder.text("other.pem"));
    assert_error(
        &folder.refused("cert.pem", format!("{other}{cert}")),
        &["the server's certificate first"],
    );
    fs::write(folder.path("cert.pem"), format!("{cert}{other}")).unwrap();
    assert!(load(&folder.files(), None).is_ok());
}

#[test]
fn credentials_replace_the_configured_paths() {
    let folder = Folder::new();
    let absent = TlsFiles { cert: "/nowhere/cert".into(), key: "/nowhere/key".into() };
    assert!(load(&absent, Some(folder.0.path())).is_err(), "there is no credential yet");
    folder.fill(CREDENTIALS);
    assert!(load(&absent, Some(folder.0.path())).is_ok());
    fs::write(folder.path("notice-key"), MISSING_CREDENTIAL).unwrap();
    let message = load(&absent, Some(folder.0.path())).unwrap_err().to_string();
    assert_error(
        &message,
        &["the key /nowhere/key", "no such file when the service started", "restart"],
    );
    assert!(!message.contains("SIGHUP"), "{message}");
    // Half of a pair is no pair.
    fs::remove_file(folder.path("notice-key")).unwrap();
    assert!(load(&folder.files(), Some(folder.0.path())).is_ok());
}

/// The listener's certificate, read from these files.
fn identity(files: Option<TlsFiles>) -> Identity {
    Identity::read(files, None, Arc::default())
}

#[test]
fn an_error_is_one_line_and_a_loaded_certificate_outlives_it() {
    let now = Timestamp::now();
    let folder = Folder::new();
    let key = folder.text("key.pem");
    assert!(identity(None).server_config().is_none());
    assert_eq!(identity(None).fault(now), None);
    let mut loaded = identity(Some(folder.files()));
    assert_eq!(loaded.fault(now), None);
    let before = Arc::clone(loaded.server_config().unwrap());
    fs::write(folder.path("key.pem"), "").unwrap();
    loaded.reload();
    assert!(Arc::ptr_eq(loaded.server_config().unwrap(), &before));
    let error = loaded.fault(now).unwrap();
    let former = "TLS clients are shown the former certificate: could not read the key";
    assert!(error.starts_with(former) && !error.contains('\n'), "{error}");
    let mut fresh = identity(Some(folder.files()));
    let error = fresh.fault(now).unwrap();
    assert!(fresh.server_config().is_none() && !error.contains('\n'), "{error}");
    assert!(error.contains("alert instead of the notice: could not read the key"), "{error}");
    fs::write(folder.path("key.pem"), key).unwrap();
    for identity in [&mut fresh, &mut loaded] {
        identity.reload();
        assert_eq!(identity.fault(now), None);
        assert!(!Arc::ptr_eq(identity.server_config().unwrap(), &before), "it was not read again");
    }
}

#[test]
fn the_dates_are_looked_at_again_within_a_minute() {
    let folder = Folder::new();
    let mut identity = identity(Some(folder.files()));
    let now = Tick::default().after(Duration::from_secs(5));
    identity.tend(now);
    assert_eq!(identity.due(), Some(now.after(MAX_WAIT)));
    let ended = Timestamp::from_second(1 << 37).unwrap();
    identity.judge(ended);
    assert!(identity.fault.as_ref().unwrap().contains("cert.pem ended on "), "{identity:?}");
    identity.tend(now);
    assert!(identity.fault.is_some(), "it is not due");
    identity.tend(now.after(MAX_WAIT));
    assert_eq!(identity.fault, None, "the clock was set right");
}
