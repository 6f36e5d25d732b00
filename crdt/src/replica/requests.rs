//! Requests with a key of their own (Idempotency-Key, IETF draft-ietf-httpapi-idempotency-key-header): what is asked for
//! once more because its answer was lost is not done twice.
//!
//! That a request was carried out is noted in the very commit of what it recorded, so a power cut leaves both or neither. Its
//! answer follows with the next one, sealed under a key that is made from the request's own: nobody reads it from the disk
//! but who asks again. What is noted stays on this node, for a week.

use super::Replica;
use crate::clock::Millis;
use crate::seal;
use crate::store::StoreError;

/// So long a request is known.
const KNOWN_FOR: Millis = 7 * 24 * 60 * 60 * 1000;
const PRINT_LEN: usize = 32;

/// A request that nobody else makes.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    id: [u8; 32],
    secret: [u8; 32],
    /// Of what was asked.
    print: [u8; PRINT_LEN],
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// Nothing yet.
    Not,
    /// Another request was carried out under this key.
    Another,
    /// It was, and this was answered, unless the node stopped before it could be noted.
    Out(Option<Vec<u8>>),
}

impl Request {
    /// The request of this key that asks for these parts.
    pub fn new(key: &str, asked: &[&[u8]]) -> Self {
        let id = blake3::derive_key("townmesh 2026-11 request", key.as_bytes());
        let secret = blake3::derive_key("townmesh 2026-11 answer to a request", key.as_bytes());
        let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 what a request asks");
        for part in asked {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self { id, secret, print: *hasher.finalize().as_bytes() }
    }

    /// Names it, for whoever looks that it is not carried out twice at one time.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// A key for one answer: two that were given at different times are sealed under different ones.
    fn answer_key(&self, time: Millis) -> [u8; 32] {
        *blake3::keyed_hash(&self.secret, &time.to_be_bytes()).as_bytes()
    }
}

impl Replica {
    /// What became of a request, also by what is staged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn carried_out(&self, request: &Request) -> Result<Carried, StoreError> {
        let staged = self.batch.requests.noted.get(&request.id).cloned();
        let known = match staged {
            Some(staged) => Some(staged),
            None => self.store.request(&request.id)?,
        };
        let Some((time, noted)) = known else { return Ok(Carried::Not) };
        let Some((print, sealed)) = noted.split_at_checked(PRINT_LEN) else { return Ok(Carried::Not) };
        if *print != request.print {
            return Ok(Carried::Another);
        }
        Ok(Carried::Out(seal::open_once(&request.answer_key(time), sealed, &request.print).ok()))
    }

    /// Notes that a request is carried out by what this batch holds.
    pub fn note_request(&mut self, request: &Request, now: Millis) {
        self.batch.requests.noted.insert(request.id, (now, request.print.to_vec()));
        self.batch.weight += 80;
        // Now and then: one request in 256 begins so.
        if request.id.first() == Some(&0) {
            self.batch.requests.forgotten = Some(now.saturating_sub(KNOWN_FOR));
        }
    }

    /// Notes what was answered to a request that was carried out, and that it was, where no single commit did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_answer(&mut self, request: &Request, answer: &[u8], now: Millis) -> Result<(), StoreError> {
        let time = match self.carried_out(request)? {
            Carried::Not => now,
            // The time is that of the request: its answer is given once.
            Carried::Out(None) => match self.store.request(&request.id)? {
                Some((time, _)) => time,
                None => return Ok(()),
            },
            Carried::Another | Carried::Out(Some(_)) => return Ok(()),
        };
        let Ok(sealed) = seal::seal_once(&request.answer_key(time), answer, &request.print) else { return Ok(()) };
        self.batch.weight += sealed.len() + 80;
        self.batch.requests.noted.insert(request.id, (time, [&request.print[..], &sealed].concat()));
        Ok(())
    }
}
