//! A list that mostly has one element: that one is in place, and nothing is allocated for it.

use std::ops::Deref;

/// Read as the slice that it is.
#[derive(Debug, Clone)]
pub(super) enum OneOrMany<T> {
    One(T),
    /// Or none; or one that was put in as one of many.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// So many that are all alike.
    pub(super) fn of(item: T, count: usize) -> Self
    where
        T: Clone,
    {
        match count {
            1 => Self::One(item),
            _ => Self::Many(vec![item; count]),
        }
    }

    /// The element at this place.
    #[inline]
    pub(super) fn get_mut(&mut self, n: usize) -> Option<&mut T> {
        match self {
            Self::One(one) => (n == 0).then_some(one),
            Self::Many(many) => many.get_mut(n),
        }
    }

    /// To be changed at any place.
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(many: Vec<T>) -> Self {
        Self::Many(many)
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> Deref for OneOrMany<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// How they are kept makes no difference.
impl<T: PartialEq> PartialEq for OneOrMany<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for OneOrMany<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_in_place_and_reads_as_one_of_many_does() {
        for count in 0..4 {
            let of_all = OneOrMany::of('a', count);
            assert!(matches!(of_all, OneOrMany::One(_)) == (count == 1));
            let many = OneOrMany::from(of_all.clone().into_vec());
            assert!(matches!(many, OneOrMany::Many(_)));
            assert_eq!(of_all, many);
            for mut list in [of_all, many] {
                assert_eq!(*list, vec!['a'; count]);
                assert_eq!(list.get_mut(count), None);
                (0..count).for_each(|n| *list.get_mut(n).unwrap() = 'b');
                assert_eq!(list, OneOrMany::of('b', count));
                assert_eq!(list.into_vec(), vec!['b'; count]);
            }
        }
        assert_ne!(OneOrMany::of('a', 1), OneOrMany::of('b', 1));
        assert_ne!(OneOrMany::of('a', 1), OneOrMany::of('a', 2));
        assert!(OneOrMany::<char>::default().is_empty());
    }
}
