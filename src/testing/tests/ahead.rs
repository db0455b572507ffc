//! Clients that run ahead of the replies, and servers that answer at their own pace.

use std::time::Duration;

use super::*;

async fn after_hello(server: Server, script: &str) -> Running {
    converse(server, &format!("{HELLO}{script}")).await
}

/// Everything that RFC 2920 and RFC 3030 allow, in one group.
#[tokio::test]
async fn what_is_lawful_is_taken_in_one_group() {
    let script = "
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: BDAT 1
        C: xBDAT 2 LAST
        C: yzRSET
        C: MAIL FROM:<>
        C: RCPT TO:<c@d>
        C: BDAT 0 LAST
        C: MAIL FROM:<>
        C: RCPT TO:<e@f>
        C: DATA
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 chunk taken
        S: 250 2.0.0 mail accepted
        S: 250 2.0.0 ok
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 mail accepted
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 354 end the content with a dot on a line of its own
        C: v
        C: .
        C: MAIL FROM:<>
        C: RCPT TO:<g@h>
        C: BDAT 1 LAST
        C: wQUIT
        S: 250 2.0.0 mail accepted
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 250 2.0.0 mail accepted
        S: 221 2.0.0 bye
        -- close
    ";
    let running = after_hello(Server::new(), script).await;
    let mails = running.mails();
    let contents: Vec<_> = mails.iter().map(Received::content).collect();
    assert_eq!(contents, [&b"xyz"[..], b"", b"v\r\n", b"w"]);
}

/// Content may not go out before the 354, whatever stands there.
#[tokio::test]
async fn nothing_may_stand_behind_data() {
    let script = "
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        C: DATA
        C: .
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
        S: 503 5.5.0 nothing may follow before the reply
        S: 500 5.5.1 command unknown
    ";
    after_hello(Server::new(), script).await;
}

#[tokio::test]
async fn without_pipelining_nothing_may_stand_behind_content_but_quit() {
    let hello = HELLO.replace("    S: 250-PIPELINING\n", "");
    let server = Server::new().withhold("PIPELINING");
    let script = "
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: RCPT TO:<a@b>
        S: 250 2.1.5 recipient ok
        C: BDAT 3
        C: x
        C: BDAT 1
        C: yNOOP
        S: 250 2.0.0 chunk taken
        S: 503 5.5.0 commands must wait for replies here
        S: 503 5.5.0 commands must wait for replies here
        C: RSET
        S: 250 2.0.0 ok
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: RCPT TO:<a@b>
        S: 250 2.1.5 recipient ok
        C: DATA
        S: 354 end the content with a dot on a line of its own
        C: .
        C: MAIL FROM:<>
        S: 250 2.0.0 mail accepted
        S: 503 5.5.0 commands must wait for replies here
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: RCPT TO:<a@b>
        S: 250 2.1.5 recipient ok
        C: BDAT 0 LAST
        C: QUIT
        S: 250 2.0.0 mail accepted
        S: 221 2.0.0 bye
        -- close
    ";
    let running = converse(server, &format!("{hello}{script}")).await;
    assert_eq!(running.mails().len(), 2);
}

const GROUP: &str = "
        C: MAIL FROM:<>
        C: RCPT TO:<a@b>
        S: 250 2.1.0 sender ok
        S: 250 2.1.5 recipient ok
";

#[tokio::test(start_paused = true)]
async fn some_close_where_anything_stands_behind_the_end() {
    let server = || Server::new().closes_on_run_ahead();
    let data = "C: DATA\nS: 354 end the content with a dot on a line of its own\nC: x\nC: .\n";
    let chunk = "C: BDAT 3 LAST\nC: x\n";
    for end in [data, chunk] {
        let ahead = "C: MAIL FROM:<>\n-- close";
        let running = after_hello(server(), &format!("{GROUP}{end}{ahead}")).await;
        assert_eq!(running.mails().len(), 1, "{end}");
        let waits = "S: 250 2.0.0 mail accepted\nC: MAIL FROM:<>\nS: 250 2.1.0 sender ok";
        after_hello(server(), &format!("{GROUP}{end}{waits}")).await;
        // What comes on its own, but before the reply, is ahead too.
        let (_running, client) = in_memory(server());
        let mut client = talk(client, "", &format!("{HELLO}{GROUP}{end}")).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        client.write_all(b"MAIL FROM:<>\r\n").await.unwrap();
        talk(client, "", "-- close").await;
    }
    // Between chunks and before them it is as others are.
    let script = "C: BDAT 1\nC: xBDAT 1\nC: yRSET\nS: 250 2.0.0 chunk taken\n\
                  S: 250 2.0.0 chunk taken\nS: 250 2.0.0 ok";
    after_hello(server(), &format!("{GROUP}{script}")).await;
}

