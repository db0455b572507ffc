//! The vectors of RFC 5802 and RFC 7677, and every way in which a server can be wrong.

use std::cell::Cell;

use proptest::prelude::*;

use super::super::ChannelBinding;
use super::*;

const NONCE_A: &str = "rOprNGfwEbeRWgbNEkqO";
const FIRST_A: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

fn user() -> Credentials {
    Credentials::new("user", "pencil")
}

fn scram(name: &'static str, offer: &Offer, nonce: &str) -> Scram {
    Scram::with_nonce(name, &user(), offer, nonce.to_owned()).unwrap()
}

fn sha_256() -> Scram {
    scram("SCRAM-SHA-256", &Offer::default(), NONCE_A)
}

fn said(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

/// A dialogue as it stands in a vector.
struct Vector {
    name: &'static str,
    offer: Offer,
    first: &'static str,
    server_first: &'static str,
    bound: &'static str,
    proof: &'static str,
    signature: &'static str,
}

impl Vector {
    #[track_caller]
    fn is_met(&self) {
        let nonce = self.first.split_once("r=").unwrap().1;
        let mut scram = scram(self.name, &self.offer, nonce);
        assert_eq!(said(&scram.initial().unwrap()), self.first);
        let response = scram.respond(self.server_first.as_bytes()).unwrap();
        let nonce = self.server_first.split_once(',').unwrap().0;
        assert_eq!(said(&response), format!("c={},{nonce},p={}", self.bound, self.proof));
        let server_final = format!("v={}", self.signature);
        assert_eq!(scram.respond(server_final.as_bytes()).unwrap().expose(), b"");
        assert_eq!(scram.succeeded(b"2.7.0 welcome"), Ok(()));
    }
}

#[test]
fn each_name_says_its_hash() {
    for (name, hash) in [
        ("SCRAM-SHA-1", Hash::Sha1),
        ("SCRAM-SHA-256", Hash::Sha256),
        ("SCRAM-SHA-512", Hash::Sha512),
    ] {
        assert_eq!((Hash::of(name), Hash::of(&format!("{name}-PLUS"))), (Some(hash), Some(hash)));
    }
    assert_eq!(Hash::of("SCRAM-SHA-224"), None);
}

#[test]
fn c_147_vector_a_is_met() {
    Vector {
        name: "SCRAM-SHA-256",
        offer: Offer::default(),
        first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: FIRST_A,
        bound: "biws",
        proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    }
    .is_met();
}

#[test]
fn c_147_vector_b_is_met() {
    Vector {
        name: "SCRAM-SHA-1",
        offer: Offer::default(),
        first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        bound: "biws",
        proof: "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        signature: "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    }
    .is_met();
}

#[test]
fn c_147_vector_c_is_met() {
    Vector {
        name: "SCRAM-SHA-512",
        offer: Offer::default(),
        first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: FIRST_A,
        bound: "biws",
        proof: "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
        signature: "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
    }
    .is_met();
}

fn exporter() -> ChannelBinding {
    ChannelBinding::tls_exporter(std::array::from_fn(|at| at as u8))
}

#[test]
fn c_148_c_149_vector_d_is_met() {
    Vector {
        name: "SCRAM-SHA-256-PLUS",
        offer: Offer::new(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]).channel_binding(exporter()),
        first: "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: FIRST_A,
        bound: "cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        proof: "QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
        signature: "2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
    }
    .is_met();
}

#[test]
fn c_148_the_vector_of_a_client_that_could_bind_is_met() {
    Vector {
        name: "SCRAM-SHA-256",
        offer: Offer::new(["SCRAM-SHA-256"]).channel_binding(exporter()),
        first: "y,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        server_first: FIRST_A,
        bound: "eSws",
        proof: "FoqiHTtQEDE8lz1CdaEe3tK4mS+iMDTl77SPyDS53DY=",
        signature: "dI4KpiQJwBr1+V+K6U1dA6l6I4I9DUNXWND4pcpRU3U=",
    }
    .is_met();
}

