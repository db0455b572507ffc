//! Flap damping: something is believed when it was said so many times in a row. What is said is
//! nothing to this file.

/// How often something must be said in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before it is believed.
    pub(super) on: u32,
    /// Before its contrary is.
    pub(super) off: u32,
}

/// Something that is so, is not so, or is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damped {
    believed: Option<bool>,
    /// What was said last against what is believed, and how often in a row.
    said: bool,
    times: u32,
}

impl Damped {
    /// Nothing is known yet.
    pub(super) const fn unknown() -> Self {
        Self { believed: None, said: false, times: 0 }
    }

    /// It is not so until it is said.
    pub(super) const fn off() -> Self {
        Self { believed: Some(false), ..Self::unknown() }
    }

    pub(super) const fn believed(self) -> Option<bool> {
        self.believed
    }

    /// Something was said; whether that has changed what is believed.
    pub(super) fn note(&mut self, said: bool, patience: Patience) -> bool {
        if self.believed == Some(said) {
            self.forget();
            return false;
        }
        if self.said != said {
            self.forget();
        }
        self.said = said;
        self.times = self.times.saturating_add(1);
        if self.times < if said { patience.on } else { patience.off } {
            return false;
        }
        self.believed = Some(said);
        self.forget();
        true
    }

    /// Whether more has to be said before it is believed.
    pub(super) const fn is_in_doubt(self) -> bool {
        self.times > 0
    }

    /// What comes is not in a row with what came.
    pub(super) const fn forget(&mut self) {
        self.times = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says each in turn: `x` is so, `.` is not. `X` and `O` are where a belief begins.
    #[track_caller]
    fn damps(mut damped: Damped, on: u32, off: u32, said: &str, turns: &str) {
        let patience = Patience { on, off };
        let note = |said| match damped.note(said == 'x', patience) {
            false => '-',
            true if damped.believed() == Some(true) => 'X',
            true => 'O',
        };
        assert_eq!(said.chars().map(note).collect::<String>(), turns, "{said}");
    }

    #[test]
    fn it_is_believed_when_it_was_said_in_a_row() {
        damps(Damped::off(), 1, 1, ".x.xx..", "-XOX-O-");
        damps(Damped::off(), 3, 1, "xx.xxx.x", "-----XO-");
        damps(Damped::off(), 3, 2, "xxxx.x..x", "--X----O-");
        damps(Damped::off(), 2, 3, "x.x.x.xx", "-------X");
    }

    #[test]
    fn what_is_not_known_needs_to_be_said_as_often() {
        damps(Damped::unknown(), 3, 1, ".", "O");
        damps(Damped::unknown(), 3, 2, ".x.xx.xxx", "--------X");
        damps(Damped::unknown(), 3, 2, "xx..", "---O");
    }

    #[test]
    fn doubt_ends_with_what_ends_it() {
        let patience = Patience { on: 2, off: 2 };
        let mut damped = Damped::off();
        for (said, in_doubt) in
            [(false, false), (true, true), (false, false), (true, true), (true, false)]
        {
            damped.note(said, patience);
            assert_eq!(damped.is_in_doubt(), in_doubt);
        }
        damped.note(false, patience);
        damped.forget();
        assert!(!damped.is_in_doubt());
        assert!(!damped.note(false, patience), "it was the first in a row");
    }
}