/// What a client of 64-octet pipes can say, in octets, before the server stops reading it.
async fn said_without_reading(server: Server) -> usize {
    let (client, stream) = duplex(64);
    let _running = server.serve(stream).unwrap();
    let mut client = talk(client, "", HELLO).await;
    let group = format!("MAIL FROM:<>\r\n{}", "RCPT TO:<a@b>\r\n".repeat(10_000 / 15));
    let mut said = 0;
    let saying = async {
        while said < group.len() {
            said += client.write(&group.as_bytes()[said..]).await.unwrap();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(60), saying).await;
    said
}

#[tokio::test(start_paused = true)]
async fn a_server_may_not_read_before_its_replies_are_taken() {
    let all = "MAIL FROM:<>\r\n".len() + 10_000 / 15 * 15;
    assert_eq!(said_without_reading(Server::new().replies_after(1_000_000)).await, all);
    let idle = Server::new().replies_when_idle();
    for server in [Server::new(), Server::new().replies_one_by_one(), idle] {
        let said = said_without_reading(server).await;
        assert!((64..2_000).contains(&said), "{said}");
    }
}

/// In what pieces the replies come to a group that comes in one.
async fn writes(server: Server, resets: usize) -> Vec<usize> {
    let (client, stream) = duplex(1 << 20);
    let (stream, log) = scripted::Recorder::new(stream);
    let _running = server.serve(stream).unwrap();
    let client = talk(client, "", HELLO).await;
    log.lock().unwrap().clear();
    let group = "C: RSET\n".repeat(resets) + &"S: 250 2.0.0 ok\n".repeat(resets);
    talk(client, "", &group).await;
    let log = log.lock().unwrap();
    log.clone()
}

#[tokio::test]
async fn replies_come_one_by_one_or_together() {
    let reply = "250 2.0.0 ok\r\n".len();
    assert_eq!(writes(Server::new(), 3).await, [3 * reply]);
    assert_eq!(writes(Server::new().replies_when_idle(), 3).await, [3 * reply]);
    assert_eq!(writes(Server::new().replies_one_by_one(), 3).await, [reply; 3]);
    // More than is read at a time.
    let many = 10_000;
    assert!(writes(Server::new(), many).await.len() > 1);
    assert_eq!(writes(Server::new().replies_when_idle(), many).await, [many * reply]);
}

#[tokio::test(start_paused = true)]
async fn says_nothing_before_so_many_octets() {
    let group = "MAIL FROM:<>\r\nRSET\r\n"; // 20 octets
    for (octets, answered) in [(19, true), (20, true), (21, false)] {
        let (_running, client) = in_memory(Server::new().replies_after(octets));
        let mut client = talk(client, "", HELLO).await;
        client.write_all(group.as_bytes()).await.unwrap();
        let mut said = [0; 100];
        let reply = tokio::time::timeout(Duration::from_secs(60), client.read(&mut said));
        assert_eq!(reply.await.is_ok(), answered, "{octets}");
        // From then on it answers at once.
        client.write_all(b"RSET\r\n").await.unwrap();
        assert!(client.read(&mut said).await.unwrap() > 0);
        client.write_all(b"RSET\r\n").await.unwrap();
        assert!(client.read(&mut said).await.unwrap() > 0);
    }
    // What is never answered is at the end.
    let server = Server::new().replies_after(1_000);
    let script = "C: MAIL FROM:<>\nC: QUIT\nS: 250 2.1.0 sender ok\nS: 221 2.0.0 bye\n-- close";
    after_hello(server, script).await;
}
