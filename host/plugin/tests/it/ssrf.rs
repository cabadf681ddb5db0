//! Attempts to reach through a plugin what it may not reach. One table, tried at each door: `millwork:http`, as the target of a redirect
//! there, and `wasi:http`. [`docs/ssrf.md`](../../../../docs/ssrf.md) is written from what came of it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use millwork_plugin::{Names, PluginRuntime as _};
use serde_json::json;

use crate::server::Server;
use crate::support::{Guest, granted};

/// What is tried: URLs, and as what each is to be refused. `{port}` is a port at which a server of this machine waits.
const ATTEMPTS: [(&str, &[(&str, &str)]); 13] = [
    (
        "This machine, plainly",
        &[
            ("http://127.0.0.1:{port}/", "a loopback address"),
            ("http://127.8.8.8:{port}/", "a loopback address"),
            ("http://[::1]:{port}/", "a loopback address"),
            ("http://localhost:{port}/", "a loopback address"),
            ("http://LOCALHOST:{port}/", "a loopback address"),
            ("https://localhost:{port}/", "a loopback address"),
            ("http://0.0.0.0:{port}/", "no host's address"),
            ("http://[::]:{port}/", "no host's address"),
        ],
    ),
    (
        "Decimal",
        &[
            ("http://2130706433:{port}/", "a loopback address"),
            ("http://127.1:{port}/", "a loopback address"),
            ("http://127.0.1:{port}/", "a loopback address"),
            ("http://0:{port}/", "no host's address"),
            ("http://2852039166/latest/meta-data/", "a metadata address"),
        ],
    ),
    (
        "Octal",
        &[
            ("http://0177.0.0.1:{port}/", "a loopback address"),
            ("http://017700000001:{port}/", "a loopback address"),
            ("http://0177.0x0.0.01:{port}/", "a loopback address"),
        ],
    ),
    (
        "Hexadecimal",
        &[
            ("http://0x7f000001:{port}/", "a loopback address"),
            ("http://0x7f.0.0.1:{port}/", "a loopback address"),
            ("http://0x7f.1:{port}/", "a loopback address"),
            ("http://0xa9fea9fe/latest/meta-data/", "a metadata address"),
        ],
    ),
    (
        "Other letters",
        &[
            ("http://%31%32%37.0.0.1:{port}/", "a loopback address"),
            ("http://①②⑦.⓪.⓪.①:{port}/", "a loopback address"),
            ("http://127。0。0。1:{port}/", "a loopback address"),
            ("http://ｌｏｃａｌｈｏｓｔ:{port}/", "a loopback address"),
            ("http:127.0.0.1:{port}/", "a loopback address"),
            ("http:///127.0.0.1:{port}/", "a loopback address"),
            ("http:\\\\127.0.0.1:{port}\\", "a loopback address"),
        ],
    ),
    (
        "Trailing dots",
        &[
            ("http://127.0.0.1.:{port}/", "a loopback address"),
            ("http://localhost.:{port}/", "a loopback address"),
            ("http://metadata.google.internal./", "a metadata address"),
        ],
    ),
    (
        "IPv4 in IPv6: mapped, compatible",
        &[
            ("http://[::ffff:127.0.0.1]:{port}/", "a loopback address"),
            ("http://[::ffff:7f00:1]:{port}/", "a loopback address"),
            (
                "http://[0:0:0:0:0:ffff:169.254.169.254]/",
                "a metadata address",
            ),
            (
                "http://[::127.0.0.1]:{port}/",
                "an address that stands for another",
            ),
        ],
    ),
    (
        "IPv4 behind a translator or a tunnel: NAT64, 6to4, Teredo",
        &[
            (
                "http://[64:ff9b::7f00:1]:{port}/",
                "an address that stands for another",
            ),
            (
                "http://[64:ff9b::169.254.169.254]/",
                "an address that stands for another",
            ),
            (
                "http://[64:ff9b:1::10.0.0.1]/",
                "an address that stands for another",
            ),
            (
                "http://[2002:7f00:1::]:{port}/",
                "an address that stands for another",
            ),
            (
                "http://[2001:0:4136:e378::1]/",
                "an address that stands for another",
            ),
        ],
    ),
    (
        "Private, link-local, shared and reserved networks",
        &[
            ("http://10.0.0.1/", "a private address"),
            ("http://172.16.0.1/", "a private address"),
            ("http://192.168.1.1/", "a private address"),
            ("http://[fd12:3456::1]/", "a private address"),
            ("http://169.254.1.1/", "a link-local address"),
            ("http://[fe80::1]:{port}/", "a link-local address"),
            ("http://[fe80::1%25eth0]/", "no URL"),
            ("http://100.64.0.1/", "an address behind carrier-grade NAT"),
            ("http://198.18.0.1/", "a reserved address"),
            ("http://255.255.255.255/", "no host's address"),
            ("http://224.0.0.1/", "no host's address"),
        ],
    ),
    (
        "Metadata of clouds",
        &[
            (
                "http://169.254.169.254/latest/meta-data/",
                "a metadata address",
            ),
            ("http://metadata.google.internal/", "a metadata address"),
            ("http://[fd00:ec2::254]/", "a metadata address"),
            ("http://100.100.100.200/", "a metadata address"),
            ("http://168.63.129.16/", "a metadata address"),
            ("http://192.0.0.192/", "a metadata address"),
        ],
    ),
    (
        "Names that resolve to such addresses",
        &[
            (
                "http://127.0.0.1.public.example:{port}/",
                "a loopback address",
            ),
            ("http://private.example/", "a private address"),
            ("http://private6.example/", "a private address"),
            ("http://link-local.example/", "a link-local address"),
            ("http://mapped.example:{port}/", "a loopback address"),
            (
                "http://nat64.example/",
                "an address that stands for another",
            ),
            ("http://nowhere.example/", "no host's address"),
            ("http://several.example:{port}/", "a private address"),
        ],
    ),
    (
        "User names",
        &[
            ("http://public.example@127.0.0.1:{port}/", "a user name"),
            ("http://public.example:80@127.0.0.1:{port}/", "a user name"),
            ("http://127.0.0.1:{port}@public.example/", "a user name"),
            ("http://public.example%2f@127.0.0.1:{port}/", "a user name"),
        ],
    ),
    (
        "No HTTP",
        &[
            ("file:///etc/passwd", "another scheme"),
            ("gopher://127.0.0.1:{port}/", "another scheme"),
            ("http://127.0.0.1%00.public.example/", "no URL"),
            ("http://127.0.0.1:{port}:80/", "no URL"),
        ],
    ),
];

