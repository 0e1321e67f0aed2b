//! Directives, request attributes, and the rule by which requests are sampled. The types in `model`
//! perform no I/O.

pub(crate) mod directive;
pub(crate) mod endpoint_of_request;
pub(crate) mod index_names;
mod named_enum;
pub(crate) mod request;
pub(crate) mod sampling;
