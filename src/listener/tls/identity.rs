//! Owns the certificate that the listener shows and the key that proves it: where they are read
//! from, what is wrong with them, and what TLS is spoken. Must never tell anything of the key.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{InconsistentKeys, ServerConfig};

use crate::error::Error;
use crate::listener::settings::TlsFiles;

/// The names under which a service manager hands over both files (systemd.exec(5), CREDENTIALS).
const CREDENTIALS: [&str; 2] = ["notice-cert", "notice-key"];
/// What the unit hands over in the place of a file that is not there.
const STAND_IN: &[u8] = b"missing";
/// The most bytes of a file, systemd's bound for a credential.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What clients meet while there is no identity.
const ALERT: &str = "TLS clients get an alert instead of the notice";

/// The certificate as it was last read. Where it cannot be read the listener goes on without:
/// plain clients are told, TLS clients get the alert, and the trouble is told in every place
/// that an operator looks at.
#[derive(Debug)]
pub struct Identity {
    files: Option<TlsFiles>,
    credentials: Option<PathBuf>,
    config: Option<Arc<ServerConfig>>,
    error: Option<Error>,
}

impl Identity {
    /// Reads what the settings name, if they name something. `credentials` is the directory of a
    /// service manager that may have handed both files over; they are then read from there.
    pub(in crate::listener) fn read(
        files: Option<TlsFiles>,
        credentials: Option<&OsStr>,
    ) -> Identity {
        let credentials = credentials.map(PathBuf::from);
        let mut identity = Identity { files, credentials, config: None, error: None };
        identity.reload();
        identity
    }

    /// Reads both files again; where that fails, the certificate that was read before stays.
    pub(in crate::listener) fn reload(&mut self) {
        let Some(files) = &self.files else { return };
        match load(files, self.credentials.as_deref()) {
            Ok(config) => {
                self.config = Some(Arc::new(config));
                self.error = None;
            }
            Err(error) => {
                match self.config {
                    Some(_) => {
                        tracing::error!("{error}\n  the former certificate is still shown")
                    }
                    None => tracing::error!("{error}\n  until then {ALERT}"),
                }
                self.error = Some(error);
            }
        }
    }

    /// What new sessions are made with; `None` where TLS is answered with the alert.
    pub(in crate::listener) fn server_config(&self) -> Option<&Arc<ServerConfig>> {
        self.config.as_ref()
    }

    /// What keeps TLS clients from the sentence, in one line.
    pub(in crate::listener) fn error(&self) -> Option<String> {
        let told = self.error.as_ref().filter(|_| self.config.is_none())?.to_string();
        Some(format!("{ALERT}: {}", told.lines().next().unwrap_or_default()))
    }
}

/// One of both files: how it is called, and where it is read from.
struct PemFile<'a> {
    what: &'static str,
    named: &'a Path,
    read: PathBuf,
    handed_over: bool,
}

impl PemFile<'_> {
    fn error(&self, cause: impl std::fmt::Display, cure: &str) -> Error {
        let what = format!("read the {} {}", self.what, self.named.display());
        let again = match self.handed_over {
            true => "then restart the service: it got a copy when it started",
            false => "then send SIGHUP or restart",
        };
        Error::new(what, cause).help(format!("{cure}, {again}"))
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let bytes = read_file(&self.read).map_err(|cause| {
            self.error(cause, "put it where the listener's user can read it, in PEM")
        })?;
        if self.handed_over && bytes == STAND_IN {
            let cause = "there was no such file when the service started";
            return Err(self.error(cause, "put it there"));
        }
        Ok(bytes)
    }
}

fn load(files: &TlsFiles, credentials: Option<&Path>) -> Result<ServerConfig, Error> {
    let [cert, key] = sources(files, credentials);
    let chain = chain(&cert)?;
    let key_der = private_key(&key)?;
    let unusable = |cause: rustls::Error| match cause {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let cause = format!("the key {} belongs to another one", key.named.display());
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
    // Nothing is kept for a session that comes back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Where both files are read from: the service manager's copies if it made both, else the paths.
fn sources<'a>(files: &'a TlsFiles, credentials: Option<&Path>) -> [PemFile<'a>; 2] {
    let copies = credentials.map(|folder| CREDENTIALS.map(|name| folder.join(name)));
    let copies = copies.filter(|copies| copies.iter().all(|copy| copy.exists()));
    let handed_over = copies.is_some();
    let [cert, key] = copies.unwrap_or_else(|| [files.cert.clone(), files.key.clone()]);
    [
        PemFile { what: "certificate", named: &files.cert, read: cert, handed_over },
        PemFile { what: "key", named: &files.key, read: key, handed_over },
    ]
}

fn chain(file: &PemFile<'_>) -> Result<Vec<CertificateDer<'static>>, Error> {
    const CURE: &str = "put PEM there that begins with the server's certificate";
    let found: Result<Vec<_>, pem::Error> =
        CertificateDer::pem_slice_iter(&file.bytes()?).collect();
    match found {
        Ok(chain) if chain.is_empty() => Err(file.error("it holds no certificate", CURE)),
        Ok(chain) => Ok(chain),
        Err(cause) => Err(file.error(cause, CURE)),
    }
}

fn private_key(file: &PemFile<'_>) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = file.bytes()?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|cause| {
        if bytes.windows(9).any(|part| part == b"ENCRYPTED") {
            let cure = "decrypt it (`openssl pkey -in KEY -out PLAIN`) and protect it by its mode";
            return file.error("it is encrypted, and nobody is there to be asked", cure);
        }
        let cause = match cause {
            // The parser's own words may show what it stumbled over.
            pem::Error::NoItemsFound => "it holds no private key",
            _ => "it is not PEM",
        };
        file.error(cause, "put a key in PEM there (PKCS#8, PKCS#1 or SEC1)")
    })
}

/// Reads a file, and nothing that never ends or has to be waited for.
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
