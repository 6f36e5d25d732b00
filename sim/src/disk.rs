//! A simulated disk: what was written, what of it is durable, and what a power cut leaves.
//!
//! Writes go to the page cache of a machine that may lose power: until the next sync each of them may be dropped, kept
//! or torn at a sector, in any order. A killed process loses nothing of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use serde::{Deserialize, Serialize};

use crate::dice::Dice;

const PAGE: usize = 4096;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

type Page = [u8; PAGE];

/// The bytes of a disk. Copies share their pages.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pages: Vec<Option<Arc<Page>>>,
    len: u64,
}

impl Image {
    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(out.len() as u64) > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            let at = offset as usize + done;
            let within = at % PAGE;
            let count = (PAGE - within).min(out.len() - done);
            match self.pages.get(at / PAGE).and_then(Option::as_ref) {
                Some(page) => out[done..done + count].copy_from_slice(&page[within..within + count]),
                None => out[done..done + count].fill(0),
            }
            done += count;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.len {
            self.set_len(end);
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = offset as usize + done;
            let within = at % PAGE;
            let count = (PAGE - within).min(bytes.len() - done);
            if let Some(slot) = self.pages.get_mut(at / PAGE) {
                let page = Arc::make_mut(slot.get_or_insert_with(|| Arc::new([0; PAGE])));
                page[within..within + count].copy_from_slice(&bytes[done..done + count]);
            }
            done += count;
        }
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len && !(len as usize).is_multiple_of(PAGE) {
            // New positions read as zeros, also where a shorter file grows again.
            if let Some(page) = self.pages.get_mut(len as usize / PAGE).and_then(Option::as_mut) {
                Arc::make_mut(page)[len as usize % PAGE..].fill(0);
            }
        }
        self.pages.resize((len as usize).div_ceil(PAGE), None);
        self.len = len;
    }

    /// Takes over the pages that a write touched from an image that has it.
    fn adopt(&mut self, offset: u64, count: usize, from: &Self) {
        let first = offset as usize / PAGE;
        let last = (offset as usize + count).div_ceil(PAGE);
        for number in first..last {
            if let (Some(slot), Some(page)) = (self.pages.get_mut(number), from.pages.get(number)) {
                slot.clone_from(page);
            }
        }
    }

    /// Whether some bytes stand anywhere on the disk.
    pub fn contains(&self, needle: &[u8]) -> bool {
        !self.words_after(needle, 0).is_empty()
    }

    /// The `count` bytes after each place where some bytes stand on the disk.
    pub fn words_after(&self, needle: &[u8], count: usize) -> Vec<Vec<u8>> {
        let (Some(first), whole) = (needle.first(), needle.len() + count) else { return vec![] };
        let (mut found, mut window): (Vec<Vec<u8>>, Vec<u8>) = (vec![], vec![]);
        for page in &self.pages {
            let Some(page) = page else {
                window.clear();
                continue;
            };
            // What ends the page before may begin the words.
            let kept = window.len().saturating_sub(whole - 1);
            window.drain(..kept);
            window.extend_from_slice(page.as_slice());
            let starts = window.iter().enumerate().filter(|(_, byte)| *byte == first).map(|(at, _)| at);
            let whole = starts.filter_map(|at| window.get(at..at + whole)).filter(|words| words.starts_with(needle));
            found.extend(whole.map(|words| words[needle.len()..].to_vec()));
        }
        found
    }

    /// Flips one bit of a byte that was written.
    pub(crate) fn rot(&mut self, dice: &mut Dice) -> bool {
        let written: Vec<usize> =
            self.pages.iter().enumerate().filter(|(_, page)| page.is_some()).map(|(at, _)| at).collect();
        let Some(number) = dice.one_of(&written).copied() else { return false };
        let Some(page) = self.pages.get_mut(number).and_then(Option::as_mut) else { return false };
        let at = dice.below(PAGE as u32) as usize;
        Arc::make_mut(page)[at] ^= 1 << dice.below(8);
        true
    }

    /// A sum over pages that tells images apart, from that of an image that shares most pages with this one.
    pub(crate) fn sum_since(&self, base: &Self, base_sum: u128) -> u128 {
        let mut sum = base_sum.wrapping_sub(length_sum(base.len)).wrapping_add(length_sum(self.len));
        for number in 0..self.pages.len().max(base.pages.len()) {
            let at = |image: &Self| image.pages.get(number).and_then(Option::as_ref).cloned();
            let (before, after) = (at(base), at(self));
            let is_same = match (&before, &after) {
                (Some(before), Some(after)) => Arc::ptr_eq(before, after),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !is_same {
                sum = sum.wrapping_sub(page_sum(number, before.as_deref()));
                sum = sum.wrapping_add(page_sum(number, after.as_deref()));
            }
        }
        sum
    }

    /// BLAKE3 of length and bytes.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.len.to_be_bytes());
        for page in &self.pages {
            match page {
                Some(page) => hasher.update(page.as_slice()),
                None => hasher.update(&[0; PAGE]),
            };
        }
        hasher.finalize().into()
    }
}

