//! Discovery on the local network by mDNS, bounded.
//!
//! Anybody on the network can announce anything. An announcement therefore only earns a place in the dialler's
//! bounded table and a dial to a private address; the handshake decides the rest.

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{FromSwarm, NetworkBehaviour, NewListenAddr};
use libp2p::{Multiaddr, PeerId, mdns};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// How long others may remember this node's announcement.
const TTL: Duration = Duration::from_secs(120);
/// How often this node asks who is there. It also asks whenever an interface gets an address.
const QUERY_INTERVAL: Duration = Duration::from_secs(30);
/// Announcements the mDNS protocol may remember. It has no bound of its own, so beyond this it is started afresh.
pub(crate) const REMEMBERED: usize = 1024;

/// The mDNS behaviour.
pub(crate) fn behaviour(local: PeerId) -> io::Result<mdns::tokio::Behaviour> {
    let config = mdns::Config { ttl: TTL, query_interval: QUERY_INTERVAL, enable_ipv6: false };
    mdns::tokio::Behaviour::new(config, local)
}

/// An mDNS behaviour without memory of announcements, to take the place of a flooded one.
pub(crate) fn afresh<'a>(
    local: PeerId,
    listening: impl Iterator<Item = &'a Multiaddr>,
) -> io::Result<mdns::tokio::Behaviour> {
    let mut mdns = behaviour(local)?;
    for addr in listening {
        mdns.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id: ListenerId::next(), addr }));
    }
    Ok(mdns)
}

/// Whether an announced address is one to dial: a plain QUIC or TCP address in a private network. Otherwise any host
/// on the network could make this node knock on doors elsewhere.
pub(crate) fn is_local(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let private = match parts.next() {
        Some(Protocol::Ip4(ip)) => is_private(IpAddr::V4(ip)),
        Some(Protocol::Ip6(ip)) => is_private(IpAddr::V6(ip)),
        _ => false,
    };
    let plain = matches!(
        (parts.next(), parts.next(), parts.next()),
        (Some(Protocol::Udp(_)), Some(Protocol::QuicV1), None | Some(Protocol::P2p(_)))
            | (Some(Protocol::Tcp(_)), None | Some(Protocol::P2p(_)), None)
    );
    private && plain && parts.next().is_none()
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_private_addresses_are_dialled() {
        let table = [
            ("/ip4/192.168.1.4/udp/4001/quic-v1", true),
            ("/ip4/10.0.0.1/tcp/4001", true),
            ("/ip4/169.254.3.3/tcp/4001", true),
            ("/ip6/fd00::1/udp/1/quic-v1", true),
            ("/ip4/127.0.0.1/tcp/22", false),
            ("/ip4/8.8.8.8/udp/53/quic-v1", false),
            ("/ip4/192.168.1.4/tcp/80/ws", false),
            ("/dns4/example.org/tcp/80", false),
            ("/ip4/192.168.1.4", false),
        ];
        for (address, expected) in table {
            assert_eq!(is_local(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
