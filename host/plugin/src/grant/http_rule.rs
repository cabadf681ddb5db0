//! One line of an allow-list for HTTP: methods, scheme, host and port.

use std::fmt;
use std::str::FromStr;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Which requests are meant: `https://slack.com`, `https://*.example.com:8443`, `GET,HEAD http://localhost:*`, `*`.
///
/// Without a port the scheme's own is meant, `:*` means any; without methods any method is meant.
/// `*` means every public host over `http` and `https`, on any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    methods: Vec<Method>,
    origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Any,
    Some {
        scheme: Scheme,
        host: Host,
        port: Port,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// Everything below this name, not the name itself.
    Below(String),
    Exactly(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Any,
    Exactly(u16),
}

/// The text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no HTTP rule ({why}): write https://host, https://*.domain:port, GET,POST https://host or *"
)]
pub struct ParseHttpRuleError {
    text: String,
    why: &'static str,
}

impl HttpRule {
    /// Every public host.
    #[must_use]
    pub fn any() -> Self {
        Self {
            methods: Vec::new(),
            origin: Origin::Any,
        }
    }

    /// The rule that allows the host of this URL and nothing else.
    #[must_use]
    pub fn exactly(url: &Url) -> Self {
        let scheme = if url.scheme() == "http" {
            Scheme::Http
        } else {
            Scheme::Https
        };
        let host = Host::Exactly(url.host_str().unwrap_or_default().to_owned());
        let port = Port::Exactly(url.port_or_known_default().unwrap_or_default());
        Self {
            methods: Vec::new(),
            origin: Origin::Some { scheme, host, port },
        }
    }

    /// Whether a request falls under this rule.
    #[must_use]
    pub fn matches(&self, method: &Method, url: &Url) -> bool {
        if !self.methods.is_empty() && !self.methods.contains(method) {
            return false;
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return false;
        };
        match &self.origin {
            Origin::Any => matches!(url.scheme(), "http" | "https"),
            Origin::Some {
                scheme,
                host: wanted,
                port: wanted_port,
            } => scheme.name() == url.scheme() && wanted.matches(host) && wanted_port.matches(port),
        }
    }
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Host {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            Self::Exactly(name) => name == host,
        }
    }
}

impl Port {
    const fn matches(self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(wanted) => wanted == port,
        }
    }
}

impl FromStr for HttpRule {
    type Err = ParseHttpRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |why| ParseHttpRuleError {
            text: text.to_owned(),
            why,
        };
        let (methods, origin) = match text.trim().split_once(' ') {
            Some((methods, origin)) => (
                parse_methods(methods).ok_or_else(|| refuse("a method is none"))?,
                origin.trim(),
            ),
            None => (Vec::new(), text.trim()),
        };
        let origin = if origin == "*" {
            Origin::Any
        } else {
            parse_origin(origin).map_err(refuse)?
        };
        Ok(Self { methods, origin })
    }
}

fn parse_methods(text: &str) -> Option<Vec<Method>> {
    text.split(',')
        .map(|name| {
            let holds =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            if holds { name.parse().ok() } else { None }
        })
        .collect()
}

fn parse_origin(text: &str) -> Result<Origin, &'static str> {
    let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (Scheme::Https, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (Scheme::Http, rest)
    } else {
        return Err("it starts with neither https:// nor http://");
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@']) {
        return Err("only a host and a port can be granted");
    }
    let (host, port) = match rest.rsplit_once(':') {
        // The colons of an IPv6 address stand inside brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let port = match port {
        None => Port::Exactly(scheme.port()),
        Some("*") => Port::Any,
        Some(number) => Port::Exactly(number.parse().map_err(|_| "the port is no number")?),
    };
    let host = if host == "*" {
        Host::Any
    } else if let Some(domain) = host.strip_prefix("*.") {
        Host::Below(parse_host(domain)?)
    } else {
        Host::Exactly(parse_host(host)?)
    };
    Ok(Origin::Some { scheme, host, port })
}

