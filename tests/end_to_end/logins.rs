//! Strangers at the real program: guessers at one address keep nobody at another from logging in,
//! are blocked, and cost no memory; neither do messages that nobody ends.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanfare::auth::{PASSWORD_SALT_BYTES, Secret, hash_password};
use socket2::{Domain, Socket, Type};
use tempfile::NamedTempFile;

use crate::clients::status;
use crate::server::{DEADLINE, Server, Setting, fanfare, skip};

on_both_drivers!(
    guessers_keep_nobody_out_and_take_no_memory,
    an_address_that_guesses_is_blocked_and_this_machine_is_not,
    strangers_hold_little,
);

const GUESSERS: usize = 200;
const LOGINS: u32 = 20;

/// A configuration with one organization and a user, whose password is hashed as `fanfare user new`
/// does.
fn configuration() -> NamedTempFile {
    let hash = hash_password(&Secret::new("swordfish"), [7; PASSWORD_SALT_BYTES]);
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(
        file,
        "[[organizations]]\nname = \"acme\"\n[[organizations.users]]\nname = \"mikey\"\n\
         password = \"{}\"\ngrants = [\"subscribe\"]\n",
        hash.expect("there is memory")
    )
    .expect("written");
    file
}

/// A connection from an address of this machine.
fn connect_from(from: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::new(IpAddr::V4(from), 0);
    socket.bind(&from.into()).expect("all of 127/8 is ours");
    socket.connect(&server.into()).expect("it accepts");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).expect("an option");
    stream
}

/// Asks to open a socket of the live dialect.
fn ask(stream: &mut TcpStream, name: &str, password: &str) {
    let basic = STANDARD.encode(format!("{name}:{password}"));
    let request = format!(
        "GET /live/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Basic {basic}\r\n\r\n"
    );
    let sent = stream.write_all(request.as_bytes());
    sent.expect("the server reads");
}

/// The status of one answer, whose body is read too.
fn answer(stream: &mut TcpStream) -> u16 {
    let (mut text, mut buf) = (String::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buf).expect("an answer");
        assert!(read > 0, "the end after {text:?}");
        text += &String::from_utf8_lossy(&buf[..read]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length
            .split_once("content-length: ")
            .map_or(0, |(_, rest)| {
                let digits = rest.split("\r\n").next().expect("a line");
                digits.parse::<usize>().expect("a number")
            });
        if body.len() >= length {
            return status(&text);
        }
    }
}

fn guess(server: SocketAddr, guesser: usize, stop: &AtomicBool) -> [usize; 2] {
    let mut streams: Vec<TcpStream> = (0..GUESSERS / 8)
        .map(|_| connect_from(Ipv4Addr::LOCALHOST, server))
        .collect();
    let (mut round, mut refused) = (0, [0; 2]);
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        for (index, stream) in streams.iter_mut().enumerate() {
            // The same name as the one that logs in, and others, which nobody has.
            let name = if index % 2 == 0 { "mikey" } else { "nobody" };
            ask(stream, name, &format!("wrong-{guesser}-{index}-{round}"));
        }
        for stream in &mut streams {
            match answer(stream) {
                401 => refused[0] += 1,
                503 => refused[1] += 1,
                other => panic!("{other}"),
            }
        }
    }
    refused
}

