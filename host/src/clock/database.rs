//! The database's clock, as far as a process can know it: what all who share a database go by, so that no two of them
//! disagree about what is due, however their own clocks differ.
//!
//! What the database said its time was is older by the way of the answer. So the clock here is behind the database's by that
//! much at most, and never ahead of it: nobody acts early.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millwork_core::time::Timestamp;
use millwork_store::{Error, Store};

use super::{Clock, nap_until};

/// How often the database is asked what time it is.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// A clock that follows a database's.
#[derive(Clone, Debug)]
pub struct DatabaseClock {
    anchor: Arc<Mutex<Anchor>>,
}

/// What time it was at some moment of this process.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    time: Timestamp,
    moment: Instant,
}

impl Anchor {
    fn at(self, moment: Instant) -> Timestamp {
        self.time
            .after(moment.saturating_duration_since(self.moment))
    }
}

/// What a database answered.
#[derive(Clone, Copy, Debug)]
struct Answer {
    time: Timestamp,
    asked: Instant,
    answered: Instant,
}

impl Answer {
    /// The database's time when the answer came was this or later.
    const fn earliest(self) -> Anchor {
        Anchor {
            time: self.time,
            moment: self.answered,
        }
    }

    /// It was this or earlier.
    const fn latest(self) -> Anchor {
        Anchor {
            time: self.time,
            moment: self.asked,
        }
    }
}

impl DatabaseClock {
    /// A clock that follows the store's, where it has one.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn follow(store: Arc<dyn Store>) -> Result<Option<Self>, Error> {
        let Some(answer) = ask(&*store).await? else {
            return Ok(None);
        };
        let clock = Self {
            anchor: Arc::new(Mutex::new(answer.earliest())),
        };
        tokio::spawn(keep_up(clock.clone(), store));
        Ok(Some(clock))
    }

    fn anchor(&self) -> MutexGuard<'_, Anchor> {
        // Nothing panics while it holds the lock, so a poisoned anchor is as good as any.
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, answer: Answer) {
        let mut anchor = self.anchor();
        *anchor = corrected(*anchor, answer);
    }
}

/// Keeps what is known, where the answer does not contradict it and was slower to come; takes the answer where it says that
/// the time is later than was thought, or cannot be as late.
fn corrected(known: Anchor, answer: Answer) -> Anchor {
    let moment = answer.answered;
    let is_behind = known.at(moment) < answer.earliest().at(moment);
    let is_ahead = known.at(moment) > answer.latest().at(moment);
    if is_behind || is_ahead {
        answer.earliest()
    } else {
        known
    }
}

async fn ask(store: &dyn Store) -> Result<Option<Answer>, Error> {
    let asked = Instant::now();
    let time = store.clock().await?;
    let answered = Instant::now();
    Ok(time.map(|time| Answer {
        time,
        asked,
        answered,
    }))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the beat of asking is the process's own"
)]
async fn keep_up(clock: DatabaseClock, store: Arc<dyn Store>) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        match ask(&*store).await {
            Ok(Some(answer)) => clock.learn(answer),
            Ok(None) => return,
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "could not ask the database for the time; going on by what is known"
            ),
        }
    }
}

#[async_trait]
impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        self.anchor().at(Instant::now())
    }

    async fn sleep_until(&self, at: Timestamp) {
        nap_until(self, at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The database said `says` milliseconds, when asked at `asked`, and the answer came at `answered`.
    fn answer(base: Instant, says: u64, asked: u64, answered: u64) -> Answer {
        Answer {
            time: START.after(millis(says)),
            asked: base + millis(asked),
            answered: base + millis(answered),
        }
    }

    #[test]
    fn it_is_behind_the_database_by_the_way_of_the_answer_at_most() {
        let base = Instant::now();
        let known = answer(base, 5, 0, 10).earliest();
        assert_eq!(known.at(base + millis(10)), START.after(millis(5)));
        // A quicker answer says that it is later than was thought.
        let better = corrected(known, answer(base, 100, 100, 101));
        assert_eq!(better.at(base + millis(101)), START.after(millis(100)));
        // A slower one changes nothing.
        let kept = corrected(better, answer(base, 205, 200, 220));
        assert_eq!(kept.at(base + millis(220)), START.after(millis(219)));
    }

    #[test]
    fn a_clock_that_ran_ahead_is_set_back() {
        let base = Instant::now();
        let known = answer(base, 500, 0, 0).earliest();
        let corrected = corrected(known, answer(base, 100, 100, 102));
        assert_eq!(corrected.at(base + millis(102)), START.after(millis(100)));
    }
}
