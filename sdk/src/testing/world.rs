//! What the fake host holds, and the one that this thread's connector reaches.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use serde_json::Value;

use super::{Reply, grant};
use crate::clock::Timestamp;
use crate::http::{self, Request};
use crate::kv::Entry;
use crate::log::Level;
use crate::{Ask, Manifest};

/// A line that the connector wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
}

pub(super) type Server = Box<dyn FnMut(&Request) -> Result<Reply, http::Error>>;

/// What the fake host holds.
pub(super) struct World {
    pub(super) manifest: Manifest,
    /// Whether the call under way has powers at all: `describe` and `validate` have none.
    pub(super) powers: bool,
    pub(super) now: Timestamp,
    pub(super) requests: Vec<Request>,
    pub(super) replies: VecDeque<Result<Reply, http::Error>>,
    pub(super) server: Option<Server>,
    pub(super) kept: BTreeMap<String, Entry>,
    pub(super) version_last: u64,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) revealed: Vec<String>,
    pub(super) signals: Vec<(String, Value)>,
    pub(super) log: Vec<LogLine>,
    pub(super) random: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<World>>>> = const { RefCell::new(None) };
}

impl World {
    pub(super) fn new(manifest: Manifest) -> World {
        World {
            manifest,
            powers: true,
            // 2030-01-01T00:00:00Z: a time that no test takes for the real one.
            now: Timestamp::from_secs(1_893_456_000),
            requests: Vec::new(),
            replies: VecDeque::new(),
            server: None,
            kept: BTreeMap::new(),
            version_last: 0,
            secrets: BTreeMap::new(),
            revealed: Vec::new(),
            signals: Vec::new(),
            log: Vec::new(),
            random: 0,
        }
    }

    /// Why HTTP to a URL is refused, if it is.
    pub(super) fn http_refusal(&self, url: &str) -> Option<String> {
        let asked = |ask: &Ask| matches!(ask, Ask::Http(pattern) if grant::covers(pattern, url));
        self.refusal(&format!("HTTP to {url}"), asked)
    }

    /// Why a secret is refused, if it is.
    pub(super) fn secret_refusal(&self, name: &str) -> Option<String> {
        self.refusal(
            &format!("the secret \"{name}\""),
            |ask| matches!(ask, Ask::Secret(known) if known == name),
        )
    }

    /// Why keeping values is refused, if it is.
    pub(super) fn kv_refusal(&self) -> Option<String> {
        self.refusal("keeping values", |ask| *ask == Ask::Kv)
    }

    fn refusal(&self, power: &str, asked: impl Fn(&Ask) -> bool) -> Option<String> {
        if !self.powers {
            return Some(format!(
                "{power} is not to be had in `describe` and `validate`"
            ));
        }
        if !self.manifest.asks.iter().any(asked) {
            return Some(format!(
                "the connector does not ask for {power}: add it to `asks` in `export!`"
            ));
        }
        None
    }
}

/// Makes a world the one that this thread's connector reaches.
pub(super) fn enter(world: &Rc<RefCell<World>>) {
    CURRENT.with(|current| current.replace(Some(Rc::clone(world))));
}

/// Leaves a world, unless another was entered since.
pub(super) fn leave(world: &Rc<RefCell<World>>) {
    CURRENT.with(|current| {
        let mut current = current.borrow_mut();
        if current
            .as_ref()
            .is_some_and(|entered| Rc::ptr_eq(entered, world))
        {
            *current = None;
        }
    });
}

/// The world that this thread's connector reaches.
pub(super) fn current() -> Rc<RefCell<World>> {
    CURRENT
        .with(|current| current.borrow().clone())
        .expect("outside a component the host is a fake: make a `millwork_sdk::testing::Host` in this thread first")
}
