//! The error that says why a document is refused: the wrong field, its value, the reason and how to
//! correct it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::visible_text::visible_beginning;
use crate::{UnknownDiagLevel, UnknownEndpointKind};

/// The maximum number of characters of the invalid value in a rejection.
const VALUE_CHARS: usize = 60;
/// The maximum number of characters of the document's id in a rejection. OpenSearch accepts ids of
/// at most 512 bytes, so no valid id is shortened.
const ID_CHARS: usize = 512;

/// Says which document is refused, and why. The message of a rejection begins with the name of the
/// invalid field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejection {
    id: String,
    field: Cow<'static, str>,
    value: String,
    reason: RejectionReason,
}

impl Rejection {
    /// Returns the `_id` of the rejected document, of which at most 512 characters are kept.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name of the invalid field, or `_source` if the document as a whole is invalid.
    /// If the field has an unknown name, the name is shortened and its control characters are
    /// escaped.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns the value of the invalid field as JSON, or an empty string if the field is absent.
    /// The value is shortened to 60 characters, and its control characters are escaped.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns the reason why the field is refused.
    #[must_use]
    pub fn reason(&self) -> RejectionReason {
        self.reason
    }

    /// Returns true if another reader might accept the document, because the role of this reader
    /// may hide or mask the invalid field. The field may also be missing for every reader, because
    /// somebody wrote the document without the ingest pipeline.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        matches!(
            self.reason,
            RejectionReason::HiddenOrMissing
                | RejectionReason::HiddenTarget
                | RejectionReason::Masked
                | RejectionReason::NotTargets
                | RejectionReason::NotSignatures
        )
    }
}

impl Rejection {
    /// Returns true if the document has too few signatures for the proxy's signature policy. Either
    /// too few signers have signed the directive, or the reader's role hides signatures.
    #[must_use]
    pub fn lacks_signatures(&self) -> bool {
        self.reason == RejectionReason::TooFewSigners
    }
}

/// Creates the rejection of a document whose signatures do not satisfy the proxy's signature
/// policy.
#[doc(hidden)]
#[must_use]
pub fn reject_signatures(id: &str, value: &str, reason: RejectionReason) -> Rejection {
    let field = match reason {
        RejectionReason::RevokedBefore => "revoked",
        _ => "signatures",
    };
    Fault::new(field, value, reason).of(id)
}

/// The reason why a document or one of its fields is invalid. The message of each rejection reason
/// also says how to correct the document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectionReason {
    /// The `_source` of the document is not a JSON object.
    NotAnObject,
    /// The document has a field that neither drafts nor stored documents may have.
    UnknownField,
    /// The document contains the same field twice.
    RepeatedField,
    /// A required field of a draft is missing.
    Missing,
    /// A required field of a stored document is missing.
    HiddenOrMissing,
    /// The list `targets` of a stored document names a target field that the document does not
    /// contain.
    HiddenTarget,
    /// The list `targets` of a draft names a target field that the draft does not contain.
    NamedTargetMissing,
    /// The document contains a target field that its list `targets` does not name.
    TargetNotNamed,
    /// The value of the field `targets` is not a list of the names of target fields.
    NotTargets,
    /// A target (tenant, index or principal) is not a string, or is empty.
    NotATarget,
    /// A target looks like a value that the security plugin has masked.
    Masked,
    /// The value of the field `level` is not the name of a level.
    NotALevel,
    /// The value of the field `endpoint` is not the name of an endpoint kind.
    NotAnEndpoint,
    /// The value of the field `sample_per_mille` is not a whole number from 0 to 1000.
    NotASampleRate,
    /// The value of a field that must be `true` or `false` is something else.
    NotABoolean,
    /// The value of a field that must be a string is not a string.
    NotAText,
    /// The value of a field that must be a time is not a time in the format RFC 3339.
    NotATime,
    /// The time to live is not a positive whole number of seconds.
    NotATtl,
    /// OpenSearch does not accept the id, or the id cannot be a segment of a URL path.
    NotAnId,
    /// The value of the field `id` differs from the document's `_id`.
    IdMismatch,
    /// The stored document has only a relative expiry, so every read would postpone the expiry.
    RelativeExpiry,
    /// The document has both a relative and an absolute expiry.
    TwoExpiries,
    /// A draft contains a field that only the command or the pipeline may write.
    StampedField,
    /// The field `revoked` is false although the document has a `revoked_at`.
    RevokedDisagrees,
    /// The expiry of the directive is not after its start.
    ExpiresBeforeStart,
    /// The expiry of the directive is in the past.
    ExpiresInThePast,
    /// The expiry of the directive is later than `max_ttl` allows.
    BeyondMaxTtl,
    /// The value of the field `signatures` is not a list of valid signatures.
    NotSignatures,
    /// The draft has signatures although its expiry is relative. The signature of a draft with a
    /// relative expiry could not cover the absolute expiry, which the cluster computes later.
    SignedRelativeExpiry,
    /// Fewer signers have signed the directive than the proxy's signature policy requires.
    TooFewSigners,
    /// The document has a signature by a trusted key that does not match the document's content.
    WrongSignature,
    /// The document is not revoked, although this proxy has already seen that the same signed
    /// directive was revoked.
    RevokedBefore,
}

