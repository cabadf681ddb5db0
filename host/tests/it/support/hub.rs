//! A broker in memory: what one process publishes another receives. It loses what it is told to lose.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use millwork_bus::{Bus, CloudEvent, Delivery, Ended, Full, Known, Local, Notice, Told, WorkItem};
use millwork_core::id::RunId;
use tokio::sync::Notify;

/// The broker.
#[derive(Default)]
pub(crate) struct Hub {
    members: Mutex<Vec<Arc<Member>>>,
    next: Mutex<usize>,
    ended: Mutex<Vec<Ended>>,
    /// What is published is lost.
    pub(crate) loses_items: AtomicBool,
    /// What is published reaches every worker, as what may have reached others: so it is after partitions have moved.
    pub(crate) offers_items: AtomicBool,
    /// What one process tells the others is lost.
    pub(crate) loses_notices: AtomicBool,
    told: Mutex<Vec<CloudEvent>>,
    /// What is announced is not taken.
    pub(crate) refuses_ends: AtomicBool,
    /// Events are not taken.
    pub(crate) refuses_events: AtomicBool,
}

/// One process's end of it.
pub(crate) struct Member {
    hub: Arc<Hub>,
    inbox: Local,
    executes: bool,
    notices: Mutex<VecDeque<Notice>>,
    arrived: Notify,
}

impl Hub {
    /// A process joins.
    pub(crate) fn join(self: &Arc<Self>, executes: bool) -> Arc<Member> {
        let member = Arc::new(Member {
            hub: Arc::clone(self),
            inbox: Local::new(1_000),
            executes,
            notices: Mutex::default(),
            arrived: Notify::new(),
        });
        self.members().push(Arc::clone(&member));
        member
    }

    /// The ends that were announced, in order.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        lock(&self.ended).clone()
    }

    /// The events that were told, in order.
    pub(crate) fn told(&self) -> Vec<CloudEvent> {
        lock(&self.told).clone()
    }

    fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        lock(&self.members)
    }

    fn tell(&self, notice: Notice) {
        if self.loses_notices.load(Ordering::Relaxed) {
            return;
        }
        for member in self.members().iter() {
            lock(&member.notices).push_back(notice);
            member.arrived.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

#[async_trait]
impl Bus for Member {
    fn is_shared(&self) -> bool {
        true
    }

    fn publish(&self, item: WorkItem) -> Result<(), Full> {
        if self.hub.loses_items.load(Ordering::Relaxed) {
            return Ok(());
        }
        let members = self.hub.members();
        let workers: Vec<_> = members.iter().filter(|member| member.executes).collect();
        if let (true, Known::Begun(begun)) =
            (self.hub.offers_items.load(Ordering::Relaxed), &item.known)
        {
            let offered = WorkItem {
                run: item.run,
                known: Known::Offered { began: begun.at },
            };
            return workers
                .iter()
                .try_for_each(|worker| worker.inbox.keep(offered.clone()));
        }
        // One after the other, as partitions do.
        let mut next = lock(&self.hub.next);
        *next += 1;
        match workers.get(*next % workers.len().max(1)) {
            Some(worker) => worker.inbox.keep(item),
            None => Ok(()),
        }
    }

    fn keep(&self, item: WorkItem) -> Result<(), Full> {
        self.inbox.keep(item)
    }

    async fn receive(&self) -> Option<Delivery> {
        self.inbox.receive().await
    }

    fn depth(&self) -> usize {
        self.inbox.depth()
    }

    async fn room(&self) -> usize {
        self.inbox.room().await
    }

    fn announce(&self, ended: Ended, told: Told) {
        let is_told = !self.hub.refuses_ends.load(Ordering::Relaxed);
        if is_told {
            self.hub.tell(Notice::Ended(ended.run));
            lock(&self.hub.ended).push(ended);
        }
        told(is_told);
    }

    fn tell(&self, _run: RunId, event: &CloudEvent, told: Told) {
        let is_told = !self.hub.refuses_events.load(Ordering::Relaxed);
        if is_told {
            lock(&self.hub.told).push(event.clone());
        }
        told(is_told);
    }

    fn notify(&self, notice: Notice) {
        self.hub.tell(notice);
    }

    async fn notice(&self) -> Option<Notice> {
        loop {
            let arrived = self.arrived.notified();
            if let Some(notice) = lock(&self.notices).pop_front() {
                return Some(notice);
            }
            arrived.await;
        }
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn close(&self) {
        self.hub
            .members()
            .retain(|member| !std::ptr::eq(member.as_ref(), self));
        self.inbox.close();
    }

    async fn leave(&self) {}
}
