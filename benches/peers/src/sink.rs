//! The server that all are measured against, in a process of its own: it answers what comes with
//! what is wanted, in as few writes as it is asked in, and throws the content away.

use std::io::{self, Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const GREETING: &[u8] = b"220 sink.example.test ESMTP\r\n";
pub(crate) const EHLO: &[u8] = b"250-sink.example.test\r\n250-PIPELINING\r\n250-SIZE\r\n\
    250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n";

/// Serves until it is ended, and says on the first line of standard output on which port.
pub(crate) fn serve(kind: &str) {
    match kind {
        "slow" => serve_slowly(),
        kind => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(serve_all(kind == "tls"));
        }
    }
}

async fn serve_all(over_tls: bool) {
    // Ten thousand connections at once come faster than they are accepted.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(4096).unwrap();
    announce(listener.local_addr().unwrap().port());
    let acceptor = over_tls.then(acceptor);
    loop {
        // Out of descriptors: those that are there are served on.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        stream.set_nodelay(true).unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match acceptor {
                None => converse(stream).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => converse(stream).await,
                    Err(error) => Err(error),
                },
            }
        });
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut sink = Sink::default();
    let mut replies = GREETING.to_vec();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if !replies.is_empty() {
            stream.write_all(&replies).await?;
            stream.flush().await?;
            replies.clear();
        }
        if sink.over {
            return stream.shutdown().await;
        }
        let octets = stream.read(&mut buffer).await?;
        if octets == 0 {
            return Ok(());
        }
        // What is full may be a large mail.
        if octets == buffer.len() && octets < 1 << 20 {
            sink.take(&buffer, &mut replies);
            buffer = vec![0; 1 << 20];
        } else {
            sink.take(&buffer[..octets], &mut replies);
        }
    }
}

/// One connection after another, where every reply is on its way for `ROUND_TRIP`.
fn serve_slowly() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    announce(listener.local_addr().unwrap().port());
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        thread::spawn(move || converse_slowly(stream));
    }
}

fn converse_slowly(mut stream: StdStream) {
    let mut writer = stream.try_clone().unwrap();
    let (say, said) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writing = thread::spawn(move || {
        for (due, replies) in said {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if writer.write_all(&replies).is_err() {
                return;
            }
        }
        let _ = writer.shutdown(std::net::Shutdown::Both);
    });
    let _ = say.send((Instant::now(), GREETING.to_vec()));
    let mut sink = Sink::default();
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(octets @ 1..) = stream.read(&mut buffer) {
        let mut replies = Vec::new();
        sink.take(&buffer[..octets], &mut replies);
        if !replies.is_empty() {
            let _ = say.send((Instant::now() + ROUND_TRIP, replies));
        }
        if sink.over {
            break;
        }
    }
    drop(say);
    let _ = writing.join();
}

/// What a reply of the slow server takes.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(10);

fn announce(port: u16) {
    println!("{port}");
    io::stdout().flush().unwrap();
}

/// Over TLS 1.3 with a certificate that nobody knows.
fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Arc::new(config).into()
}

/// What was read and has not been understood yet.
#[derive(Default)]
struct Sink {
    state: State,
    /// The beginning of a line, or the last octets of content.
    rest: Vec<u8>,
    over: bool,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Commands,
    /// Up to the lone dot.
    Data,
    /// So many octets are left of a chunk.
    Chunk(usize),
}

impl Sink {
    fn take(&mut self, mut octets: &[u8], replies: &mut Vec<u8>) {
        while !octets.is_empty() {
            octets = match self.state {
                State::Commands => self.line(octets, replies),
                State::Data => self.data(octets, replies),
                State::Chunk(left) => {
                    let taken = left.min(octets.len());
                    self.state = State::Chunk(left - taken);
                    if taken == left {
                        self.state = State::Commands;
                        replies.extend_from_slice(b"250 2.0.0 Ok\r\n");
                    }
                    &octets[taken..]
                }
            };
        }
    }

    fn line<'a>(&mut self, octets: &'a [u8], replies: &mut Vec<u8>) -> &'a [u8] {
        let Some(end) = memchr::memchr(b'\n', octets) else {
            self.rest.extend_from_slice(octets);
            return &[];
        };
        let (line, behind) = octets.split_at(end + 1);
        if self.rest.is_empty() {
            self.command(line, replies);
        } else {
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(line);
            self.command(&whole, replies);
        }
        behind
    }

    fn command(&mut self, line: &[u8], replies: &mut Vec<u8>) {
        let reply = match line.get(..4).unwrap_or_default() {
            b"EHLO" => EHLO,
            b"MAIL" => b"250 2.1.0 Ok\r\n",
            b"RCPT" => b"250 2.1.5 Ok\r\n",
            b"DATA" => {
                self.state = State::Data;
                // The lone dot may be the first line.
                self.rest = b"\r\n".to_vec();
                b"354 End data with <CR><LF>.<CR><LF>\r\n"
            }
            b"BDAT" => {
                let digits = line[5..].iter().take_while(|octet| octet.is_ascii_digit());
                let size = digits.fold(0, |size, octet| size * 10 + usize::from(octet - b'0'));
                self.state = State::Chunk(size);
                if size > 0 {
                    return;
                }
                self.state = State::Commands;
                b"250 2.0.0 Ok\r\n"
            }
            b"QUIT" => {
                self.over = true;
                b"221 2.0.0 Bye\r\n"
            }
            _ => &b"250 2.0.0 Ok\r\n"[..],
        };
        replies.extend_from_slice(reply);
    }

    /// `rest` has the last octets before these, four at most.
    fn data<'a>(&mut self, octets: &'a [u8], replies: &mut Vec<u8>) -> &'a [u8] {
        const END: &[u8] = b"\r\n.\r\n";
        // It may lie across the border.
        let before = self.rest.len();
        self.rest.extend_from_slice(&octets[..octets.len().min(END.len() - 1)]);
        let end = match memchr::memmem::find(&self.rest, END) {
            Some(at) => Some(at + END.len() - before),
            None => memchr::memmem::find(octets, END).map(|at| at + END.len()),
        };
        if let Some(end) = end {
            self.rest.clear();
            self.state = State::Commands;
            replies.extend_from_slice(b"250 2.0.0 Ok: queued as 4dDq8C2Rz1z4V\r\n");
            return &octets[end..];
        }
        if octets.len() >= END.len() - 1 {
            self.rest.clear();
            self.rest.extend_from_slice(&octets[octets.len() - (END.len() - 1)..]);
        } else {
            let excess = self.rest.len().saturating_sub(END.len() - 1);
            self.rest.drain(..excess);
        }
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_it_is_cut() {
        let said = b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n..\r\nx\r\n.y\r\n.\r\n\
            MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4 LAST\r\n\r\n.\rDATA\r\n.\r\nQUIT\r\n";
        let mut whole = Vec::new();
        Sink::default().take(said, &mut whole);
        assert_eq!(whole.iter().filter(|octet| **octet == b'\n').count(), 7 + 4 + 3 + 2 + 1);
        for size in 1..said.len() {
            let (mut sink, mut replies) = (Sink::default(), Vec::new());
            said.chunks(size).for_each(|piece| sink.take(piece, &mut replies));
            assert_eq!(replies, whole, "in pieces of {size}");
            assert!(sink.over);
        }
    }
}