fn short_hash(parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| _ = hasher.update(part));
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

fn length_sum(len: u64) -> u128 {
    if len == 0 { 0 } else { short_hash(&[b"length", &len.to_be_bytes()]) }
}

/// A page of zeros is as good as one that was never written.
fn page_sum(number: usize, page: Option<&Page>) -> u128 {
    let written = page.filter(|page| page.iter().any(|byte| *byte != 0));
    written.map_or(0, |page| short_hash(&[b"page", &(number as u64).to_be_bytes(), page]))
}

/// What a power cut does to writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cut {
    /// None of them reached the disk.
    Drop,
    /// All did.
    Keep,
    /// The first ones did.
    Prefix,
    /// Any of them did.
    Subset,
    /// Any did, some of them only in part.
    Torn,
    /// Any did, in another order.
    Reordered,
}

impl Cut {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Drop, Self::Keep, Self::Prefix, Self::Subset, Self::Torn, Self::Reordered];
}

/// How a disk fails while it has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskFault {
    /// No space left.
    Full,
    /// Writing fails.
    Write,
    /// Syncing fails.
    Sync,
}

/// One thing that was done to a disk.
#[derive(Debug, Clone)]
pub enum DiskOp {
    /// Bytes were written.
    Write {
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The file was made longer or shorter.
    SetLen(u64),
    /// Everything before it is durable.
    Sync,
}

impl DiskOp {
    pub(crate) fn apply(&self, image: &mut Image) {
        match self {
            Self::Write { offset, bytes } => image.write(*offset, bytes),
            Self::SetLen(len) => image.set_len(*len),
            Self::Sync => {}
        }
    }

    /// How many sectors it writes.
    pub(crate) fn sectors(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len().div_ceil(SECTOR),
            Self::SetLen(_) | Self::Sync => 0,
        }
    }

    /// Only those of its sectors reach an image whose bit is set; bits repeat after 64 sectors.
    pub(crate) fn apply_torn(&self, sectors: u64, image: &mut Image) {
        let Self::Write { offset, bytes } = self else { return self.apply(image) };
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            if sectors >> (number % 64) & 1 == 1 {
                image.write(offset + (number * SECTOR) as u64, sector);
            }
        }
    }

    /// The same as far as a whole number of sectors of it reached the disk.
    fn torn(&self, dice: &mut Dice) -> Self {
        let Self::Write { offset, bytes } = self else { return self.clone() };
        let sectors = bytes.len().div_ceil(SECTOR);
        let kept = (dice.below(sectors as u32 + 1) as usize * SECTOR).min(bytes.len());
        Self::Write { offset: *offset, bytes: bytes[..kept].into() }
    }
}

