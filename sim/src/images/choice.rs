//! What a power cut makes of writes that were not synced: each of them is dropped, kept or torn.

use std::fmt;

use crate::dice::Dice;
use crate::disk::{DiskOp, Image};

/// Up to so many unsynced writes every subset is tried.
const EXHAUSTIVE: usize = 6;

/// What became of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing of it reached the disk.
    Dropped,
    /// All of it did.
    Kept,
    /// Those of its sectors did whose bit is set.
    Torn(u64),
}

/// What became of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    fates: Vec<Fate>,
    /// They reached the disk last one first.
    backwards: bool,
}

impl Choice {
    fn of(count: usize, fate: impl Fn(usize) -> Fate) -> Self {
        Self { fates: (0..count).map(fate).collect(), backwards: false }
    }

    fn of_kept(count: usize, kept: impl Fn(usize) -> bool) -> Self {
        Self::of(count, |number| if kept(number) { Fate::Kept } else { Fate::Dropped })
    }

    /// The image that is left.
    pub(crate) fn apply(&self, durable: &Image, pending: &[DiskOp]) -> Image {
        let mut image = durable.clone();
        let mut write = |(op, fate): (&DiskOp, &Fate)| match fate {
            Fate::Dropped => {}
            Fate::Kept => op.apply(&mut image),
            Fate::Torn(sectors) => op.apply_torn(*sectors, &mut image),
        };
        let together = pending.iter().zip(&self.fates);
        if self.backwards {
            together.rev().for_each(&mut write)
        } else {
            together.for_each(&mut write)
        }
        image
    }

    /// Each write as it might be, by the dice.
    fn drawn(pending: &[DiskOp], dice: &mut Dice) -> Self {
        let (kept, torn) = (10 + dice.below(80), if dice.chance(50) { 25 } else { 0 });
        let fates = pending.iter().map(|op| match op.sectors() {
            2.. if dice.chance(torn) => Fate::Torn(dice.serial()),
            _ if dice.chance(kept) => Fate::Kept,
            _ => Fate::Dropped,
        });
        let fates = fates.collect();
        Self { fates, backwards: dice.chance(10) }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |wanted: fn(&Fate) -> bool| {
            let numbers = self.fates.iter().enumerate().filter(|(_, fate)| wanted(fate));
            let texts: Vec<String> = numbers
                .map(|(number, fate)| match fate {
                    Fate::Torn(sectors) => format!("{number}:{sectors:#x}"),
                    Fate::Dropped | Fate::Kept => number.to_string(),
                })
                .collect();
            if texts.is_empty() { "none".to_owned() } else { texts.join(",") }
        };
        write!(
            f,
            "of {} unsynced writes kept {}, torn {}, dropped {}{}",
            self.fates.len(),
            list(|fate| *fate == Fate::Kept),
            list(|fate| matches!(fate, Fate::Torn(_))),
            list(|fate| *fate == Fate::Dropped),
            if self.backwards { ", last one first" } else { "" }
        )
    }
}

/// The choices at one point, in an order that does not depend on how many of them are tried.
#[derive(Debug)]
pub(crate) struct Choices {
    listed: Vec<Choice>,
    /// How many come first whatever the budget: none, all, all but each one, only each one.
    pub(crate) core: usize,
}

impl Choices {
    /// Those for some writes; the dice shuffle what follows the core.
    pub(crate) fn of(pending: &[DiskOp], dice: &mut Dice) -> Self {
        let count = pending.len();
        let mut listed: Vec<Choice> = vec![Choice::of_kept(count, |_| false), Choice::of_kept(count, |_| true)];
        listed.extend((0..count).map(|one| Choice::of_kept(count, |number| number != one)));
        listed.extend((0..count).map(|one| Choice::of_kept(count, |number| number == one)));
        let core = listed.len();
        if count <= EXHAUSTIVE {
            listed.extend((0..1_u32 << count).map(|mask| Choice::of_kept(count, |number| mask >> number & 1 == 1)));
        }
        listed.extend((2..count).map(|end| Choice::of_kept(count, |number| number < end)));
        for (one, op) in pending.iter().enumerate().filter(|(_, op)| op.sectors() > 1) {
            let half = (1_u64 << (op.sectors() / 2).min(63)) - 1;
            for sectors in [1, half, !half, dice.serial()] {
                for others in [Fate::Kept, Fate::Dropped] {
                    listed.push(Choice::of(count, |number| if number == one { Fate::Torn(sectors) } else { others }));
                }
            }
        }
        if count > 1 {
            listed.push(Choice { backwards: true, ..Choice::of_kept(count, |_| true) });
        }
        for at in (core + 1..listed.len()).rev() {
            listed.swap(at, core + dice.below((at - core) as u32 + 1) as usize);
        }
        Self { listed, core }
    }

    /// The choice with a number: from the list, behind it whatever the dice of that number draw. `None` where the list
    /// has every one.
    pub(crate) fn nth(&self, number: usize, pending: &[DiskOp], dice: &mut Dice) -> Option<Choice> {
        match self.listed.get(number) {
            Some(choice) => Some(choice.clone()),
            None if pending.iter().all(|op| op.sectors() < 2) && pending.len() <= EXHAUSTIVE => None,
            None => Some(Choice::drawn(pending, dice)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn writes(count: u64, bytes: usize) -> Vec<DiskOp> {
        (0..count).map(|at| DiskOp::Write { offset: at * 4096, bytes: vec![at as u8 + 1; bytes].into() }).collect()
    }

    fn images(pending: &[DiskOp], tried: usize) -> BTreeSet<u128> {
        let choices = Choices::of(pending, &mut Dice::new(1));
        let base = Image::default();
        let chosen = (0..tried).map_while(|number| choices.nth(number, pending, &mut Dice::new(number as u64)));
        chosen.map(|choice| choice.apply(&base, pending).sum_since(&base, 0)).collect()
    }

    #[test]
    fn few_writes_give_every_subset() {
        assert_eq!(images(&writes(5, 512), 1_000).len(), 32);
        let torn = images(&writes(5, 4096), 1_000).len();
        assert!(torn > 250, "torn ones come on top: {torn}");
    }

    #[test]
    fn many_writes_give_none_all_and_each_one_first() {
        let pending = writes(20, 512);
        let choices = Choices::of(&pending, &mut Dice::new(2));
        assert_eq!(choices.core, 42);
        let core = images(&pending, choices.core);
        let base = Image::default();
        for kept in [vec![], (0..20).collect(), (1..20).collect::<Vec<usize>>(), vec![7]] {
            let image = Choice::of_kept(20, |number| kept.contains(&number)).apply(&base, &pending);
            assert!(core.contains(&image.sum_since(&base, 0)), "{kept:?}");
        }
        assert!(images(&pending, 300).len() > 200);
    }

    #[test]
    fn a_torn_write_keeps_whole_sectors() {
        let pending = writes(1, 2048);
        let choice = Choice::of(1, |_| Fate::Torn(0b0101));
        let image = choice.apply(&Image::default(), &pending);
        assert_eq!(image.words_after(&[1; 512], 0).len(), 2 - usize::from(image.contains(&[1; 1024])));
        assert!(!image.contains(&[1; 513]));
        assert_eq!(choice.to_string(), "of 1 unsynced writes kept none, torn 0:0x5, dropped none");
    }
}