/// Brings a host into the form that URLs have it in after parsing: lower case, punycode, addresses canonical.
fn parse_host(text: &str) -> Result<String, &'static str> {
    if text.contains('*') {
        return Err("a * can only stand for the first part of a host");
    }
    match url::Host::parse(text) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err("the host is none"),
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, method) in self.methods.iter().enumerate() {
            write!(f, "{}{method}", if i == 0 { "" } else { "," })?;
        }
        if !self.methods.is_empty() {
            f.write_str(" ")?;
        }
        match &self.origin {
            Origin::Any => f.write_str("*"),
            Origin::Some { scheme, host, port } => {
                write!(f, "{}://", scheme.name())?;
                match host {
                    Host::Any => f.write_str("*")?,
                    Host::Below(domain) => write!(f, "*.{domain}")?,
                    Host::Exactly(name) => f.write_str(name)?,
                }
                match port {
                    Port::Any => f.write_str(":*"),
                    Port::Exactly(number) if *number == scheme.port() => Ok(()),
                    Port::Exactly(number) => write!(f, ":{number}"),
                }
            }
        }
    }
}

impl Serialize for HttpRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rule: &str, method: &Method, url: &str) -> bool {
        let rule: HttpRule = rule.parse().expect("it is a rule");
        rule.matches(method, &url.parse().expect("it is a URL"))
    }

    #[test]
    fn a_rule_means_its_scheme_host_and_port() {
        let cases = [
            ("https://slack.com", "https://slack.com/api", true),
            ("https://slack.com", "https://SLACK.com:443/", true),
            ("https://slack.com", "http://slack.com/", false),
            ("https://slack.com", "https://slack.com:8443/", false),
            (
                "https://slack.com",
                "https://slack.com.evil.example/",
                false,
            ),
            ("https://slack.com", "https://evilslack.com/", false),
            ("https://slack.com", "https://evil.example/slack.com", false),
            ("https://slack.com:*", "https://slack.com:8443/", true),
            ("https://*.example.com", "https://a.b.example.com/", true),
            ("https://*.example.com", "https://example.com/", false),
            ("https://*.example.com", "https://badexample.com/", false),
            ("https://*.example.com", "https://.example.com/", false),
            ("https://*", "https://anything.example/", true),
            ("https://*", "https://anything.example:8443/", false),
            ("*", "http://anything.example:8080/", true),
            ("*", "ftp://anything.example/", false),
            ("http://127.0.0.1:8080", "http://0x7f.1:8080/", true),
            ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", true),
            ("http://[::1]", "http://[::1]/", true),
        ];
        for (rule, url, expected) in cases {
            // A name that the parser refuses cannot be asked for either.
            let Ok(url) = url.parse::<Url>() else {
                continue;
            };
            let parsed: HttpRule = rule.parse().expect("it is a rule");
            assert_eq!(
                parsed.matches(&Method::GET, &url),
                expected,
                "{rule} and {url}"
            );
        }
    }

    #[test]
    fn a_rule_may_name_methods() {
        assert!(matches(
            "GET,HEAD https://a.example",
            &Method::HEAD,
            "https://a.example/"
        ));
        assert!(!matches(
            "GET,HEAD https://a.example",
            &Method::POST,
            "https://a.example/"
        ));
        assert!(!matches("GET *", &Method::POST, "https://a.example/"));
    }

    #[test]
    fn what_is_no_rule_is_refused_and_a_rule_is_written_back() {
        for text in [
            "",
            "slack.com",
            "https://",
            "ftp://a",
            "https://a/b",
            "https://u@a",
            "https://a:b",
            "https://a.*.b",
            "get https://a",
            "GET",
        ] {
            assert!(text.parse::<HttpRule>().is_err(), "{text:?}");
        }
        for text in [
            "*",
            "https://a.example",
            "GET,POST https://*.a.example:8443",
            "http://*:*",
            "http://[::1]:80",
            "GET *",
        ] {
            let rule: HttpRule = text.parse().expect("it is a rule");
            let again: HttpRule = rule.to_string().parse().expect("it is a rule");
            assert_eq!(rule, again, "{text}");
        }
    }
}
