//! HTTP CONNECT (RFC 9110 §9.3.6), with Basic authentication (RFC 7617): one request, and the
//! header of the reply to it. What follows the header is the server's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use zeroize::Zeroizing;

use super::{Login, ProxyReason, ProxyStep, Target, write};

/// Octets of a reply's header, in which no proxy says more than some hundred. Servers of HTTP have
/// the same bound for a header of theirs.
const LONGEST: usize = 8192;

/// Why credentials cannot be told to an HTTP proxy (RFC 7617 §2).
pub(super) fn objection(login: &Login) -> Option<&'static str> {
    let has_control = |octets: &[u8]| octets.iter().any(u8::is_ascii_control);
    if login.user.contains(':') {
        return Some("a user name for an HTTP proxy has no colon");
    }
    match has_control(login.user.as_bytes()) || has_control(login.password.expose()) {
        true => Some("a user name and a password for an HTTP proxy have no control characters"),
        false => None,
    }
}

/// Asks for `target`, up to the end of the header that says that it is connected.
pub(super) async fn ask<S>(
    stream: &mut S,
    step: &mut ProxyStep,
    login: Option<&Login>,
    target: &Target,
) -> Result<(), ProxyReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    *step = ProxyStep::Request;
    write(stream, &request(login, target)).await?;
    let mut left = LONGEST;
    loop {
        let line = header(stream, &mut left).await?;
        match status(&line) {
            Some(200..=299) => return Ok(()),
            // Interim: the reply is still to come (RFC 9110 §15.2).
            Some(100..=199) => {}
            Some(code) => {
                if code == LOGIN_WANTED {
                    *step = ProxyStep::Login;
                }
                return Err(ProxyReason::Status { code, line: shortened(&line) });
            }
            None => return Err(foreign(&line)),
        }
    }
}

fn request(login: Option<&Login>, target: &Target) -> Zeroizing<Vec<u8>> {
    let begin = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    let basic = login.map(basic);
    let basic: &[&[u8]] = match &basic {
        Some(basic) => &[b"Proxy-Authorization: Basic ", basic.as_bytes(), b"\r\n"],
        None => &[],
    };
    Zeroizing::new([&[begin.as_bytes()], basic, &[b"\r\n"]].concat().concat())
}

/// RFC 7617 §2: `base64(user-id ":" password)`.
fn basic(login: &Login) -> Zeroizing<String> {
    let pair = [login.user.as_bytes(), b":", login.password.expose()].concat();
    Zeroizing::new(STANDARD.encode(Zeroizing::new(pair)))
}

/// Reads a header to its empty line, of at most `left` octets, and gives its first line.
///
/// By single octets, because no octet may be taken that the server has sent: a header is short, and
/// comes once in a connection.
async fn header(
    stream: &mut (impl AsyncRead + Unpin),
    left: &mut usize,
) -> Result<Vec<u8>, ProxyReason> {
    let mut first = Vec::new();
    let mut is_first = true;
    let mut length = 0_usize;
    loop {
        *left = left.checked_sub(1).ok_or(ProxyReason::TooLong(LONGEST))?;
        match stream.read_u8().await? {
            b'\n' if is_first => {
                if status(&first).is_none() {
                    return Err(foreign(&first));
                }
                is_first = false;
            }
            b'\n' if length == 0 => return Ok(first),
            b'\n' => length = 0,
            b'\r' => {}
            octet if is_first => {
                first.push(octet);
                // A server of another protocol may say no line at all.
                if !first.iter().zip(b"HTTP/1.").all(|(said, expected)| said == expected) {
                    return Err(foreign(&first));
                }
            }
            _ => length += 1,
        }
    }
}

/// RFC 9112 §4: `HTTP-version SP status-code SP [ reason-phrase ]`. Some leave out the second
/// blank.
fn status(line: &[u8]) -> Option<u16> {
    let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
    let [b' ', code @ ..] = rest else { return None };
    let (code, rest) = code.split_at_checked(3)?;
    if !minor.is_ascii_digit() || !matches!(rest, [] | [b' ', ..]) {
        return None;
    }
    // With a sign, which `parse` takes, three characters come to less than 100.
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok()?;
    (code >= 100).then_some(code)
}

fn foreign(said: &[u8]) -> ProxyReason {
    ProxyReason::Foreign { protocol: "HTTP", said: shortened(said) }
}

/// What is kept of a line for the error.
fn shortened(line: &[u8]) -> Box<[u8]> {
    line.get(..KEPT).unwrap_or(line).into()
}

/// Octets of a status line that are kept; a reason is a few words.
const KEPT: usize = 200;

/// Proxy Authentication Required.
const LOGIN_WANTED: u16 = 407;
