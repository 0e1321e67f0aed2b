//! Reads the signature policy. The signature policy defines how many signers each class of
//! directives needs.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use opensearch_directives_core::document::is_signer_name;
use opensearch_directives_core::internal::MAX_SIGNATURES;
use opensearch_directives_core::{DiagLevel, DirectiveRef};
use serde::Deserialize;

use super::error::{SignatureError, SignatureErrorKind};
use super::key_files;

/// The maximum number of rules in a policy.
const MAX_RULES: usize = 100;
/// A rule may require at most this many signers, because a document has at most this many
/// signatures.
const MAX_SIGNERS: usize = MAX_SIGNATURES;

/// A class of directives to which a rule of the signature policy can apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DirectiveClass {
    /// The directives that request capture.
    Capture,
    /// The directives that request the ring buffer.
    RingBuffer,
    /// The directives that have no target, so that every request matches them.
    Everything,
    /// The directives whose level is above the given level.
    Above(DiagLevel),
}

impl DirectiveClass {
    /// Returns true if a directive belongs to this class.
    #[must_use]
    pub fn contains(self, directive: &DirectiveRef<'_>) -> bool {
        match self {
            Self::Capture => directive.capture,
            Self::RingBuffer => directive.ring_buffer,
            Self::Everything => {
                directive.tenant.is_none()
                    && directive.index.is_none()
                    && directive.principal.is_none()
                    && directive.endpoint.is_none()
            }
            Self::Above(level) => directive.level > level,
        }
    }
}

impl fmt::Display for DirectiveClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture => f.write_str("capture"),
            Self::RingBuffer => f.write_str("ring_buffer"),
            Self::Everything => f.write_str("everything"),
            Self::Above(level) => write!(f, "above {level}"),
        }
    }
}

impl FromStr for DirectiveClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "capture" => Ok(Self::Capture),
            "ring_buffer" => Ok(Self::RingBuffer),
            "everything" => Ok(Self::Everything),
            _ => text
                .strip_prefix("above ")
                .and_then(|level| level.parse().ok())
                .map(Self::Above)
                .ok_or_else(|| {
                    let text = shorten(text);
                    format!(
                        "{text:?} is not a class of directives; write \"capture\", \
                         \"ring_buffer\", \"everything\" or \"above LEVEL\" such as \"above Shape\""
                    )
                }),
        }
    }
}

/// A rule of a signature policy, which says how many signers the directives of certain classes
/// need.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SignatureRule {
    /// The classes of directives to which the rule applies. If `classes` is empty, the rule applies
    /// to all directives.
    pub classes: Vec<DirectiveClass>,
    /// The number of different signers that the rule requires.
    pub signers: usize,
    /// The names of the signers who count for the rule. If `of` is empty, every signer with a
    /// trusted key counts for the rule.
    pub of: Vec<String>,
}

impl SignatureRule {
    /// Returns true if the rule applies to a directive, because the directive belongs to one of the
    /// rule's classes or the rule has none.
    #[must_use]
    pub fn applies_to(&self, directive: &DirectiveRef<'_>) -> bool {
        self.classes.is_empty() || self.classes.iter().any(|class| class.contains(directive))
    }

    /// Returns how many of the given signers count for the rule. The caller must pass the name of
    /// each signer only once.
    pub(super) fn count(&self, signers: &[&str]) -> usize {
        let counts = |name: &&&str| self.of.is_empty() || self.of.iter().any(|of| of == *name);
        signers.iter().filter(counts).count()
    }
}

/// The rules that say how many signers a directive needs. A directive must satisfy every rule that
/// applies to it. If no rule applies to a directive, the directive needs no signature.
///
/// Every policy rejects a document if one of its signatures names a trusted key but is invalid. A
/// signature by an unknown key is ignored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SignaturePolicy {
    rules: Vec<SignatureRule>,
}

impl SignaturePolicy {
    /// Returns the policy by which no directive needs a signature.
    #[must_use]
    pub fn optional() -> Self {
        Self::default()
    }

