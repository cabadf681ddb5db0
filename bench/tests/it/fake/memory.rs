//! What a fake remembers over its deaths.

use std::collections::HashMap;
use std::sync::Arc;

use millwork_bench::time::Timestamp;
use serde_json::{Map, Value, json};

use super::Fault;

pub(crate) struct Memory {
    pub(super) fault: Fault,
    pub(super) workflows: HashMap<String, Value>,
    /// In the order they were started. A run's document is its journal too: a step is done when it is in it.
    pub(super) runs: Vec<Value>,
    pub(super) places: HashMap<String, usize>,
    pub(super) keys: HashMap<String, (Value, String)>,
    pub(super) triggers: u64,
    /// Held by the one delay that may pass at a time, where they pass in a row.
    pub(super) row: Arc<tokio::sync::Mutex<()>>,
    ids: u64,
    deaths: u64,
}

impl Memory {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            workflows: HashMap::new(),
            runs: Vec::new(),
            places: HashMap::new(),
            keys: HashMap::new(),
            triggers: 0,
            row: Arc::default(),
            ids: 0,
            deaths: 0,
        }
    }

    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("00000000-0000-7000-8000-{:012x}", self.ids)
    }

    pub(super) fn start_run(&mut self, workflow: &str, mut payload: Value) -> String {
        let uuid = self.next_id();
        if self.fault == Fault::SwapsPayloads && self.runs.len() == 3 {
            payload = self.runs[0]["payload"].clone();
        }
        let run = json!({
            "uuid": uuid, "id": null, "workflow_id": workflow, "status": "running", "payload": payload,
            "started_at": Timestamp::now().to_string(), "completed_at": null, "error": null,
            "step_results": Map::new(),
        });
        self.places.insert(uuid.clone(), self.runs.len());
        self.runs.push(run);
        uuid
    }

    pub(super) fn run(&self, uuid: &str) -> Option<&Value> {
        self.runs
            .get(*self.places.get(uuid)?)
            .filter(|run| !run.is_null())
    }

    pub(super) fn change(&mut self, uuid: &str, change: impl FnOnce(&mut Value)) {
        let place = self.places.get(uuid).copied();
        if let Some(run) = place
            .and_then(|place| self.runs.get_mut(place))
            .filter(|run| !run.is_null())
        {
            change(run);
        }
    }

    pub(super) fn end_run(&mut self, uuid: &str, status: &str, error: Value) {
        self.change(uuid, |run| {
            // What was cancelled stays so, whatever its steps come to.
            if run["status"] != "running" {
                return;
            }
            run["status"] = status.into();
            run["completed_at"] = Timestamp::now().to_string().into();
            run["error"] = error;
        });
    }

    pub(super) fn die(&mut self) {
        self.deaths += 1;
        if self.fault == Fault::LosesARun
            && self.deaths == 1
            && let Some(run) = self.runs.last_mut()
        {
            *run = Value::Null;
        }
    }

    /// The runs that have to go on.
    pub(super) fn wake_up(&mut self) -> Vec<String> {
        if self.fault == Fault::EndsARunTwice
            && let Some(run) = self.runs.iter_mut().find(|run| run["status"] == "success")
        {
            run["status"] = "running".into();
            run["step_results"]
                .as_object_mut()
                .expect("it is an object")
                .remove("after");
        }
        let unfinished = self.runs.iter().filter(|run| run["status"] == "running");
        unfinished
            .filter_map(|run| run["uuid"].as_str().map(str::to_owned))
            .collect()
    }
}
