//! The program's own clients over TLS, through a proxy that ends it before the server: as one would
//! put it before a server that faces the world.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::NamedTempFile;

use crate::clients::{agent, publish};
use crate::server::{DEADLINE, Server, Setting, dial, fanfare};

on_both_drivers!(
    publish_and_tail_speak_tls,
    who_is_not_trusted_is_told_nothing
);

/// A certificate authority's certificate in a file, and where its proxy listens.
struct Proxy {
    ca: NamedTempFile,
    address: SocketAddr,
}

impl Proxy {
    fn before(server: &Server) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("randomness");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("randomness");
        let names = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let leaf = names.signed_by(&key, &authority).expect("a certificate");
        let mut ca = NamedTempFile::new().expect("a scratch file");
        ca.write_all(authority.pem().as_bytes()).expect("written");
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("it has ciphers")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they fit");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (config, behind) = (Arc::new(config), server.address);
        // Ends with the test program.
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                thread::spawn(move || pass(config, peer, behind));
            }
        });
        Self { ca, address }
    }

    fn ca(&self) -> &str {
        self.ca.path().to_str().expect("a plain path")
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

/// Passes a request on, and then whatever is answered until one of both ends.
fn pass(config: Arc<ServerConfig>, peer: TcpStream, behind: SocketAddr) -> io::Result<()> {
    peer.set_read_timeout(Some(DEADLINE))?;
    let connection = ServerConnection::new(config).expect("a session");
    let mut peer = StreamOwned::new(connection, peer);
    let (mut request, mut buf) = (Vec::new(), [0; 4096]);
    while !is_whole(&request) {
        let read = peer.read(&mut buf)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buf[..read]);
    }
    let mut server = dial(behind);
    server.write_all(&request)?;
    loop {
        let read = server.read(&mut buf)?;
        if read == 0 {
            return Ok(());
        }
        peer.write_all(&buf[..read])?;
        peer.flush()?;
    }
}

/// Whether a request has its head and as much of a body as that promises.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let promised = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    promised.is_none_or(|bytes| bytes.trim().parse() == Ok(body.len()))
}

/// Exit code, standard output and standard error.
fn finish(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn publish_and_tail_speak_tls(setting: Setting) {
    let server = Server::start(setting, &[]);
    let proxy = Proxy::before(&server);
    let (url, ca) = (proxy.url(), proxy.ca());
    let published = [
        "publish", "room", "--type", "t", "--data", "1", "--url", &url, "--ca", ca,
    ];
    let (code, _, problem) = finish(fanfare(&published));
    assert_eq!(code, Some(0), "{problem}");
    publish(&agent(), &server.events("room"), r#"{"type":"t","data":2}"#);
    let tailed = [
        "tail", "room", "--from", "-1", "--once", "2", "--url", &url, "--ca", ca,
    ];
    let (code, told, problem) = finish(fanfare(&tailed));
    assert_eq!(code, Some(0), "{problem}");
    let wanted =
        "{\"number\":0,\"type\":\"t\",\"data\":1}\n{\"number\":1,\"type\":\"t\",\"data\":2}\n";
    assert_eq!(told, wanted);
    // The system's authorities may be named as other programs are told of them.
    let mut published = fanfare(&published[..8]);
    published.env("SSL_CERT_FILE", ca);
    let (code, _, problem) = finish(published);
    assert_eq!(code, Some(0), "{problem}");
}

fn who_is_not_trusted_is_told_nothing(setting: Setting) {
    let server = Server::start(setting, &[]);
    let proxy = Proxy::before(&server);
    let other = Proxy::before(&server);
    let url = proxy.url();
    // By nobody who is trusted, or for another name.
    let unnamed = format!("https://127.0.0.1:{}", proxy.address.port());
    for (url, ca) in [(&url, other.ca()), (&unnamed, proxy.ca())] {
        let published = [
            "publish", "room", "--type", "t", "--data", "1", "--url", url, "--ca", ca,
        ];
        let (code, _, problem) = finish(fanfare(&published));
        assert_eq!(code, Some(1), "{problem}");
        assert!(problem.contains("certificate"), "{problem}");
        // It does not try again for ever.
        let (code, _, problem) = finish(fanfare(&["tail", "room", "--url", url, "--ca", ca]));
        assert_eq!(code, Some(1), "{problem}");
    }
    assert_eq!(server.metric("events_published"), 0);
}
