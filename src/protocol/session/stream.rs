//! Octets to and from a stream of the standard library, for those who hold one. Nothing here waits
//! but the stream, and nothing here knows the order.

use std::io::{self, IoSlice, Read, Write};

use super::Session;

/// Slices for one vectored write: a flight of commands takes one, content a few more.
const SLICES: usize = 64;

/// Octets of one read; a whole flight of replies is often less.
const READ: usize = 4 * 1024;

impl Session {
    /// Does what [`Step::Write`](crate::Step::Write) asks for: one vectored write to a stream,
    /// commands and content together. What it consumes of `content`, which is what was promised and
    /// is not consumed yet, is cut off.
    ///
    /// A stream that can block may do so for ever: give it a deadline. One that cannot is to be
    /// written to again when it takes more; nothing is lost meanwhile.
    ///
    /// ```
    /// use ehlo::{Command, Session, SessionConfig, Step};
    ///
    /// let mut replies = &b"220 mx.example.org ESMTP\r\n"[..]; // a `TcpStream`, reading
    /// let mut written = Vec::new(); // and writing
    ///
    /// let mut session = Session::new(SessionConfig::default());
    /// session.read_from(&mut replies)?;
    /// let Step::Event(_) = session.poll()? else { unreachable!() };
    /// session.send(&Command::ehlo("client.example.org")?)?;
    /// while let Step::Write(_) = session.poll()? {
    ///     session.write_to(&mut written, &mut &b""[..])?;
    /// }
    /// assert_eq!(written, b"EHLO client.example.org\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The stream's, or [`WriteZero`](io::ErrorKind::WriteZero) where it takes nothing: what the
    /// server said before can still be read. [`InvalidData`](io::ErrorKind::InvalidData) with a
    /// [`ContentFault`](crate::ContentFault) inside, where the content has an octet that cannot be
    /// sent: the session is over, and the mail was not sent.
    pub fn write_to(
        &mut self,
        stream: &mut (impl Write + ?Sized),
        content: &mut &[u8],
    ) -> io::Result<()> {
        let mut slices = [IoSlice::new(b""); SLICES];
        let used = self
            .gather(content, &mut slices)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        let slices = slices.get(..used).unwrap_or_default();
        let octets = match slices {
            [] => 0,
            slices => match again(|| stream.write_vectored(slices))? {
                // A stream that takes nothing will never take the rest.
                0 => return Err(io::ErrorKind::WriteZero.into()),
                octets => octets,
            },
        };
        let consumed = self.wrote(octets);
        *content = content.get(consumed..).unwrap_or_default();
        // What a stream holds back would be waited for in vain.
        if !self.output.is_pending() {
            self.unflushed = true;
            again(|| stream.flush())?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Does what [`Step::Read`](crate::Step::Read) asks for: reads once from a stream. Where that
    /// ends it is noted ([`end_of_input`](Self::end_of_input)).
    ///
    /// # Errors
    /// The stream's. Where it will not recover, [`end_of_input`](Self::end_of_input) lets what has
    /// come before surface.
    pub fn read_from(&mut self, stream: &mut (impl Read + ?Sized)) -> io::Result<()> {
        let mut octets = [0; READ];
        let count = again(|| stream.read(&mut octets))?;
        match octets.get(..count) {
            None | Some([]) => self.end_of_input(),
            Some(octets) => self.receive(octets),
        }
        Ok(())
    }
}

/// A signal is no fault of the stream.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
