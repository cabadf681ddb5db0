//! The process in which inputs are tried. It tells on its standard output what it is about to do, and what came of it.

use std::io::Write as _;
use std::time::Instant;

use crate::target::{Kind, Target};

/// Says that the next input is begun, what came of one, that something is wrong with one.
pub(crate) const BEGUN: char = '>';
pub(crate) const DONE: char = '<';
pub(crate) const WRONG: char = '!';

/// Tries inputs until somebody ends it, or there are no more.
///
/// # Errors
/// Where the host does not start, or nobody listens.
pub async fn work(kind: Kind, seed: u64, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    // A task that panics is caught by the host; here it is a finding all the same.
    std::panic::set_hook(Box::new(|panic| {
        let _ = say(WRONG, &format!("panic: {panic}"));
    }));
    let target = Target::start(kind).await?;
    for number in numbers {
        say(BEGUN, &number.to_string())?;
        let began = Instant::now();
        let came = match target.try_one(seed, number).await {
            Ok(word) => word,
            Err(error) => {
                say(WRONG, &format!("{error:#}"))?;
                "wrong".to_owned()
            }
        };
        say(DONE, &format!("{} {came}", began.elapsed().as_micros()))?;
    }
    if let Target::Boundary(boundary) = &target
        && let Err(error) = boundary.is_well().await
    {
        say(WRONG, &format!("{error:#}"))?;
    }
    Ok(())
}

fn say(what: char, text: &str) -> std::io::Result<()> {
    let text = text.replace('\n', " ");
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {text}")?;
    out.flush()
}
