//! Which stream is the session of a pair.
//!
//! Two nodes can end up with several connections: both dial at once, a direct path is found beside a relayed one, an
//! old connection is dead but not yet noticed. One side alone decides, so that both always agree: the one with the
//! smaller key *leads*. It starts exactly one stream at a time and declines the others; the other side follows.

use std::time::Duration;

use crate::PeerKey;
use crate::events::{Path, Route};

/// A second stream this soon after the session started is taken for a simultaneous dial, not for a reconnection.
const SIMULTANEOUS: Duration = Duration::from_millis(1500);

/// Whether the node `own` leads in its pair with `peer`.
pub(crate) fn leads(own: &PeerKey, peer: &PeerKey) -> bool {
    own < peer
}

/// What the leading side knows of the session it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// Its number on the wire.
    pub(crate) number: u64,
    /// The incarnation of the peer it is held with.
    pub(crate) incarnation: u64,
    pub(crate) path: Path,
    pub(crate) age: Duration,
}

/// What the leading side knows of another stream with the same peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// The session number the peer believes alive, 0 for none.
    pub(crate) claims: u64,
    /// The incarnation of the peer.
    pub(crate) incarnation: u64,
    pub(crate) path: Path,
}

/// Whether the leading side replaces the session it holds by the stream on offer.
pub(crate) fn replaces(held: Held, offer: Offer) -> bool {
    if offer.incarnation != held.incarnation {
        return true; // The peer restarted: the held session is dead, or soon will be.
    }
    match (held.path.route, offer.path.route) {
        (Route::Relayed, Route::Direct) => true,
        // A circuit that was being opened while the direct path came up; the peer still holds that direct path.
        (Route::Direct, Route::Relayed) if offer.claims == held.number => false,
        // The peer holds no session, or an older one: for it, the held session is dead. Unless it has not heard of
        // the held session yet, since that is only just starting.
        (Route::Direct | Route::Relayed, Route::Direct | Route::Relayed) => {
            offer.claims != held.number && held.age >= SIMULTANEOUS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Carrier;

    fn path(route: Route) -> Path {
        Path { route, carrier: Carrier::Quic }
    }

    #[test]
    fn exactly_one_side_leads() {
        assert!(leads(&[1; 32], &[2; 32]));
        assert!(!leads(&[2; 32], &[1; 32]));
    }

    #[test]
    fn the_leading_side_replaces_dead_and_worse_sessions_only() {
        use Route::{Direct, Relayed};
        let table = [
            ("both dialled at once", Direct, 100, Direct, 0, 7, false),
            ("the peer lost the session and came back", Direct, 60_000, Direct, 0, 7, true),
            ("the peer still holds the session", Direct, 60_000, Direct, 5, 7, false),
            ("the peer restarted at once", Direct, 100, Direct, 0, 8, true),
            ("a direct path was found", Relayed, 100, Direct, 5, 7, true),
            ("a late circuit", Direct, 60_000, Relayed, 5, 7, false),
            ("the direct path died and a relay is left", Direct, 60_000, Relayed, 0, 7, true),
        ];
        for (case, held, age, offered, claims, incarnation, expected) in table {
            let held = Held { number: 5, incarnation: 7, path: path(held), age: Duration::from_millis(age) };
            let offer = Offer { claims, incarnation, path: path(offered) };
            assert_eq!(replaces(held, offer), expected, "{case}");
        }
    }
}
