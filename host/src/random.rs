//! The one place that draws random numbers. What it draws is passed on as a value.
//!
//! What has to be hard to guess comes from the operating system. Identifiers are many, and only have to differ: they come from a generator that each thread
//! has, seeded and seeded again from there.

use millwork_core::id::{AuditId, JobId, RunId, TokenId, WorkflowId};
use millwork_core::retry::Chance;
use millwork_core::time::Timestamp;
use rand::RngCore as _;

fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .expect("the operating system gives random bytes once it has started");
    bytes
}

#[expect(clippy::disallowed_methods, reason = "this is the place that draws")]
fn draw_many<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Makes the identifier of a new run.
#[must_use]
pub fn run_id(now: Timestamp) -> RunId {
    RunId::from_parts(now, draw_many())
}

/// Makes the identifier of a new workflow.
#[must_use]
pub fn workflow_id(now: Timestamp) -> WorkflowId {
    WorkflowId::from_parts(now, draw())
}

/// Makes the identifier of a new token.
#[must_use]
pub fn token_id(now: Timestamp) -> TokenId {
    TokenId::from_parts(now, draw())
}

/// Makes the identifier of a new entry of the audit log.
#[must_use]
pub fn audit_id(now: Timestamp) -> AuditId {
    AuditId::from_parts(now, draw())
}

/// Makes the identifier of a new job.
#[must_use]
pub fn job_id(now: Timestamp) -> JobId {
    JobId::from_parts(now, draw())
}

/// Draws the identifiers of a trace and of a span.
#[must_use]
pub fn trace() -> (u128, u64) {
    let (trace, span) = (draw_many(), draw_many());
    (u128::from_be_bytes(trace), u64::from_be_bytes(span))
}

/// Draws a secret that nobody can guess.
#[must_use]
pub fn secret() -> [u8; 32] {
    draw()
}

/// Draws a nonce, of so many bits that none is ever drawn twice.
#[must_use]
pub fn nonce() -> [u8; 24] {
    draw()
}

/// Draws the chance that shortens the wait before a next attempt.
#[must_use]
pub fn chance() -> Chance {
    Chance::from_random(draw_many())
}
