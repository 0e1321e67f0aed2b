// The guide for embedders, as a page of the documentation.

#![doc = include_str!("../docs/embedding.md")]
