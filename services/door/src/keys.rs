//! Bearer keys. Several are good at a time, so that a new one can be handed out before the old one is taken back.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

/// A shorter key can be guessed: 16 random characters are some 90 bits.
const SHORTEST: usize = 16;

/// Where the keys come from. Both may be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeySource {
    /// A file with one key a line; empty lines and lines that begin with `#` are passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// An environment variable with one key, or several between commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file.
    #[error("read the keys in {path}")]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The variable.
    #[error("find a key in the variable {0}, which is not set or empty")]
    Variable(String),
    /// The source is there, and holds none.
    #[error("find a key in {0}")]
    Empty(PathBuf),
    /// A key that can be guessed, or that no header can carry.
    #[error("accept a key: it must have {SHORTEST} to 500 visible ASCII characters, and no comma")]
    Unfit,
}

impl KeySource {
    /// Whether any keys are asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.file.is_some() || self.env.is_some()
    }

    /// The keys as they are now. None at all are configured: `None`, and everybody may come in.
    ///
    /// # Errors
    /// A source that cannot be read or holds nothing, and a key that is none.
    pub fn read(&self) -> Result<Option<Keys>, KeyError> {
        if !self.is_set() {
            return Ok(None);
        }
        let mut keys = Vec::new();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            keys.extend(lines.map(str::to_owned));
            if keys.is_empty() {
                return Err(KeyError::Empty(path.clone()));
            }
        }
        if let Some(name) = &self.env {
            let text = std::env::var(name).unwrap_or_default();
            let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
            if parts.is_empty() {
                return Err(KeyError::Variable(name.clone()));
            }
            keys.extend(parts.into_iter().map(str::to_owned));
        }
        Keys::new(keys).map(Some)
    }
}

/// Keys that open.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<String>);

impl Keys {
    /// # Errors
    /// [`KeyError::Unfit`].
    pub fn new(keys: Vec<String>) -> Result<Self, KeyError> {
        let fits = |key: &String| {
            (SHORTEST..=500).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
        };
        if keys.is_empty() || !keys.iter().all(fits) {
            return Err(KeyError::Unfit);
        }
        Ok(Self(keys))
    }

    /// The first key: the one that a client of somebody else's sends.
    #[must_use]
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether an `Authorization` header carries one of them. Every key is looked at, to its end, whichever fits.
    ///
    /// ```
    /// use halfopen_door::Keys;
    ///
    /// let keys = Keys::new(vec!["the old key of May".replace(' ', "-"), "the new key of June".replace(' ', "-")])?;
    /// assert!(keys.open_for(Some("Bearer the-new-key-of-June")));
    /// assert!(!keys.open_for(Some("Bearer the-key-of-July")) && !keys.open_for(None));
    /// # Ok::<(), halfopen_door::KeyError>(())
    /// ```
    #[must_use]
    pub fn open_for(&self, authorization: Option<&str>) -> bool {
        let presented = authorization.and_then(bearer).unwrap_or_default().as_bytes();
        let mut any = Choice::from(0);
        for key in &self.0 {
            any |= key.as_bytes().ct_eq(presented);
        }
        any.into()
    }
}

/// The keys of a source, as they were read last. Clones share them.
#[derive(Clone, Debug)]
pub struct KeyRing {
    source: KeySource,
    keys: Arc<RwLock<Option<Keys>>>,
}

impl KeyRing {
    /// Reads a source for the first time.
    ///
    /// # Errors
    /// As [`KeySource::read`].
    pub fn new(source: &KeySource) -> Result<Self, KeyError> {
        Ok(Self { source: source.clone(), keys: Arc::new(RwLock::new(source.read()?)) })
    }

    /// Reads the source again: keys that have been added open from now on, those that have been taken out do not.
    ///
    /// # Errors
    /// As [`KeySource::read`]; the keys stay as they were.
    pub fn reload(&self) -> Result<(), KeyError> {
        let keys = self.source.read()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Whether an `Authorization` header carries one of the keys; true where none are asked for.
    #[must_use]
    pub fn open_for(&self, authorization: Option<&str>) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.as_ref().is_none_or(|keys| keys.open_for(authorization))
    }
}

/// Without the keys: what derives its Debug from this may stand in a log.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// The token of `Bearer <token>` (RFC 6750); the scheme's case does not matter.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";

    #[test]
    fn any_of_the_keys_opens_and_nothing_else_does() {
        let keys = Keys::new(vec![OLD.to_owned(), NEW.to_owned()]).expect("keys");
        for good in ["Bearer 0123456789abcdef", "bearer  fedcba9876543210", " BEARER 0123456789abcdef"] {
            assert!(keys.open_for(Some(good)), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef",
            OLD,
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
        ] {
            assert!(!keys.open_for(Some(bad)), "{bad}");
        }
        assert!(!keys.open_for(None));
        assert_eq!(format!("{keys:?}"), "Keys(2)");
    }

    #[test]
    fn a_key_that_can_be_guessed_is_none() {
        for bad in ["", "short", "0123456789abcde ", "0123456789,abcdef", "0123456789abcdeü"] {
            assert!(matches!(Keys::new(vec![bad.to_owned()]), Err(KeyError::Unfit)), "{bad}");
        }
        assert!(Keys::new(Vec::new()).is_err());
    }

    #[test]
    fn a_file_has_a_key_a_line_and_what_is_configured_must_be_there() {
        let path = std::env::temp_dir().join(format!("halfopen-keys-{}", std::process::id()));
        std::fs::write(&path, format!("# May\n{OLD}\n\n  {NEW}\n")).expect("a file");
        let source = KeySource { file: Some(path.clone()), env: None };
        let keys = source.read().expect("keys").expect("some");
        assert_eq!((keys.first(), keys.0.len()), (OLD, 2));
        std::fs::write(&path, "# none\n").expect("a file");
        assert!(matches!(source.read(), Err(KeyError::Empty(_))));
        std::fs::remove_file(&path).expect("it is there");
        assert!(matches!(source.read(), Err(KeyError::File { .. })));
        let source = KeySource { file: None, env: Some("HALFOPEN_NO_SUCH_KEYS".to_owned()) };
        assert!(matches!(source.read(), Err(KeyError::Variable(_))));
        assert_eq!(KeySource::default().read().expect("nothing is asked for"), None);
    }

    #[test]
    fn a_ring_is_read_again_and_a_source_that_cannot_be_read_leaves_it_as_it_was() {
        let path = std::env::temp_dir().join(format!("halfopen-ring-{}", std::process::id()));
        std::fs::write(&path, OLD).expect("a file");
        let ring = KeyRing::new(&KeySource { file: Some(path.clone()), env: None }).expect("a key");
        let opens = |key| ring.open_for(Some(&format!("Bearer {key}")));
        assert!(opens(OLD) && !opens(NEW));
        std::fs::write(&path, NEW).expect("a file");
        assert!(opens(OLD), "nothing was read yet");
        ring.reload().expect("a key");
        assert!(opens(NEW) && !opens(OLD));
        std::fs::remove_file(&path).expect("it is there");
        assert!(ring.reload().is_err() && opens(NEW));
        let open = KeyRing::new(&KeySource::default()).expect("none is asked for");
        assert!(open.open_for(None));
    }
}
