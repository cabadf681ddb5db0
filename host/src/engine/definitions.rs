//! Checked definitions, kept ready: a version of a workflow never changes, so it is compiled once.

use std::collections::BTreeMap;
use std::sync::Arc;

use millwork_core::connector::{Catalog, Connector, TypeRef};
use millwork_core::definition::{Problem, ScheduleTrigger};
use millwork_core::event::Pin;
use millwork_core::graph::{self, Graph};
use millwork_core::id::WorkflowId;
use millwork_core::json::Json;
use millwork_core::limits::Limits;
use millwork_plugin::{PluginRuntime, Schema};
use millwork_store::{Store, Workflow};
use quick_cache::sync::Cache;
use serde_json::Value;

use super::Error;
use crate::cron::Times;

/// Definitions kept ready. One takes some kilobytes.
const KEPT_MAX: usize = 10_000;

/// Definitions by workflow and version, compiled.
pub(super) struct Definitions {
    store: Arc<dyn Store>,
    plugins: Arc<dyn PluginRuntime>,
    env: Arc<Value>,
    limits: Limits,
    compiled: Cache<(WorkflowId, u32), Arc<Compiled>>,
    /// Which version was the newest when somebody last looked. It may have been overtaken, here or elsewhere: the commit that
    /// creates a run looks whether it still is, so nobody else has to, and nobody has to be told.
    newest: Cache<WorkflowId, u32>,
}

/// A version of a workflow, ready to run.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) workflow: WorkflowId,
    pub(super) version: u32,
    pub(super) graph: Arc<Graph>,
    /// What the payload has to be, where the workflow says.
    input: Option<Schema>,
}

impl Compiled {
    fn new(workflow: WorkflowId, version: u32, mut graph: Graph, limits: Limits) -> Self {
        graph.limits = limits;
        // A schema that is none was refused when the workflow was created.
        let input = graph.input.as_ref();
        let input = input.and_then(|schema| Schema::new(schema.clone()).ok());
        Self {
            workflow,
            version,
            graph: Arc::new(graph),
            input,
        }
    }

    /// Says what is wrong with the payload of a run.
    pub(super) fn check_payload(&self, payload: &Json) -> Result<(), Error> {
        let Some(schema) = &self.input else {
            return Ok(());
        };
        let found = schema.check(payload.value());
        let problems = found
            .into_iter()
            .map(|fault| Problem::new(fault.path, fault.message));
        let problems: Vec<_> = problems.collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::InvalidPayload(problems)),
        }
    }
}

impl Definitions {
    pub(super) fn new(
        store: Arc<dyn Store>,
        plugins: Arc<dyn PluginRuntime>,
        env: Arc<Value>,
        limits: Limits,
    ) -> Self {
        Self {
            store,
            plugins,
            env,
            limits,
            compiled: Cache::new(KEPT_MAX),
            newest: Cache::new(KEPT_MAX),
        }
    }

    /// Checks a new definition whole: the document, the graph, and every configuration by its connector.
    pub(super) async fn check(&self, document: &Value) -> Result<Graph, Vec<Problem>> {
        check_definition(document, &*self.plugins, &self.env).await
    }

    /// Keeps a definition that has just been stored.
    pub(super) fn keep(&self, workflow: WorkflowId, version: u32, graph: Graph) {
        let compiled = Arc::new(Compiled::new(workflow, version, graph, self.limits));
        self.compiled.insert((workflow, version), compiled);
        self.newest.insert(workflow, version);
    }

    /// Finds what was the newest version of a workflow when somebody last looked.
    pub(super) async fn find_newest(&self, workflow: WorkflowId) -> Result<Arc<Compiled>, Error> {
        let version = match self.newest.get(&workflow) {
            Some(version) => version,
            None => self.look_for_newest(workflow).await?,
        };
        self.find(workflow, version).await
    }

    /// Looks which version of a workflow is the newest, where it takes runs.
    pub(super) async fn look_for_newest(&self, workflow: WorkflowId) -> Result<u32, Error> {
        let head = self.store.find_head(workflow).await?;
        let head = head.ok_or(Error::UnknownWorkflow(workflow))?;
        if head.archived_at.is_some() {
            return Err(Error::WorkflowArchived(workflow));
        }
        self.newest.insert(workflow, head.newest);
        Ok(head.newest)
    }

