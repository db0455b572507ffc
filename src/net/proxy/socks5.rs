//! SOCKS5 (RFC 1928), with user and password (RFC 1929): what a client says to connect. Every
//! length is one octet, so that nothing read is larger than 257 octets.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use zeroize::Zeroizing;

use std::net::IpAddr;

use super::target::TargetHost;
use super::{Login, ProxyReason, ProxyStep, Target, read, write};

/// Why credentials cannot be told to a SOCKS5 proxy (RFC 1929 §2).
pub(super) fn objection(login: &Login) -> Option<&'static str> {
    let fits = |octets: &[u8]| (1..=255).contains(&octets.len());
    match fits(login.user.as_bytes()) && fits(login.password.expose()) {
        true => None,
        false => Some("SOCKS5 takes 1 to 255 octets of a user name and of a password"),
    }
}

/// Asks for `target`, up to the proxy's word that it is connected. Nothing after that is read.
pub(super) async fn ask<S>(
    stream: &mut S,
    step: &mut ProxyStep,
    login: Option<&Login>,
    target: &Target,
) -> Result<(), ProxyReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    *step = ProxyStep::Method;
    // VER NMETHODS METHODS
    let offer: &[u8] = match login {
        None => &[VERSION, 1, NO_LOGIN],
        Some(_) => &[VERSION, 2, NO_LOGIN, BY_PASSWORD],
    };
    write(stream, offer).await?;
    match (read(stream).await?, login) {
        ([VERSION, NO_LOGIN], _) => {}
        ([VERSION, BY_PASSWORD], Some(login)) => {
            *step = ProxyStep::Login;
            log_in(stream, login).await?;
        }
        ([VERSION, NO_METHOD], _) => return Err(ProxyReason::NoMethod),
        (said, _) => return Err(foreign(&said)),
    }
    *step = ProxyStep::Request;
    write(stream, &request(target)).await?;
    connected(stream).await
}

/// RFC 1929 §2: `VER ULEN UNAME PLEN PASSWD`, and `VER STATUS`.
async fn log_in<S>(stream: &mut S, login: &Login) -> Result<(), ProxyReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // All its room at once: what grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(513));
    octets.push(LOGIN_VERSION);
    push_counted(&mut octets, login.user.as_bytes());
    push_counted(&mut octets, login.password.expose());
    write(stream, &octets).await?;
    match read(stream).await? {
        // Some proxies answer with the version of SOCKS.
        [LOGIN_VERSION | VERSION, 0] => Ok(()),
        [LOGIN_VERSION | VERSION, status] => Err(ProxyReason::LoginRefused(status)),
        said => Err(foreign(&said)),
    }
}

/// RFC 1928 §4: `VER CMD RSV ATYP DST.ADDR DST.PORT`.
fn request(target: &Target) -> Vec<u8> {
    let mut octets = vec![VERSION, CONNECT, 0];
    match target.host() {
        TargetHost::Address(IpAddr::V4(address)) => {
            octets.push(IPV4);
            octets.extend(address.octets());
        }
        TargetHost::Address(IpAddr::V6(address)) => {
            octets.push(IPV6);
            octets.extend(address.octets());
        }
        TargetHost::Name(name) => {
            octets.push(NAME);
            push_counted(&mut octets, name.as_bytes());
        }
    }
    octets.extend(target.port().to_be_bytes());
    octets
}

/// RFC 1928 §6: `VER REP RSV ATYP BND.ADDR BND.PORT`. The address at the proxy's far end is read to
/// be after it.
async fn connected(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), ProxyReason> {
    let said: [u8; 4] = read(stream).await?;
    let length = match said {
        [VERSION, 0, _, IPV4] => 4,
        [VERSION, 0, _, IPV6] => 16,
        [VERSION, 0, _, NAME] => u64::from(stream.read_u8().await?),
        [VERSION, reply, ..] if reply != 0 => return Err(ProxyReason::Reply(reply)),
        said => return Err(foreign(&said)),
    };
    let bound = length + 2;
    let read = tokio::io::copy(&mut stream.take(bound), &mut tokio::io::sink()).await?;
    if read < bound { Err(ProxyReason::Closed) } else { Ok(()) }
}

/// A length in one octet, and what is so long. What is longer has been refused before.
fn push_counted(octets: &mut Vec<u8>, counted: &[u8]) {
    let length = u8::try_from(counted.len()).unwrap_or(u8::MAX);
    octets.push(length);
    octets.extend(counted.iter().take(length.into()));
}

fn foreign(said: &[u8]) -> ProxyReason {
    ProxyReason::Foreign { protocol: "SOCKS5", said: said.into() }
}

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;

const NO_LOGIN: u8 = 0;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
