//! The trust of a client command over TLS: the system's certificate authorities, or those of a
//! file.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Returns the configuration of TLS.
///
/// # Errors
///
/// A file that cannot be read or has no certificate, or a system without certificate authorities.
pub(super) fn trust(ca: Option<&Path>) -> Result<TlsConfig, String> {
    let roots = match ca {
        Some(path) => of_file(path)?,
        None => of_system()?,
    };
    let config = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(config.build())
}

/// The certificates of a PEM file.
fn of_file(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let wrong = |problem: &str| format!("--ca {}: {problem}", path.display());
    let text = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    let mut roots = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(root)) => roots.push(root),
            // A key beside it is not used, and does no harm.
            Ok(_) => {}
            Err(error) => return Err(wrong(&error.to_string())),
        }
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it (PEM is expected)"));
    }
    Ok(roots)
}

fn of_system() -> Result<Vec<Certificate<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first();
        let why = why.map_or_else(String::new, |error| format!(" ({error})"));
        return Err(format!(
            "this system has no certificate authorities{why}; name some with --ca FILE"
        ));
    }
    let roots = found.certs.iter();
    Ok(roots
        .map(|root| Certificate::from_der(root).to_owned())
        .collect())
}

/// Whether a request failed because of the server's certificate, or of TLS itself.
pub(super) fn is_distrust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => true,
        ureq::Error::Io(error) => {
            let cause = error.get_ref();
            cause.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        }
        _ => false,
    }
}
