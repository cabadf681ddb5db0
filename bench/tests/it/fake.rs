//! A fake server: enough of the API and of the two first connectors to be measured, in memory, with faults on request.
//!
//! It lives in a runtime of its own, so that killing it drops every task and every connection at once, as a process
//! would. What it remembers survives that, as a disk would.

mod api;
mod definition;
mod engine;
mod memory;
mod template;
mod webhook;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Result;
use millwork_bench::process::Server;
use tokio::runtime::Runtime;

pub(crate) use memory::Memory;

/// What is wrong with a fake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// When it dies, it forgets the run that it started last.
    LosesARun,
    /// When it starts, it runs the last step of one finished run again.
    EndsARunTwice,
    /// When a run has ended, it calls the webhook again.
    CallsAfterTheEnd,
    /// It makes up the webhook's answer.
    InventsAnswers,
    /// Every attempt has an idempotency key of its own.
    ChangesKeys,
    /// All runs call with the same idempotency key.
    SharesAKey,
    /// It takes no notice of the key of a trigger.
    ForgetsTriggerKeys,
    /// The list shows a run twice.
    ListsARunTwice,
    /// Delays are a little short.
    WakesEarly,
    /// Each delay waits for the one before.
    SleepsInARow,
    /// The fourth run never ends.
    NeverEndsARun,
    /// The fourth run fails.
    FailsARun,
    /// The fourth run is answered with another's payload.
    SwapsPayloads,
    /// Every tenth trigger is answered 500.
    AnswersErrors,
    /// A webhook's content type is sent twice.
    SendsAHeaderTwice,
    /// A failed attempt is never tried again.
    NeverRetries,
    /// Values in a sentence arrive as they were written.
    LeavesPlaceholders,
    /// A refusal says only its status.
    RefusesWithoutAWord,
}

pub(crate) struct Fake {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    /// Held from the choice of the port to the first start, so that no other test takes it in between.
    listener: Option<std::net::TcpListener>,
    runtime: Option<Runtime>,
}

impl Fake {
    /// A fake that does not run yet.
    pub(crate) fn new(fault: Fault) -> Self {
        // Outside the range of ports that the system gives out by itself: see the tool's own choice of a port.
        let bind = |port| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        let listener = std::iter::repeat_with(|| fastrand::u16(12_000..32_000))
            .find_map(bind)
            .expect("a port is free");
        Self {
            address: listener.local_addr().expect("it listens"),
            memory: Arc::new(Mutex::new(Memory::new(fault))),
            listener: Some(listener),
            runtime: None,
        }
    }

    /// A fake that runs.
    pub(crate) async fn started(fault: Fault) -> Self {
        let mut fake = Self::new(fault);
        fake.start().await.expect("it starts");
        fake.ready().await.expect("it is ready");
        fake
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory
        .lock()
        .expect("nothing panics while it holds the fake's memory")
}

impl Server for Fake {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start(&mut self) -> Result<()> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => std::net::TcpListener::bind(self.address)?,
        };
        listener.set_nonblocking(true)?;
        // Last of what may fail: a runtime must not be dropped by an error inside of another one.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let memory = Arc::clone(&self.memory);
        let unfinished = lock(&memory).wake_up();
        runtime.spawn(async move {
            for run in unfinished {
                tokio::spawn(engine::execute(Arc::clone(&memory), run));
            }
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
            axum::serve(listener, api::router(memory))
                .await
                .expect("it serves");
        });
        self.runtime = Some(runtime);
        Ok(())
    }

    async fn ready(&mut self) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        if let Some(runtime) = self.runtime.take() {
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5)))
                .await?;
        }
        lock(&self.memory).die();
        Ok(())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
