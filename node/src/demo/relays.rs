//! The links of the model town: the only way from one of its nodes to another.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use tokio::runtime::Runtime;

use super::link::{Link, LinkBounds, LinkSettings};
use super::plan::LinkPlan;

/// Attempts to find a port that is free for both UDP and TCP.
const PORT_ATTEMPTS: usize = 256;

/// The links, on a runtime of their own.
#[derive(Debug)]
pub struct Relays {
    links: BTreeMap<LinkPlan, Link>,
    // Dropped last: the links' tasks run on it.
    _runtime: Runtime,
}

impl Relays {
    /// Starts links, whole; `ports` are those on which the nodes listen.
    ///
    /// # Errors
    /// When a link leads to a node without a port, or cannot be started.
    pub fn start(plan: &[LinkPlan], ports: &BTreeMap<&'static str, u16>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut links = BTreeMap::new();
        for (plan, seed) in plan.iter().zip(1..) {
            let port = *ports.get(plan.to).with_context(|| format!("{} has no port", plan.to))?;
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let start = Link::start_with(any, target, LinkSettings::default(), LinkBounds::default(), seed);
            links.insert(*plan, runtime.block_on(start)?);
        }
        Ok(Self { links, _runtime: runtime })
    }

    /// The port to dial for a link.
    pub fn port(&self, plan: LinkPlan) -> Option<u16> {
        self.links.get(&plan).map(|link| link.listen().port())
    }

    /// Cuts or restores every link that is chosen.
    pub fn set_cut(&self, cut: bool, chosen: impl Fn(LinkPlan) -> bool) {
        self.links.iter().filter(|(plan, _)| chosen(**plan)).for_each(|(_, link)| link.set_cut(cut));
    }

    /// Changes the settings of every link that is chosen; says how many those are.
    ///
    /// # Errors
    /// When a setting is out of its bounds.
    pub fn change(
        &self,
        change: impl Fn(&mut LinkSettings),
        chosen: impl Fn(LinkPlan) -> bool,
    ) -> anyhow::Result<usize> {
        let mut changed = 0;
        for (_, link) in self.links.iter().filter(|(plan, _)| chosen(**plan)) {
            let mut settings = link.settings();
            change(&mut settings);
            link.set(settings)?;
            changed += 1;
        }
        Ok(changed)
    }

    /// The links with their settings, in order.
    pub fn settings(&self) -> impl Iterator<Item = (LinkPlan, LinkSettings)> + '_ {
        self.links.iter().map(|(plan, link)| (*plan, link.settings()))
    }

    /// Bytes that a node has put on its links and that have arrived, without the headers of UDP and TCP.
    pub fn bytes_sent(&self, node: &str) -> u64 {
        let sent = |(plan, link): (&LinkPlan, &Link)| match link.counters() {
            counters if plan.from == node => counters.forward.bytes(),
            counters if plan.to == node => counters.backward.bytes(),
            _ => 0,
        };
        self.links.iter().map(sent).sum()
    }
}

/// Ports that are tried: below those that systems give to outgoing connections, or another node's connection could take
/// one between this look and the start of the node that it is for.
const PORTS: std::ops::Range<u16> = 18_000..32_000;

/// A port of this machine that is free at the moment for UDP and TCP.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Towns that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..PORT_ATTEMPTS {
        let number = start.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        let port = PORTS.start + number as u16;
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free {
            return Ok(port);
        }
    }
    anyhow::bail!("no port of this machine is free for both UDP and TCP: stop what uses them")
}
