//! The key that seals secrets in the store.

use std::io::Write as _;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Secret, StoreKind};
use crate::safe::{Key, Keys};

/// The file of a key that was made here, in the data folder.
const FILE: &str = "secrets.key";

/// The key that seals the secrets which are given over the API. The store never has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsKey {
    /// 32 bytes, as 64 hexadecimal digits or as Base64: `openssl rand -hex 32` makes some. The same for every process. Where
    /// nothing is said, one is made in the data folder with SQLite, and secrets cannot be given with PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// The key that was used before, which still opens what it sealed. `millwork secret reseal` seals everything anew; then it can
    /// go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Secret>,
}

impl Config {
    /// Reads the keys of the safe.
    ///
    /// # Errors
    /// Where one of them is not where it should be, or is none; or the folder cannot be written.
    pub fn read_secrets_keys(&self) -> Result<Keys, String> {
        let read = |setting: &str, secret: &Secret| {
            let text = secret.read();
            let text = text.map_err(|error| format!("secrets_key.{setting}: {error}"))?;
            Key::read(&text).map_err(|error| format!("secrets_key.{setting}: {error}"))
        };
        let SecretsKey { key, previous } = &self.secrets_key;
        let current = match key {
            Some(secret) => Some(read("key", secret)?),
            None if self.store() == StoreKind::Sqlite => {
                let path = self.data_dir.join(FILE);
                let made = own_key(&path);
                Some(made.map_err(|error| format!("the key {}: {error}", path.display()))?)
            }
            None => None,
        };
        let previous = previous.as_ref().map(|secret| read("previous", secret));
        let previous = previous.transpose()?.into_iter().collect();
        Ok(Keys::new(current, previous))
    }
}

/// The key in a file; a new one where there is none.
fn own_key(path: &Path) -> Result<Key, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Key::read(&text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = Key::draw();
            make(path, &key).map_err(|error| error.to_string())?;
            Ok(key)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Writes a key where nobody else can read it. It is there whole or not at all: what it seals is lost without it.
fn make(path: &Path, key: &Key) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let new = path.with_extension("new");
    let mut file = options.open(&new)?;
    writeln!(file, "{}", key.write())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path) -> Config {
        Config {
            data_dir: folder.to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn a_key_is_made_once_for_the_embedded_store() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(&folder.path().join("data"));
        config.read_secrets_keys().expect("one is made");
        let file = config.data_dir.join(FILE);
        let first = std::fs::read_to_string(&file).expect("it is there");
        config.read_secrets_keys().expect("it is read");
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), first);
        std::fs::write(&file, "nonsense").expect("it can be written");
        let error = config.read_secrets_keys().expect_err("it is no key");
        assert!(error.contains(FILE), "{error}");
    }

    #[test]
    fn a_shared_store_has_a_key_only_where_it_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config {
            store: Some(StoreKind::Postgres),
            ..config(folder.path())
        };
        config.read_secrets_keys().expect("nothing is wrong");
        assert!(!folder.path().join(FILE).exists());
        config.secrets_key.key = Some(Secret::Text("abc".to_owned()));
        let error = config.read_secrets_keys().expect_err("it is no key");
        assert!(error.starts_with("secrets_key.key:"), "{error}");
    }
}
