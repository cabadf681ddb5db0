//! Who asks, and whether they may: tokens are made and recognised here, and every change is noted with its author.

mod caller;
mod secret;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use millwork_core::access::{Scope, Scopes};
use millwork_core::digest::Digest;
use millwork_core::id::{AuditId, TokenId};
use millwork_core::time::Timestamp;
use millwork_store::{Access, AuditEntry, AuditOutcome, Token};
use quick_cache::sync::Cache;

pub use caller::Caller;
pub use secret::{ADMIN_TOKEN_MIN, Secret};

use crate::clock::Clock;
use crate::random;

/// How long a token is taken as it was found. A token that another process revokes is let in for so long.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Tokens kept ready, also those that are not there.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Characters of a token's name.
pub const NAME_MAX: usize = 128;

/// The door: one for all requests of a process.
pub struct Gate {
    access: Arc<dyn Access>,
    clock: Arc<dyn Clock>,
    /// Whether nobody comes in without a token.
    is_closed: bool,
    admin: Option<Digest>,
    found: Cache<TokenId, Found>,
}

/// A token as it was found, or not, at some time.
type Found = (Timestamp, Option<Arc<Token>>);

/// Why somebody is not let in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no token.
    #[error("this needs a token: send it as `Authorization: Bearer mw_…`")]
    Missing,
    /// What was sent is no token, or none that we know.
    #[error("the token is not known here")]
    Unknown,
    /// It has expired.
    #[error("the token {0:?} expired at {1}")]
    Expired(String, Timestamp),
    /// It has been revoked.
    #[error("the token {0:?} was revoked at {1}")]
    Revoked(String, Timestamp),
    /// It does not allow this.
    #[error("this needs the scope `{scope}`, and {caller} has {}", owned(*.has))]
    NotAllowed {
        /// What would be needed.
        scope: Scope,
        /// Who asked.
        caller: String,
        /// What they have.
        has: Scopes,
    },
    /// Nobody could look.
    #[error(transparent)]
    Store(Arc<millwork_store::Error>),
}

fn owned(scopes: Scopes) -> String {
    match scopes.is_empty() {
        true => "none".to_owned(),
        false => format!("`{scopes}`"),
    }
}

/// A change that is under way, for the audit log.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// What is to be done, as the description of the API calls it.
    pub action: &'a str,
    /// The path that was asked for.
    pub path: &'a str,
    /// The request's identifier.
    pub request: &'a str,
}

impl Gate {
    /// A door that lets everybody in: for a server that nobody but its own machine reaches.
    #[must_use]
    pub fn open(access: Arc<dyn Access>, clock: Arc<dyn Clock>) -> Self {
        Self {
            access,
            clock,
            is_closed: false,
            admin: None,
            found: Cache::new(KEPT_MAX.get()),
        }
    }

    /// A door for which a token is needed. The administrator's, where there is one, is kept nowhere but in the configuration.
    #[must_use]
    pub fn closed(
        access: Arc<dyn Access>,
        clock: Arc<dyn Clock>,
        admin_token: Option<&str>,
    ) -> Self {
        Self {
            is_closed: true,
            admin: admin_token.map(secret::hash),
            ..Self::open(access, clock)
        }
    }