/// A rejection without the document's id: the wrong field, its value and the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) field: Cow<'static, str>,
    pub(super) value: String,
    pub(super) reason: RejectionReason,
}

impl Fault {
    pub(super) fn new(
        field: impl Into<Cow<'static, str>>,
        value: &str,
        reason: RejectionReason,
    ) -> Self {
        Self {
            field: field.into(),
            value: printable(value),
            reason,
        }
    }

    pub(super) fn of(self, id: &str) -> Rejection {
        Rejection {
            id: shorten(id, ID_CHARS),
            field: self.field,
            value: self.value,
            reason: self.reason,
        }
    }
}

fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Shortens an untrusted string, and escapes each character that is invisible, moves a terminal's
/// cursor or changes the direction of the text.
pub(super) fn printable(text: &str) -> String {
    visible_beginning(text, VALUE_CHARS)
}

// The messages of those rejection reasons that need more than one line.
const HIDDEN_OR_MISSING: &str = "\
    missing, but every stored document has it: field-level security hides it from this reader, or \
    the document was written without the ingest pipeline; give the reader a role without \
    field-level security, or write the directive again (`directives init --upgrade` converts \
    documents of an earlier version)";
const HIDDEN_TARGET: &str = "\
    missing, but `targets` names it: field-level security hides it from this reader, or a partial \
    update removed it; give the reader a role without field-level security, or write the \
    directive again";
const NOT_TARGETS: &str = "\
    is not a list of the targeted fields (tenant, index, principal, endpoint), each once: field \
    masking changes it for this reader, or the document was written without the ingest pipeline; \
    give the reader a role without field masking, or write the directive again";
const MASKED: &str = "\
    looks masked (64 hexadecimal digits) and would match no request: field masking changes it for \
    this reader; give the reader a role without field masking. A target of this form cannot be \
    written";

const RELATIVE_EXPIRY: &str = "\
    missing; a ttl_secs alone would start again at each read. Write expires_at, or index through \
    the ingest pipeline, which converts ttl_secs into expires_at";
const NAMED_TARGET_MISSING: &str = "\
    missing, but `targets` names it; write the target, or remove it from `targets`";
const TARGET_NOT_NAMED: &str = "\
    does not name every target of the document: it was changed without the ingest pipeline; write \
    the directive again";
const NOT_A_SAMPLE_RATE: &str = "\
    is not a rate; write a whole number from 0 to 1000, or leave the field out";
const NOT_A_TIME: &str = "\
    is not a time; write RFC 3339 with an offset, such as \"2030-01-31T12:00:00Z\"";