    /// Returns the policy by which every directive needs the signature of one signer.
    #[must_use]
    pub fn required() -> Self {
        Self {
            rules: vec![SignatureRule {
                classes: Vec::new(),
                signers: 1,
                of: Vec::new(),
            }],
        }
    }

    /// Reads a signature policy from JSON.
    ///
    /// ```
    /// use opensearch_directives::signatures::SignaturePolicy;
    ///
    /// let policy = SignaturePolicy::parse(r#"{
    ///     "rules": [
    ///         {"signers": 1},
    ///         {"for": ["capture", "everything", "above Shape"], "signers": 2, "of": ["alice", "bob", "carol"]}
    ///     ]
    /// }"#)?;
    /// assert_eq!(policy.rules().len(), 2);
    /// # Ok::<(), opensearch_directives::signatures::SignatureError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the JSON is not a policy, or if no document can satisfy a rule.
    pub fn parse(json: &str) -> Result<Self, SignatureError> {
        let written: WrittenPolicy = serde_json::from_str(json).map_err(|source| {
            SignatureError::new(
                SignatureErrorKind::Policy,
                "it is not the JSON of a signature policy, {\"rules\": [...]}",
            )
            .with_source(source)
        })?;
        let error = |text: String| SignatureError::new(SignatureErrorKind::Policy, text);
        if written.rules.is_empty() || written.rules.len() > MAX_RULES {
            return Err(error(format!(
                "rules: there are {}; write 1 to {MAX_RULES}, or use the policy \"optional\"",
                written.rules.len()
            )));
        }
        let rules = written.rules.into_iter().enumerate();
        let rules: Result<Vec<SignatureRule>, String> = rules
            .map(|(n, rule)| {
                rule.check()
                    .map_err(|problem| format!("rules[{n}].{problem}"))
            })
            .collect();
        Ok(Self {
            rules: rules.map_err(error)?,
        })
    }

    /// Reads a signature policy from a file. Reading the file blocks the calling thread.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if [`parse`](Self::parse) returns an error.
    pub fn read(file: &Path) -> Result<Self, SignatureError> {
        key_files::read(file, SignatureErrorKind::Policy)
            .and_then(|text| Self::parse(&text))
            .map_err(|error| error.in_file(file))
    }

    /// Returns the rules of this signature policy.
    #[must_use]
    pub fn rules(&self) -> &[SignatureRule] {
        &self.rules
    }

    /// Returns true if the policy has at least one rule, so that at least some directives need a
    /// signature.
    #[must_use]
    pub fn requires_signatures(&self) -> bool {
        !self.rules.is_empty()
    }
}

/// Shortens a string from a policy file, so that an error message can contain it.
fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    rules: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    #[serde(default, rename = "for")]
    classes: Option<Vec<String>>,
    signers: usize,
    #[serde(default)]
    of: Option<Vec<String>>,
}

impl WrittenRule {
    fn check(self) -> Result<SignatureRule, String> {
        let classes = match self.classes {
            None => Vec::new(),
            Some(classes) if classes.is_empty() => {
                return Err("for: it is empty; leave it out for every directive".to_owned());
            }
            Some(classes) => classes
                .iter()
                .enumerate()
                .map(|(n, class)| class.parse().map_err(|error| format!("for[{n}]: {error}")))
                .collect::<Result<_, String>>()?,
        };
        let mut of = self.of.unwrap_or_default();
        if let Some(name) = of.iter().find(|name| !is_signer_name(name)) {
            let name = shorten(name);
            return Err(format!("of: {name:?} cannot be the name of a signer"));
        }
        let listed = of.len();
        of.sort();
        of.dedup();
        if of.len() < listed {
            return Err("of: it lists a signer twice".to_owned());
        }
        let most = if listed == 0 {
            MAX_SIGNERS
        } else {
            listed.min(MAX_SIGNERS)
        };
        if !(1..=most).contains(&self.signers) {
            return Err(format!(
                "signers: {} of {most} cannot sign; write a number from 1 to {most}",
                self.signers
            ));
        }
        Ok(SignatureRule {
            classes,
            signers: self.signers,
            of,
        })
    }
}
