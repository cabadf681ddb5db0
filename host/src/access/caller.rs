//! Who asks.

use std::fmt;
use std::sync::Arc;

use millwork_core::access::{Scope, Scopes};
use millwork_store::Token;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whoever reaches a server that lets everybody in.
    Anonymous,
    /// Who has the administrator's token of the configuration.
    Admin,
    /// Who has a token.
    Token(Arc<Token>),
    /// Who types on a machine that reaches the store itself.
    CommandLine,
}

impl Caller {
    /// What they may do.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        match self {
            Self::Token(token) => token.scopes,
            Self::Anonymous | Self::Admin | Self::CommandLine => Scopes::from_iter([Scope::Admin]),
        }
    }

    /// Who, in a word: as the audit log has it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Admin => "admin-token",
            Self::Token(_) => "token",
            Self::CommandLine => "command-line",
        }
    }

    /// Their token.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::Anonymous | Self::Admin | Self::CommandLine => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => write!(f, "the token {:?}", token.name),
            Self::Admin => f.write_str("the administrator's token"),
            Self::Anonymous => f.write_str("whoever asks"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}
