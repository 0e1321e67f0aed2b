//! A directive, and the request attributes that it can target.

pub(crate) mod directive;
pub(crate) mod request;
pub(crate) mod sampling;
