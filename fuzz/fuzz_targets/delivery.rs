#![no_main]
//! Mails over a session to a server that misbehaves: what the client believes of each recipient is
//! what the server did, or *unknown*. Server and oracle stand in `tests/support/wayward.rs`.

use std::cell::RefCell;
use std::io::IoSlice;
use std::rc::Rc;

use ehlo::{
    Command, Delivery, Dispatch, Due, Envelope, Phase, Protocol, Session, SessionConfig, Step,
};
use ehlo_fuzz::Choices;
use ehlo_fuzz::wayward::{Handed, Link, Offer, Wayward};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let choices = Rc::new(RefCell::new(Choices(data)));
    let flip = || choices.borrow_mut().flip();
    let (offer, way) = (
        Offer { lmtp: flip(), pipelining: flip(), chunking: true },
        Way { bdat: flip(), ahead: flip() },
    );
    let (mails, pieces) = (1 + usize::from(flip()), flip());
    let server = {
        let choices = Rc::clone(&choices);
        Wayward::new(offer, move |bound| choices.borrow_mut().below(bound))
    };
    let protocol = if offer.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let config = SessionConfig::default().protocol(protocol);
    let config = if way.ahead { config.run_ahead() } else { config };
    let mut wire = Wire { session: Session::new(config), server, choices, pieces };
    if wire.open(offer.lmtp).is_none() {
        return;
    }
    for id in 0..mails {
        let sender = format!("alice-{id}@example.test");
        let recipients = ["bob", "eve"].map(|name| format!("{name}-{id}@example.test"));
        let content = format!("id-{id}\r\n.dot\r\n{}\r\n", "MAIL FROM:<m@example>\r\n".repeat(50));
        let envelope = Envelope::new(&*sender, recipients.iter().map(|one| &**one)).unwrap();
        let delivery = wire.send(&envelope, content.as_bytes(), way);
        assert_eq!(delivery.recipients().len(), 2, "an outcome for every recipient");
        let outcomes: Vec<_> = delivery.recipients().map(|one| one.outcome()).collect();
        let handed = Handed {
            sender: &sender,
            content: content.as_bytes(),
            outcomes: recipients.iter().map(|one| &**one).zip(&outcomes).collect(),
        };
        if let Err(wrong) = wire.server.seen.check(offer, !way.bdat, &handed) {
            panic!("{wrong}\n{:?}\n{outcomes:?}", wire.server.seen);
        }
    }
});

#[derive(Clone, Copy)]
struct Way {
    bdat: bool,
    ahead: bool,
}

struct Wire<'a, C> {
    session: Session,
    server: Wayward<C>,
    choices: Rc<RefCell<Choices<'a>>>,
    /// What goes over it goes in pieces.
    pieces: bool,
}

impl<C: FnMut(usize) -> usize> Wire<'_, C> {
    fn open(&mut self, lmtp: bool) -> Option<()> {
        self.settle()?;
        let hello = match lmtp {
            true => Command::lhlo("client.example"),
            false => Command::ehlo("client.example"),
        };
        self.session.send(&hello.unwrap()).ok()?;
        self.settle()?;
        matches!(self.session.phase(), Phase::Ready).then_some(())
    }

    fn send(&mut self, envelope: &Envelope, mut content: &[u8], way: Way) -> Delivery {
        let mut dispatch = Dispatch::of(envelope);
        if way.bdat {
            dispatch = if way.ahead { dispatch.running_ahead() } else { dispatch.over_bdat() };
        }
        let ahead = self.session.ahead();
        if matches!(ahead, Phase::Spoiled | Phase::Envelope | Phase::Recipients | Phase::Chunks) {
            let _ = self.session.send(&Command::rset());
        }
        for _ in 0..10_000 {
            match dispatch.advance(&mut self.session, envelope, &[]) {
                Ok(Due::Nothing) => break,
                Ok(Due::Content) => self.offer(&mut dispatch, content.len(), way),
                Ok(Due::Reply) => {}
                Err(misuse) => panic!("{misuse}: {:?}", self.session.phase()),
            }
            match self.session.poll() {
                Ok(Step::Event(event)) => dispatch.note(&self.session, event),
                Ok(Step::Write(_)) => {
                    self.write(&mut content);
                    // What has come is read meanwhile.
                    if self.choices.borrow_mut().flip() {
                        self.read();
                    }
                }
                Ok(Step::Read(_)) => {
                    if !self.read() {
                        // The deadline.
                        self.session.close();
                    }
                }
                Ok(Step::Idle) => {}
                Ok(_) | Err(_) => break,
            }
        }
        dispatch.into_delivery(&self.session)
    }

    /// All of what is left, or a part of it.
    fn offer(&mut self, dispatch: &mut Dispatch, left: usize, way: Way) {
        let part = left / 2;
        let is_part = part > 0 && self.choices.borrow_mut().flip();
        let offered = match (way.bdat, is_part) {
            (true, true) => dispatch.chunk(&mut self.session, part as u64, false).map(drop),
            (false, true) => self.session.content(part),
            _ => dispatch.content(&mut self.session, left).map(drop),
        };
        offered.unwrap();
    }

    fn write(&mut self, content: &mut &[u8]) {
        let mut room = [IoSlice::new(b""); 8];
        let lent = &content[..content.len().min(self.session.promised())];
        let used = self.session.gather(lent, &mut room).unwrap();
        let mut octets: Vec<u8> = room[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        if self.pieces {
            octets.truncate(1 + self.choices.borrow_mut().below(600));
        }
        match self.server.link() {
            Link::Closed | Link::Reset => self.session.end_of_input(),
            _ => {
                // Once handed over it is gone, whether it arrives or not.
                let consumed = self.session.wrote(octets.len());
                *content = &content[consumed..];
                self.server.hear(&octets);
            }
        }
        if matches!(self.server.link(), Link::Closed) && !self.server.said().is_empty() {
            self.read();
        }
    }

    /// Reads what has come; whether anything did.
    fn read(&mut self) -> bool {
        let said = self.server.said().len();
        match (said, self.server.link()) {
            (0, Link::Open | Link::Silent) => return false,
            (0, _) => self.session.end_of_input(),
            (_, _) => {
                let piece = 1 + self.choices.borrow_mut().below(100);
                let piece = if self.pieces { piece.min(said) } else { said };
                self.session.receive(&self.server.said()[..piece]);
                self.server.told(piece);
            }
        }
        true
    }

    /// Until nothing is in flight.
    fn settle(&mut self) -> Option<()> {
        for _ in 0..10_000 {
            match self.session.poll() {
                Ok(Step::Event(_)) => {}
                Ok(Step::Write(_)) => self.write(&mut &b""[..]),
                Ok(Step::Read(_)) => {
                    if !self.read() {
                        return None;
                    }
                }
                Ok(Step::Idle) => return Some(()),
                Ok(_) | Err(_) => return None,
            }
        }
        panic!("no end");
    }
}
