//! How mails are sent over a connection: what was chosen for all of them, and what that makes of
//! one.

use super::client::Client;
use super::content::{Content, Kind, Pieces, Reader};
use super::transmit::{Job, Load, Way};
use crate::error::{Error, ErrorKind};
use crate::extension::{BodyType, Chunking};
use crate::protocol::{Declared, Dispatch, Envelope, Misuse, Needs, Stage};
use crate::wire::{LineEndings, Param, Scan};

/// Content up to so many octets goes out before its recipients are answered, where running ahead
/// was chosen: what is wasted where all are refused. Longer content waits for them.
const AHEAD: u64 = 64 * 1024;

/// How the content of mails is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transfer {
    /// BDAT for binary content; and for any, where [running ahead](super::Connector::run_ahead) was
    /// chosen and the server offers CHUNKING. Otherwise DATA.
    #[default]
    Auto,
    /// DATA, which every server knows. Binary content cannot be sent.
    Data,
    /// BDAT (RFC 3030), in chunks of 128 KiB. A server that does not offer CHUNKING gets nothing.
    Bdat,
}

/// What was chosen for all mails of a client.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Policy {
    pub(super) line_endings: LineEndings,
    pub(super) transfer: Transfer,
    pub(super) run_ahead: bool,
    pub(super) refuse_long_lines: bool,
}

impl Client {
    pub(super) fn policy(&self) -> Policy {
        self.conversation.driver.common.policy
    }

    /// Decides how a mail is sent, and that it can be: after this the server alone can refuse it.
    pub(super) fn prepare<'a>(
        &self,
        envelope: &'a Envelope,
        content: Content<'a>,
    ) -> Result<Job<'a>, Error> {
        self.prepare_in(Vec::new(), envelope, content)
    }

    /// The same, where the parameters of a mail before were: nothing need be allocated for these.
    pub(super) fn prepare_in<'a>(
        &self,
        mut params: Vec<Param>,
        envelope: &'a Envelope,
        content: Content<'a>,
    ) -> Result<Job<'a>, Error> {
        let driver = &self.conversation.driver;
        let fail = |kind: ErrorKind| driver.error(Stage::Mail, kind);
        let policy = self.policy();
        let line_endings = policy.line_endings;
        match content.0 {
            Kind::Octets(octets) => {
                let scan = Scan::of(octets.as_slice());
                let needs = Needs::of(envelope, octets.as_slice(), &scan, line_endings)
                    .map_err(|fault| fail(fault.into()))?;
                if policy.refuse_long_lines {
                    needs.check_long_lines().map_err(|fault| fail(fault.into()))?;
                }
                let decided @ (_, way) = self.decide(&mut params, envelope, &needs)?;
                let line_endings = needs.line_endings();
                let load = match way {
                    Way::Data => Load::Octets(octets, scan.verbatim()),
                    // As it is, where that is what would be made of it.
                    _ if is_fit(&scan, line_endings) => Load::Octets(octets, None),
                    _ => {
                        let pieces = pieces(octets.reader(), way, line_endings, &params);
                        Load::Pieces(Box::new(pieces))
                    }
                };
                let long_lines = needs.long_lines();
                Ok(Job { long_lines, ..Job::new(envelope, params, decided, load) })
            }
            Kind::Source(source) => {
                let changes = matches!(line_endings, LineEndings::Normalize | LineEndings::Replace);
                let size = source.size.filter(|_| source.size_is_final || !changes);
                let needs = Needs::of_stream(envelope, size, line_endings);
                let decided @ (_, way) = self.decide(&mut params, envelope, &needs)?;
                let pieces = pieces(source.reader, way, needs.line_endings(), &params);
                let pieces = pieces.declared(source.size);
                let is_text = needs.body() != Some(BodyType::BinaryMime);
                let load = Load::Pieces(Box::new(match policy.refuse_long_lines && is_text {
                    true => pieces.refusing_long_lines(),
                    false => pieces,
                }));
                Ok(Job::new(envelope, params, decided, load))
            }
        }
    }

    /// Puts down the parameters of MAIL, and decides which way the content goes. Says what MAIL
    /// declares, too.
    fn decide(
        &self,
        params: &mut Vec<Param>,
        envelope: &Envelope,
        needs: &Needs,
    ) -> Result<(Declared, Way), Error> {
        let driver = &self.conversation.driver;
        let fail = |kind: ErrorKind| driver.error(Stage::Mail, kind);
        let declared = needs
            .put_params(params, envelope, self.conversation.capabilities())
            .map_err(|unmet| fail(unmet.into()))?;
        Dispatch::refuse_resumable(envelope.params())
            .map_err(Misuse::from)
            .and_then(|()| driver.session.check_prepared(envelope, params, declared))
            .map_err(|misuse| fail(misuse.into()))?;
        Ok((declared, self.way(needs).map_err(fail)?))
    }

    fn way(&self, needs: &Needs) -> Result<Way, ErrorKind> {
        let Policy { transfer, run_ahead, .. } = self.policy();
        let offered = self.conversation.capabilities();
        let has_chunking = || offered.get::<Chunking>().is_some();
        let is_binary = needs.body() == Some(BodyType::BinaryMime);
        let bdat = match transfer {
            Transfer::Data if is_binary => return Err(Misuse::BinaryOverData.into()),
            Transfer::Data => false,
            Transfer::Auto => is_binary || (run_ahead && has_chunking()),
            Transfer::Bdat => true,
        };
        if bdat && !has_chunking() {
            let (keyword, needs) = ("CHUNKING".to_owned(), "BDAT".to_owned());
            return Err(ErrorKind::Unsupported { keyword, needs });
        }
        let is_short = needs.size().is_some_and(|octets| octets <= AHEAD);
        Ok(match bdat {
            true if run_ahead && is_short => Way::BdatAhead,
            true => Way::Bdat,
            false => Way::Data,
        })
    }
}

/// Whether the policy makes of content what it is: under [`LineEndings::Replace`] octets change
/// where the length does not.
const fn is_fit(scan: &Scan, line_endings: LineEndings) -> bool {
    let is_clean = scan.bare_cr().is_none() && scan.bare_lf().is_none();
    let is_kept = matches!(line_endings, LineEndings::Raw) || is_clean;
    is_kept && scan.normalized_len(line_endings) == scan.octets()
}

fn pieces<'a>(
    reader: Reader<'a>,
    way: Way,
    line_endings: LineEndings,
    params: &[Param],
) -> Pieces<'a> {
    let body = params.iter().find_map(BodyType::of);
    match body {
        _ if way == Way::Data => Pieces::as_read(reader),
        Some(BodyType::BinaryMime) => Pieces::as_read(reader),
        body => Pieces::as_text(reader, line_endings, body == Some(BodyType::EightBitMime)),
    }
}
