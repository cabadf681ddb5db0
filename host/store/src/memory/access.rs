//! Tokens and the audit log.

use async_trait::async_trait;
use millwork_core::id::{AuditId, TokenId};
use millwork_core::time::Timestamp;

use super::Memory;
use crate::{Access, AuditEntry, AuditOutcome, Error, Token};

#[async_trait]
impl Access for Memory {
    async fn insert_token(&self, token: Token) -> Result<(), Error> {
        self.state().tokens.entry(token.id).or_insert(token);
        Ok(())
    }

    async fn find_token(&self, id: TokenId) -> Result<Option<Token>, Error> {
        Ok(self.state().tokens.get(&id).cloned())
    }

    async fn list_tokens(&self, after: Option<TokenId>, limit: usize) -> Result<Vec<Token>, Error> {
        let state = self.state();
        let newest_first = state.tokens.values().rev();
        let listed = newest_first.filter(|token| after.is_none_or(|after| token.id < after));
        Ok(listed.take(limit).cloned().collect())
    }

    async fn revoke_token(&self, id: TokenId, at: Timestamp) -> Result<Option<Token>, Error> {
        let mut state = self.state();
        Ok(state.tokens.get_mut(&id).map(|token| {
            token.revoked_at.get_or_insert(at);
            token.clone()
        }))
    }

    async fn insert_audit(&self, entry: AuditEntry) -> Result<(), Error> {
        self.state().audit.entry(entry.id).or_insert(entry);
        Ok(())
    }

    async fn finish_audit(&self, id: AuditId, outcome: AuditOutcome) -> Result<(), Error> {
        if let Some(entry) = self.state().audit.get_mut(&id) {
            entry.outcome.get_or_insert(outcome);
        }
        Ok(())
    }

    async fn list_audit(
        &self,
        after: Option<AuditId>,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, Error> {
        let state = self.state();
        let newest_first = state.audit.values().rev();
        let listed = newest_first.filter(|entry| after.is_none_or(|after| entry.id < after));
        Ok(listed.take(limit).cloned().collect())
    }
}
