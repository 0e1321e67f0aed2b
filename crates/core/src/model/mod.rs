//! The domain types, which perform no I/O: directives, request attributes, and the sampling rule.

pub(crate) mod directive;
pub(crate) mod endpoint_of_request;
pub(crate) mod index_names;
mod named_enum;
pub(crate) mod request;
pub(crate) mod sampling;
