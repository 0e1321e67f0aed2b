//! Compares the public interface of each published library with a checked-in listing, so that
//! reviewers see every change of the interface.
//!
//! The folder `listings/` contains one file for each published library, with one line for each
//! exported item. After an intended change of a public interface, `UPDATE_LISTINGS=1 cargo test -p
//! public-interface` updates the listings.

#[cfg(test)]
mod tests;
