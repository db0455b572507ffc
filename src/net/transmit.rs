//! One mail over a connection: its commands and its content, up to the last octet of it. What is
//! said meanwhile is noted; the reply to its end is not waited for here.

use super::content::{Octets, PIECE, Pieces, SourceFault};
use super::driver::{Arrival, Beside, Driver};
use super::outbox::Outbox;
use super::watch::Watch;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Declared, Dispatch, Due, Envelope, Event, Phase, Session, Stage};
use crate::wire::{Param, Verbatim};

/// A mail as it is to be sent: all has been decided.
pub(super) struct Job<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) params: Vec<Param>,
    /// What they declare: they were looked at.
    pub(super) declared: Declared,
    pub(super) load: Load<'a>,
    pub(super) way: Way,
    /// The next mail goes out after this one: short content is copied, so that both go out in one
    /// write. In two, a server may answer in two, and then waits for its first answer to be
    /// acknowledged, some 40 ms (RFC 896, RFC 1122 §4.2.3.2).
    pub(super) is_followed: bool,
    /// Lines of the content that a server need not take.
    pub(super) long_lines: u64,
    /// Octets in the chunks so far.
    pub(super) chunked: u64,
}

/// How the content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Data,
    Bdat,
    /// The same, before the recipients are answered.
    BdatAhead,
}

