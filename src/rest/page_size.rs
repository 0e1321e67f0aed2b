//! Divides the pages of a read, so that a document which is larger than the size limit of responses
//! hides no other document.

/// The reason for which a document is unreadable if it alone exceeds the size limit.
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

    /// Reduces the size after a response that was too large. Returns false if the page had only one
    /// document, so that a smaller page is not possible.
    pub(crate) fn shrink(&mut self) -> bool {
        let was_divisible = self.size > 1;
        self.size = (self.size / 4).max(1);
        was_divisible
    }

    /// Doubles the size, up to the maximum, after a page that was not too large.
    pub(crate) fn grow(&mut self) {
        self.size = self.max.min(self.size * 2);
    }
}
