//! Passwords on the real program: guessers at one address keep nobody at another from logging in, and cost no memory.

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
use crate::server::{DEADLINE, Server, Setting};

on_both_drivers!(guessers_keep_nobody_out_and_take_no_memory);

const GUESSERS: usize = 200;
const LOGINS: u32 = 20;

/// A configuration with one organization and a user, whose password is hashed as `fanfare user new` does.
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
