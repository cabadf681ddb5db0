//! The connector that the README lets wait, and its test.

use std::time::Duration;

use millwork_sdk::{Action, Context, Failure, Outcome, http};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Waits for a job to be done.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// The job.
    job: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Report {
    state: String,
}

struct Watch;

impl Action for Watch {
    type Config = Config;
    type Output = Report;

    const NAME: &'static str = "watch";

    // Asks until the job is done, a minute apart, at most a hundred times.
    fn invoke(cx: &Context, config: Config) -> Result<Outcome<Report>, Failure> {
        let asked: u32 = match cx.resumed() {
            Some(resume) => resume.state()?,
            None => 0,
        };
        let url = format!("https://jobs.example/{}", config.job);
        let report: Report = http::get(url).send()?.error_for_status()?.json()?;
        if report.state == "done" {
            return Ok(Outcome::completed(report));
        }
        if asked == 99 {
            return Err(Failure::permanent("too-slow", "the job is not done"));
        }
        let minute = Duration::from_secs(60);
        Ok(Outcome::suspend_for(minute).state(&(asked + 1))?.into())
    }
}

millwork_sdk::export!(connector {
    name: "jobs",
    actions: [Watch],
    asks: [http("https://jobs.example")],
});

mod tests {
    use super::Connector;
    use millwork_sdk::testing::{Host, Reply};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn it_asks_until_the_job_is_done() {
        let host = Host::new::<Connector>();
        let start = host.now();
        for state in ["queued", "running", "done"] {
            host.reply(Reply::json(200, &json!({ "state": state })));
        }
        assert_eq!(
            host.run("watch", json!({"job": "7"})),
            Ok(json!({"state": "done"}))
        );
        assert_eq!(host.now().saturating_since(start), Duration::from_secs(120));
    }

    #[test]
    fn it_gives_up_after_a_hundred_times() {
        let host = Host::new::<Connector>();
        host.serve(|_| Ok(Reply::json(200, &json!({"state": "queued"}))));
        let failure = host
            .run("watch", json!({"job": "7"}))
            .expect_err("it is never done");
        assert_eq!(failure.code(), "too-slow");
        assert_eq!(host.requests().len(), 100);
    }
}

#[test]
fn the_readme_shows_this_connector() {
    let this = include_str!("jobs.rs");
    let (_, shown) = this
        .split_once("test.\n\n")
        .expect("it begins with its doc comment");
    let (shown, _) = shown
        .split_once("\nmod tests")
        .expect("its tests follow it");
    assert!(
        include_str!("../README.md").contains(shown.trim()),
        "not in the README:\n{shown}"
    );
}
