//! Whether a message on a topic starts a run.

use std::borrow::Cow;

use super::Graph;
use crate::bounds::told_of;
use crate::definition::KafkaTrigger;
use crate::expression::{Expression, ExpressionError, Found, Scope};
use crate::id::WorkflowId;
use crate::json::Json;

impl Graph {
    /// Whether a message with this content starts a run by a trigger of this workflow.
    ///
    /// # Errors
    /// Where the filter has no value for it.
    pub fn takes(
        &self,
        trigger: &KafkaTrigger<Expression>,
        (workflow, version): (WorkflowId, u32),
        message: &Json,
    ) -> Result<bool, ExpressionError> {
        let scope = MessageScope {
            graph: self,
            workflow,
            version,
            message,
        };
        match &trigger.filter {
            Some(filter) => filter.holds(&scope),
            None => Ok(true),
        }
    }
}

/// What is known of a message.
struct MessageScope<'a> {
    graph: &'a Graph,
    workflow: WorkflowId,
    version: u32,
    message: &'a Json,
}

impl Scope for MessageScope<'_> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        match name {
            "message" => Some(Found::Document(self.message)),
            "workflow" => Some(told_of(self.graph, self.workflow, self.version)),
            "env" => Some(Found::Value(Cow::Borrowed(&*self.graph.env))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::definition::Trigger;
    use crate::time::Timestamp;

    fn takes(filter: Option<&str>, message: Value) -> Result<bool, ExpressionError> {
        let document = json!({
            "name": "orders",
            "steps": [{"name": "nap", "type": "workflow", "config": {"workflow": "other"}}],
            "triggers": [{"type": "kafka", "topic": "orders", "filter": filter}],
        });
        let env = Arc::new(json!({"least": 10}));
        let graph = Graph::load(&document, &env).expect("it holds");
        let [Trigger::Kafka(trigger)] = &*graph.triggers else {
            panic!("not {:?}", graph.triggers)
        };
        let id = WorkflowId::from_parts(Timestamp::EPOCH, [1; 10]);
        graph.takes(trigger, (id, 3), &Json::from(message))
    }

    #[test]
    fn a_message_is_taken_where_the_filter_holds() {
        let least = Some("${message.total > env.least}");
        assert_eq!(takes(least, json!({"total": 11})), Ok(true));
        assert_eq!(takes(least, json!({"total": 9})), Ok(false));
        assert_eq!(
            takes(Some("${message.paid}"), json!({})),
            Ok(false),
            "what is missing is false"
        );
        assert_eq!(takes(Some("${workflow.version == 3}"), json!(7)), Ok(true));
        assert!(takes(Some("${message.total - 1 > 0}"), json!({"total": "many"})).is_err());
        assert_eq!(takes(None, Value::Null), Ok(true));
    }
}
