//! Who may do what, and who did: tokens and the audit log.

use async_trait::async_trait;
use millwork_core::access::Scopes;
use millwork_core::digest::Digest;
use millwork_core::id::{AuditId, TokenId};
use millwork_core::time::Timestamp;

use crate::Error;

/// PORT: keeps tokens and the audit log.
///
/// What [`Store`](crate::Store) says of errors and of dropped futures holds here too.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Keeps a token. Keeping the same identifier again changes nothing.
    async fn insert_token(&self, token: Token) -> Result<(), Error>;

    /// Finds a token, also one that is revoked or has expired.
    async fn find_token(&self, id: TokenId) -> Result<Option<Token>, Error>;

    /// Lists tokens, the newest first, from after a token on.
    async fn list_tokens(&self, after: Option<TokenId>, limit: usize) -> Result<Vec<Token>, Error>;

    /// Revokes a token and returns it; one that is revoked already keeps its time. Nothing where there is none.
    async fn revoke_token(&self, id: TokenId, at: Timestamp) -> Result<Option<Token>, Error>;

    /// Adds an entry to the audit log. Adding the same identifier again changes nothing.
    async fn insert_audit(&self, entry: AuditEntry) -> Result<(), Error>;

    /// Notes what came of it. Nothing is changed where there is no such entry, or that has been noted already.
    async fn finish_audit(&self, id: AuditId, outcome: AuditOutcome) -> Result<(), Error>;

    /// Lists entries, the newest first, from after an entry on.
    async fn list_audit(
        &self,
        after: Option<AuditId>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, Error>;
}

/// A token, without what makes it one: of its secret only the hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which one.
    pub id: TokenId,
    /// What it is for, in its maker's words.
    pub name: String,
    /// What its bearer may do.
    pub scopes: Scopes,
    /// The SHA-256 of its secret.
    pub hash: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
}

/// What somebody changed, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Which entry.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who, in a word: `token`, `admin-token`, `anonymous` or `command-line`.
    pub actor: String,
    /// The token, where it was one.
    pub token: Option<TokenId>,
    /// The token's name, as it was then.
    pub actor_name: Option<String>,
    /// What was to be done, as the description of the API calls it: `cancel_run`.
    pub action: String,
    /// The path that was asked for.
    pub path: String,
    /// The request's identifier.
    pub request: String,
    /// What came of it; nothing where that is not known, since the process ended meanwhile.
    pub outcome: Option<AuditOutcome>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOutcome {
    /// The status of the answer.
    pub status: u16,
    /// What was changed, where the path does not say.
    pub target: Option<String>,
}
