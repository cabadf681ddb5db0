//! Whether what a connector asks for covers a request: the same patterns as the host's.

/// Whether a pattern (`*`, `https://slack.com`, `https://*.example.com:8443`) covers a URL.
pub(super) fn covers(pattern: &str, url: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (Some(pattern), Some(url)) = (Origin::of(pattern), Origin::of(url)) else {
        return false;
    };
    let host = match pattern.host.strip_prefix("*.") {
        Some(domain) => url
            .host
            .strip_suffix(domain)
            .is_some_and(|front| front.len() > 1 && front.ends_with('.')),
        None => pattern.host == url.host,
    };
    host && pattern.scheme == url.scheme && pattern.port == url.port
}

struct Origin {
    scheme: String,
    host: String,
    port: String,
}

impl Origin {
    fn of(url: &str) -> Option<Origin> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit('@').next()?.to_ascii_lowercase();
        let default = if scheme == "https" { "443" } else { "80" };
        // The colons of an IPv6 address stand inside brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host.to_owned(), port.to_owned()),
            _ => (authority, default.to_owned()),
        };
        Some(Origin { scheme, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_pattern_covers_its_origin_and_nothing_else() {
        assert!(covers("*", "http://anything"));
        assert!(covers("https://slack.com", "https://SLACK.com:443/api?x#y"));
        assert!(!covers("https://slack.com", "http://slack.com/"));
        assert!(!covers("https://slack.com", "https://slack.com:8443/"));
        assert!(!covers(
            "https://slack.com",
            "https://slack.com.evil.example/"
        ));
        assert!(!covers(
            "https://slack.com",
            "https://slack.com@evil.example/"
        ));
        assert!(covers(
            "https://*.example.com:8443",
            "https://a.b.example.com:8443/x"
        ));
        assert!(!covers("https://*.example.com", "https://example.com/"));
        assert!(!covers("https://*.example.com", "https://badexample.com/"));
        assert!(covers("http://[::1]:80", "http://[::1]/"));
    }
}