    /// Whether nobody comes in without a token.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Lets somebody in who may do something, or says why not.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub async fn admit(&self, bearer: Option<&str>, scope: Scope) -> Result<Caller, Refusal> {
        if !self.is_closed {
            return Ok(Caller::Anonymous);
        }
        let bearer = bearer.ok_or(Refusal::Missing)?;
        let caller = self.recognise(bearer).await?;
        match caller.scopes().allow(scope) {
            true => Ok(caller),
            false => Err(Refusal::NotAllowed {
                scope,
                caller: caller.to_string(),
                has: caller.scopes(),
            }),
        }
    }

    async fn recognise(&self, bearer: &str) -> Result<Caller, Refusal> {
        let is_admin = |admin: &Digest| secret::is_same(admin, &secret::hash(bearer));
        if self.admin.as_ref().is_some_and(is_admin) {
            return Ok(Caller::Admin);
        }
        let (id, secret) = Secret::read(bearer).ok_or(Refusal::Unknown)?;
        let token = self.find(id).await?.ok_or(Refusal::Unknown)?;
        // Before anything else is said of the token.
        if !secret::is_same(&token.hash, &secret.hash()) {
            return Err(Refusal::Unknown);
        }
        if let Some(at) = token.revoked_at {
            return Err(Refusal::Revoked(token.name.clone(), at));
        }
        match token.expires_at {
            Some(at) if at <= self.clock.now() => Err(Refusal::Expired(token.name.clone(), at)),
            _ => Ok(Caller::Token(token)),
        }
    }

    async fn find(&self, id: TokenId) -> Result<Option<Arc<Token>>, Refusal> {
        let now = self.clock.now();
        if let Some((at, token)) = self.found.get(&id)
            && now.since(at) < KEPT_FOR
        {
            return Ok(token);
        }
        let found = self.access.find_token(id).await;
        let found = found
            .map_err(|error| Refusal::Store(Arc::new(error)))?
            .map(Arc::new);
        self.found.insert(id, (now, found.clone()));
        Ok(found)
    }

    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// The store's.
    pub async fn create_token(
        &self,
        name: String,
        scopes: Scopes,
        expires_in: Option<Duration>,
    ) -> Result<(Token, String), millwork_store::Error> {
        let created_at = self.clock.now();
        let secret = Secret::draw();
        let token = Token {
            id: random::token_id(created_at),
            name,
            scopes,
            hash: secret.hash(),
            created_at,
            expires_at: expires_in.map(|span| created_at.after(span)),
            revoked_at: None,
        };
        self.access.insert_token(token.clone()).await?;
        self.found.remove(&token.id);
        let bearer = secret.write(token.id);
        Ok((token, bearer))
    }

    /// Lists tokens, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_tokens(
        &self,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<Token>, millwork_store::Error> {
        self.access.list_tokens(after, limit).await
    }

    /// Revokes a token: here at once, in other processes within seconds. Nothing where there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token(&self, id: TokenId) -> Result<Option<Token>, millwork_store::Error> {
        let revoked = self.access.revoke_token(id, self.clock.now()).await?;
        self.found.remove(&id);
        Ok(revoked)
    }

    /// Notes that somebody is about to change something. Where that cannot be noted, it must not be done.
    ///
    /// # Errors
    /// The store's.
    pub async fn note(
        &self,
        caller: &Caller,
        deed: Deed<'_>,
    ) -> Result<AuditId, millwork_store::Error> {
        let at = self.clock.now();
        let id = random::audit_id(at);
        let entry = AuditEntry {
            id,
            at,
            actor: caller.kind().to_owned(),
            token: caller.token().map(|token| token.id),
            actor_name: caller.token().map(|token| token.name.clone()),
            action: deed.action.to_owned(),
            path: deed.path.to_owned(),
            request: deed.request.to_owned(),
            outcome: None,
        };
        self.access.insert_audit(entry).await?;
        Ok(id)
    }

    /// Notes what came of it. The change is made by then, so a store that is away takes nothing back: the entry stays
    /// without an outcome, as after a crash.
    pub async fn note_outcome(&self, id: AuditId, outcome: AuditOutcome) {
        if let Err(error) = self.access.finish_audit(id, outcome).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                audit.id = %id,
                "what came of a change could not be noted in the audit log"
            );
        }
    }

    /// Reads the audit log, the newest entry first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_audit(
        &self,
        after: Option<AuditId>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, millwork_store::Error> {
        self.access.list_audit(after, limit).await
    }
}

#[cfg(test)]
mod tests;
