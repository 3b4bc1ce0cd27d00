//! Attackers against a server that throws them out.

use super::*;
use std::net::TcpListener;
use std::thread;

/// Says one letter without end and counts what it hears.
#[derive(Debug)]
struct Chatter {
    letter: u8,
    heard: u64,
}

impl Attacker for Chatter {
    fn say(&mut self, buf: &mut Vec<u8>) {
        buf.resize(4_096, self.letter);
    }
    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        // The last byte is held back once, to come again with more.
        let used = if bytes.len() > 1 {
            bytes.len() - 1
        } else {
            bytes.len()
        };
        self.heard += used as u64;
        told.answers += used as u64;
        Ok(used)
    }
}

#[test]
fn everybody_floods_and_who_is_thrown_out_comes_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    // Reads a little of each, answers, and closes.
    let server = thread::spawn(move || {
        let mut letters = Vec::new();
        for stream in listener.incoming().take(6) {
            let mut stream = stream.expect("a connection");
            let mut buf = [0; 1_024];
            stream.read_exact(&mut buf).expect("a flood");
            letters.push(buf[0]);
            stream.write_all(b"abc").expect("they read");
            // All of it is read first: the end is no reset.
            stream
                .shutdown(std::net::Shutdown::Write)
                .expect("a half of it");
        }
        letters
    });
    let manner = Manner {
        comes_again: true,
        ..Manner::default()
    };
    let make = |index: usize| -> Box<dyn Attacker> {
        let letter = b'a' + u8::try_from(index).expect("few");
        Box::new(Chatter { letter, heard: 0 })
    };
    let mut attackers = Attackers::open(address, 3, manner, make).expect("a listener");
    attackers
        .pump_until("six were thrown out", |attackers| {
            attackers.told().endings.total() >= 6
        })
        .expect("they are");
    let letters = server.join().expect("it ended");
    for letter in *b"abc" {
        assert!(letters.contains(&letter), "{letters:?}");
    }
    assert!(attackers.sent_bytes() >= 6 * 1_024);
}

#[test]
fn who_does_not_come_again_is_gone() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let make = |_| -> Box<dyn Attacker> {
        Box::new(Chatter {
            letter: b'a',
            heard: 0,
        })
    };
    let mut attackers = Attackers::open(address, 2, Manner::default(), make).expect("a listener");
    assert_eq!(attackers.connected(), 2);
    drop(listener);
    attackers
        .pump_until("both are gone", |attackers| attackers.connected() == 0)
        .expect("they are");
    attackers.pump_for(3 * RETRY_AFTER).expect("nothing to do");
    assert_eq!(
        (attackers.connected(), attackers.told().endings.total()),
        (0, 2)
    );
}
