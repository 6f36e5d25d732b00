//! News: what has grown, told instead of sent.
//!
//! What a node records itself it sends to each peer at once, and so it does with what it passes on, until a peer says that
//! it had that before: then the peer hears of this author sooner by another way, and from then on is told what
//! there is only after a moment in which most of it comes by itself. It asks for what has not come, and is sent all of this author
//! at once again. So the ways on which entries and cards travel become a tree for each author, and the other ways stand
//! by, after Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", 2007. What is urgent travels on all ways.
//!
//! # Format
//!
//! After the code of the message: `[[log id, seq, head]...], [[kind, key, version]...]`.

use std::collections::BTreeSet;

use minicbor::{Decoder, Encoder};

use super::message::{MessageError, Written, decode_card_key, encode_card_key};
use crate::bounds;
use crate::clock::Millis;
use crate::entry::{LOG_ID_LEN, LogId};
use crate::id::{EntryId, NodeId};
use crate::store::CardKey;

/// How far logs have grown, and which cards are newer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Seq and id of the last entry of each log, as far as it counts at the sender.
    pub logs: Vec<(LogId, u64, EntryId)>,
    /// Versions of cards.
    pub cards: Vec<(CardKey, u64)>,
}

impl News {
    pub(super) fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        e.array(self.logs.len() as u64)?;
        for (log, seq, head) in &self.logs {
            e.array(3)?.bytes(&log.to_bytes())?.u64(*seq)?.bytes(&head.0)?;
        }
        e.array(self.cards.len() as u64)?;
        self.cards.iter().try_for_each(|(key, version)| {
            e.array(3)?;
            encode_card_key(e, key)?;
            e.u64(*version)?.ok()
        })
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        let mut news = Self::default();
        for _ in 0..MessageError::bounded(d.array()?, bounds::MAX_FRONTIER, "logs")? {
            MessageError::exactly(d.array()?, 3)?;
            let log = LogId::from_bytes(&MessageError::fixed::<LOG_ID_LEN>(d)?);
            let log = log.ok_or(MessageError::Malformed("unknown lane"))?;
            news.logs.push((log, d.u64()?, EntryId(MessageError::fixed(d)?)));
        }
        for _ in 0..MessageError::bounded(d.array()?, bounds::MAX_FRONTIER, "cards")? {
            MessageError::exactly(d.array()?, 3)?;
            news.cards.push((decode_card_key(d)?, d.u64()?));
        }
        Ok(news)
    }
}

/// By which ways one peer hears of whom, and what it is to be told.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// Authors of whom the peer hears sooner from others.
    elsewhere: BTreeSet<NodeId>,
    /// Authors of whom the peer was told that this node does.
    told: BTreeSet<NodeId>,
    /// Logs that grew.
    pub(crate) logs: BTreeSet<LogId>,
    /// Cards that are newer.
    pub(crate) cards: BTreeSet<CardKey>,
    /// When the first of them was seen waiting.
    since: Option<Millis>,
    /// The peer's version knows of ways.
    spoken_of: bool,
}

impl Ways {
    /// The peer told news, or of ways: it understands what it is told.
    pub(crate) fn speak(&mut self) {
        self.spoken_of = true;
    }

    /// Whether the peer is known to ask for what it is told of.
    pub(crate) fn are_spoken_of(&self) -> bool {
        self.spoken_of
    }

    /// Whether what is not urgent of an author is told the peer, not sent.
    pub(crate) fn lead_elsewhere(&self, author: &NodeId) -> bool {
        self.elsewhere.contains(author)
    }

    /// The peer hears of an author sooner from others, as it said or as what came from it shows.
    pub(crate) fn spare(&mut self, author: NodeId) {
        self.elsewhere.insert(author);
    }

    /// The peer had to ask for something of an author: it is sent to it at once again.
    pub(crate) fn lead_here(&mut self, author: &NodeId) {
        self.elsewhere.remove(author);
    }

    /// Whether the peer is still expected to send at once what it has of an author.
    pub(crate) fn come_from_here(&self, author: &NodeId) -> bool {
        !self.told.contains(author)
    }

    /// Notes that the peer is told that this node hears of an author sooner from others; false if it was.
    pub(crate) fn decline(&mut self, author: NodeId) -> bool {
        self.told.insert(author)
    }

    /// Something of an author came to be known from this peer alone: what follows is expected from it.
    pub(crate) fn rely_on(&mut self, author: &NodeId) {
        self.told.remove(author);
    }

    pub(crate) fn are_quiet(&self) -> bool {
        self.logs.is_empty() && self.cards.is_empty()
    }

    /// When what waits wants to be told, if it may wait so long.
    pub(crate) fn due(&self, patience: Millis) -> Millis {
        if self.are_quiet() { Millis::MAX } else { self.since.map_or(0, |since| since.saturating_add(patience)) }
    }

    /// Whether it is time. A clock that was put back does not make it wait longer.
    pub(crate) fn are_due(&mut self, now: Millis, patience: Millis) -> bool {
        if self.are_quiet() {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now < since || now >= since.saturating_add(patience)
    }

    /// What waits, which is told now.
    pub(crate) fn take(&mut self) -> (BTreeSet<LogId>, BTreeSet<CardKey>) {
        self.since = None;
        (std::mem::take(&mut self.logs), std::mem::take(&mut self.cards))
    }
}