/// What is left of the content.
pub(super) enum Load<'a> {
    /// In memory, as it is; and where a scan has found that DATA may send it so, what it is.
    Octets(Octets<'a>, Option<Verbatim>),
    /// From a reader. In a box: what it holds beside is small.
    Pieces(Box<Pieces<'a>>),
}

impl<'a> Job<'a> {
    pub(super) const fn new(
        envelope: &'a Envelope,
        params: Vec<Param>,
        (declared, way): (Declared, Way),
        load: Load<'a>,
    ) -> Self {
        Self {
            envelope,
            params,
            declared,
            load,
            way,
            is_followed: false,
            long_lines: 0,
            chunked: 0,
        }
    }

    /// The mail, of which nothing has been sent.
    pub(super) fn dispatch(&self) -> Dispatch {
        let dispatch = Dispatch::of(self.envelope);
        let dispatch = dispatch.with_long_lines(self.long_lines).checked(self.declared);
        match self.way {
            Way::Data => dispatch,
            Way::Bdat => dispatch.over_bdat(),
            Way::BdatAhead => dispatch.running_ahead(),
        }
    }

    /// Carries the newest mail of the outbox until all of its content is written, or nothing more
    /// of it will be.
    pub(super) async fn transmit(
        &mut self,
        driver: &mut Driver,
        outbox: &mut Outbox,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        while let Some(dispatch) = outbox.newest().filter(|dispatch| !dispatch.is_ended()) {
            let due = dispatch
                .advance(&mut driver.session, self.envelope, &self.params)
                .map_err(|misuse| driver.error(Stage::Mail, misuse))?;
            match due {
                Due::Nothing => return Ok(()),
                Due::Content => self.offer(driver, outbox, watch).await?,
                Due::Reply if driver.session.promised() > 0 => {
                    self.write(driver, outbox, watch).await?;
                }
                Due::Reply => {
                    let arrival = driver.next().await?;
                    hear(arrival, driver, outbox, watch)?;
                }
            }
        }
        while driver.session.is_writing() && !self.goes_with_next(&driver.session) {
            self.write(driver, outbox, watch).await?;
        }
        Ok(())
    }

    /// Whether what is left to write goes out with the next mail.
    fn goes_with_next(&self, session: &Session) -> bool {
        self.is_followed && session.promised() == 0 && session.to_write() < COPIED
    }

    /// Writes the content that was promised, and all that is before it.
    async fn write(
        &mut self,
        driver: &mut Driver,
        outbox: &mut Outbox,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let lent = self.load.lent();
        let mut rest = lent;
        let before = watch.octets();
        let mut told = |left: usize| {
            watch.taken(before + lent.len().saturating_sub(left) as u64);
        };
        let arrival = driver.write(&mut rest, &mut told).await;
        let used = lent.len() - rest.len();
        self.load.sent(used);
        hear(arrival?, driver, outbox, watch)
    }

    /// Promises the next of the content to the session, and ends it after the last.
    async fn offer(
        &mut self,
        driver: &mut Driver,
        outbox: &mut Outbox,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        // What is awaited keeps its deadline.
        if driver.session.in_flight() == 0 {
            driver.enter(Stage::Content);
        }
        let is_data = self.way == Way::Data;
        if let Load::Pieces(pieces) = &mut self.load {
            loop {
                match driver.beside(true, |cx| pieces.poll_piece(cx, is_data)).await? {
                    Beside::Other(Ok(())) => break,
                    Beside::Other(Err(fault)) => return Err(spoiled(driver, fault)),
                    Beside::Event(event) => {
                        driver.check_reset()?;
                        watch.note(outbox, &driver.session, event);
                        // What would come is wanted no more: the mail was refused.
                        let goes_on = |phase| {
                            matches!(phase, Phase::Content | Phase::Recipients | Phase::Chunks)
                        };
                        if !goes_on(driver.session.phase()) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        let Some(dispatch) = outbox.newest() else {
            return Ok(());
        };
        let session = &mut driver.session;
        let (octets, is_last) = match &self.load {
            Load::Octets(left, verbatim) if is_data => {
                if let Some(verbatim) = verbatim {
                    session.send_verbatim(*verbatim);
                }
                (left.as_slice().len(), true)
            }
            Load::Octets(left, _) => {
                let left = left.as_slice().len();
                (left.min(PIECE), left <= PIECE)
            }
            Load::Pieces(pieces) => (pieces.ready().len(), pieces.is_at_end()),
        };
        if !is_data {
            self.chunked += octets as u64;
            // Some servers run the octets of a chunk that they refuse as commands.
            let limit = session.capabilities().size().and_then(|size| size.limit());
            if let Some(limit) = limit.filter(|limit| self.chunked > *limit) {
                let too_large = ErrorKind::TooLarge { octets: self.chunked, limit };
                return Err(driver.error(Stage::Content, too_large));
            }
        }
        let offered = if is_data {
            session
                .content(octets)
                .and_then(|()| if is_last { dispatch.finish(session).map(|_| ()) } else { Ok(()) })
        } else {
            dispatch.chunk(session, octets as u64, is_last).map(|_| session.chunk_scanned())
        };
        offered.map_err(|misuse| driver.error(Stage::Content, misuse))?;
        if self.is_followed && is_last && octets <= COPIED {
            let copied = driver.session.copy_in(self.load.lent());
            self.load.sent(octets);
            if let Err(fault) = copied {
                driver.hang_up();
                return Err(driver.error(Stage::Content, fault));
            }
        }
        Ok(())
    }
}

/// Takes note of what was said, and of all that is there behind it: up to a go-ahead, which asks for
/// content before anything else is looked at.
fn hear(
    arrival: Arrival,
    driver: &mut Driver,
    outbox: &mut Outbox,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let Arrival::Event(event) = arrival else { return Ok(()) };
    let mut said = Some(event);
    while let Some(event) = said {
        driver.check_reset()?;
        watch.note(outbox, &driver.session, event);
        said = match event {
            Event::GoAhead(_) => None,
            _ => driver.at_hand()?,
        };
    }
    Ok(())
}

/// Content up to so many octets is copied where more is to go out in the same write.
const COPIED: usize = 16 * 1024;

/// The content cannot go on. Within DATA there is no way back; between chunks RSET is one.
fn spoiled(driver: &mut Driver, fault: SourceFault) -> Error {
    if driver.session.phase() == Phase::Content {
        driver.hang_up();
    }
    match fault {
        SourceFault::Read(error) => driver.error(Stage::Content, ErrorKind::Source(error)),
        SourceFault::Content(fault) => driver.error(Stage::Content, fault),
    }
}

impl Load<'_> {
    fn lent(&self) -> &[u8] {
        match self {
            Self::Octets(left, _) => left.as_slice(),
            Self::Pieces(pieces) => pieces.ready(),
        }
    }

    fn sent(&mut self, octets: usize) {
        match self {
            Self::Octets(left, _) => left.advance(octets),
            Self::Pieces(pieces) => pieces.sent(octets),
        }
    }
}
