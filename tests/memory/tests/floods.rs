//! A server that never ends: thirty megabytes of anything, at any point, are given up early, and cost
//! less than one of memory.

use std::fmt::Write as _;

use ehlo::{Connector, Envelope, ErrorKind, Security};
use memory::rise;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// What is sent again and again, and what stands before it.
const FLOODS: [(&str, &str); 7] = [
    ("250 ", "x"),
    ("", "x"),
    ("", "250-x\r\n"),
    ("", "250-X-KEYWORD parameter parameter parameter\r\n"),
    ("", "250-\r\n"),
    ("250-", "\0"),
    ("334 ", "QUJD"),
];

const OCTETS: usize = 30 << 20;

/// Answers so many lines, the greeting among them, and then floods.
async fn serve(far: DuplexStream, answered: usize, flood: (&str, &str)) -> usize {
    let mut far = BufReader::new(far);
    let mut line = String::new();
    for n in 0..=answered {
        if n > 0 {
            line.clear();
            far.read_line(&mut line).await.unwrap();
        }
        let reply = match n {
            _ if n == answered => break,
            0 => "220 mx\r\n",
            _ => "250 ok\r\n",
        };
        far.write_all(reply.as_bytes()).await.unwrap();
    }
    let mut piece = String::with_capacity(8192);
    while piece.len() < 8000 {
        piece.write_str(flood.1).unwrap();
    }
    let mut octets = 0;
    if far.write_all(flood.0.as_bytes()).await.is_ok() {
        while octets < OCTETS && far.write_all(piece.as_bytes()).await.is_ok() {
            octets += piece.len();
        }
    }
    octets
}

#[test]
fn t13_thirty_megabytes_of_anything_are_given_up_early() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // What is set up once is not counted.
    runtime.block_on(flooded(0, FLOODS[0]));
    for answered in 0..4 {
        for flood in FLOODS {
            let (rise, octets) = rise(|| runtime.block_on(flooded(answered, flood)));
            assert!(octets < 1 << 20, "{answered} {flood:?}: {octets} octets were taken");
            assert!(rise < 1 << 20, "{answered} {flood:?}: {rise} octets of memory");
        }
    }
}

/// How many octets the server got rid of.
async fn flooded(answered: usize, flood: (&'static str, &'static str)) -> usize {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(serve(far, answered, flood));
    let connector = Connector::new("").security(Security::None);
    let error = match connector.connect_over(near).await {
        Ok(mut client) => {
            let envelope = Envelope::new("alice@example.org", ["bob@example.net"]).unwrap();
            client.send(&envelope, "hello\r\n").await.unwrap_err()
        }
        Err(error) => error,
    };
    assert!(matches!(error.kind(), ErrorKind::Violation(_)), "{answered} {flood:?}: {error}");
    server.await.unwrap()
}