/// The image that a power cut leaves of a durable one and what was not synced.
pub(crate) fn image_after(durable: &Image, pending: &[DiskOp], cut: Cut, dice: &mut Dice) -> Image {
    let mut image = durable.clone();
    let mut ops: Vec<DiskOp> = match cut {
        Cut::Drop => vec![],
        Cut::Keep => pending.to_vec(),
        Cut::Prefix => pending.iter().take(dice.below(pending.len() as u32 + 1) as usize).cloned().collect(),
        Cut::Subset | Cut::Torn | Cut::Reordered => pending.iter().filter(|_| dice.chance(50)).cloned().collect(),
    };
    if cut == Cut::Torn {
        ops = ops.iter().map(|op| if dice.chance(40) { op.torn(dice) } else { op.clone() }).collect();
    }
    if cut == Cut::Reordered {
        for at in (1..ops.len()).rev() {
            ops.swap(at, dice.below(at as u32 + 1) as usize);
        }
    }
    ops.iter().for_each(|op| op.apply(&mut image));
    image
}

#[derive(Debug, Default)]
struct State {
    current: Image,
    durable: Image,
    pending: Vec<DiskOp>,
    fault: Option<DiskFault>,
    /// Operations left until the power goes.
    fuse: Option<u64>,
    ops: u64,
    syncs: u64,
    recorded: Option<Vec<DiskOp>>,
}

