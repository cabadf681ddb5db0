//! Sealed secrets.

use super::sample::at;
use crate::{SealedSecret, Vault};

fn secret(name: &str, byte: u8) -> SealedSecret {
    SealedSecret {
        name: name.to_owned(),
        key: vec![byte; 8],
        sealed: vec![0, byte, 255],
        updated_at: at(i64::from(byte)),
    }
}

/// Whole, in place of the one before.
pub async fn a_secret_is_kept_replaced_and_removed(vault: &dyn Vault) {
    assert_eq!(vault.find_secret("a").await.unwrap(), None);
    for (name, byte) in [("b", 1), ("a", 2), ("b", 3)] {
        vault.put_secret(secret(name, byte)).await.unwrap();
    }
    let found = vault.find_secret("b").await.unwrap();
    assert_eq!(found, Some(secret("b", 3)));
    let listed = vault.list_secrets().await.unwrap();
    assert_eq!(listed, [secret("a", 2), secret("b", 3)]);
    assert!(vault.remove_secret("b").await.unwrap());
    assert!(!vault.remove_secret("b").await.unwrap());
    assert_eq!(vault.list_secrets().await.unwrap(), [secret("a", 2)]);
}
