//! Tokens and the audit log.

use millwork_core::access::Scopes;
use millwork_core::id::{AuditId, TokenId};

use super::sample::{at, digest};
use crate::{Access, AuditEntry, AuditOutcome, Token};

fn token(number: u8) -> Token {
    Token {
        id: TokenId::from_parts(at(i64::from(number) * 1_000), [number; 10]),
        name: format!("n\u{0}. {number}"),
        scopes: "read,trigger".parse::<Scopes>().unwrap(),
        hash: digest(number),
        created_at: at(i64::from(number)),
        expires_at: number.is_multiple_of(2).then(|| at(99)),
        revoked_at: None,
    }
}

fn entry(number: u8) -> AuditEntry {
    let by_token = number.is_multiple_of(2).then(|| token(number));
    AuditEntry {
        id: AuditId::from_parts(at(i64::from(number) * 1_000), [number; 10]),
        at: at(i64::from(number)),
        actor: "token".to_owned(),
        token: by_token.as_ref().map(|token| token.id),
        actor_name: by_token.map(|token| token.name),
        action: "cancel_run".to_owned(),
        path: format!("/api/v1/runs/{number}/cancel\u{0}"),
        request: "r-1".to_owned(),
        outcome: None,
    }
}

/// With all that is said of it.
pub async fn a_token_is_kept_once_and_found(access: &dyn Access) {
    assert_eq!(access.find_token(token(1).id).await.unwrap(), None);
    for number in [1, 2] {
        access.insert_token(token(number)).await.unwrap();
    }
    let renamed = Token {
        name: "other".to_owned(),
        ..token(1)
    };
    access.insert_token(renamed).await.unwrap();
    for number in [1, 2] {
        let found = access.find_token(token(number).id).await.unwrap();
        assert_eq!(found, Some(token(number)));
    }
}

/// The first to revoke it is the one whose time counts.
pub async fn a_token_is_revoked_once_and_stays(access: &dyn Access) {
    assert_eq!(access.revoke_token(token(1).id, at(5)).await.unwrap(), None);
    access.insert_token(token(1)).await.unwrap();
    access.insert_token(token(2)).await.unwrap();
    let revoked = Token {
        revoked_at: Some(at(5)),
        ..token(1)
    };
    for time in [at(5), at(7)] {
        let told = access.revoke_token(token(1).id, time).await.unwrap();
        assert_eq!(told.as_ref(), Some(&revoked));
    }
    let listed = access.list_tokens(None, 10).await.unwrap();
    assert_eq!(listed, [token(2), revoked]);
}

/// The newest first, page by page.
pub async fn tokens_and_entries_are_listed_in_pages(access: &dyn Access) {
    assert_eq!(access.list_tokens(None, 3).await.unwrap(), []);
    assert_eq!(access.list_audit(None, 3).await.unwrap(), []);
    for number in [3, 1, 2] {
        access.insert_token(token(number)).await.unwrap();
        access.insert_audit(entry(number)).await.unwrap();
    }
    let tokens = access.list_tokens(None, 2).await.unwrap();
    assert_eq!(tokens, [token(3), token(2)]);
    let tokens = access.list_tokens(Some(token(2).id), 2).await.unwrap();
    assert_eq!(tokens, [token(1)]);
    let entries = access.list_audit(None, 2).await.unwrap();
    assert_eq!(entries, [entry(3), entry(2)]);
    let entries = access.list_audit(Some(entry(2).id), 2).await.unwrap();
    assert_eq!(entries, [entry(1)]);
    assert_eq!(access.list_audit(Some(entry(1).id), 2).await.unwrap(), []);
}

/// What has been noted is not written over.
pub async fn what_came_of_an_entry_is_noted_once(access: &dyn Access) {
    let outcome = |status, target: Option<&str>| AuditOutcome {
        status,
        target: target.map(str::to_owned),
    };
    // Nobody is surprised by an entry that is not there.
    access
        .finish_audit(entry(1).id, outcome(200, None))
        .await
        .unwrap();
    for number in [1, 2, 3] {
        access.insert_audit(entry(number)).await.unwrap();
    }
    for status in [201, 503] {
        let outcome = outcome(status, Some("a\u{0}b"));
        access.finish_audit(entry(1).id, outcome).await.unwrap();
    }
    access
        .finish_audit(entry(2).id, outcome(404, None))
        .await
        .unwrap();
    let told = access.list_audit(None, 10).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|entry| entry.outcome).collect();
    let expected = [
        None,
        Some(outcome(404, None)),
        Some(outcome(201, Some("a\u{0}b"))),
    ];
    assert_eq!(told, expected);
}
