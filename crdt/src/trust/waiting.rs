//! Statements that wait for their issuer's certificate, in bounded room.

use std::collections::BTreeMap;

use crate::certificate::Statement;
use crate::id::{CertificateId, NodeId};

/// Most bytes of statements that may wait.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// Most of them that one node brought: nobody fills the room of others.
const MAX_WAITING_OF_ONE: usize = 256 * 1024;

#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    /// By all their bytes, so that a forged copy does not take the place of the true one.
    statements: BTreeMap<[u8; 32], Waiter>,
    by_author: BTreeMap<NodeId, usize>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Waiter {
    author: NodeId,
    size: usize,
    statement: Statement,
}

impl Waiting {
    /// False if there is no room for it.
    pub(super) fn add(&mut self, author: NodeId, statement: Statement) -> bool {
        let bytes = statement.to_bytes();
        let (copy, size) = (*blake3::hash(&bytes).as_bytes(), bytes.len());
        if self.statements.contains_key(&copy) {
            return true;
        }
        let of_one = self.by_author.get(&author).copied().unwrap_or(0);
        if self.bytes + size > MAX_WAITING || of_one + size > MAX_WAITING_OF_ONE {
            return false;
        }
        self.bytes += size;
        self.by_author.insert(author, of_one + size);
        self.statements.insert(copy, Waiter { author, size, statement });
        true
    }

    /// Those that waited for this certificate, with who brought them.
    pub(super) fn take(&mut self, issuer: CertificateId) -> Vec<(NodeId, Statement)> {
        let ready = self.statements.extract_if(.., |_, waiter| waiter.statement.issuer == Some(issuer));
        let ready: Vec<Waiter> = ready.map(|(_, waiter)| waiter).collect();
        for waiter in &ready {
            self.bytes -= waiter.size;
            if let Some(of_one) = self.by_author.get_mut(&waiter.author) {
                *of_one -= waiter.size;
            }
        }
        self.by_author.retain(|_, of_one| *of_one > 0);
        ready.into_iter().map(|waiter| (waiter.author, waiter.statement)).collect()
    }
}
