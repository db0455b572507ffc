//! One client at one task, in this process: what a line of the table is made of. Each prints what
//! it has found as `name value`, a line each.

use std::fs;
use std::time::Instant;

use crate::client::{self, Client, Plain};
use crate::count;

/// Which client, what for, how often, how large, and where.
pub(crate) struct Job {
    pub(crate) what: String,
    pub(crate) times: usize,
    pub(crate) size: usize,
    pub(crate) port: u16,
}

/// Runs a job with the client of that name; behind `+` no-delay is asked for.
pub(crate) fn run(who: &str, job: &Job) {
    let (name, nodelay) = match who.split_once('+') {
        Some((name, _)) => (name, true),
        None => (who, false),
    };
    match name {
        "ehlo" if job.what == "file" => run_file(job),
        "ehlo" => run_with::<client::Ehlo>(job, nodelay),
        "ehlo-data" => run_with::<client::EhloData>(job, nodelay),
        "ehlo-bdat" => run_with::<client::EhloBdat>(job, nodelay),
        "ehlo-tls" => run_with::<client::EhloTls>(job, nodelay),
        "bare" => run_with::<client::Bare>(job, true),
        "bare-pipelined" => run_with::<client::BarePipelined>(job, true),
        "bare-lockstep" => run_with::<client::BareLockStep>(job, true),
        "bare-bdat" => run_with::<client::BareBdat<1>>(job, true),
        // As many mails in a write as this crate has on their way.
        "bare-bdat-16" => run_with::<client::BareBdat<16>>(job, true),
        "bare-tls" => run_with::<client::BareTls>(job, true),
        "lettre" => run_with::<client::Lettre>(job, nodelay),
        "async-smtp" => run_with::<client::AsyncSmtp>(job, nodelay),
        "mail-send" => run_with::<client::MailSend>(job, nodelay),
        "io-smtp" => run_with::<client::IoSmtp>(job, nodelay),
        _ => panic!("nobody is called {who}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn run_with<C: Client>(job: &Job, nodelay: bool) {
    match &job.what[..] {
        "mails" => runtime().block_on(mails::<C>(job, nodelay)),
        "at-once" if C::BLOCKS => at_once_by_threads::<C>(job, nodelay),
        "at-once" => runtime().block_on(at_once::<C>(job, nodelay)),
        "recipients" => runtime().block_on(recipients::<C>(job, nodelay)),
        "large" => runtime().block_on(large::<C>(job, nodelay)),
        "idle" => runtime().block_on(idle::<C>(job, nodelay)),
        what => panic!("nothing is called {what}"),
    }
}

/// Mails in a row over one connection, each of `size` octets.
async fn mails<C: Client>(job: &Job, nodelay: bool) {
    let mail = C::prepare(&Plain::new(1, job.size));
    let mut client = C::connect(job.port, nodelay).await;
    measured(async { client.send_many(&mail, job.times).await }).await;
}

/// Sixteen connections, so many mails over each.
async fn at_once<C: Client>(job: &Job, nodelay: bool) {
    let mail = std::sync::Arc::new(C::prepare(&Plain::new(1, job.size)));
    let mut clients = Vec::new();
    for _ in 0..AT_ONCE {
        clients.push(C::connect(job.port, nodelay).await);
    }
    let times = job.times;
    measured(async {
        let each = clients.into_iter().map(|mut client| {
            let mail = mail.clone();
            tokio::spawn(async move {
                client.send_many(&mail, times).await;
                client
            })
        });
        for one in each.collect::<Vec<_>>() {
            one.await.unwrap();
        }
    })
    .await;
}

fn at_once_by_threads<C: Client>(job: &Job, nodelay: bool) {
    let mail = C::prepare(&Plain::new(1, job.size));
    let connect = |_| runtime().block_on(C::connect(job.port, nodelay));
    let clients: Vec<_> = (0..AT_ONCE).map(connect).collect();
    runtime().block_on(measured(async {
        std::thread::scope(|scope| {
            for mut client in clients {
                let mail = &mail;
                scope.spawn(move || runtime().block_on(client.send_many(mail, job.times)));
            }
        });
    }));
}

pub(crate) const AT_ONCE: usize = 16;

/// One mail to `size` recipients, so many times.
async fn recipients<C: Client>(job: &Job, nodelay: bool) {
    let mail = C::prepare(&Plain::new(job.size, 100));
    let mut client = C::connect(job.port, nodelay).await;
    measured(async {
        for _ in 0..job.times {
            client.send(&mail).await;
        }
    })
    .await;
}

/// One mail of `size` octets from memory, so many times.
async fn large<C: Client>(job: &Job, nodelay: bool) {
    let mail = C::prepare(&Plain::new(1, job.size));
    let mut client = C::connect(job.port, nodelay).await;
    measured(async {
        for _ in 0..job.times {
            client.send(&mail).await;
        }
    })
    .await;
}

/// The same from a file.
fn run_file(job: &Job) {
    let path = std::env::temp_dir().join(format!("ehlo-peers-{}", std::process::id()));
    fs::write(&path, Plain::new(1, job.size).content).unwrap();
    // Memory that the system counts for the process falls only in part when it is given back:
    // what is to be measured must not have been there before.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["send-file", &job.times.to_string(), path.to_str().unwrap()])
        .arg(job.port.to_string())
        .status();
    let _ = fs::remove_file(&path);
    assert!(child.unwrap().success());
}

pub(crate) fn send_file(times: usize, path: &str, port: u16) {
    runtime().block_on(async {
        let mail = client::Ehlo::prepare(&Plain::new(1, 0));
        let mut client = client::Ehlo::connect(port, true).await;
        let octets = fs::metadata(path).unwrap().len();
        measured(async {
            for _ in 0..times {
                let file = tokio::fs::File::open(path).await.unwrap();
                client.send_file(&mail, file, octets).await;
            }
        })
        .await;
    });
}

/// So many connections that do nothing once each has sent a mail.
async fn idle<C: Client>(job: &Job, nodelay: bool) {
    // What is made once for all connections is not theirs.
    let _first = C::connect(job.port, nodelay).await;
    let mut clients = Vec::with_capacity(job.times);
    let (before, resident) = (count::held(), status("VmRSS"));
    for _ in 0..job.times {
        clients.push(Box::new(C::connect(job.port, nodelay).await));
    }
    let held = count::held() - before;
    println!("heap {}", held / job.times);
    println!("resident {}", status("VmRSS").saturating_sub(resident) * 1024 / job.times);
    if job.size > 0 {
        let mail = C::prepare(&Plain::new(1, job.size));
        let before = count::held();
        for client in &mut clients {
            client.send(&mail).await;
        }
        let held = held as isize + count::held() as isize - before as isize;
        println!("heap-after-a-mail {}", held / job.times as isize);
    }
}

/// How long it took, and what memory.
async fn measured(run: impl Future<Output = ()>) {
    let (calls, held, resident) = (count::calls(), count::held(), status("VmHWM"));
    count::peak();
    let began = Instant::now();
    run.await;
    println!("nanoseconds {}", began.elapsed().as_nanos());
    println!("allocations {}", count::calls() - calls);
    println!("peak {}", count::peak().saturating_sub(held));
    println!("resident {}", status("VmHWM").saturating_sub(resident) * 1024);
}

/// What the system says of this process, in KiB.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
