//! Octets that are kept for long: in place where they are few, so that nothing is allocated, and else
//! in a box.

/// Octets, up to `N` of them in place.
#[derive(Clone)]
pub(super) enum Kept<const N: usize> {
    Few(Few<N>),
    Many(Box<[u8]>),
}

/// Up to `N` octets.
#[derive(Clone, Copy)]
pub(super) struct Few<const N: usize> {
    octets: [u8; N],
    len: u8,
}

impl<const N: usize> Few<N> {
    /// These pieces one behind the other; `None` where they are more than that.
    pub(super) const fn of(mut pieces: &[&[u8]]) -> Option<Self> {
        let mut octets = [0; N];
        let mut rest: &mut [u8] = &mut octets;
        while let [piece, others @ ..] = pieces {
            let Some((part, behind)) = rest.split_at_mut_checked(piece.len()) else { return None };
            part.copy_from_slice(piece);
            (rest, pieces) = (behind, others);
        }
        const { assert!(N <= u8::MAX as usize, "a length is one octet") };
        let len = (N - rest.len()) as u8;
        Some(Self { octets, len })
    }
}

impl<const N: usize> Kept<N> {
    /// These pieces one behind the other.
    #[inline]
    pub(super) fn of<const PIECES: usize>(pieces: [&[u8]; PIECES]) -> Self {
        match Few::of(&pieces) {
            Some(few) => Self::Few(few),
            None => Self::Many(pieces.concat().into()),
        }
    }

    #[inline]
    pub(super) const fn octets(&self) -> &[u8] {
        match self {
            Self::Few(few) => few.octets.split_at(few.len as usize).0,
            Self::Many(octets) => octets,
        }
    }

    #[cfg(test)]
    pub(super) const fn is_in_place(&self) -> bool {
        matches!(self, Self::Few(_))
    }
}

impl<const N: usize> PartialEq for Kept<N> {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl<const N: usize> Eq for Kept<N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_octets_are_in_place_and_many_are_not() {
        for count in 0..100 {
            let octets: Vec<u8> = (0..count).collect();
            for cut in 0..=octets.len() {
                let (head, tail) = octets.split_at(cut);
                let kept = Kept::<46>::of([head, b"", tail]);
                assert_eq!((kept.octets(), kept.is_in_place()), (&octets[..], count <= 46));
                assert!(kept == kept.clone() && kept == Kept::of([&octets[..]]));
            }
        }
        assert!(Kept::<46>::of([b"a"]) != Kept::of([b"b"]));
    }

    /// As large as they can be beside a box.
    #[test]
    fn they_take_no_more_room_than_they_need() {
        assert_eq!((size_of::<Kept<38>>(), size_of::<Kept<46>>()), (40, 48));
    }
}