#[test]
fn c_148_the_flag_tells_what_could_have_been_bound() {
    let flag = |name, offer: &Offer| {
        let first = said(&scram(name, offer, "x").initial().unwrap());
        first.split_once(',').unwrap().0.to_owned()
    };
    let both = Offer::new(["SCRAM-SHA-256", "scram-sha-256-plus"]);
    assert_eq!(flag("SCRAM-SHA-256", &both), "n", "nothing to bind by");
    let bound = both.channel_binding(ChannelBinding::tls_server_end_point(*b"abc"));
    assert_eq!(flag("SCRAM-SHA-256-PLUS", &bound), "p=tls-server-end-point");
    assert_eq!(flag("SCRAM-SHA-256", &bound), "n", "its -PLUS is offered, and was not chosen");
    let refused = bound.clone().without("SCRAM-SHA-256-PLUS");
    assert_eq!(flag("SCRAM-SHA-256", &refused), "n", "its -PLUS is offered, and was refused");
    assert_eq!(flag("SCRAM-SHA-1", &bound), "y", "the -PLUS of another hash");
    for other in ["X-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS-PLUS", "-PLUS"] {
        let renamed = Offer::new(["SCRAM-SHA-256", other]).channel_binding(exporter());
        assert_eq!(flag("SCRAM-SHA-256", &renamed), "y", "{other}");
    }
    let bare = Offer::new(["SCRAM-SHA-1"]).channel_binding(exporter());
    assert_eq!(flag("SCRAM-SHA-1", &bare), "y");
}

#[track_caller]
fn refuses_first(message: &str, words: &str) {
    let mut scram = sha_256();
    scram.initial();
    let fault = scram.respond(message.as_bytes()).unwrap_err();
    assert_eq!(fault.to_string(), format!("SCRAM-SHA-256{words}"), "{message}");
    let again = scram.respond(FIRST_A.as_bytes());
    assert!(matches!(again, Err(AuthFault::Unanswerable { .. })), "a second try");
}

#[test]
fn c_147_a_nonce_that_is_not_the_clients_own_and_more_is_refused() {
    let words = ": the server's message has another nonce than the client's with more behind it";
    for nonce in [NONCE_A, "", "rOprNGfwEbeRWgbNEkq", "sOprNGfwEbeRWgbNEkqOabc"] {
        refuses_first(&format!("r={nonce},s=YQ==,i=4096"), words);
    }
    refuses_first(&format!("r={NONCE_A}a b,s=YQ==,i=4096"), words);
    refuses_first(&format!("r={NONCE_A}é,s=YQ==,i=4096"), words);
}

