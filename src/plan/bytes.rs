//! A file's bytes, read at once or on first use: this program's own file is large, and mostly it is enough
//! to know that it is the same.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

type Lazy = LazyLock<io::Result<Vec<u8>>, Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send + Sync>>;

/// A file's bytes.
#[derive(Clone)]
pub enum Bytes {
    /// In memory.
    Held(Vec<u8>),
    /// Read on first use; clones share them.
    Lazy(Arc<Lazy>),
}

impl Bytes {
    /// Bytes that are read on first use.
    pub fn lazily(read: impl FnOnce() -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::Lazy(Arc::new(LazyLock::new(Box::new(read))))
    }

    /// Reads them now. Bytes that cannot be read count as empty: call this before writing them anywhere.
    ///
    /// # Errors
    /// The cause of a failed read, in words.
    pub fn load(&self) -> Result<(), String> {
        match self {
            Self::Held(_) => Ok(()),
            Self::Lazy(lazy) => lazy.as_ref().as_ref().map(drop).map_err(ToString::to_string),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Held(bytes) => bytes,
            Self::Lazy(lazy) => lazy.as_deref().unwrap_or_default(),
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lazy(one), Self::Lazy(other)) if Arc::ptr_eq(one, other) => true,
            _ => **self == **other,
        }
    }
}

impl Eq for Bytes {}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(bytes) => write!(formatter, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Lazy(_) => formatter.write_str("(read when needed)"),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Held(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self::Held(bytes.to_vec())
    }
}
