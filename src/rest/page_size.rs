//! Reduces the number of documents that a read requests for one page, after a response that was too
//! large. With pages of one document, a document that alone exceeds the size limit of responses
//! does not make other documents unreadable.

/// The reason with which a document is rejected if this document alone exceeds the size limit of
/// responses.
pub(crate) const TOO_LARGE: &str = "it is larger than the limit of a response";

/// The number of documents that a read requests for one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize {
    size: usize,
    max: usize,
}

impl PageSize {
    pub(crate) fn new(max: usize) -> Self {
        Self { size: max, max }
    }

    pub(crate) fn get(self) -> usize {
        self.size
    }

    /// Reduces the number of documents that the next request asks for, after a response that was
    /// too large. Returns false if the request asked for only one document, so that no smaller page
    /// is possible.
    pub(crate) fn shrink(&mut self) -> bool {
        let was_divisible = self.size > 1;
        self.size = (self.size / 4).max(1);
        was_divisible
    }

    /// Doubles the number of documents that the next request asks for, up to the maximum, after a
    /// response that was not too large.
    pub(crate) fn grow(&mut self) {
        self.size = self.max.min(self.size * 2);
    }
}
