// Publishes `docs/embedding.md`, the guide for applications that embed the store, as a page of the
// crate's documentation. The documentation tests run the examples in the guide.

#![doc = include_str!("../docs/embedding.md")]
