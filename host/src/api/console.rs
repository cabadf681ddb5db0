//! The console: the files of `ui/dist` as they were when this was compiled, or a page that says how to build them.
//!
//! It is a client of the public API like any other, so its files are for everybody: they hold no data.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

/// Name and content of each file, gathered by `build.rs`. Those that compress have a `.gz` beside them.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

/// What is shown where the console was not built.
const NOT_BUILT: &str = include_str!("console/not_built.html");

/// The console's own files and this server are all that a page may use. Editor and graph set styles on elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file's content and the tag of it.
struct File {
    content: &'static [u8],
    tag: HeaderValue,
}

static BY_NAME: LazyLock<HashMap<&'static str, File>> = LazyLock::new(|| {
    let files = FILES.iter().map(|&(name, content)| {
        let digest = Sha256::digest(content);
        let mut tag = String::from("\"");
        for byte in digest.iter().take(12) {
            tag.push_str(&format!("{byte:02x}"));
        }
        tag.push('"');
        let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"console\""));
        (name, File { content, tag })
    });
    files.collect()
});

/// Answers a request for a file or a page of the console.
pub(super) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix("/console").unwrap_or_default();
    answer(path.trim_start_matches('/'), &headers)
}

fn answer(path: &str, asked: &HeaderMap) -> Response {
    let files = &*BY_NAME;
    let Some(index) = files.get("index.html") else {
        return respond(StatusCode::OK, "index.html", NOT_BUILT.as_bytes());
    };
    let (name, file) = match files.get_key_value(path) {
        Some((name, file)) => (*name, file),
        // A file that is no more is not to be answered with a page: the browser would read it as a script.
        None if path.starts_with("assets/") => {
            return respond(StatusCode::NOT_FOUND, "missing.txt", b"no such file\n");
        }
        None => ("index.html", index),
    };
    let zipped = files.get(format!("{name}.gz").as_str());
    let zipped = zipped.filter(|_| takes_gzip(asked));
    let file_sent = zipped.unwrap_or(file);
    let known = asked.get(header::IF_NONE_MATCH);
    let fresh = known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| {
            let tag = file_sent.tag.to_str().unwrap_or_default();
            known
                .split(',')
                .any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")
        });
    let mut response = if fresh {
        respond(StatusCode::NOT_MODIFIED, name, b"")
    } else {
        respond(StatusCode::OK, name, file_sent.content)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, file_sent.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if zipped.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if name.starts_with("assets/") {
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, forever);
    }
    response
}

fn respond(status: StatusCode, name: &str, content: &'static [u8]) -> Response {
    let mut response = Response::new(Body::from(content));
    *response.status_mut() = status;
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether what is sent may be compressed: `gzip` is named, and not with a weight of nought.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let named = asked.get_all(header::ACCEPT_ENCODING).iter();
    named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| {
            let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
            let weight = weight.trim().trim_start_matches("q=");
            coding.trim().eq_ignore_ascii_case("gzip")
                && !matches!(weight, "0" | "0.0" | "0.00" | "0.000")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: HeaderName, value: &str) -> HeaderMap {
        let value = HeaderValue::try_from(value).expect("it is a header");
        HeaderMap::from_iter([(name, value)])
    }

    #[test]
    fn compression_is_used_where_it_is_taken() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("br", false),
            ("gzip;q=0", false),
        ] {
            let asked = asked(header::ACCEPT_ENCODING, value);
            assert_eq!(takes_gzip(&asked), takes, "{value}");
        }
    }

    #[test]
    fn every_page_is_the_console_or_says_how_to_build_it_and_runs_no_foreign_script() {
        for path in ["", "runs/1", "workflows"] {
            let response = answer(path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let headers = response.headers();
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str();
            assert!(policy.is_ok_and(|policy| policy.contains("script-src 'self';")));
        }
    }

    #[test]
    fn a_built_console_is_kept_by_browsers_for_as_long_as_its_files_stay() {
        let Some((name, file)) = BY_NAME.iter().find(|(name, _)| name.starts_with("assets/"))
        else {
            assert!(NOT_BUILT.contains("make ui"));
            return;
        };
        let response = answer(name, &HeaderMap::new());
        let kept = response.headers()[header::CACHE_CONTROL].to_str();
        assert!(kept.is_ok_and(|kept| kept.contains("immutable")), "{name}");
        let tag = file.tag.to_str().expect("a tag is text");
        let again = answer(name, &asked(header::IF_NONE_MATCH, tag));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let gone = answer("assets/gone.js", &HeaderMap::new());
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    }
}
