//! Describes how sorting has changed the order of a list, so that other lists can be brought into
//! the same order.

/// Says how sorting has changed the order of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[doc(hidden)]
pub struct Order {
    /// For each position of the sorted list, the position of the element before sorting; `None` if
    /// sorting changed nothing.
    before: Option<Box<[u32]>>,
    len: usize,
}

impl Order {
    pub(super) fn unchanged(len: usize) -> Self {
        Self { before: None, len }
    }

    pub(super) fn new(before: Vec<u32>) -> Self {
        Self {
            len: before.len(),
            before: Some(before.into_boxed_slice()),
        }
    }

    /// Brings a list with the same number of elements into the new order, in place. A list with
    /// another number of elements stays unchanged.
    pub fn apply<T: Copy>(&self, list: &mut [T]) {
        let Some(before) = self.before.as_ref().filter(|_| list.len() == self.len) else {
            return;
        };
        let mut is_placed = vec![false; list.len()];
        for start in 0..list.len() {
            if is_placed[start] {
                continue;
            }
            let first = list[start];
            let mut position = start;
            loop {
                is_placed[position] = true;
                let from = before[position] as usize;
                if from == start {
                    list[position] = first;
                    break;
                }
                list[position] = list[from];
                position = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_brought_into_the_order_of_another() {
        let letters = ["a", "b", "c", "d", "e"];
        for before in [
            vec![0, 1, 2, 3, 4],
            vec![4, 3, 2, 1, 0],
            vec![1, 2, 0, 4, 3],
            vec![2, 0, 4, 3, 1],
        ] {
            let expected: Vec<_> = before.iter().map(|&at| letters[at as usize]).collect();
            let mut list = letters;
            Order::new(before).apply(&mut list);
            assert_eq!(list.to_vec(), expected);
        }
        let mut list = letters;
        Order::unchanged(5).apply(&mut list);
        assert_eq!(list, letters);
        let mut empty: [u8; 0] = [];
        Order::new(vec![1, 0]).apply(&mut empty);
    }
}