#[test]
fn c_147_extensions_that_must_be_known_are_refused_and_others_are_not() {
    let words = ": the server's message wants an extension that is not known";
    refuses_first(&format!("m=ext,{FIRST_A}"), words);
    refuses_first(&format!("{FIRST_A},m=ext"), words);
    let mut scram = sha_256();
    let with_more = format!("{FIRST_A},x=who knows");
    let response = said(&scram.respond(with_more.as_bytes()).unwrap());
    assert!(response.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
}

#[test]
fn c_147_what_is_no_server_first_message_is_refused() {
    refuses_first("", ": the server's message has no nonce in its first place");
    refuses_first("s=YQ==,i=4096", ": the server's message has no nonce in its first place");
    let salt = ": the server's message has no salt behind the nonce";
    for rest in ["", ",i=4096", ",s=,i=4096", ",s=YQ,i=4096", ",s=Y Q=,i=4096"] {
        refuses_first(&format!("r={NONCE_A}x{rest}"), salt);
    }
    let iterations = ": the server's message has no iterations behind the salt";
    for rest in ["", ",i=", ",i=0", ",i=-1", ",i=04096", ",i=+4096", ",i=4096 ", ",x=1,i=4096"] {
        refuses_first(&format!("r={NONCE_A}x,s=YQ=={rest}"), iterations);
    }
    let fault = sha_256().respond(b"\xff").unwrap_err();
    assert_eq!(fault.to_string(), "SCRAM-SHA-256: the server's message is not UTF-8");
}

#[test]
fn c_150_iterations_have_a_floor_and_a_cap() {
    let first = |asked: &str| format!("r={NONCE_A}x,s=YQ==,i={asked}");
    for (asked, shown) in [
        ("1", "1"),
        ("4095", "4095"),
        ("600001", "600001"),
        ("4294967296", "4294967296"),
        ("99999999999999999999999", "18446744073709551615"),
    ] {
        let words =
            format!(": the server asks for {shown} iterations, and 4096 to 600000 are allowed");
        refuses_first(&first(asked), &words);
    }
    let lax = user().iterations(1..=2);
    let with = |asked| {
        let offer = Offer::default();
        let mut scram = Scram::with_nonce("SCRAM-SHA-1", &lax, &offer, NONCE_A.to_owned()).unwrap();
        scram.respond(first(asked).as_bytes()).map(|_| ()).map_err(|fault| fault.to_string())
    };
    assert_eq!((with("1"), with("2")), (Ok(()), Ok(())));
    let words = "SCRAM-SHA-1: the server asks for 3 iterations, and 1 to 2 are allowed";
    assert_eq!(with("3"), Err(words.to_owned()));
}

/// A dialogue of vector A up to the server's last message.
fn answered() -> Scram {
    let mut scram = sha_256();
    scram.initial();
    scram.respond(FIRST_A.as_bytes()).unwrap();
    scram
}

const UNPROVED: &str = "SCRAM-SHA-256: the server has not proved that it knows the password";

#[test]
fn c_147_a_server_that_does_not_prove_itself_is_refused() {
    for message in [
        "",
        "v=",
        "v=AAAA",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
        "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "x=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ] {
        let mut scram = answered();
        let fault = scram.respond(message.as_bytes()).unwrap_err();
        assert_eq!(fault.to_string(), UNPROVED, "{message}");
        assert_eq!(scram.succeeded(b"2.7.0 welcome").unwrap_err().to_string(), UNPROVED);
    }
}

/// What it says is answered, so that its reply comes; and it is left where it goes on.
#[test]
fn c_147_a_server_that_gives_up_says_why_and_is_heard_out() {
    for begun in [sha_256, answered] {
        let mut scram = begun();
        assert_eq!(scram.respond(b"e=invalid-proof").unwrap().expose(), b"");
        let reply = "535 5.7.8 no".parse::<Reply>().unwrap();
        let fault = scram.refused(&reply).unwrap();
        assert_eq!(
            fault.to_string(),
            "SCRAM-SHA-256: the server gave up: \"invalid-proof\", and said: 535 5.7.8 no"
        );
        assert_eq!(fault.reply(), Some(&reply));

        let mut scram = begun();
        scram.respond(b"e=other-error").unwrap();
        assert_eq!(scram.succeeded(b"2.7.0 welcome").unwrap_err().to_string(), UNPROVED);
        let mut scram = begun();
        scram.respond(b"e=other-error").unwrap();
        let fault = scram.respond(b"e=other-error").unwrap_err();
        let words = "SCRAM-SHA-256 has no answer to the challenge \"e=other-error\"";
        assert_eq!(fault.to_string(), words);
        assert_eq!(begun().refused(&reply), None, "the reply says it all");
    }
}

#[test]
fn c_147_a_success_is_not_believed_without_the_servers_signature() {
    assert_eq!(answered().succeeded(b"2.7.0 welcome").unwrap_err().to_string(), UNPROVED);
    assert_eq!(sha_256().succeeded(b"2.7.0 welcome").unwrap_err().to_string(), UNPROVED);
    let wrong = STANDARD.encode("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    let fault = answered().succeeded(wrong.as_bytes()).unwrap_err();
    assert_eq!(fault.to_string(), UNPROVED);
}

#[test]
fn c_147_the_signature_may_stand_in_the_235_itself() {
    let message = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    let text = format!("2.7.0 {}", STANDARD.encode(message));
    assert_eq!(answered().succeeded(text.as_bytes()), Ok(()));
    let more = format!("{message},x=y");
    assert_eq!(answered().respond(more.as_bytes()).unwrap().expose(), b"");
}

#[test]
fn t12_a_dialogue_has_two_challenges() {
    let mut scram = answered();
    scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
    let fault = scram.respond(b"more").unwrap_err();
    assert_eq!(fault.to_string(), "SCRAM-SHA-256 has no answer to the challenge \"more\"");
}

#[test]
fn names_and_passwords_are_prepared() {
    let first = |credentials: &Credentials| {
        Scram::with_nonce("SCRAM-SHA-1", credentials, &Offer::default(), "x".to_owned())
            .map(|mut scram| said(&scram.initial().unwrap()))
            .map_err(|fault| fault.to_string())
    };
    let odd = Credentials::new("a=b,c", "x").authorize_as("d,=");
    assert_eq!(first(&odd).unwrap(), "n,a=d=2C=3D,n=a=3Db=2Cc,r=x");
    assert_eq!(first(&Credentials::new("I\u{ad}X\u{aa}", "x")).unwrap(), "n,,n=IXa,r=x");

    let name = "SCRAM-SHA-1 cannot carry a name that SASLprep refuses";
    assert_eq!(first(&Credentials::new("a\0b", "x")).unwrap_err(), name);
    assert_eq!(first(&Credentials::new("a", "x").authorize_as("\u{627}1")).unwrap_err(), name);
    let empty = "SCRAM-SHA-1 cannot carry an empty user name";
    assert_eq!(first(&Credentials::new("\u{ad}", "x")).unwrap_err(), empty);
    let password = "SCRAM-SHA-1 cannot carry a password that SASLprep refuses";
    assert_eq!(first(&Credentials::new("a", "b\x07")).unwrap_err(), password);
    assert_eq!(first(&Credentials::new("a", &b"\xff"[..])).unwrap_err(), password);

    let proof = |password: &str| {
        let credentials = Credentials::new("user", password);
        let offer = Offer::default();
        let scram = Scram::with_nonce("SCRAM-SHA-256", &credentials, &offer, NONCE_A.to_owned());
        said(&scram.unwrap().respond(FIRST_A.as_bytes()).unwrap())
    };
    assert_eq!(proof("pen\u{ad}cil"), proof("pencil"));
    assert_ne!(proof("Pencil"), proof("pencil"));
}

#[test]
fn nonces_are_random_and_long() {
    let nonce = || {
        let scram = Scram::new("SCRAM-SHA-1", &user(), &Offer::default()).unwrap();
        assert!(scram.nonce.bytes().all(|octet| octet.is_ascii_graphic() && octet != b','));
        scram.nonce
    };
    let (one, other) = (nonce(), nonce());
    assert_eq!(one.len(), 32);
    assert_ne!(one, other);
}

thread_local! {
    /// Whether the system gives no random octets.
    pub(super) static IS_DRY: Cell<bool> = const { Cell::new(false) };
}

/// What passes is no reason to say the password instead.
#[test]
fn t10_without_randomness_nothing_weaker_is_used() {
    IS_DRY.set(true);
    let offer = Offer::new(["SCRAM-SHA-1", "PLAIN", "LOGIN"]);
    let fault = user().choose(&offer).err();
    let words = "SCRAM-SHA-1 needs random octets, and the system gives none";
    assert_eq!(fault.map(|fault| fault.to_string()).as_deref(), Some(words));
    let told: Vec<_> = user().explain(&offer).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "SCRAM-SHA-1: needs random octets, and the system gives none",
            "PLAIN: comes after SCRAM-SHA-1",
            "LOGIN: comes after SCRAM-SHA-1",
        ]
    );
    let named = user().mechanisms(["PLAIN", "SCRAM-SHA-1"]);
    assert_eq!(named.choose(&offer).map(|made| made.name().to_owned()).ok().unwrap(), "PLAIN");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What a server reads back from the first message is the name that was given.
    #[test]
    fn names_with_commas_and_equals_come_back(name in "[a-z=,]{1,12}", acting in "[A-Z=,]{0,8}") {
        let credentials = Credentials::new(name.clone(), "x").authorize_as(acting.clone());
        let scram =
            Scram::with_nonce("SCRAM-SHA-1", &credentials, &Offer::default(), "x".to_owned());
        let first = said(&scram.unwrap().initial().unwrap());
        let parts: Vec<_> = first.split(',').collect();
        prop_assert_eq!(parts.len(), 4);
        let back = |text: &str| text.replace("=2C", ",").replace("=3D", "=");
        let identity = parts[1].strip_prefix("a=").unwrap_or_default();
        prop_assert_eq!(back(identity), acting);
        prop_assert_eq!(back(parts[2].strip_prefix("n=").unwrap()), name);
    }

    /// Whatever a server says, it is refused or answered: nothing panics.
    #[test]
    fn no_message_does_harm(message in prop::collection::vec(any::<u8>(), 0..64)) {
        let quick = user().iterations(1..=9);
        let begun = || {
            let offer = Offer::default();
            Scram::with_nonce("SCRAM-SHA-1", &quick, &offer, "x".to_owned()).unwrap()
        };
        let _ = begun().respond(&message);
        let mut answered = begun();
        answered.respond(b"r=xy,s=YQ==,i=1").unwrap();
        prop_assert!(answered.respond(&message).is_err());
        let mut answered = begun();
        answered.respond(b"r=xy,s=YQ==,i=1").unwrap();
        prop_assert!(answered.succeeded(&message).is_err());
    }
}
