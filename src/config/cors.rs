//! What browsers are told about pages of other origins: `cors` in each dialect's section, the same everywhere.

use std::fmt;
use std::time::Duration;

use super::ConfigError;
use super::check::{count, text};
use super::section::{DURATION, Section, TEXT, TEXTS};
use super::value::format_duration;
use super::write::{List, Quoted};
use crate::limits;

/// `[sessions.cors]` and its like. Texts are field values, sent as they are: printable ASCII, never empty.
///
/// One is helped out: where tokens are asked for, `allow_headers = "*"` is sent as `*, Authorization`,
/// because to a browser the asterisk does not mean that field (Fetch §3.3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsConfig {
    /// `Access-Control-Allow-Origin`: `*` alone, or origins such as `https://a.example`, in which the host may begin
    /// with `*.`, which stands for any number of labels; without a scheme such a pattern is good for any. If there
    /// are several, or a pattern, the one that asks is named. At most [`limits::CORS_ORIGINS_MAX`].
    pub allow_origin: Vec<String>,
    /// `Access-Control-Allow-Headers`.
    pub allow_headers: String,
    /// `Access-Control-Allow-Methods`.
    pub allow_methods: String,
    /// `Access-Control-Max-Age`: how long a browser may remember the answer to a preflight. At most
    /// [`limits::CORS_MAX_AGE_MAX`].
    pub max_age: Duration,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            allow_origin: vec!["*".to_owned()],
            allow_headers: "*".to_owned(),
            allow_methods: "*".to_owned(),
            max_age: limits::CORS_MAX_AGE_DEFAULT,
        }
    }
}

impl CorsConfig {
    pub(super) fn read(&mut self, section: &mut Section<'_>) -> Result<(), ConfigError> {
        section.read("allow_origin", &TEXTS, &mut self.allow_origin)?;
        section.read("allow_headers", &TEXT, &mut self.allow_headers)?;
        section.read("allow_methods", &TEXT, &mut self.allow_methods)?;
        section.read("max_age", &DURATION, &mut self.max_age)
    }

    pub(super) fn check(&self, section: &str) -> Result<(), ConfigError> {
        let key = |key| format!("{section}.cors.{key}");
        let origins = &self.allow_origin;
        let origins_key = key("allow_origin");
        count(&origins_key, origins.len(), 1, limits::CORS_ORIGINS_MAX)?;
        for origin in origins {
            text(&origins_key, origin, limits::CORS_VALUE_BYTES_MAX)?;
            let problem = match origin.as_str() {
                "*" if origins.len() == 1 => continue,
                "*" => "\"*\" is every origin, and stands alone".to_owned(),
                origin if is_origin(origin) => continue,
                origin => format!(
                    "expected \"*\", or origins such as \"https://a.example\", \"http://localhost:3000\" \
                     and \"https://*.example\", without a path; found \"{origin}\""
                ),
            };
            return Err(ConfigError::new(&*origins_key, problem));
        }
        let bytes_max = limits::CORS_VALUE_BYTES_MAX;
        text(&key("allow_headers"), &self.allow_headers, bytes_max)?;
        text(&key("allow_methods"), &self.allow_methods, bytes_max)?;
        let most = limits::CORS_MAX_AGE_MAX;
        if self.max_age > most {
            let (found, most) = (format_duration(self.max_age), format_duration(most));
            let problem = format!("expected at most {most}, found {found}");
            return Err(ConfigError::new(key("max_age"), problem));
        }
        Ok(())
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, section: &str) -> fmt::Result {
        writeln!(f, "\n[{section}.cors]")?;
        match &self.allow_origin[..] {
            [one] => writeln!(f, "allow_origin = {}", Quoted(one))?,
            several => writeln!(f, "allow_origin = {}", List(several))?,
        }
        writeln!(f, "allow_headers = {}", Quoted(&self.allow_headers))?;
        writeln!(f, "allow_methods = {}", Quoted(&self.allow_methods))?;
        writeln!(f, "max_age = \"{}\"", format_duration(self.max_age))
    }
}

/// `scheme "://" host [ ":" port ]` as browsers send it (RFC 6454 §6.2), or a pattern of it.
fn is_origin(text: &str) -> bool {
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, text),
    };
    let plain = |text: &str, more: &[u8]| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let host = authority.strip_prefix("*.").unwrap_or(authority);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    let is_literal = host.starts_with('[') && host.ends_with(']');
    scheme.map_or(authority.starts_with("*."), |scheme| plain(scheme, b"+-."))
        && port.is_none_or(|port| port.parse::<u16>().is_ok() && plain(port, b""))
        && (is_literal && plain(host, b"[]:.") || plain(host, b"-._"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in [
            "https://a.example",
            "http://localhost:3000",
            "http://[::1]:80",
            "https://*.example",
            "*.example.com",
            "*.localhost:5173",
            "chrome-extension://abc",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "https://a.example/",
            "https://",
            "https://*",
            "https://a*.example",
            "https://a.*.example",
            "https://a.example:x",
            "https://a.example:99999",
            "https://a, https://b",
            "*.",
            "**",
            "https://[::1",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
