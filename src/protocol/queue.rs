//! What waits in line: put in behind, taken out in front, and one slice between the two. What is
//! taken out leaves room that is used again when there is no other.

use std::ops::{Deref, DerefMut};

/// A queue in one piece: reaching into it is as cheap as into a slice, and moving an index is
/// cheaper than moving what waits.
#[derive(Debug)]
pub(super) struct Queue<T> {
    items: Vec<T>,
    /// The first that was not taken out.
    first: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: Vec::new(), first: 0 }
    }
}

impl<T: Copy> Queue<T> {
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        if self.items.len() == self.items.capacity() {
            self.reuse_room();
        }
        self.items.push(item);
    }

    #[inline]
    pub(super) fn extend(&mut self, items: &[T]) {
        match self.items.capacity() - self.items.len() < items.len() {
            true => self.extend_growing(items),
            false => self.items.extend_from_slice(items),
        }
    }

    #[cold]
    fn extend_growing(&mut self, items: &[T]) {
        self.reuse_room();
        self.items.extend_from_slice(items);
    }

    /// Makes room for so many in all at once.
    #[inline]
    pub(super) fn make_room(&mut self, count: usize) {
        if self.items.capacity() < count {
            self.items.reserve_exact(count - self.items.len());
        }
    }

    /// Takes the first out, if it is like that.
    #[inline]
    pub(super) fn pop_if(&mut self, is_due: impl FnOnce(&T) -> bool) -> Option<T> {
        let front = *self.first().filter(|front| is_due(front))?;
        self.skip(1);
        Some(front)
    }

    /// Takes so many out, or all where there are fewer.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.first = self.first.saturating_add(count);
        if self.first >= self.items.len() {
            self.clear();
        }
    }

    /// Takes all out behind the first so many.
    pub(super) fn truncate(&mut self, count: usize) {
        self.items.truncate(self.first + count);
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.first = 0;
    }

    /// Gives back the room of what was taken out, where nothing waits.
    #[cfg(feature = "net")]
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Before more room is asked for, that in front is used, where it is half of what there is: so
    /// each is moved once at most.
    #[cold]
    fn reuse_room(&mut self) {
        if self.first > self.items.len() / 2 {
            self.items.drain(..self.first);
            self.first = 0;
        }
    }
}

impl<T> Deref for Queue<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.items.get(self.first..).unwrap_or_default()
    }
}

impl<T> DerefMut for Queue<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        self.items.get_mut(self.first..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Push(u8),
        Extend(Vec<u8>),
        Pop,
        Skip(usize),
        Truncate(usize),
        MakeRoom(usize),
        Clear,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => any::<u8>().prop_map(Op::Push),
            4 => proptest::collection::vec(any::<u8>(), 0..9).prop_map(Op::Extend),
            8 => Just(Op::Pop),
            4 => (0..9usize).prop_map(Op::Skip),
            1 => (0..9usize).prop_map(Op::Truncate),
            1 => (0..99usize).prop_map(Op::MakeRoom),
            1 => Just(Op::Clear),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_deque(ops in proptest::collection::vec(op(), 0..200)) {
            let mut queue = Queue::default();
            let mut model = VecDeque::new();
            for op in ops {
                match op {
                    Op::Push(item) => {
                        queue.push(item);
                        model.push_back(item);
                    }
                    Op::Extend(items) => {
                        queue.extend(&items);
                        model.extend(items);
                    }
                    Op::Pop => prop_assert_eq!(queue.pop_if(|_| true), model.pop_front()),
                    Op::Skip(count) => {
                        queue.skip(count);
                        model.drain(..count.min(model.len()));
                    }
                    Op::Truncate(count) => {
                        queue.truncate(count);
                        model.truncate(count);
                    }
                    Op::MakeRoom(count) => {
                        queue.make_room(count);
                        prop_assert!(queue.items.capacity() >= count);
                    }
                    Op::Clear => {
                        queue.clear();
                        model.clear();
                    }
                }
                prop_assert_eq!(&queue[..], model.make_contiguous());
            }
        }
    }

    #[test]
    fn a_queue_that_never_empties_does_not_grow() {
        let mut queue = Queue::default();
        queue.extend(&[0, 1, 2, 3, 4, 5]);
        for item in 6..100_000 {
            queue.push(item);
            queue.pop_if(|_| true);
        }
        assert_eq!(queue[..], [99_994, 99_995, 99_996, 99_997, 99_998, 99_999]);
        // Four times what waits, at most.
        assert!(queue.items.capacity() <= 24, "{}", queue.items.capacity());
    }

    #[test]
    fn t13_room_is_made_for_no_more_than_is_asked_for() {
        let mut queue = Queue::default();
        for waiting in 0..10 {
            queue.extend(&[0; 7]);
            queue.skip(6);
            queue.make_room(100);
            assert_eq!((queue.len(), queue.items.capacity()), (waiting + 1, 100));
        }
    }

    #[test]
    fn room_is_given_back_where_nothing_waits() {
        let mut queue = Queue::default();
        queue.push(1);
        assert_eq!((queue.pop_if(|_| true), queue.pop_if(|_| true)), (Some(1), None));
        assert!(queue.items.capacity() > 0);
        #[cfg(feature = "net")]
        {
            queue.rest();
            assert_eq!(queue.items.capacity(), 0);
            queue.push(2);
            queue.rest();
            assert_eq!(queue[..], [2]);
        }
    }
}
