//! A secret in the configuration: where it is, and never what it is.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Where a secret is.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a text, { env = \"NAME\" } or { file = \"PATH\" }"
)]
pub enum Secret {
    /// Here.
    Text(String),
    /// In a variable of the environment.
    Env {
        /// The variable's name.
        env: String,
    },
    /// In a file, whose last line break does not count.
    File {
        /// The file.
        file: PathBuf,
    },
}

/// What stands where a secret would.
const REDACTED: &str = "(redacted)";

impl Secret {
    /// Reads the secret, now: a file that was changed is seen.
    ///
    /// # Errors
    /// Where it is not where it should be.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Env { env } => {
                std::env::var(env).map_err(|error| format!("variable {env}: {error}"))
            }
            Self::File { file } => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                Ok(text
                    .strip_suffix('\n')
                    .map(|t| t.strip_suffix('\r').unwrap_or(t))
                    .unwrap_or(&text)
                    .to_owned())
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str(REDACTED),
            Self::Env { env } => write!(f, "env {env:?}"),
            Self::File { file } => write!(f, "file {file:?}"),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Shown<'a> {
            Redacted(&'static str),
            Env { env: &'a str },
            File { file: &'a PathBuf },
        }
        match self {
            Self::Text(_) => Shown::Redacted(REDACTED),
            Self::Env { env } => Shown::Env { env },
            Self::File { file } => Shown::File { file },
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_where_it_is_and_not_what_it_is() {
        let text = Secret::Text("xyzzy".to_owned());
        assert_eq!(format!("{text:?}"), REDACTED);
        assert_eq!(
            serde_json::to_string(&text).expect("it is JSON"),
            "\"(redacted)\""
        );
        assert_eq!(text.read(), Ok("xyzzy".to_owned()));
    }

    #[test]
    fn a_secret_in_a_file_loses_the_last_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "xyzzy\r\n").expect("it is written");
        assert_eq!(Secret::File { file }.read(), Ok("xyzzy".to_owned()));
        let gone = Secret::File {
            file: folder.path().join("gone"),
        };
        assert!(gone.read().expect_err("it is not there").contains("gone"));
    }
}
