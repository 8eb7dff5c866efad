//! A queue whose first item lies in the queue itself.

use std::collections::VecDeque;

/// First in, first out. A thousand connections with at most one packet each under way touch no memory but their own, and
/// little of that.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    first: Option<T>,
    /// Empty whenever `first` is.
    #[expect(clippy::box_collection, reason = "a pointer in what every packet touches, instead of four")]
    rest: Option<Box<VecDeque<T>>>,
}

impl<T> Queue<T> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { first: None, rest: None }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(crate) fn push_back(&mut self, item: T) {
        match self.first {
            None => self.first = Some(item),
            Some(_) => self.rest.get_or_insert_default().push_back(item),
        }
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let first = self.first.take()?;
        if let Some(rest) = &mut self.rest {
            self.first = rest.pop_front();
        }
        Some(first)
    }

    /// Takes the first, if it is one of these.
    #[inline]
    pub(crate) fn pop_front_if(&mut self, is_one: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.front().is_some_and(is_one) { self.pop_front() } else { None }
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    #[inline]
    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.first.as_mut()
    }

    #[inline]
    pub(crate) fn back_mut(&mut self) -> Option<&mut T> {
        self.rest.as_mut().and_then(|rest| rest.back_mut()).or(self.first.as_mut())
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_queue(steps in proptest::collection::vec(proptest::option::of(0..100_u8), 0..60)) {
            let (mut queue, mut model) = (Queue::new(), VecDeque::new());
            for step in steps {
                match step {
                    Some(item) => {
                        queue.push_back(item);
                        model.push_back(item);
                    }
                    None => prop_assert_eq!(queue.pop_front(), model.pop_front()),
                }
                prop_assert_eq!(queue.front(), model.front());
                prop_assert_eq!(queue.back_mut(), model.back_mut());
                prop_assert!(queue.iter().eq(model.iter()));
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }
}
