//! Where a redirect leads, and what of the request goes along (RFC 9110, section 15.4).

use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use url::Url;

/// What a redirect makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) keeps_body: bool,
}

/// Headers that describe the request and identify nobody. To another origin only these go along: whatever else there
/// is, `authorization` and `cookie` and any `x-api-key` somebody made up, was meant for the first.
const TRAVELLING: [HeaderName; 13] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::RANGE,
    header::USER_AGENT,
    // Not a credential; without it the second origin could do twice what is meant to be done once.
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Headers that describe a body, and go where it goes.
const OF_THE_BODY: [HeaderName; 3] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
];

/// Whether an answer with this status points elsewhere.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Says what comes next; nothing where the location is missing or unusable.
pub(super) fn follow(
    status: StatusCode,
    headers: &HeaderMap,
    url: &Url,
    method: &Method,
) -> Option<Redirect> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let mut next = url.join(location).ok()?;
    if next.fragment().is_none() {
        next.set_fragment(url.fragment());
    }
    let becomes_get = match status.as_u16() {
        // Every client does this, and RFC 9110 allows it for POST alone.
        301 | 302 => *method == Method::POST,
        303 => *method != Method::HEAD,
        _ => false,
    };
    Some(if becomes_get {
        Redirect {
            url: next,
            method: Method::GET,
            keeps_body: false,
        }
    } else {
        Redirect {
            url: next,
            method: method.clone(),
            keeps_body: true,
        }
    })
}

/// Whether two URLs speak to the same counterpart.
pub(super) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}

/// Leaves out what must not go along.
pub(super) fn trim_headers(headers: &mut HeaderMap, same_origin: bool, keeps_body: bool) {
    let stays = |name: &HeaderName| {
        (same_origin || TRAVELLING.contains(name)) && (keeps_body || !OF_THE_BODY.contains(name))
    };
    let leaving: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !stays(name))
        .cloned()
        .collect();
    for name in leaving {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn redirect(status: u16, location: &str, method: &Method) -> Option<Redirect> {
        let status = StatusCode::from_u16(status).expect("it is a status");
        let headers =
            HeaderMap::from_iter([(header::LOCATION, location.parse().expect("it is a header"))]);
        follow(
            status,
            &headers,
            &"https://a.example/one/two?x=1"
                .parse()
                .expect("it is a URL"),
            method,
        )
    }

    #[test]
    fn a_redirect_changes_the_method_as_rfc_9110_says() {
        let cases = [
            (301, Method::POST, Method::GET, false),
            (301, Method::PUT, Method::PUT, true),
            (302, Method::POST, Method::GET, false),
            (302, Method::GET, Method::GET, true),
            (303, Method::PUT, Method::GET, false),
            (303, Method::HEAD, Method::HEAD, true),
            (307, Method::POST, Method::POST, true),
            (308, Method::DELETE, Method::DELETE, true),
        ];
        for (status, method, expected, keeps_body) in cases {
            let redirect = redirect(status, "/next", &method).expect("it leads somewhere");
            assert_eq!(
                (redirect.method, redirect.keeps_body),
                (expected, keeps_body),
                "{status} {method}"
            );
        }
    }

    #[test]
    fn a_location_is_read_relative_to_where_it_stands() {
        let url = |location| {
            redirect(302, location, &Method::GET).map(|redirect| redirect.url.to_string())
        };
        assert_eq!(url("three").as_deref(), Some("https://a.example/one/three"));
        assert_eq!(url("//b.example/").as_deref(), Some("https://b.example/"));
        assert_eq!(
            url("http://b.example").as_deref(),
            Some("http://b.example/")
        );
        assert_eq!(url("http://"), None);
    }

    #[test]
    fn credentials_stay_with_the_origin_they_were_meant_for() {
        let all = || {
            HeaderMap::from_iter(
                [
                    header::AUTHORIZATION,
                    header::COOKIE,
                    HeaderName::from_static("x-api-key"),
                    header::ACCEPT,
                    header::CONTENT_TYPE,
                ]
                .map(|name| (name, HeaderValue::from_static("v"))),
            )
        };
        let mut headers = all();
        trim_headers(&mut headers, false, true);
        assert_eq!(headers.len(), 2, "{headers:?}");
        let mut headers = all();
        trim_headers(&mut headers, false, false);
        assert_eq!(headers.len(), 1, "{headers:?}");
        let mut headers = all();
        trim_headers(&mut headers, true, false);
        assert_eq!(headers.len(), 4, "{headers:?}");
        let origin = |text: &str| text.parse::<Url>().expect("it is a URL");
        assert!(is_same_origin(
            &origin("https://a.example/x"),
            &origin("https://A.example:443/y")
        ));
        assert!(!is_same_origin(
            &origin("https://a.example"),
            &origin("http://a.example")
        ));
        assert!(!is_same_origin(
            &origin("https://a.example"),
            &origin("https://a.example:8443")
        ));
    }
}
