//! The fake host: a test scripts it, calls the connector, and looks at what the connector did.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::world::{self, LogLine, World};
use super::{Reply, check};
use crate::clock::Timestamp;
use crate::http::{self, Request};
use crate::{
    Connector, Context, Failure, FieldError, Manifest, Outcome, Resume, Signal, Suspension, Then,
    Until, Wake, dispatch,
};

/// How long a call may take by the fake clock.
const CALL_MAX: Duration = Duration::from_secs(60);

/// How often a step may suspend before a test is told that it would never end.
const WAKES_MAX: usize = 10_000;

/// A host made of fakes, for the connector that it was made for and the thread that made it.
///
/// Dropping it fails the test if a scripted reply was never asked for.
pub struct Host {
    world: Rc<RefCell<World>>,
    context: RefCell<Context>,
    validate: fn(&str, &str) -> Vec<FieldError>,
    validate_example: fn(&str, Value) -> Vec<FieldError>,
    invoke: fn(&Context, &str, &str) -> Result<Outcome<String>, Failure>,
}

impl Host {
    /// A host that grants a connector what it asks for.
    pub fn new<C: Connector>() -> Host {
        let world = Rc::new(RefCell::new(World::new(C::manifest())));
        world::enter(&world);
        let context = Context {
            run_id: "01890000-0000-7000-8000-000000000000".to_owned(),
            workflow: "test".to_owned(),
            step: "step".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "01890000-0000-7000-8000-000000000000/step".to_owned(),
            deadline: Timestamp::from_micros(0),
            trace_parent: None,
            resumed: None,
        };
        Host {
            world,
            context: RefCell::new(context),
            validate: dispatch::validate::<C>,
            validate_example: dispatch::validate_example::<C>,
            invoke: dispatch::invoke::<C>,
        }
    }

    /// What the connector says it is.
    pub fn manifest(&self) -> Manifest {
        self.world.borrow().manifest.clone()
    }

    /// Fails the test where the real host would refuse the connector: a name it does not take, an action twice, an
    /// example that does not hold.
    pub fn check(&self) {
        self.world.borrow_mut().powers = false;
        let problems = check::problems(&self.manifest(), self.validate_example);
        self.world.borrow_mut().powers = true;
        assert!(
            problems.is_empty(),
            "the host would refuse this connector:\n{}",
            problems.join("\n")
        );
    }

    /// What is wrong with a configuration, as when a workflow is created.
    pub fn validate(&self, action: &str, config: impl Into<Value>) -> Vec<FieldError> {
        self.world.borrow_mut().powers = false;
        let problems = (self.validate)(action, &config.into().to_string());
        self.world.borrow_mut().powers = true;
        problems
    }

    /// Calls an action once.
    pub fn invoke(
        &self,
        action: &str,
        config: impl Into<Value>,
    ) -> Result<Outcome<Value>, Failure> {
        self.call(action, &config.into(), None)
    }

    /// Calls an action as one that has suspended and wakes.
    pub fn resume(
        &self,
        action: &str,
        config: impl Into<Value>,
        cause: Wake,
        state: impl Into<Vec<u8>>,
    ) -> Result<Outcome<Value>, Failure> {
        self.call(
            action,
            &config.into(),
            Some(Resume {
                cause,
                state: state.into(),
            }),
        )
    }

    /// Runs a step to its end: wherever it suspends, the clock moves to when it wakes, or a scripted signal arrives.
    pub fn run(&self, action: &str, config: impl Into<Value>) -> Result<Value, Failure> {
        let config = config.into();
        let mut resumed = None;
        for _ in 0..WAKES_MAX {
            let suspension = match self.call(action, &config, resumed)? {
                Outcome::Completed(output) => return Ok(output),
                Outcome::Suspended(suspension) => suspension,
            };
            let cause = self.wake(&suspension);
            match suspension.then {
                Then::Complete(output) => return Ok(output),
                Then::CallAgain => {
                    resumed = Some(Resume {
                        cause,
                        state: suspension.state,
                    });
                }
            }
        }
        panic!("action \"{action}\" suspended {WAKES_MAX} times and never ended");
    }