fn guessers_keep_nobody_out_and_take_no_memory(setting: Setting) {
    let file = configuration();
    let path = file.path().to_str().expect("a plain path");
    let mut server = Server::start(setting, &["--config", path]);
    let address = server.address;
    let before = server.resident_bytes();
    let stop = Arc::new(AtomicBool::new(false));
    let guessers: Vec<_> = (0..8)
        .map(|guesser| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || guess(address, guesser, &stop))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let mut times: Vec<Duration> = (0..LOGINS)
        .map(|login| {
            let from = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 2).to_bits() + login);
            let mut stream = connect_from(from, address);
            let start = Instant::now();
            ask(&mut stream, "mikey", "swordfish");
            assert_eq!(answer(&mut stream), 101, "from {from}");
            start.elapsed()
        })
        .collect();
    stop.store(true, Ordering::Relaxed);
    let grown = server.resident_bytes().saturating_sub(before);
    let refused = guessers
        .into_iter()
        .map(|guesser| guesser.join().expect("it ends"));
    let refused = refused.fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
    assert!(refused[0] > 10 && refused[1] > 100, "{refused:?}");
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_secs(1), "{times:?}");
    // One block of 19 MiB, and what 200 connections take.
    assert!(grown < 40 << 20, "{} MiB", grown >> 20);
    // Each is counted, some are told, and nothing of what was presented.
    let counted = server.metric("refusals");
    assert_eq!(counted, (refused[0] + refused[1]) as u64);
    let log = server.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("refused"))
        .collect();
    assert!((1..=100).contains(&lines.len()), "{log}");
    let one = lines.iter().find(|line| line.contains("kind=\"password\""));
    let one = one.expect("a wrong password is told");
    for part in ["WARN", "dialect=\"live\"", "address=127.0.0.1"] {
        assert!(one.contains(part), "{one}");
    }
    assert!(
        !log.contains("wrong-") && !log.contains("swordfish"),
        "{log}"
    );
}

/// An address of this machine that is not loopback, if it has one: what the way to some other
/// machine begins with.
fn own_address() -> Option<Ipv4Addr> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    // RFC 5737: nobody's. Nothing is sent.
    let somewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    socket.connect(&somewhere.into()).ok()?;
    let own = *socket.local_addr().ok()?.as_socket_ipv4()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

fn an_address_that_guesses_is_blocked_and_this_machine_is_not(setting: Setting) {
    let Some(own) = own_address() else {
        skip("this machine has no address but loopback", "");
        return;
    };
    let file = configuration();
    let path = file.path().to_str().expect("a plain path");
    let (listen, shards) = ("0.0.0.0:0", setting.shards.to_string());
    let mut command = fanfare(&["serve", "--listen", listen, "--shards", &shards]);
    command.args(["--driver", setting.driver, "--config", path]);
    let server = Server::spawn(command).expect("it has organizations");
    let port = server.address.port();
    let try_from = |address: Ipv4Addr, password: &str| {
        // Each by another connection, and so by whichever shard.
        let mut stream = connect_from(address, SocketAddr::from((address, port)));
        ask(&mut stream, "mikey", password);
        answer(&mut stream)
    };
    for _ in 0..5 {
        assert_eq!(try_from(own, "wrong"), 401);
        assert_eq!(try_from(Ipv4Addr::LOCALHOST, "wrong"), 401);
    }
    assert_eq!(try_from(own, "swordfish"), 429);
    assert_eq!(try_from(Ipv4Addr::LOCALHOST, "swordfish"), 101);
}

fn strangers_hold_little(setting: Setting) {
    const STRANGERS: usize = 300;
    let file = configuration();
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let before = server.resident_bytes();
    // The first frame of a message of 1 MiB, and most of it.
    let mut begun = vec![0x01, 0xff];
    begun.extend((1_u64 << 20).to_be_bytes());
    begun.extend([0; 4]);
    begun.resize(begun.len() + 64 * 1024, b' ');
    let upgrade = "GET /sysadm HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut strangers: Vec<TcpStream> = (0..STRANGERS)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(upgrade.as_bytes()).expect("read");
            assert_eq!(answer(&mut stream), 101);
            // It may be over before all is written.
            let _ = stream.write_all(&begun);
            stream
        })
        .collect();
    for stream in &mut strangers {
        let mut goodbye = [0; 4];
        stream.read_exact(&mut goodbye).expect("a goodbye");
        assert_eq!(
            (goodbye[0], &goodbye[2..]),
            (0x88, &1_009_u16.to_be_bytes()[..])
        );
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 10 << 20, "{} MiB", grown >> 20);
}