const NOT_AN_ID: &str = "\
    is not an id; write a text of 1 to 512 bytes without control characters, other than \".\" and \
    \"..\"";
const REVOKED_DISAGREES: &str = "\
    disagrees with revoked_at, which is set; write the directive again, or revoke it";
const NOT_SIGNATURES: &str = "\
    is not a list of 1 to 8 signatures, each SIGNER:KEY:SIGNATURE by another key: field masking \
    changes it for this reader, or it was written by hand; give the reader a role without field \
    masking, or sign the directive with `directives sign`";
const SIGNED_RELATIVE_EXPIRY: &str = "\
    are set together with a relative expiry, which no signature can cover; write expires_at, or \
    leave the signatures out and use --sign-with";
const TOO_FEW_SIGNERS: &str = "\
    required signers have signed with a key that this proxy trusts; add a signature with \
    `directives sign`, or check the trusted keys and the signature policy";
const WRONG_SIGNATURE: &str = "\
    did not sign this: the directive was changed or extended after it was signed, or copied from \
    another id or index; sign it with `directives sign` if it is right, else revoke it";
const REVOKED_BEFORE: &str = "\
    but this proxy has seen a revocation of the same signed directive, and a revocation is final; \
    write the directive again with another expiry";

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        if !self.value.is_empty() {
            write!(f, "{} ", self.value)?;
        }
        match self.reason {
            RejectionReason::NotATarget => write!(
                f,
                "is not a name; write a non-empty text, or leave the field out to match every {}",
                self.field
            ),
            reason => reason.fmt(f),
        }
    }
}

impl std::error::Error for Rejection {}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "is not a JSON object",
            Self::UnknownField => "is not a field of a directive; correct the name or leave it out",
            Self::RepeatedField => "occurs twice; remove one",
            Self::Missing => "missing; it is required",
            Self::HiddenOrMissing => HIDDEN_OR_MISSING,
            Self::HiddenTarget => HIDDEN_TARGET,
            Self::NamedTargetMissing => NAMED_TARGET_MISSING,
            Self::TargetNotNamed => TARGET_NOT_NAMED,
            Self::NotTargets => NOT_TARGETS,
            Self::NotATarget => "is not a name; write a non-empty text, or leave the field out",
            Self::Masked => MASKED,
            Self::NotALevel => return UnknownDiagLevel.fmt(f),
            Self::NotAnEndpoint => {
                return write!(
                    f,
                    "{UnknownEndpointKind}, or leave the field out to match every endpoint"
                );
            }
            Self::NotASampleRate => NOT_A_SAMPLE_RATE,
            Self::NotABoolean => "is not a boolean; write true or false, or leave the field out",
            Self::NotAText => "is not a text; write a text, or leave the field out",
            Self::NotATime => NOT_A_TIME,
            Self::NotATtl => "is not a time to live; write a whole number of seconds, at least 1",
            Self::NotAnId => NOT_AN_ID,
            Self::IdMismatch => "is not the document's _id; leave it out",
            Self::RelativeExpiry => RELATIVE_EXPIRY,
            Self::TwoExpiries => "is set together with expires_at; write only one of them",
            Self::StampedField => "is set by the command or the pipeline; leave it out",
            Self::RevokedDisagrees => REVOKED_DISAGREES,
            Self::ExpiresBeforeStart => "is not after starts_at; write a later time",
            Self::ExpiresInThePast => "is not in the future; write a later time",
            Self::BeyondMaxTtl => "is later than max_ttl allows; write an earlier time",
            Self::NotSignatures => NOT_SIGNATURES,
            Self::SignedRelativeExpiry => SIGNED_RELATIVE_EXPIRY,
            Self::TooFewSigners => TOO_FEW_SIGNERS,
            Self::WrongSignature => WRONG_SIGNATURE,
            Self::RevokedBefore => REVOKED_BEFORE,
        })
    }
}

#[cfg(test)]
#[path = "rejection_tests.rs"]
mod tests;