    /// Forgets which version was the newest, since it is not any more.
    pub(super) fn forget_newest(&self, workflow: WorkflowId) {
        self.newest.remove(&workflow);
    }

    /// Finds a version of a workflow.
    pub(super) async fn find(
        &self,
        workflow: WorkflowId,
        version: u32,
    ) -> Result<Arc<Compiled>, Error> {
        if let Some(compiled) = self.compiled.get(&(workflow, version)) {
            return Ok(compiled);
        }
        let found = self
            .store
            .find_workflow(workflow, Some(version))
            .await?
            .ok_or(Error::UnknownVersion { workflow, version })?;
        self.compile(&found)
    }

    fn compile(&self, stored: &Workflow) -> Result<Arc<Compiled>, Error> {
        let damaged = |detail: String| {
            Error::Store(millwork_store::Error::Damaged {
                what: "a workflow definition",
                detail,
            })
        };
        let document: Value =
            serde_json::from_str(&stored.definition).map_err(|error| damaged(error.to_string()))?;
        let graph = Graph::load(&document, &self.env).map_err(|problems| {
            let said: Vec<_> = problems
                .iter()
                .map(|p| format!("{}: {}", p.path, p.message))
                .collect();
            damaged(said.join("; "))
        })?;
        let compiled = Arc::new(Compiled::new(stored.id, stored.version, graph, self.limits));
        self.compiled
            .insert((stored.id, stored.version), Arc::clone(&compiled));
        Ok(compiled)
    }

    /// What each `type` of a workflow means now: what a run that begins now is pinned to.
    pub(super) fn pins(&self, compiled: &Compiled) -> Result<BTreeMap<String, Pin>, Error> {
        let mut pins = BTreeMap::new();
        for reference in compiled.graph.plugins() {
            let connector =
                resolve(&*self.plugins, reference).map_err(|message| Error::PluginMissing {
                    workflow: compiled.workflow,
                    message,
                })?;
            pins.insert(reference.to_owned(), pin(connector));
        }
        Ok(pins)
    }
}

/// Checks a definition whole: the document, the graph, and every configuration by its connector.
///
/// # Errors
/// Everything that is wrong with it.
pub async fn check_definition(
    document: &Value,
    plugins: &dyn PluginRuntime,
    env: &Arc<Value>,
) -> Result<Graph, Vec<Problem>> {
    let checked = graph::check(document, &Connectors(plugins), env);
    let mut problems = checked.problems;
    for resolved in checked.connectors {
        let found = plugins
            .validate(&resolved.connector, &resolved.config)
            .await;
        let placed = found
            .into_iter()
            .map(|f| Problem::new(format!("{}{}", resolved.path, f.path), f.message));
        problems.extend(placed);
    }
    problems.sort();
    problems.dedup();
    checked
        .graph
        .filter(|_| problems.is_empty())
        .ok_or(problems)
}

fn resolve(plugins: &dyn PluginRuntime, reference: &str) -> Result<Connector, String> {
    let reference: TypeRef = reference.parse().map_err(|error| format!("{error}"))?;
    plugins.resolve(&reference)
}

fn pin(connector: Connector) -> Pin {
    Pin {
        digest: connector.digest,
        action: connector.action,
        timeout_ms: connector
            .timeout
            .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        attempts_max: connector.attempts_max,
    }
}

/// The plugin runtime, as core's checker sees it.
struct Connectors<'a>(&'a dyn PluginRuntime);

impl Catalog for Connectors<'_> {
    fn resolve(&self, reference: &TypeRef) -> Result<Connector, String> {
        self.0.resolve(reference)
    }

    fn check_schedule(&self, schedule: &ScheduleTrigger) -> Vec<Problem> {
        Times::read(schedule).err().unwrap_or_default()
    }

    fn check_schema(&self, schema: &Value) -> Vec<Problem> {
        let fault = Schema::new(schema.clone()).err();
        fault
            .map(|fault| Problem::new("", format!("is no JSON Schema: {fault}")))
            .into_iter()
            .collect()
    }
}
