//! The family secrets that this node may use, and the keys made from them.

use std::collections::BTreeMap;

use super::rotation::Grants;
use crate::id::KeyId;
use crate::namespace::Namespace;
use crate::seal::{FamilySecret, NamespaceKeys};

#[derive(Debug, Default)]
pub(super) struct Keyring {
    secrets: BTreeMap<String, BTreeMap<KeyId, FamilySecret>>,
    keys: BTreeMap<(Namespace, KeyId), NamespaceKeys>,
    /// What brought them.
    pub(super) grants: Grants,
}

impl Keyring {
    /// True if the secret is new.
    pub(super) fn add(&mut self, family: &str, secret: FamilySecret) -> bool {
        let id = secret.key_id(family);
        self.secrets.entry(family.to_owned()).or_default().insert(id, secret).is_none()
    }

    pub(super) fn holds(&self, namespace: &Namespace) -> bool {
        self.secrets.contains_key(&namespace.family())
    }

    pub(super) fn holds_family(&self, family: &str) -> bool {
        self.secrets.contains_key(family)
    }

    pub(super) fn holds_key(&self, family: &str, id: KeyId) -> bool {
        self.secrets.get(family).is_some_and(|secrets| secrets.contains_key(&id))
    }

    /// The ids of all keys of a namespace that are held.
    pub(super) fn ids(&self, namespace: &Namespace) -> Vec<KeyId> {
        self.secrets.get(&namespace.family()).into_iter().flatten().map(|(id, _)| *id).collect()
    }

    /// The keys of a namespace under a secret.
    pub(super) fn keys(&mut self, namespace: &Namespace, id: KeyId) -> Option<&NamespaceKeys> {
        let secret = self.secrets.get(&namespace.family())?.get(&id)?;
        Some(self.keys.entry((namespace.clone(), id)).or_insert_with(|| secret.namespace_keys(namespace)))
    }

    pub(super) fn secrets(&self) -> Vec<(String, FamilySecret)> {
        let all =
            self.secrets.iter().flat_map(|(family, secrets)| secrets.values().map(move |secret| (family, secret)));
        all.map(|(family, secret)| (family.clone(), secret.clone())).collect()
    }
}
