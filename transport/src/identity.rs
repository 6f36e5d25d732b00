//! Node keys: the raw Ed25519 public key is the only name a peer has in this crate.

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};

/// A peer's identity: its raw 32-byte Ed25519 public key, proven by the handshake of the secure connection.
pub type PeerKey = [u8; 32];

/// The multihash code of the identity function: short keys stand in the peer id unhashed.
const IDENTITY_HASH: u64 = 0x00;

/// The public key that belongs to an Ed25519 seed.
pub fn public_key(secret_key: &[u8; 32]) -> PeerKey {
    // A 32-byte seed is always a valid Ed25519 secret; the fallback exists so that no input can panic.
    keypair(secret_key).and_then(|pair| peer_key(&pair.public().to_peer_id())).unwrap_or([0; 32])
}

/// The libp2p key pair of an Ed25519 seed.
pub(crate) fn keypair(secret_key: &[u8; 32]) -> Option<Keypair> {
    Keypair::ed25519_from_bytes(*secret_key).ok()
}

/// The Ed25519 key inside a peer id, or `None` for any other kind of key (they are refused).
pub(crate) fn peer_key(peer: &PeerId) -> Option<PeerKey> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY_HASH {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

/// The peer id of an Ed25519 public key, or `None` when the bytes are no point of the curve.
pub(crate) fn peer_id(key: &PeerKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// Names a peer in log lines: the first four bytes in hexadecimal, enough to tell nodes of one town apart.
pub(crate) fn short(key: &PeerKey) -> String {
    key.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_peer_id_are_the_same_name() {
        let key = public_key(&[7; 32]);
        let peer = peer_id(&key).unwrap();
        assert_eq!(peer_key(&peer), Some(key));
        assert_eq!(keypair(&[7; 32]).unwrap().public().to_peer_id(), peer);
    }

    #[test]
    fn a_peer_id_without_an_inlined_ed25519_key_is_no_peer() {
        // `PeerId::random` is an identity multihash over bytes that are no encoded key.
        assert_eq!(peer_key(&PeerId::random()), None);
    }
}
