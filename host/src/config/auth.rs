//! Who may do what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::access::ADMIN_TOKEN_MIN;

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// What lets callers in: `off` lets everybody do everything, `tokens` asks for a token. Where nothing is said: tokens, if
    /// `auth.admin_token` is set; else off, and then the API listens on this machine only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<AuthMode>,
    /// A token that may do everything, to begin with: any text of at least 20 characters. `openssl rand -hex 32` makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<Secret>,
}

/// What lets callers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Nothing: whoever reaches the API may do everything.
    Off,
    /// A token.
    Tokens,
}

impl Auth {
    /// Whether callers need a token.
    #[must_use]
    pub fn is_required(&self) -> bool {
        match self.mode {
            None => self.admin_token.is_some(),
            Some(mode) => mode == AuthMode::Tokens,
        }
    }

    /// Reads the administrator's token.
    ///
    /// # Errors
    /// Where it is not where it should be, or is no good.
    pub fn read_admin_token(&self) -> Result<Option<String>, String> {
        let Some(secret) = &self.admin_token else {
            return Ok(None);
        };
        let token = secret
            .read()
            .map_err(|error| format!("auth.admin_token: {error}"))?;
        if token.len() < ADMIN_TOKEN_MIN {
            return Err(format!(
                "auth.admin_token (MILLWORK_ADMIN_TOKEN) has {} characters, and needs at least {ADMIN_TOKEN_MIN} that nobody \
                 guesses: `openssl rand -hex 32` makes some",
                token.len()
            ));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "auth.admin_token (MILLWORK_ADMIN_TOKEN) holds a blank or a character that cannot be sent in a header: use \
                 letters, digits and signs of ASCII"
                    .to_owned(),
            );
        }
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(mode: Option<AuthMode>, admin_token: Option<&str>) -> Auth {
        Auth {
            mode,
            admin_token: admin_token.map(|token| Secret::Text(token.to_owned())),
        }
    }

    #[test]
    fn an_administrators_token_means_that_tokens_are_needed() {
        let good = "0123456789abcdefghij";
        assert!(!auth(None, None).is_required());
        assert!(auth(None, Some(good)).is_required());
        assert!(auth(Some(AuthMode::Tokens), None).is_required());
        assert!(!auth(Some(AuthMode::Off), Some(good)).is_required());
        assert_eq!(
            auth(None, Some(good)).read_admin_token(),
            Ok(Some(good.to_owned()))
        );
        assert_eq!(auth(None, None).read_admin_token(), Ok(None));
    }

    #[test]
    fn an_administrators_token_that_can_be_guessed_is_refused_and_not_repeated() {
        for bad in [
            "",
            "admin",
            "0123456789 abcdefghij",
            "0123456789abcdefghijé",
        ] {
            let refused = auth(None, Some(bad)).read_admin_token();
            let refused = refused.expect_err("it is no good");
            assert!(refused.starts_with("auth.admin_token"), "{refused}");
            assert!(bad.len() < 10 || !refused.contains(bad), "{refused}");
        }
    }
}