/// A disk. It outlives whatever is mounted from it.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk with these bytes, all durable.
    pub fn of(image: Image) -> Self {
        Self(Arc::new(Mutex::new(State { current: image.clone(), durable: image, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mounts the disk: a backend for one opening of the store.
    pub fn mount(&self) -> Mount {
        Mount { disk: self.clone(), alive: Arc::new(AtomicBool::new(true)) }
    }

    /// What a process sees.
    pub fn current(&self) -> Image {
        self.state().current.clone()
    }

    /// Puts other bytes on the disk.
    pub fn replace(&self, image: Image) {
        let mut state = self.state();
        *state =
            State { current: image.clone(), durable: image, ops: state.ops, syncs: state.syncs, ..State::default() };
    }

    /// The power is gone: what was not synced is kept as the cut says.
    pub(crate) fn cut_power(&self, cut: Cut, dice: &mut Dice) {
        let mut state = self.state();
        let image = image_after(&state.durable, &state.pending, cut, dice);
        state.current = image.clone();
        state.durable = image;
        state.pending.clear();
        state.fuse = None;
        state.fault = None;
    }

    /// Lets the disk fail, or heals it.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        self.state().fault = fault;
    }

    /// The power will go after so many more operations.
    pub fn light_fuse(&self, operations: u64) {
        self.state().fuse = Some(operations);
    }

    /// The power stays after all.
    pub fn snuff_fuse(&self) {
        self.state().fuse = None;
    }

    /// Whether a lit fuse has burnt down: the machine is off.
    pub fn is_off(&self) -> bool {
        self.state().fuse == Some(0)
    }

    /// Writes that no sync has followed yet.
    pub fn unsynced(&self) -> usize {
        self.state().pending.iter().filter(|op| matches!(op, DiskOp::Write { .. })).count()
    }

    /// Writes and syncs so far.
    pub fn operations(&self) -> (u64, u64) {
        let state = self.state();
        (state.ops, state.syncs)
    }

    /// Starts to record what is done.
    pub fn record(&self) {
        self.state().recorded = Some(Vec::new());
    }

    /// How much was recorded.
    pub fn recorded_len(&self) -> usize {
        self.state().recorded.as_ref().map_or(0, Vec::len)
    }

    /// What was recorded.
    pub fn take_recorded(&self) -> Vec<DiskOp> {
        self.state().recorded.take().unwrap_or_default()
    }
}

/// One opening of a disk.
#[derive(Debug, Clone)]
pub struct Mount {
    disk: Disk,
    alive: Arc<AtomicBool>,
}

impl Mount {
    /// The process is gone: nothing it still wants to write, such as on closing, reaches the disk.
    pub fn kill(&self) {
        self.alive.store(false, Ordering::SeqCst);
    }

    fn gone() -> io::Error {
        io::Error::other("the process is gone")
    }

    /// Counts an operation; fails if the power is gone or the disk is broken in this way.
    fn begin(&self, state: &mut State, faults: &[DiskFault]) -> io::Result<()> {
        if !self.alive.load(Ordering::SeqCst) {
            return Err(Self::gone());
        }
        match &mut state.fuse {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    return Err(io::Error::other("the power is gone"));
                }
            }
            None => {}
        }
        match state.fault.filter(|fault| faults.contains(fault)) {
            Some(DiskFault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(DiskFault::Write | DiskFault::Sync) => Err(io::Error::other("input/output error")),
            None => Ok(()),
        }
    }

    fn write_op(&self, op: DiskOp) -> io::Result<()> {
        let mut state = self.disk.state();
        self.begin(&mut state, &[DiskFault::Full, DiskFault::Write])?;
        op.apply(&mut state.current);
        state.ops += 1;
        if let Some(recorded) = &mut state.recorded {
            recorded.push(op.clone());
        }
        state.pending.push(op);
        Ok(())
    }
}

impl StorageBackend for Mount {
    fn len(&self) -> io::Result<u64> {
        if self.alive.load(Ordering::SeqCst) { Ok(self.disk.state().current.len) } else { Err(Self::gone()) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.alive.load(Ordering::SeqCst) { self.disk.state().current.read(offset, out) } else { Err(Self::gone()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_op(DiskOp::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        self.begin(&mut state, &[DiskFault::Full, DiskFault::Sync])?;
        state.syncs += 1;
        let State { current, durable, pending, .. } = &mut *state;
        durable.set_len(current.len);
        for op in pending.drain(..) {
            if let DiskOp::Write { offset, bytes } = op {
                durable.adopt(offset, bytes.len(), current);
            }
        }
        if let Some(recorded) = &mut state.recorded {
            recorded.push(DiskOp::Sync);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_op(DiskOp::Write { offset, bytes: data.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(disk: &Disk, offset: u64) -> [u8; 4] {
        let mut out = [0; 4];
        disk.current().read(offset, &mut out).unwrap();
        out
    }

    #[test]
    fn what_was_synced_survives_every_cut_and_the_rest_may_be_lost() {
        for cut in Cut::ALL {
            let disk = Disk::default();
            let mount = disk.mount();
            mount.set_len(10_000).unwrap();
            mount.write(4_094, b"kept").unwrap();
            mount.sync_data().unwrap();
            mount.write(8_000, b"lost").unwrap();
            disk.cut_power(cut, &mut Dice::new(1));
            assert_eq!(&bytes(&disk, 4_094), b"kept", "{cut:?}");
            assert_eq!(disk.current().contains(b"lost"), &bytes(&disk, 8_000) == b"lost", "{cut:?}");
            assert!(cut != Cut::Drop || bytes(&disk, 8_000) == [0; 4]);
            assert!(cut != Cut::Keep || &bytes(&disk, 8_000) == b"lost");
        }
    }

    #[test]
    fn a_write_is_torn_at_sectors_only() {
        let op = DiskOp::Write { offset: 0, bytes: vec![7; 4 * SECTOR].into() };
        let mut dice = Dice::new(3);
        let lengths: std::collections::BTreeSet<usize> = (0..100)
            .map(|_| match op.torn(&mut dice) {
                DiskOp::Write { bytes, .. } => bytes.len(),
                DiskOp::SetLen(_) | DiskOp::Sync => 0,
            })
            .collect();
        assert_eq!(lengths, [0, SECTOR, 2 * SECTOR, 3 * SECTOR, 4 * SECTOR].into());
    }

    #[test]
    fn a_dead_process_a_full_disk_and_a_cut_write_nothing() {
        let disk = Disk::default();
        let mount = disk.mount();
        disk.set_fault(Some(DiskFault::Full));
        assert_eq!(mount.write(0, b"full").unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.set_fault(None);
        disk.light_fuse(2);
        mount.write(0, b"once").unwrap();
        assert!(mount.write(0, b"more").is_err() && disk.is_off());
        disk.cut_power(Cut::Drop, &mut Dice::new(1));
        mount.kill();
        assert!(mount.write(0, b"dead").is_err() && mount.sync_data().is_err() && disk.current().is_empty());
    }

    #[test]
    fn text_is_found_across_pages() {
        let disk = Disk::default();
        disk.mount().write(4_090, b"canary-of-langfa").unwrap();
        assert!(disk.current().contains(b"canary-of-langfa"));
        assert!(!disk.current().contains(b"canary-of-haizi"));
    }
}