/// What names mean, here and in the table.
struct Book(BTreeMap<&'static str, Vec<IpAddr>>);

impl Book {
    fn new() -> Self {
        let names: [(&str, &[&str]); 12] = [
            ("localhost", &["::1", "127.0.0.1"]),
            ("metadata.google.internal", &["169.254.169.254"]),
            ("127.0.0.1.public.example", &["127.0.0.1"]),
            ("private.example", &["10.0.0.7"]),
            ("private6.example", &["fd00::7"]),
            ("link-local.example", &["169.254.7.7"]),
            ("mapped.example", &["::ffff:127.0.0.1"]),
            ("nat64.example", &["64:ff9b::7f00:1"]),
            ("nowhere.example", &["0.0.0.0"]),
            ("several.example", &["127.0.0.1", "::1", "10.0.0.7"]),
            ("split.example", &["127.0.0.1", "127.0.0.2", "10.0.0.7"]),
            ("granted.example", &["127.0.0.2"]),
        ];
        let ip = |text: &&str| text.parse().expect("it is an address");
        let names = names.iter();
        Self(
            names
                .map(|(name, found)| (*name, found.iter().map(ip).collect()))
                .collect(),
        )
    }
}

#[async_trait]
impl Names for Book {
    async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.0.get(name.trim_end_matches('.'));
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A guest that may send everything everywhere, and of this machine's addresses to one alone.
async fn guest(names: Arc<dyn Names>) -> Guest {
    let mut options =
        granted("misbehave = { http = [\"*\"], private_networks = [\"127.0.0.2/32\"] }");
    options.names = names;
    Guest::load(options).await
}

/// What came of an attempt at a door.
async fn tried(guest: &Guest, action: &str, config: serde_json::Value) -> String {
    let reply = guest.plugins.invoke(guest.call(action, &config)).await;
    let answer = format!("{:?}", reply.result.expect("the guest tells"));
    let log = reply.log.into_iter().map(|line| line.message);
    log.fold(answer, |all, line| all + " " + &line)
}

/// As what an attempt was refused, in the words of the table; nothing where it was not.
fn refusal(answer: &str) -> Option<&'static str> {
    let classes = [
        "a loopback address",
        "a private address",
        "a metadata address",
        "a link-local address",
        "an address behind carrier-grade NAT",
        "an address that stands for another",
        "a reserved address",
        "no host's address",
    ];
    let is_denied = answer.contains("Denied");
    let class = classes.into_iter().find(|class| answer.contains(class));
    class.filter(|_| is_denied).or_else(|| {
        let others = [
            ("holds a user name or password", "a user name"),
            ("neither http nor https", "another scheme"),
            ("no absolute URL", "no URL"),
            ("no usable location", "no URL"),
            ("the request cannot be written", "no URL"),
            ("HttpRequestUriInvalid", "no URL"),
            ("the URL is none", "no URL"),
        ];
        let found = others.into_iter().find(|(said, _)| answer.contains(said));
        found.map(|(_, told)| told)
    })
}

#[tokio::test]
async fn the_table_of_attempts_holds_at_every_door() {
    let (here, private) = Server::start_two().await;
    let guest = guest(Arc::new(Book::new())).await;
    let port = here.address.port().to_string();
    let mut page = String::from(PAGE);
    for (what, attempts) in ATTEMPTS {
        page += &format!(
            "\n## {what}\n\n| attempt | `millwork:http` | by a redirect | `wasi:http` |\n|---|---|---|---|\n"
        );
        for (attempt, expected) in attempts {
            let url = attempt.replace("{port}", &port);
            let direct = tried(&guest, "http", json!({"url": url})).await;
            assert_eq!(refusal(&direct), Some(*expected), "{url}: {direct}");
            here.lead_to(&url);
            let config = json!({"url": here.url("/elsewhere"), "redirects": "3"});
            let redirected = tried(&guest, "http", config).await;
            let stayed = format!("@ {}", here.url("/"));
            let redirected = match redirected.contains(&stayed) {
                true => "stays with its server",
                false => refusal(&redirected).unwrap_or_else(|| panic!("{url}: {redirected}")),
            };
            let wasi = tried(&guest, "http-wasi", json!({"url": url})).await;
            let wasi = refusal(&wasi).unwrap_or_else(|| panic!("{url}: {wasi}"));
            let shown = attempt.replace("{port}", "8080");
            page += &format!("| `{shown}` | {expected} | {redirected} | {wasi} |\n");
        }
    }
    assert_eq!(private.connections(), 0, "nobody even connected");
    check("docs/ssrf.md", &page);
}

const PAGE: &str = "\
# Requests that go nowhere

<!-- Written from the table in host/plugin/tests/it/ssrf.rs; `UPDATE=1 cargo test -p millwork-plugin --test it ssrf` writes it anew. -->

What is tried to reach through a plugin what only the host can reach, and as what it is refused. The plugin in this table is granted every
host (`http = [\"*\"]`) and no private network. Each attempt is made in the real sandbox by `millwork:http`, by a redirect from a server that
it may reach, and by `wasi:http`; a server waits at the address that is aimed at, and nobody connects to it.

Where a URL is refused as *no URL*, nothing was judged since nothing could be sent: `wasi:http` takes a URL in parts, and the spellings that
only a parser of whole URLs forgives are none there. A redirect is resolved against the place that it comes from, as browsers do.

Two attempts are no URLs, and have tests of their own beside this table. **A name that changes its mind**: the address is looked up
once for each connection, judged, and connected to; a name that is public when it is judged and this machine a moment later reaches
the address that was judged, and the next connection is judged again. **A name with several addresses**: those that are not granted are left out
before anybody connects.
";

/// Compares the page with what the attempts came to, or writes it where `UPDATE=1` is set.
fn check(path: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(&path, fresh).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == fresh,
        "{} is stale: run the test once with UPDATE=1 and commit what changed",
        path.display()
    );
}

