//! How many runs of a time are in each state.

use millwork_store::{CountsOverTime, OverTime};

use super::{Engine, Error};

impl Engine {
    /// How many of the runs that were created within a time are in each state, stretch by stretch.
    ///
    /// # Errors
    /// Where there is no such workflow; or the store.
    pub async fn count_over_time(&self, query: OverTime) -> Result<CountsOverTime, Error> {
        if let Some(id) = query.workflow
            && self.0.store.find_head(id).await?.is_none()
        {
            return Err(Error::UnknownWorkflow(id));
        }
        Ok(self.0.store.count_over_time(query).await?)
    }
}
