//! The listener's certificate and private key: where they are read from, what is wrong with them, and the
//! TLS configuration made of them.
//!
//! Never: shows any byte of the key, in errors neither.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{InconsistentKeys, ServerConfig};

use super::validity::Validity;
use crate::error::Error;
use crate::listener::clock::Tick;
use crate::listener::health::Health;
use crate::listener::settings::TlsFiles;
use crate::listener_contract::{CERTIFICATE_FAULT, FORMER_CERTIFICATE, NO_CERTIFICATE};

/// The names of the credentials (systemd.exec(5)) that the unit loads the certificate and the key as.
const CREDENTIALS: [&str; 2] = ["notice-cert", "notice-key"];
/// The content that the unit gives a credential whose file is missing (`SetCredential=`), so that the
/// service starts without it.
const MISSING_CREDENTIAL: &[u8] = b"missing";
/// The most bytes of a file: systemd's limit for a credential.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// How long the dates of the certificate are not looked at again, at most: somebody may set the clock.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The certificate and key that TLS sessions are made with. A failure to read them ends nothing: plain
/// clients get the notice, TLS clients the alert, and the error is shown wherever an operator looks.
///
/// A certificate that is over or not valid yet is shown all the same: a client that checks it says so itself
/// ("certificate has expired"), and one that does not check it gets the notice. An alert says less.
#[derive(Debug)]
pub struct Identity {
    files: Option<TlsFiles>,
    /// The directory of the service manager's credentials.
    credentials: Option<PathBuf>,
    /// The files as they were last read without an error, or why they could not be read yet; `None` if
    /// the settings name none.
    loaded: Option<Result<Loaded, Error>>,
    /// Why the files could not be read after that.
    reload_error: Option<Error>,
    health: Arc<Health>,
    /// The fault that was reported last.
    fault: Option<String>,
    /// When to look at the dates again.
    due: Option<Tick>,
}

/// A certificate and key in use.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    validity: Option<Validity>,
}

impl Identity {
    /// Reads the files that the settings name, if they do. `credentials` is the directory in which a
    /// service manager may have put copies of both (`CREDENTIALS_DIRECTORY`, systemd.exec(5)); then
    /// those are read. What is wrong with them goes to `health`.
    pub fn read(
        files: Option<TlsFiles>,
        credentials: Option<&OsStr>,
        health: Arc<Health>,
    ) -> Identity {
        let credentials = credentials.map(PathBuf::from);
        let (loaded, reload_error, fault, due) = (None, None, None, None);
        let mut identity =
            Identity { files, credentials, loaded, reload_error, health, fault, due };
        identity.reload();
        identity
    }

    /// Reads both files again. After an error the certificate that was read before stays in use.
    pub fn reload(&mut self) {
        let Some(files) = &self.files else { return };
        self.reload_error = None;
        match load(files, self.credentials.as_deref()) {
            Ok(loaded) => self.loaded = Some(Ok(loaded)),
            Err(error) if self.server_config().is_some() => {
                tracing::error!("{error}\n  the former certificate is still shown");
                self.reload_error = Some(error);
            }
            Err(error) => {
                tracing::error!("{error}\n  until then {NO_CERTIFICATE}");
                self.loaded = Some(Err(error));
            }
        }
        self.judge(Timestamp::now());
        self.due = Some(Tick::default());
    }

    /// When [`Identity::tend`] has something to do, if ever.
    pub fn due(&self) -> Option<Tick> {
        self.due
    }

    /// Looks at the dates of the certificate again when that is due.
    pub fn tend(&mut self, now: Tick) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let time = Timestamp::now();
        self.judge(time);
        let wait = |validity: Validity| {
            // The event loop wakes up a little early: its clock has whole milliseconds.
            let next = validity.next_change(time).map(|next| next + Duration::from_millis(1));
            now.after(next.unwrap_or(MAX_WAIT).min(MAX_WAIT))
        };
        self.due = self.validity().map(wait);
    }

    /// The configuration of new sessions; `None` if TLS clients get the alert.
    pub fn server_config(&self) -> Option<&Arc<ServerConfig>> {
        self.loaded.as_ref()?.as_ref().ok().map(|loaded| &loaded.config)
    }

    fn validity(&self) -> Option<Validity> {
        self.loaded.as_ref()?.as_ref().ok()?.validity
    }

    /// Tells `health` what is wrong at the time `now`, and the diagnostics of dates.
    fn judge(&mut self, now: Timestamp) {
        let fault = self.fault(now);
        if let Some(fault) = fault.as_ref().filter(|_| fault != self.fault) {
            tracing::warn!("{fault}");
        }
        let end = self.validity().map(|validity| validity.until);
        self.health.set_certificate(end, fault.clone());
        self.fault = fault;
    }

    /// What is wrong with the certificate: one line.
    fn fault(&self, now: Timestamp) -> Option<String> {
        let first_line =
            |error: &Error| error.to_string().lines().next().unwrap_or_default().to_owned();
        if let Some(Err(error)) = &self.loaded {
            return Some(format!("{NO_CERTIFICATE}: {}", first_line(error)));
        }
        let path = &self.files.as_ref()?.cert;
        let of_dates = match self.validity() {
            Some(validity) => validity.fault(path, now),
            None => Some(format!("{CERTIFICATE_FAULT}{} has no valid dates", path.display())),
        };
        let former = |error| format!("{FORMER_CERTIFICATE}: {}", first_line(error));
        of_dates.or_else(|| self.reload_error.as_ref().map(former))
    }
}

