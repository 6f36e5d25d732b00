//! Every point of a journal is cut in many ways, and the journals of some of the openings again.

use std::collections::BTreeSet;

use super::cast::Cast;
use super::choice::{Choice, Choices};
use super::exam::{Examined, Expected, Wrong, examine};
use super::holdings::Inspector;
use super::journal::{Ack, Journal, Point};
use super::replay;
use super::report::{Failure, Tally};
use super::{ImagesError, Options};
use crate::dice::Dice;
use crate::disk::Image;

/// Images of one nested journal, by depth: 2, 3 and deeper.
const NESTED: [usize; 2] = [150, 40];
/// Choices tried at a point of a nested journal.
const AT_NESTED_POINT: usize = 48;
/// Failures that are told in full.
const TOLD: usize = 20;
/// One image in so many is replayed to a witness.
const REPLAYED: u32 = 400;

/// A place in the tree of cuts: a point and a choice at each depth.
pub(crate) type Path = Vec<(usize, usize)>;

/// Cuts one seed's journals.
pub(crate) struct Explorer<'a> {
    pub(crate) cast: &'a Cast,
    pub(crate) inspector: &'a mut Inspector,
    pub(crate) options: &'a Options,
    pub(crate) seed: u64,
    pub(crate) tally: Tally,
    /// Sums of images with what must be there: the same image is another one when more was promised.
    seen: BTreeSet<(u128, [u8; 32])>,
    distinct: BTreeSet<u128>,
    /// Whatever opens in place of production, for tests.
    pub(crate) dice_of: fn(u64, &Path) -> Dice,
}

/// The dice of the opening at a place.
pub(crate) fn opening_dice(seed: u64, path: &Path) -> Dice {
    Dice::of(seed, &format!("images opening {}", words(path)), 0)
}

/// A place as it is printed and given back.
pub(crate) fn words(path: &[(usize, usize)]) -> String {
    path.iter().map(|(point, choice)| format!("{point}.{choice}")).collect::<Vec<_>>().join("/")
}

/// Reads [`words`].
///
/// # Errors
/// [`ImagesError::Path`].
pub(crate) fn read_path(text: &str) -> Result<Path, ImagesError> {
    let step = |part: &str| Some(part.split_once('.')?).and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
    let steps: Option<Path> = text.split('/').map(step).collect();
    steps.ok_or_else(|| ImagesError::Path(text.to_owned()))
}

/// One cut that is to be looked at.
struct Cut<'a> {
    journal: &'a Journal,
    point: &'a Point,
    choice: Choice,
    image: Image,
    /// Promises of the journals that this one began with.
    inherited: &'a [Ack],
    epochs: &'a [u64],
}

impl<'a> Explorer<'a> {
    pub(crate) fn new(cast: &'a Cast, inspector: &'a mut Inspector, options: &'a Options, seed: u64) -> Self {
        Self {
            cast,
            inspector,
            options,
            seed,
            tally: Tally::default(),
            seen: BTreeSet::new(),
            distinct: BTreeSet::new(),
            dice_of: opening_dice,
        }
    }

    /// Cuts a journal within a budget of images, nested ones included.
    pub(crate) fn explore(
        &mut self,
        journal: &Journal,
        (base_sum, inherited, epochs): (u128, &[Ack], &[u64]),
        path: &mut Path,
        budget: usize,
    ) {
        let points = journal.points(base_sum);
        let (depth, mut dice) = (path.len() + 1, self.dice("images budget", path));
        let is_leaf = depth >= self.options.depth;
        let here = if is_leaf { budget } else { budget * 2 / 5 };
        let (chosen, at_each) = spread(points.len(), here, depth, &mut dice);
        let (before, all) = (self.tally.opened(), chosen.len() * at_each);
        let mut tried = 0;
        for number in chosen {
            let Some(point) = points.get(number) else { continue };
            self.tally.point(depth);
            let pending = journal.pending(point);
            let choices = self.choices(pending, path, number);
            let most = if depth == 1 { at_each.max(choices.core) } else { at_each };
            for choice in 0..most {
                tried += 1;
                let mut throw = self.throw(path, number, choice);
                let Some(choice_made) = choices.nth(choice, pending, &mut throw) else { break };
                let image = choice_made.apply(&point.durable, pending);
                let sum = image.sum_since(&point.durable, point.sum);
                let promised = journal.allowed(point.at).first().map_or([0; 32], |mark| mark.holdings.digest);
                self.tally.made(depth);
                self.distinct.insert(sum);
                if !self.seen.insert((sum, promised)) {
                    continue;
                }
                path.push((number, choice));
                let cut = Cut { journal, point, choice: choice_made, image, inherited, epochs };
                // Whatever of the budget is not used by now goes to the recovery from this one.
                let due = (budget * tried.min(all) / all.max(1)) as u64;
                let is_due = !is_leaf && self.tally.opened() - before < due;
                let opened = self.cut(&cut, path, is_due);
                if let Some(inner) = opened.filter(|_| is_due) {
                    self.nest(&inner, &cut, sum, path);
                }
                path.pop();
            }
        }
        self.tally.distinct = self.distinct.len() as u64;
    }

