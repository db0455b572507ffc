//! Large transactions against servers that do not read while they are not read from, through streams
//! that hold next to nothing; and how much is in flight at most.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::time::Duration;

use ehlo::testing::Server;
use ehlo::{Connector, Delivery, Envelope, Error, Outcome, Security, Transfer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;

/// Commands and octets in flight at most, and one line.
const WINDOW: (usize, usize) = (512, 32 * 1024 + 512);

type Pace = fn(Server) -> Server;

/// It takes no command before its reply is taken; or keeps its replies until nothing comes.
const PACES: [Pace; 2] = [Server::replies_one_by_one, Server::replies_when_idle];

fn envelope(recipients: usize) -> Envelope {
    let recipients: Vec<String> = (0..recipients).map(|n| format!("r{n}@example.test")).collect();
    Envelope::new("", recipients.iter().map(String::as_str)).unwrap()
}

fn connectors() -> [Connector; 3] {
    let connector = || Connector::new("").security(Security::None);
    [
        connector(),
        connector().transfer(Transfer::Bdat),
        connector().transfer(Transfer::Bdat).run_ahead(),
    ]
}

async fn send<N, F>(
    server: Server,
    near: N,
    far: F,
    connector: &Connector,
    recipients: usize,
) -> Delivery
where
    N: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let running = server.max_recipients(recipients).serve(far).unwrap();
    let sent = async {
        let mut client = connector.connect_over(near).await.unwrap();
        let delivery = client.send(&envelope(recipients), "hello\r\n".repeat(300)).await.unwrap();
        client.quit().await.unwrap();
        delivery
    };
    let delivery = tokio::time::timeout(Duration::from_secs(60), sent).await.expect("a deadlock");
    assert_eq!(running.mails()[0].recipients().len(), recipients);
    delivery
}

#[tokio::test]
async fn c_096_thousands_of_recipients_go_through_an_eye_of_a_needle() {
    for pace in PACES {
        for (holds, recipients) in [(1, 600), (7, 1500), (64, 10_000)] {
            for connector in connectors() {
                let (near, far) = tokio::io::duplex(holds);
                let sent = send(pace(Server::new()), near, far, &connector, recipients).await;
                assert!(sent.is_complete(), "{holds}");
            }
        }
    }
}

#[tokio::test]
async fn c_096_sockets_with_small_buffers_do_not_deadlock() {
    for pace in PACES {
        for connector in connectors() {
            // The kernel makes of it what it wants: a few KiB.
            let small = |socket: &TcpSocket| {
                socket.set_send_buffer_size(1024).unwrap();
                socket.set_recv_buffer_size(1024).unwrap();
            };
            let (listens, connects) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
            small(&listens);
            small(&connects);
            listens.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = listens.listen(1).unwrap();
            let near = connects.connect(listener.local_addr().unwrap()).await.unwrap();
            let (far, _) = listener.accept().await.unwrap();
            assert!(send(pace(Server::new()), near, far, &connector, 10_000).await.is_complete());
        }
    }
}

/// A server that says nothing gets a window full, and no more: memory does not grow with the mail, and
/// the end is the deadline's.
#[tokio::test(start_paused = true)]
async fn c_109_a_server_that_never_answers_ends_at_the_deadline() {
    for connector in connectors() {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let server = Server::new().max_recipients(10_000).replies_after(1024 * 1024);
        let running = server.serve(far).unwrap();
        let mut client = connector.connect_over(near).await.unwrap();
        let error: Error = client.send(&envelope(10_000), "hello\r\n").await.unwrap_err();
        assert_eq!(error.to_string(), "no reply from the server to MAIL FROM within 300s");
        let delivery = client.take_delivery().await.unwrap();
        assert_eq!(delivery.recipients().len(), 10_000);
        assert!(delivery.recipients().all(|one| one.outcome() == Outcome::NotSent));
        let log = running.log().remove(0);
        let said: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("C: ")).collect();
        let octets: usize = said.iter().map(|line| line.len() + 2).sum();
        assert!(said.len() > WINDOW.0 / 2, "{}", said.len());
        // EHLO is not among them.
        assert!(said.len() <= WINDOW.0 + 1 && octets <= WINDOW.1, "{} {octets}", said.len());
    }
}
