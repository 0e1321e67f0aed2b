// Publishes `docs/embedding.md`, the guide for applications that embed the store, as a page of the
// crate's documentation. The examples in the guide are tested as documentation tests.

#![doc = include_str!("../docs/embedding.md")]
