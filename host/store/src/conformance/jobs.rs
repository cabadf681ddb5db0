//! Jobs: something done to many runs.

use millwork_core::id::JobId;

use super::sample::at;
use crate::{Job, JobStep, Store};

fn job(number: u8) -> Job {
    Job {
        id: JobId::from_parts(at(i64::from(number) * 10_000), [number; 10]),
        task: format!("task {number} \0"),
        progress: "none".to_owned(),
        created_at: at(i64::from(number) * 10_000),
        finished_at: None,
        is_cancelled: false,
        claims: 0,
    }
}

async fn add(store: &dyn Store, number: u8) -> JobId {
    let job = job(number);
    assert!(store.add_job(job.clone(), 10).await.unwrap());
    job.id
}

fn step(id: JobId, claims: u64, progress: &str, goes_on: Option<i64>) -> JobStep {
    JobStep {
        id,
        claims,
        progress: progress.to_owned(),
        goes_on: goes_on.map(at),
        at: at(90_000),
    }
}

/// Unless as many as may have not finished; and once.
pub async fn a_job_is_kept_listed_and_found(store: &dyn Store) {
    for number in 1..=3 {
        add(store, number).await;
        add(store, number).await;
    }
    assert!(!store.add_job(job(4), 3).await.unwrap());
    assert_eq!(store.find_job(job(4).id).await.unwrap(), None);
    assert_eq!(store.find_job(job(2).id).await.unwrap(), Some(job(2)));
    let newest = store.list_jobs(None, 2).await.unwrap();
    assert_eq!(newest, [job(3), job(2)]);
    let rest = store.list_jobs(Some(job(2).id), 2).await.unwrap();
    assert_eq!(rest, [job(1)]);
    store.cancel_job(job(1).id, at(50_000)).await.unwrap();
    assert!(store.add_job(job(4), 3).await.unwrap());
}

/// The one that has waited longest first, and each again when its claim has run out.
pub async fn a_job_is_taken_on_when_it_is_due(store: &dyn Store) {
    assert_eq!(store.next_job_due().await.unwrap(), None);
    let (one, two) = (add(store, 1).await, add(store, 2).await);
    assert_eq!(store.next_job_due().await.unwrap(), Some(at(10_000)));
    let claim = async |before| {
        let claimed = store.claim_job(at(before), at(100_000)).await.unwrap();
        claimed.map(|job| (job.id, job.claims))
    };
    assert_eq!(claim(10_000).await, None);
    assert_eq!(claim(30_000).await, Some((one, 1)));
    assert_eq!(claim(30_000).await, Some((two, 1)));
    assert_eq!(claim(30_000).await, None);
    assert_eq!(claim(100_001).await, Some((one, 2)));
}

/// Who was slower than his claim is told so, and nothing of his is written.
pub async fn only_who_took_a_job_on_last_notes_how_far_it_has_come(store: &dyn Store) {
    let id = add(store, 1).await;
    for until in [20_000, 40_000] {
        let before = at(until - 5_000);
        assert!(store.claim_job(before, at(until)).await.unwrap().is_some());
    }
    let save = async |step| store.save_job(step).await.unwrap();
    assert!(!save(step(id, 1, "late", Some(45_000))).await);
    assert!(save(step(id, 2, "half", Some(60_000))).await);
    assert_eq!(store.next_job_due().await.unwrap(), Some(at(60_000)));
    assert!(save(step(id, 2, "whole", None)).await);
    let found = store.find_job(id).await.unwrap().unwrap();
    assert_eq!(
        (found.progress.as_str(), found.finished_at),
        ("whole", Some(at(90_000)))
    );
    assert!(!found.is_cancelled);
    assert_eq!(store.next_job_due().await.unwrap(), None);
    assert_eq!(store.remove_jobs(at(90_000), 10).await.unwrap(), 0);
    assert_eq!(store.remove_jobs(at(90_001), 10).await.unwrap(), 1);
    assert_eq!(store.find_job(id).await.unwrap(), None);
}

/// What was under way is noted, and does not bring it back.
pub async fn a_cancelled_job_stays_so(store: &dyn Store) {
    let id = add(store, 1).await;
    store.claim_job(at(20_000), at(40_000)).await.unwrap();
    let cancelled = store.cancel_job(id, at(30_000)).await.unwrap().unwrap();
    assert!(cancelled.is_cancelled && cancelled.finished_at == Some(at(30_000)));
    assert!(
        store
            .save_job(step(id, 1, "half", Some(50_000)))
            .await
            .unwrap()
    );
    let expected = Job {
        progress: "half".to_owned(),
        ..cancelled
    };
    assert_eq!(
        store.cancel_job(id, at(70_000)).await.unwrap(),
        Some(expected)
    );
    assert_eq!(
        store.claim_job(at(99_000), at(100_000)).await.unwrap(),
        None
    );
    assert_eq!(store.cancel_job(job(9).id, at(1)).await.unwrap(), None);
}

/// Whoever asks at the same moment.
pub async fn of_many_claimers_a_job_goes_to_one(store: &dyn Store) {
    for number in 1..=3 {
        add(store, number).await;
    }
    let claims = (0..12).map(|_| store.claim_job(at(50_000), at(100_000)));
    let claimed = futures::future::join_all(claims).await;
    let mut jobs: Vec<JobId> = claimed
        .into_iter()
        .filter_map(|job| job.unwrap().map(|job| job.id))
        .collect();
    jobs.sort();
    assert_eq!(jobs, [job(1).id, job(2).id, job(3).id]);
}
