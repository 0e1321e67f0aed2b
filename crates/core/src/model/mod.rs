//! The types of the domain: directives, request attributes, and the sampling rule. The types of the
//! domain perform no I/O.

pub(crate) mod directive;
pub(crate) mod endpoint_of_request;
pub(crate) mod index_names;
mod named_enum;
pub(crate) mod request;
pub(crate) mod sampling;