/// The dates of the certificate at the configured paths.
///
/// # Errors
/// What keeps a listener from using it.
pub fn validity_on_disk(files: &TlsFiles) -> Result<Option<Validity>, Error> {
    load(files, None).map(|loaded| loaded.validity)
}

/// The certificate file or the key file.
struct PemFile<'a> {
    what: &'static str,
    /// The path in the settings, which an operator knows.
    configured: &'a Path,
    /// The path to read.
    source: PathBuf,
    /// `source` is the service manager's copy.
    is_credential: bool,
}

impl PemFile<'_> {
    fn error(&self, cause: impl std::fmt::Display, help: &str) -> Error {
        let action = format!("read the {} {}", self.what, self.configured.display());
        let then = match self.is_credential {
            true => "then restart the service: it got a copy when it started",
            false => "then send SIGHUP or restart",
        };
        Error::new(action, cause).help(format!("{help}, {then}"))
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let bytes = read_file(&self.source).map_err(|cause| {
            self.error(cause, "put it where the listener's user can read it, in PEM")
        })?;
        if self.is_credential && bytes == MISSING_CREDENTIAL {
            let cause = "there was no such file when the service started";
            return Err(self.error(cause, "put it there"));
        }
        Ok(bytes)
    }
}

fn load(files: &TlsFiles, credentials: Option<&Path>) -> Result<Loaded, Error> {
    let [cert, key] = pem_files(files, credentials);
    let chain = chain(&cert)?;
    // Those of its issuers last longer, or are not needed by every client.
    let validity = chain.first().and_then(Validity::of);
    let key_der = private_key(&key)?;
    let unusable = |cause: rustls::Error| match cause {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let cause = format!("the key {} belongs to another one", key.configured.display());
            cert.error(cause, "name the two files of one pair, the server's certificate first")
        }
        rustls::Error::InvalidCertificate(cause) => {
            cert.error(format!("{cause}"), "begin the file with the server's certificate")
        }
        cause => {
            key.error(cause, "use RSA of 2048 to 4096 bits, ECDSA over P-256 or P-384, or Ed25519")
        }
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(unusable)?;
    // No session can be resumed, so that nothing of one is kept after its connection.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Loaded { config: Arc::new(config), validity })
}

/// Both files: the service manager's copies if both exist, else the configured paths.
fn pem_files<'a>(files: &'a TlsFiles, credentials: Option<&Path>) -> [PemFile<'a>; 2] {
    let copies = credentials.map(|folder| CREDENTIALS.map(|name| folder.join(name)));
    let copies = copies.filter(|copies| copies.iter().all(|copy| copy.exists()));
    let is_credential = copies.is_some();
    let [cert, key] = copies.unwrap_or_else(|| [files.cert.clone(), files.key.clone()]);
    [
        PemFile { what: "certificate", configured: &files.cert, source: cert, is_credential },
        PemFile { what: "key", configured: &files.key, source: key, is_credential },
    ]
}

fn chain(file: &PemFile<'_>) -> Result<Vec<CertificateDer<'static>>, Error> {
    const HELP: &str = "put PEM there that begins with the server's certificate";
    let found: Result<Vec<_>, pem::Error> =
        CertificateDer::pem_slice_iter(&file.bytes()?).collect();
    match found {
        Ok(chain) if chain.is_empty() => Err(file.error("it holds no certificate", HELP)),
        Ok(chain) => Ok(chain),
        Err(cause) => Err(file.error(cause, HELP)),
    }
}

fn private_key(file: &PemFile<'_>) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = file.bytes()?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|cause| {
        if bytes.windows(9).any(|part| part == b"ENCRYPTED") {
            let help = "decrypt it (`openssl pkey -in KEY -out PLAIN`) and protect it by its mode";
            return file.error("it is encrypted, and nobody is there to be asked", help);
        }
        let cause = match cause {
            // The parser's own message may quote the bytes that it did not understand.
            pem::Error::NoItemsFound => "it holds no private key",
            _ => "it is not PEM",
        };
        file.error(cause, "put a key in PEM there (PKCS#8, PKCS#1 or SEC1)")
    })
}

/// Reads a regular file of bounded size. A FIFO or a device could block or never end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
