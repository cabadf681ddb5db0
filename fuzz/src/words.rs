//! Made-up words of the contract, in the form that the guest reads: near what holds, and far from it.

use fastrand::Rng;

/// Writes what the guest reads.
pub(crate) struct Words<'a> {
    pub(crate) rng: &'a mut Rng,
    pub(crate) said: Vec<u8>,
}

/// How many times a text is said; the guest has the same list.
const TIMES: u8 = 8;

impl<'a> Words<'a> {
    pub(crate) fn new(rng: &'a mut Rng) -> Self {
        Self {
            rng,
            said: Vec::new(),
        }
    }

    pub(crate) fn byte(&mut self, below: u8) {
        let byte = self.rng.u8(..below);
        self.said.push(byte);
    }

    /// A number that somebody will calculate with.
    pub(crate) fn number(&mut self) {
        let bits = self.rng.u32(..65);
        let number = match bits {
            64 => u64::MAX,
            bits => self.rng.u64(..) >> bits,
        };
        self.said.extend_from_slice(&number.to_be_bytes());
    }

    /// A text from a list, or one that somebody broke.
    pub(crate) fn text(&mut self, list: &[&str]) {
        let mut text = match self.rng.u8(..10) {
            0 => self
                .rng
                .choice(ANYTHING)
                .unwrap_or_default()
                .as_bytes()
                .to_vec(),
            _ => self
                .rng
                .choice(list.iter().copied())
                .unwrap_or_default()
                .as_bytes()
                .to_vec(),
        };
        if self.rng.u8(..6) == 0 {
            self.break_it(&mut text);
        }
        self.say(&text);
    }

    pub(crate) fn say(&mut self, text: &[u8]) {
        // Rarely many times: it costs.
        let times = match self.rng.u8(..24) {
            0 => self.rng.u8(..TIMES),
            _ => 0,
        };
        self.said.push(times);
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.said.extend_from_slice(&length.to_le_bytes());
        self.said.extend_from_slice(&text[..usize::from(length)]);
    }

    fn break_it(&mut self, text: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(1..=3) {
            let at = self.rng.usize(..=text.len());
            match self.rng.u8(..4) {
                0 => text.insert(at, self.rng.u8(..)),
                1 => text.truncate(at),
                2 => {
                    let again = text[at..].to_vec();
                    text.extend_from_slice(&again);
                }
                _ if at < text.len() => text[at] ^= 1 << self.rng.u8(..8),
                _ => {}
            }
        }
    }

    /// A list of so many at most, as the guest counts: 0, 1, 1, 2, 3 or 5; rarely 300 or 3,000.
    pub(crate) fn list(&mut self, mut say: impl FnMut(&mut Self)) {
        let (index, times) = match self.rng.u8(..60) {
            0 => (6, 300),
            1 => (7, 3_000),
            _ => {
                let index = self.rng.u8(..6);
                (index, [0, 1, 1, 2, 3, 5][usize::from(index)])
            }
        };
        self.said.push(index);
        // What is not said is empty.
        for _ in 0..times.min(16) {
            say(self);
        }
    }

    pub(crate) fn maybe(&mut self, say: impl FnOnce(&mut Self)) {
        let is_there = self.rng.bool();
        self.said.push(u8::from(is_there));
        if is_there {
            say(self);
        }
    }
}

/// Texts that are awkward anywhere.
const ANYTHING: [&str; 14] = [
    "",
    "\0",
    "\u{feff}",
    "é\u{301}\u{202e}\u{1f980}",
    "a\r\nb: c",
    "\u{1b}[31m",
    "../../etc/passwd",
    "${payload.x}",
    "{{ 7 * 7 }}",
    "xyzzy-and-more",
    "panicked at src/lib.rs:1:1:\nno",
    "NaN",
    "-0",
    "18446744073709551616",
];

pub(crate) const NAMES: &[&str] = &[
    "say", "a", "slack", "a-b", "A b", "a--b", "-", "9", "token", "key",
];

pub(crate) const VERSIONS: &[&str] = &[
    "1.0.0",
    "0.1.0",
    "1.2.3-rc.1+build.5",
    "1",
    "1.0",
    "99999999999999999999.0.0",
    "01.0.0",
];

pub(crate) const JSON: &[&str] = &[
    "null",
    "{}",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "[1,2,[3,[4]]]",
    "\"text\"",
    "\"\\u0000\\ud83e\\udd80\"",
    "\"\\ud800\"",
    "1e400",
    "-0.0",
    "123456789012345678901234567890",
    "1.7976931348623157e308",
    "{\"\":{\"\":{}}}",
    "[",
    "[[",
    "{\"a\":",
    "tru",
    " \n1 ",
    "{\"secret\":\"xyzzy-and-more\"}",
    "'a'",
    "[1,]",
];

pub(crate) const SCHEMAS: &[&str] = &[
    "{\"type\":\"object\"}",
    "true",
    "false",
    "{}",
    "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"],\"additionalProperties\":false}",
    "{\"$ref\":\"#\"}",
    "{\"allOf\":[{\"$ref\":\"#\"}]}",
    "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}}}",
    "{\"$ref\":\"#/nowhere\"}",
    "{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}",
    "{\"$ref\":\"http://127.0.0.1:1/x\"}",
    "{\"$ref\":\"file:///etc/passwd\"}",
    "{\"$id\":\"urn:a\",\"$ref\":\"urn:a\"}",
    "{\"$dynamicRef\":\"#x\",\"$dynamicAnchor\":\"x\"}",
    "{\"properties\":{\"text\":{\"pattern\":\"^(a+)+$\"}}}",
    "{\"properties\":{\"text\":{\"pattern\":\"(?=a)(a|aa)+b\\\\1\"}}}",
    "{\"properties\":{\"text\":{\"pattern\":\"[\"}}}",
    "{\"properties\":{\"text\":{\"pattern\":\"a{1000}{1000}{1000}\"}}}",
    "{\"patternProperties\":{\"(x+x+)+y\":true}}",
    "{\"maxLength\":-1}",
    "{\"multipleOf\":0}",
    "{\"multipleOf\":1e-300}",
    "{\"minimum\":1e400}",
    "{\"enum\":[]}",
    "{\"type\":\"strnig\"}",
    "{\"type\":[]}",
    "{\"items\":{\"items\":{\"items\":{\"items\":true}}}}",
    "{\"if\":true,\"then\":{\"not\":{\"not\":{}}}}",
    "{\"unevaluatedProperties\":false,\"anyOf\":[{},{\"properties\":{\"a\":true}}]}",
    "{\"format\":\"uri\"}",
    "{\"$schema\":\"http://nowhere.example/\"}",
    "[]",
];

pub(crate) const URLS: &[&str] = &[
    "*",
    "https://slack.com",
    "GET,POST https://*.example.com:8443",
    "http://127.0.0.1:1/",
    "http://[::1]:1/",
    "http://user:word@127.0.0.1/",
    "http://a.example/%00?%zz#x",
    "https://*.*",
    "http://:80",
    "http://a:99999",
    "HTTP://A",
    "ftp://a",
    "http://xn--a",
    "http://①②⑦.⓪.⓪.①",
];

pub(crate) const HEADERS: &[&str] = &[
    "content-type",
    "Host",
    "x-a",
    "transfer-encoding",
    "content-length",
    "a b",
    ":path",
    "X-Ä",
];

pub(crate) const METHODS: &[&str] = &["GET", "POST", "get", "CONNECT", "A B", "PATCH"];
