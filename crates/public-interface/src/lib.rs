//! Compares the public interface of the published libraries with a checked-in listing, so
//! that a change of it is seen in review.
//!
//! `listings/` has one file a library, one line an item. After an intended change,
//! `UPDATE_LISTINGS=1 cargo test -p public-interface` writes the files anew.

#[cfg(test)]
mod tests;
