//! The trace: a hash over every event of a run, and the story of those that a person wants to read.

use townmesh_crdt::clock::Millis;

/// Lines of a story that are kept; the last ones matter.
const MAX_STORY: usize = 4_000;

/// What happened so far.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    events: u64,
    story: Option<Vec<String>>,
}

impl Trace {
    /// A trace; with its story if somebody reads it.
    pub(crate) fn new(seed: u64, with_story: bool) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_be_bytes());
        Self { hasher, events: 0, story: with_story.then(Vec::new) }
    }

    /// Takes an event into the hash.
    pub(crate) fn event(&mut self, at: Millis, kind: &str, place: (u64, u64), bytes: &[u8]) {
        self.events += 1;
        self.hasher.update(&at.to_be_bytes());
        self.hasher.update(kind.as_bytes());
        self.hasher.update(&place.0.to_be_bytes());
        self.hasher.update(&place.1.to_be_bytes());
        self.hasher.update(&(bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
    }

    /// Adds a line to the story and the hash.
    pub(crate) fn tell(&mut self, at: Millis, line: impl FnOnce() -> String) {
        let line = line();
        self.event(at, "story", (0, 0), line.as_bytes());
        if let Some(story) = &mut self.story {
            if story.len() >= MAX_STORY {
                story.drain(..MAX_STORY / 2);
            }
            let (hours, minutes, millis) = (at / 3_600_000, at / 60_000 % 60, at % 60_000);
            story.push(format!("{hours:3}:{minutes:02}:{:06.3}  {line}", millis as f64 / 1000.0));
        }
    }

    /// The hash over all events.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hasher.finalize().into()
    }

    /// How many events there were.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The story, which is over.
    pub(crate) fn take_story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default()
    }
}
