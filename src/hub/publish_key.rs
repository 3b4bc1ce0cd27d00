//! The identity of a publish with an `Idempotency-Key`: the key at its target, and a digest of the
//! events.
//!
//! Both are SHA-256 (FIPS 180-4) over parts that are told apart by their lengths. A key that fits
//! by chance would swallow somebody's event, so nothing weaker will do; and nothing is seeded, so
//! that the same requests are the same on every shard and in every run.

use sha2::{Digest as _, Sha256};

use super::event::Draft;
use super::scope::{Address, OrganizationId, Scope};

/// A key at its target, and a digest of the publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishKey {
    /// The organization.
    pub organization: OrganizationId,
    /// Digest of the key at its target, whichever dialect named the target.
    pub(super) id: [u8; 32],
    /// Digest of the events.
    pub(super) body: [u8; 32],
}

impl PublishKey {
    /// The identity of a publish with a key. Of the events, all that their publisher chose counts,
    /// byte for byte; the publisher itself and the mark for its own copy do not.
    pub fn of(key: &[u8], scope: &Scope, drafts: &[Draft]) -> Self {
        let (level, name) = match &scope.address {
            Address::Organization => (0, ""),
            Address::Group(name) => (1, name.as_str()),
            Address::Project(name) => (2, name.as_str()),
            Address::Session(name) => (3, name.as_str()),
        };
        let mut id = Sha256::new();
        id.update(scope.organization.0.to_be_bytes());
        id.update([level]);
        put(&mut id, name.as_bytes());
        put(&mut id, key);
        let mut body = Sha256::new();
        for draft in drafts {
            put(&mut body, draft.name.as_json());
            put(&mut body, &draft.payload);
            body.update([u8::from(draft.metadata.is_some())]);
            put(&mut body, draft.metadata.as_deref().unwrap_or_default());
        }
        Self {
            organization: scope.organization,
            id: id.finalize().into(),
            body: body.finalize().into(),
        }
    }

    /// Returns the first 64 bits of the key's digest, by which tables and shards look it up.
    pub fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.id[..8]);
        u64::from_be_bytes(first)
    }
}

fn put(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

#[cfg(test)]
mod tests {
    use super::super::event::EventName;
    use super::super::scope::ScopeName;
    use super::*;
    use bytes::Bytes;

    fn draft(name: &'static str, payload: &'static str, metadata: Option<&'static str>) -> Draft {
        Draft {
            name: EventName::from_json(Bytes::from(name)),
            payload: Bytes::from(payload),
            metadata: metadata.map(Bytes::from),
            origin: None,
            correlation: None,
        }
    }

    fn at(organization: u32, address: Address) -> Scope {
        Scope {
            organization: OrganizationId(organization),
            address,
        }
    }

    #[test]
    fn a_key_belongs_to_its_target() {
        let name = || ScopeName::new("a");
        let drafts = [draft("1", "2", None)];
        let of = |key: &str, scope: &Scope| PublishKey::of(key.as_bytes(), scope, &drafts);
        let scopes = [
            at(0, Address::Organization),
            at(1, Address::Organization),
            at(0, Address::Group(name())),
            at(0, Address::Project(name())),
            at(0, Address::Session(name())),
            at(0, Address::Session(ScopeName::new("ak"))),
            at(1, Address::Session(name())),
        ];
        let mut ids: Vec<_> = scopes.iter().map(|scope| of("k", scope).id).collect();
        ids.push(of("kk", &scopes[4]).id);
        ids.push(of("", &scopes[5]).id);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), scopes.len() + 2);
        assert_eq!(of("k", &scopes[4]), of("k", &scopes[4].clone()));
    }

    #[test]
    fn all_that_is_published_counts() {
        let scope = at(0, Address::Organization);
        let bodies = [
            vec![draft("\"a\"", "1", None)],
            vec![draft("\"b\"", "1", None)],
            vec![draft("\"a\"", "1 ", None)],
            vec![draft("\"a\"", "1", Some("1"))],
            vec![draft("\"a\"", "1", Some(""))],
            vec![draft("11", "1", None)],
            vec![draft("1", "11", None)],
            vec![draft("\"a\"", "1", None), draft("\"a\"", "1", None)],
            vec![draft("\"a\"", "1", None), draft("\"b\"", "1", None)],
            vec![draft("\"b\"", "1", None), draft("\"a\"", "1", None)],
        ];
        let of = |drafts: &[Draft]| PublishKey::of(b"k", &scope, drafts);
        let mut digests: Vec<_> = bodies.iter().map(|drafts| of(drafts).body).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), bodies.len());
        let mut other = draft("\"a\"", "1", None);
        other.origin = Some(Bytes::from("somebody else"));
        assert_eq!(of(&[other]).body, of(&bodies[0]).body);
    }
}