    fn dice(&self, purpose: &str, path: &Path) -> Dice {
        Dice::of(self.seed, &format!("{purpose} {}", words(path)), 0)
    }

    fn choices(&self, pending: &[crate::disk::DiskOp], path: &Path, number: usize) -> Choices {
        let purpose = format!("images choices {}", words(path));
        Choices::of(pending, &mut Dice::of(self.seed, &purpose, number as u64))
    }

    fn throw(&self, path: &Path, number: usize, choice: usize) -> Dice {
        let purpose = format!("images choice {} {number}", words(path));
        Dice::of(self.seed, &purpose, choice as u64)
    }

    fn nest(&mut self, inner: &Journal, cut: &Cut<'_>, sum: u128, path: &mut Path) {
        let budget = NESTED.get(path.len() - 1).copied().unwrap_or(NESTED[1]);
        let promised = promises(cut);
        let epochs: Vec<u64> = cut.epochs.iter().chain(&inner.epochs).copied().collect();
        self.explore(inner, (sum, &promised, &epochs), path, budget);
    }

    /// Opens one image and notes what is wrong; the journal of the opening.
    fn cut(&mut self, cut: &Cut<'_>, path: &Path, is_marked: bool) -> Option<Journal> {
        let allowed = cut.journal.allowed(cut.point.at);
        let first = cut.journal.newest_mark(cut.point.at);
        let acks = promises(cut);
        let expected = Expected {
            allowed,
            earlier: cut.journal.marks.get(..first).unwrap_or_default(),
            acks: &acks,
            epochs: cut.epochs,
        };
        let dice = (self.dice_of)(self.seed, path);
        let Examined { mut findings, journal } =
            examine(self.cast, self.inspector, cut.image.clone(), dice.clone(), &expected, is_marked);
        self.tally.open(path.len());
        let is_replayed = self.dice("images replay", path).below(REPLAYED) == 0 || self.options.path.is_some();
        if is_replayed && findings.is_empty() && !acks.is_empty() {
            self.tally.replayed += 1;
            findings.extend(replay::replay(self.cast, cut.image.clone(), dice));
        }
        for found in findings.iter() {
            self.tally.count(path.len(), found.wrong);
            if self.tally.failures.len() < TOLD {
                self.tally.failures.push(Failure {
                    seed: self.seed,
                    path: words(path),
                    depth: path.len(),
                    operation: cut.point.at,
                    wrong: found.wrong,
                    what: found.what.clone(),
                    kept: cut.choice.to_string(),
                });
            }
        }
        if findings.iter().any(|found| found.wrong == Wrong::Unopened) { None } else { journal }
    }

    /// Follows one path, and looks at each image on it.
    ///
    /// # Errors
    /// [`ImagesError::Path`] if there is no such place.
    pub(crate) fn follow(
        &mut self,
        journal: &Journal,
        epochs: &[u64],
        steps: &[(usize, usize)],
    ) -> Result<(), ImagesError> {
        let missing = || ImagesError::Path(words(steps));
        let (mut path, mut journal) = (Path::new(), journal.clone());
        let (mut sum, mut inherited, mut epochs) = (0, Vec::new(), epochs.to_vec());
        for (number, choice) in steps.iter().copied() {
            let points = journal.points(sum);
            let point = points.get(number).ok_or_else(missing)?;
            let pending = journal.pending(point);
            let made = self.choices(pending, &path, number);
            let made = made.nth(choice, pending, &mut self.throw(&path, number, choice)).ok_or_else(missing)?;
            let image = made.apply(&point.durable, pending);
            path.push((number, choice));
            let inner_sum = image.sum_since(&point.durable, point.sum);
            let cut = Cut { journal: &journal, point, choice: made, image, inherited: &inherited, epochs: &epochs };
            self.tally.point(path.len());
            self.tally.made(path.len());
            let opened = self.cut(&cut, &path, true);
            let promised = promises(&cut);
            let Some(inner) = opened else { break };
            epochs.extend(&inner.epochs);
            (journal, sum, inherited) = (inner, inner_sum, promised);
        }
        Ok(())
    }
}

/// What was acknowledged before a cut.
fn promises(cut: &Cut<'_>) -> Vec<Ack> {
    let own = cut.journal.acks.iter().take_while(|ack| ack.op <= cut.point.at);
    cut.inherited.iter().chain(own).copied().collect()
}

/// Which points are cut, and in how many ways each: all of the first journal's, some of a nested one's.
fn spread(points: usize, budget: usize, depth: usize, dice: &mut Dice) -> (Vec<usize>, usize) {
    let mut all: Vec<usize> = (0..points).collect();
    if depth == 1 {
        return (all, budget.div_ceil(points.max(1)));
    }
    for at in (1..all.len()).rev() {
        all.swap(at, dice.below(at as u32 + 1) as usize);
    }
    all.truncate((budget / AT_NESTED_POINT).max(1));
    let at_each = budget.div_ceil(all.len().max(1));
    (all, at_each)
}
