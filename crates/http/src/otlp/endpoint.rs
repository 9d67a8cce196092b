//! Where the collector is, and what it wants to be told with each request.

use std::fmt;

use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// A collector's address, the base of what is sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether by TLS.
    pub(crate) https: bool,
    /// Host name or address, without the brackets of IPv6.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// The path before `/v1/traces`; empty or begins with a slash, and does not end with one.
    pub(crate) base: String,
}

impl Endpoint {
    /// Reads `http://host:port/path` or `https://…`. The port is 4318 where it is left out of an
    /// `http` URL, 443 of an `https` one.
    ///
    /// # Errors
    /// What the text is not, and what would be right. It does not hold the text, which may hold a
    /// password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "is not the URL of a collector; write http://127.0.0.1:4318 or \
             https://collector.example.org"
                .to_owned()
        };
        let uri: hyper::Uri = text.trim().parse().map_err(|_| wrong())?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            let message = "has a user in it; write what the collector wants to know into \
                           otlp_headers";
            return Err(message.to_owned());
        }
        if uri.query().is_some() {
            return Err("has a query (`?…`), which a collector's URL cannot have".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(if https { 443 } else { 4318 });
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { https, host, port, base })
    }

    /// Host and port for the `Host` header.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base)
    }
}

/// Reads headers as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value,name=value`, values
/// percent-encoded (W3C Baggage).
///
/// # Errors
/// What is wrong, without the values, which are secrets.
pub fn parse_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(header).collect()
}

fn header(pair: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = pair
        .split_once('=')
        .ok_or("is not a list of headers; write `name=value`, with commas between")?;
    let name = name.trim().to_ascii_lowercase();
    let parsed = name.parse::<HeaderName>().map_err(|_| "has a name that is no header's")?;
    let value = percent_decode_str(value.trim()).decode_utf8();
    let value = value.ok().and_then(|value| HeaderValue::from_str(&value).ok());
    let mut value = value.ok_or_else(|| format!("has a value of `{name}` that no header has"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            ("http://collector", "http://collector:4318"),
            ("https://otlp.example.org/otlp/", "https://otlp.example.org:443/otlp"),
            (" http://[::1]:1/ ", "http://[::1]:1"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "collector:4318", "grpc://c:4317", "http://", "http:///x", "/v1"] {
            assert!(Endpoint::parse(text).unwrap_err().contains("127.0.0.1:4318"), "{text}");
        }
        let secret = Endpoint::parse("http://user:secret@collector").unwrap_err();
        assert!(secret.contains("otlp_headers") && !secret.contains("secret"));
        assert!(Endpoint::parse("http://c/?a=1").is_err());
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let headers = parse_headers("Authorization=Basic%20abc%3D, x-scope=shop,").unwrap();
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(shown, ["authorization: Basic abc=", "x-scope: shop"]);
        assert!(!format!("{headers:?}").contains("abc"));
        assert_eq!(parse_headers("").unwrap(), []);
        for text in ["secret", "a b=secret", "a=sec%0aret", "a=%ff"] {
            assert!(!parse_headers(text).unwrap_err().contains("sec"), "{text}");
        }
    }
}
