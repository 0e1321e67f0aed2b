//! Creates the private key of a signer, stores it in a file, and signs directives with it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use opensearch_directives_core::document::{Signature, SignedForm, is_signer_name};
use opensearch_directives_core::internal::{Hex, from_hex};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{SignatureError, SignatureErrorKind as Kind};
use super::key_files::{self, PRIVATE};
use super::trusted_keys::PublicKey;

/// The Ed25519 private key of a signer.
///
/// ```
/// use opensearch_directives::document::SignedForm;
/// use opensearch_directives::signatures::SigningKey;
/// use opensearch_directives::{DiagLevel, DiagnosticsDirective};
///
/// let key = SigningKey::generate("alice")?;
/// let end = "2030-01-01T12:15:00Z".parse()?;
/// let directive = DiagnosticsDirective::new("slow-acme", DiagLevel::Shape, end);
/// let form = SignedForm::new(directive.as_ref(), "uuid-of-the-index");
/// let signature = key.sign(&form)?;
/// assert!(key.public().verifies(&form, &signature));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Creates a random key for the signer with the given name.
    ///
    /// # Errors
    /// Returns an error if the name is not a valid name of a signer, or if the system provides no
    /// random numbers.
    pub fn generate(name: &str) -> Result<Self, SignatureError> {
        if !is_signer_name(name) {
            return Err(SignatureError::new(
                Kind::Name,
                format!(
                    "{name:?} cannot be the name of a signer; write 1 to 64 letters, digits, dots, \
                     dashes, underscores and @"
                ),
            ));
        }
        let pair = Ed25519KeyPair::generate()
            .map_err(|_| SignatureError::new(Kind::SigningKey, "cannot generate a key"))?;
        Self::of(name, pair)
    }

    fn of(name: &str, pair: Ed25519KeyPair) -> Result<Self, SignatureError> {
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| {
            SignatureError::new(Kind::SigningKey, "the public key does not have 32 bytes")
        })?;
        Ok(Self {
            public: PublicKey::new(name, bytes),
            pair,
        })
    }

    /// Returns the public key that belongs to this private key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Reads the private key from the file that [`create_files`](Self::create_files) wrote. Reading
    /// the file blocks the calling thread.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, if other users can read it, or if it contains
    /// no private key.
    pub fn read(file: &Path) -> Result<Self, SignatureError> {
        refuse_shared(file)
            .and_then(|()| key_files::read(file, Kind::SigningKey))
            .and_then(|text| Self::parse(&SecretString::from(text)))
            .map_err(|error| error.in_file(file))
    }

    fn parse(text: &SecretString) -> Result<Self, SignatureError> {
        let error = |what: &str| SignatureError::new(Kind::SigningKey, what);
        let mut words = text.expose_secret().split_ascii_whitespace();
        let (Some(PRIVATE), Some(name), Some(seed), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(error(
                "it is not a private key that `directives keygen` wrote",
            ));
        };
        let pair = from_hex::<32>(seed)
            .filter(|_| is_signer_name(name))
            .and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok())
            .ok_or_else(|| error("the name or the key is malformed"))?;
        Self::of(name, pair)
    }

    /// Creates the files `BASE.key` and `BASE.pub`, and returns their names. Only the owner of
    /// `BASE.key` can read it. Writing the files blocks the calling thread.
    ///
    /// # Errors
    /// Returns an error if one of the files already exists or cannot be created. If the method
    /// returns an error, it leaves no new file.
    pub fn create_files(&self, base: &Path) -> Result<(PathBuf, PathBuf), SignatureError> {
        let (private, public) = (with_ending(base, ".key"), with_ending(base, ".pub"));
        let seed = self
            .pair
            .seed()
            .and_then(|seed| seed.as_be_bytes())
            .map_err(|_| SignatureError::new(Kind::SigningKey, "cannot encode the key"))?;
        let line = format!("{PRIVATE} {} {}", self.public.name(), Hex(seed.as_ref()));
        let line = SecretString::from(line);
        key_files::create(&public, &self.public.to_string(), false)?;
        if let Err(error) = key_files::create(&private, line.expose_secret(), true) {
            // The private key could not be stored, so the code also removes the file with the
            // public key: nobody should trust a key whose private key does not exist.
            let _ = std::fs::remove_file(&public);
            return Err(error);
        }
        Ok((private, public))
    }

    /// Signs the signed form of a directive with this private key.
    ///
    /// # Errors
    /// Returns an error if the name of the key is not a valid name of a signer.
    pub fn sign(&self, form: &SignedForm<'_>) -> Result<Signature, SignatureError> {
        let error = || SignatureError::new(Kind::SigningKey, "the directive cannot be signed");
        let signed = self
            .pair
            .try_sign(&form.message(self.public.name()))
            .map_err(|_| error())?;
        let bytes = signed.as_ref().try_into().map_err(|_| error())?;
        Signature::new(self.public.name(), self.public.id(), bytes)
            .map_err(|source| error().with_source(source))
    }
}

fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(base);
    name.push(ending);
    name.into()
}

/// Returns an error if other users can read the file of a private key.
fn refuse_shared(file: &Path) -> Result<(), SignatureError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if let Ok(metadata) = std::fs::metadata(file)
            && metadata.permissions().mode() & 0o077 != 0
        {
            return Err(SignatureError::new(
                Kind::SigningKey,
                "other users may read this private key; make it private with `chmod 600`, and \
                 replace the key if somebody may have copied it",
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
