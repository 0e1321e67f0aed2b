//! Diagnostics directives that live in an OpenSearch index.

#![forbid(unsafe_code)]

mod domain;

pub use domain::{
    Decision, DiagLevel, DiagnosticsDirective, Digest, DirectiveMatch, DirectiveRef, DirectiveSet,
    DirectiveSetBuilder, DirectiveStore, EndpointKind, Explanation, InMemoryDirectiveStore, Reader,
    RequestAttrs, UnknownDiagLevel, UnknownEndpointKind,
};
