//! What somebody may do with a run: hold it, let it go on, end it, and have it done again.

use std::sync::Arc;

use millwork_core::command::{Command, Retry};
use millwork_core::id::RunId;

use super::{Engine, Error, RunView};

pub use millwork_core::command::From as RetryFrom;

/// With what a run is done again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryWith {
    /// With the workflow version and the plugins that it has.
    #[default]
    Pinned,
    /// With the newest version of its workflow, and what its types mean now.
    Newest,
}

impl Engine {
    /// Ends a run: what is under way is interrupted, what was done is undone, and what is to be done at the end is done.
    ///
    /// # Errors
    /// Where there is no such run, or it has ended, or is on its way to another end; or the store.
    pub async fn cancel_run(&self, id: RunId, reason: Option<String>) -> Result<RunView, Error> {
        self.ask(id, &Command::Cancel { reason }).await
    }

    /// Ends a run at once. Nothing is undone.
    ///
    /// # Errors
    /// Where there is no such run, or it has ended; or the store.
    pub async fn kill_run(&self, id: RunId, reason: Option<String>) -> Result<RunView, Error> {
        self.ask(id, &Command::Kill { reason }).await
    }

    /// Holds a run: what is under way may finish, and nothing new begins.
    ///
    /// # Errors
    /// Where there is no such run, or it has ended; or the store.
    pub async fn pause_run(&self, id: RunId, reason: Option<String>) -> Result<RunView, Error> {
        self.ask(id, &Command::Pause { reason }).await
    }

    /// Lets a run go on that is held.
    ///
    /// # Errors
    /// Where there is no such run, or it has ended; or the store.
    pub async fn resume_run(&self, id: RunId) -> Result<RunView, Error> {
        self.ask(id, &Command::Resume).await
    }

    /// Has a run that has ended done again, from somewhere on.
    ///
    /// # Errors
    /// Where there is no such run, it has not ended, or there is nothing to do again from there; where the newest version of
    /// its workflow needs a plugin that is not installed; or the store.
    pub async fn retry_run(
        &self,
        id: RunId,
        from: RetryFrom,
        with: RetryWith,
    ) -> Result<RunView, Error> {
        let definitions = &self.0.definitions;
        loop {
            let mut view = self.find_run(id).await?.ok_or(Error::UnknownRun(id))?;
            let (version, plugins) = match with {
                RetryWith::Pinned => (view.run.version(), None),
                RetryWith::Newest => {
                    // Looked for, since nothing looks later whether it still is.
                    let workflow = view.run.created().workflow;
                    let version = definitions.look_for_newest(workflow).await?;
                    let newest = definitions.find(workflow, version).await?;
                    view.graph = Arc::clone(&newest.graph);
                    (newest.version, Some(Arc::new(definitions.pins(&newest)?)))
                }
            };
            let retry = Retry {
                from: from.clone(),
                version,
                plugins,
            };
            let command = Command::Retry(Box::new(retry));
            if let Some(view) = self.write_outside(view, &command).await? {
                return Ok(view);
            }
        }
    }
}