    /// Moves on to what a suspended step waits for.
    fn wake(&self, suspension: &Suspension<Value>) -> Wake {
        let mut world = self.world.borrow_mut();
        match &suspension.until {
            Until::At(time) => {
                world.now = world.now.max(*time);
                Wake::Timer
            }
            Until::After(span) => {
                world.now = world.now.saturating_add(*span);
                Wake::Timer
            }
            Until::Signal(name, timeout) => {
                if let Some(at) = world.signals.iter().position(|(known, _)| known == name) {
                    let (name, payload) = world.signals.remove(at);
                    return Wake::Signal(Signal { name, payload });
                }
                let Some(timeout) = timeout else {
                    panic!(
                        "the step waits for the signal \"{name}\" for ever: send it with `Host::signal`"
                    );
                };
                world.now = world.now.saturating_add(*timeout);
                Wake::SignalTimeout
            }
        }
    }

    /// The real way through text, so that a test sees what the host would.
    fn call(
        &self,
        action: &str,
        config: &Value,
        resumed: Option<Resume>,
    ) -> Result<Outcome<Value>, Failure> {
        let mut context = self.context.borrow().clone();
        context.deadline = self.now().saturating_add(CALL_MAX);
        context.resumed = resumed;
        let outcome = (self.invoke)(&context, action, &config.to_string())?;
        let read = |text: String| serde_json::from_str(&text);
        Ok(outcome
            .try_map(read)
            .expect("what the SDK wrote as JSON is JSON"))
    }

    /// Scripts the answer to the next request that is not scripted yet.
    pub fn reply(&self, reply: Reply) {
        self.world.borrow_mut().replies.push_back(Ok(reply));
    }

    /// Scripts that the next request that is not scripted yet gets no answer.
    pub fn fail(&self, error: http::Error) {
        self.world.borrow_mut().replies.push_back(Err(error));
    }

    /// Answers every request that is not scripted.
    pub fn serve(&self, server: impl FnMut(&Request) -> Result<Reply, http::Error> + 'static) {
        self.world.borrow_mut().server = Some(Box::new(server));
    }

    /// The requests so far, with secrets in the places of their placeholders.
    pub fn requests(&self) -> Vec<Request> {
        self.world.borrow().requests.clone()
    }

    /// The time by the fake clock.
    pub fn now(&self) -> Timestamp {
        self.world.borrow().now
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.world.borrow_mut().now = now;
    }

    /// Moves the clock on.
    pub fn advance(&self, span: Duration) {
        let now = self.now().saturating_add(span);
        self.set_now(now);
    }

    /// Puts a value where the connector finds it with `kv::get`.
    pub fn keep(&self, key: &str, value: impl Into<Vec<u8>>) {
        let mut world = self.world.borrow_mut();
        world.version_last += 1;
        let entry = crate::kv::Entry {
            value: value.into(),
            version: world.version_last,
        };
        world.kept.insert(key.to_owned(), entry);
    }

    /// What the connector kept under a key.
    pub fn kept(&self, key: &str) -> Option<Vec<u8>> {
        self.world
            .borrow()
            .kept
            .get(key)
            .map(|entry| entry.value.clone())
    }

    /// Provides a secret. The connector must ask for it, too.
    pub fn secret(&self, name: &str, value: &str) {
        self.world
            .borrow_mut()
            .secrets
            .insert(name.to_owned(), value.to_owned());
    }

    /// The secrets that the connector looked at, in order.
    pub fn revealed(&self) -> Vec<String> {
        self.world.borrow().revealed.clone()
    }

    /// Sends a signal, taken once by a step that waits for it in [`run`](Host::run).
    pub fn signal(&self, name: &str, payload: impl Into<Value>) {
        self.world
            .borrow_mut()
            .signals
            .push((name.to_owned(), payload.into()));
    }

    /// What the connector wrote to the log.
    pub fn log(&self) -> Vec<LogLine> {
        self.world.borrow().log.clone()
    }

    /// Makes the next calls this attempt at the step.
    pub fn set_attempt(&self, attempt: u32) {
        self.context.borrow_mut().attempt = attempt;
    }

    /// Makes the next calls this iteration of a loop.
    pub fn set_iteration(&self, iteration: u32) {
        self.context.borrow_mut().iteration = Some(iteration);
    }

    /// Sets the idempotency key of the next calls.
    pub fn set_idempotency_key(&self, key: &str) {
        key.clone_into(&mut self.context.borrow_mut().idempotency_key);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        world::leave(&self.world);
        let left = self.world.borrow().replies.len();
        // A panic on top of a failed test would hide why it failed.
        if !std::thread::panicking() {
            assert!(left == 0, "{left} scripted replies were never asked for");
        }
    }
}