/// What may be reached when it is asked for the first time, and this machine from then on.
#[derive(Default)]
struct Rebound(AtomicUsize);

#[async_trait]
impl Names for Rebound {
    async fn find(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let address = match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => [127, 0, 0, 2],
            _ => [127, 0, 0, 1],
        };
        Ok(vec![address.into()])
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_reaches_only_the_address_that_was_judged() {
    for door in ["http", "http-wasi"] {
        let (granted, private) = Server::start_two().await;
        let names = Arc::new(Rebound::default());
        let guest = guest(Arc::clone(&names) as _).await;
        let config =
            json!({"url": format!("http://rebound.example:{}/once", granted.address.port())});
        let first = guest.text(door, &config).await;
        assert!(first.starts_with("200 once"), "{door}: {first}");
        // Judged and connected to are one and the same look.
        assert_eq!(names.0.load(Ordering::Relaxed), 1, "{door}");
        for _ in 0..3 {
            let later = tried(&guest, door, config.clone()).await;
            assert_eq!(
                refusal(&later),
                Some("a loopback address"),
                "{door}: {later}"
            );
        }
        assert_eq!(
            (granted.connections(), private.connections()),
            (1, 0),
            "{door}"
        );
    }
}

#[tokio::test]
async fn of_a_name_with_several_addresses_only_those_are_connected_to_that_are_granted() {
    let (granted, private) = Server::start_two().await;
    let guest = guest(Arc::new(Book::new())).await;
    let url = format!("http://split.example:{}/hello", granted.address.port());
    for door in ["http", "http-wasi"] {
        let answer = guest.text(door, &json!({"url": url})).await;
        assert!(answer.starts_with("200 "), "{door}: {answer}");
    }
    assert!(granted.connections() > 0);
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_redirect_from_a_granted_name_to_one_that_is_not_ends_there() {
    let (granted, private) = Server::start_two().await;
    let guest = guest(Arc::new(Book::new())).await;
    let port = granted.address.port();
    granted.lead_to(&format!("http://several.example:{port}/"));
    let config =
        json!({"url": format!("http://granted.example:{port}/elsewhere"), "redirects": "5"});
    let answer = tried(&guest, "http", config).await;
    assert_eq!(refusal(&answer), Some("a private address"), "{answer}");
    assert_eq!((granted.connections(), private.connections()), (1, 0));
}
