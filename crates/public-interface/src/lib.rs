//! Compares the public interface of the published libraries with a checked-in listing, so
//! that a change of it is seen in review.
//!
//! `listings/` contains one file for each library, with one line for each item. After an intended
//! change, `UPDATE_LISTINGS=1 cargo test -p public-interface` writes the files again.

#[cfg(test)]
mod tests;
