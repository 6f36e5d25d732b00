//! Whether an event has effect.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::fold::milliseconds;
use super::history::{History, Placed};
use super::state::{Case, CaseState, Conflict, Effect, TimelineEntry};
use super::step::{ConflictKind, Reason, Step};
use super::table::{Late, Outcome, Rule, Target, TransitionTable};
use crate::id::RecordId;

/// One round of the fold.
pub(super) struct Judge<'a> {
    pub(super) history: &'a History<'a>,
    table: &'a TransitionTable,
    /// Places struck in earlier rounds, and by whom.
    struck: &'a BTreeMap<usize, usize>,
    /// Places that this round found to be beaten by an event after them, and by whom.
    pub(super) overruled: BTreeMap<usize, usize>,
    /// The case so far.
    pub(super) case: Case,
    /// Places with effect, by step.
    effective: BTreeMap<Step, Vec<usize>>,
    /// Changes of the state.
    moves: Vec<Move>,
    /// What authors believed to have moved.
    beliefs: Vec<Belief>,
    /// Where a suspended case goes back to.
    before_suspension: CaseState,
}

struct Move {
    place: usize,
    step: Step,
    from: Option<CaseState>,
}

/// The state that the author of a moving step believed to have reached.
#[derive(Clone, Copy)]
struct Belief {
    place: usize,
    state: CaseState,
    /// The event that stands instead of the step; whoever knew both knew better. For a void step itself.
    lost_to: Option<usize>,
}

/// Why an event has no effect.
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// The event to blame.
    pub(super) because_of: Option<RecordId>,
    /// The conflict to show, where that event was not known.
    pub(super) conflict: Option<ConflictKind>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, because_of: None, conflict: None }
    }
}

impl<'a> Judge<'a> {
    /// Judges every event in order.
    pub(super) fn of(history: &'a History<'a>, table: &'a TransitionTable, struck: &'a BTreeMap<usize, usize>) -> Self {
        let mut judge = Self {
            history,
            table,
            struck,
            overruled: BTreeMap::new(),
            case: Case::default(),
            effective: BTreeMap::new(),
            moves: Vec::new(),
            beliefs: Vec::new(),
            before_suspension: CaseState::Handling,
        };
        for (place, placed) in history.placed.iter().enumerate() {
            let effect = judge.effect(place, placed);
            judge.case.timeline.push(entry(placed, effect, judge.case.state));
        }
        judge
    }

    fn effect(&mut self, place: usize, placed: &Placed<'_>) -> Effect {
        if let Some(reason) = placed.input.void {
            self.doubt(place, placed);
            return Effect::Void(reason);
        }
        match self.judge(place, placed) {
            Ok(effect) => effect,
            Err(Refusal { reason, because_of, conflict }) => {
                if let (Some(kind), Some(stands)) = (conflict, because_of) {
                    self.case.conflicts.push(Conflict {
                        kind,
                        stands,
                        other: placed.id,
                        both_stand: false,
                        settled_by: None,
                    });
                }
                Effect::None { reason, because_of }
            }
        }
    }

    fn judge(&mut self, place: usize, placed: &Placed<'_>) -> Result<Effect, Refusal> {
        let step = placed.step.ok_or(Reason::NoSuchReference)?;
        if let Step::Unknown(_) = step {
            return Err(Reason::UnknownAction.into());
        }
        let rule = self.table.rule(step).ok_or(Reason::NotInTable)?;
        if !rule.who.includes(placed.input.event.role) {
            return Err(Reason::WrongRole.into());
        }
        let view = self.view(place);
        let in_time = rule.allows(self.case.state);
        if !in_time && !rule.allows(view.map(|belief| belief.state)) {
            return Err(self.out_of_place(place));
        }
        self.check(place, placed, rule)?;
        self.overrule(place, step);
        if let Some(by) = self.beaten_by(place, step) {
            self.believe(place, rule, Some(by));
            return Err(self.beaten(step, by));
        }
        if !in_time && rule.late != Late::Stands {
            return Err(self.overtaken(place, placed, rule, view));
        }
        self.believe(place, rule, None);
        self.case.apply(placed);
        self.effective.entry(step).or_default().push(place);
        self.note_meetings(place, step, placed.id);
        if in_time {
            self.advance(place, placed, rule);
        }
        Ok(if in_time { Effect::Applied } else { Effect::AppliedLate })
    }

    /// The newest state that the author believed the case to be in.
    fn view(&self, place: usize) -> Option<Belief> {
        let knew = |other| self.history.knew(place, other);
        self.beliefs.iter().rev().find(|belief| knew(belief.place) && !belief.lost_to.is_some_and(knew)).copied()
    }

    /// Neither the state nor the author's view of it allows the step.
    fn out_of_place(&self, place: usize) -> Refusal {
        let knew = |other| self.history.knew(place, other);
        let failed = |belief: &&Belief| {
            knew(belief.place) && belief.lost_to.is_some_and(|winner| winner == belief.place || !knew(winner))
        };
        match self.beliefs.iter().rev().find(failed) {
            Some(belief) => self.rests_on(belief.place),
            None => Reason::WrongState.into(),
        }
    }

    fn rests_on(&self, place: usize) -> Refusal {
        Refusal { because_of: self.id(place), ..Reason::RestsOn.into() }
    }

    fn beaten(&self, step: Step, by: usize) -> Refusal {
        let conflict = self.step(by).map(|winner| self.table.conflict_between(winner, step));
        Refusal { reason: Reason::Beaten, because_of: self.id(by), conflict }
    }

    /// The step was allowed as its author knew the case, but somebody else had moved it on.
    fn overtaken(&mut self, place: usize, placed: &Placed<'_>, rule: &Rule, view: Option<Belief>) -> Refusal {
        if let Some(Belief { place: loser, lost_to: lost_to @ Some(_), .. }) = view {
            self.believe(place, rule, lost_to);
            return self.rests_on(loser);
        }
        let unknown = |change: &&Move| self.history.concurrent(place, change.place);
        let same_start = self.moves.iter().filter(unknown).find(|change| rule.allows(change.from));
        let Some(rival) = same_start.or_else(|| self.moves.iter().rfind(unknown)) else {
            return Reason::WrongState.into();
        };
        let (winner, winning_step) = (rival.place, rival.step);
        let because_of = self.id(winner);
        let rival_action = self.history.placed.get(winner).map(|placed| &placed.input.event.action);
        if winning_step == rule.step && rival_action.is_some_and(|rival| agree(rival, &placed.input.event.action)) {
            self.believe(place, rule, None);
            return Refusal { because_of, ..Reason::DecidedAlready.into() };
        }
        self.believe(place, rule, Some(winner));
        let conflict = Some(self.table.conflict_between(winning_step, rule.step));
        Refusal { reason: Reason::Overtaken, because_of, conflict }
    }

    /// An effective event before this one, unknown to it, that beats it; or one after it, found in an earlier round.
    fn beaten_by(&self, place: usize, step: Step) -> Option<usize> {
        let winners = self.table.opponents(step, Outcome::Beats, false);
        let earlier = winners.filter_map(|winner| self.first_concurrent(winner, place)).min();
        self.struck.get(&place).copied().or(earlier)
    }

    /// Marks the events before this one that it beats.
    fn overrule(&mut self, place: usize, step: Step) {
        let losers: BTreeSet<Step> = self.table.opponents(step, Outcome::Beats, true).collect();
        let places = losers.iter().filter_map(|loser| self.effective.get(loser)).flatten();
        let beaten: Vec<usize> = places.copied().filter(|loser| self.history.concurrent(place, *loser)).collect();
        for loser in beaten {
            self.overruled.entry(loser).or_insert(place);
        }
    }

    /// Shows the earliest effective event of each kind that stands beside this one without knowing of it.
    fn note_meetings(&mut self, place: usize, step: Step, other: RecordId) {
        let as_first = self.table.opponents(step, Outcome::BothStand, true);
        let opponents: BTreeSet<Step> = as_first.chain(self.table.opponents(step, Outcome::BothStand, false)).collect();
        for opponent in opponents {
            let first = self.first_concurrent(opponent, place).and_then(|first| self.id(first));
            if let Some(stands) = first {
                let kind = self.table.conflict_between(opponent, step);
                self.case.conflicts.push(Conflict { kind, stands, other, both_stand: true, settled_by: None });
            }
        }
    }

    fn first_concurrent(&self, step: Step, place: usize) -> Option<usize> {
        let places = self.effective.get(&step)?;
        places.iter().copied().find(|other| self.history.concurrent(place, *other))
    }

    /// Notes where the author believed to have moved the case.
    fn believe(&mut self, place: usize, rule: &Rule, lost_to: Option<usize>) {
        if let Some(state) = self.target(rule.to) {
            self.beliefs.push(Belief { place, state, lost_to });
        }
    }

    /// Notes a void move: nobody may build on it, but whoever tried is told so.
    fn doubt(&mut self, place: usize, placed: &Placed<'_>) {
        let rule = placed.step.and_then(|step| self.table.rule(step));
        if let Some(rule) = rule {
            self.believe(place, rule, Some(place));
        }
    }

    fn target(&self, target: Target) -> Option<CaseState> {
        match target {
            Target::Stay => None,
            Target::To(state) => Some(state),
            Target::Back => Some(self.before_suspension),
        }
    }

    fn advance(&mut self, place: usize, placed: &Placed<'_>, rule: &Rule) {
        let Some(to) = self.target(rule.to) else { return };
        let from = self.case.state;
        if to == CaseState::Suspended {
            self.before_suspension = from.unwrap_or(CaseState::Handling);
        }
        self.moves.push(Move { place, step: rule.step, from });
        self.case.enter(to, placed.id, milliseconds(placed.input.time));
    }

    fn id(&self, place: usize) -> Option<RecordId> {
        self.history.placed.get(place).map(|placed| placed.id)
    }

    fn step(&self, place: usize) -> Option<Step> {
        self.history.placed.get(place).and_then(|placed| placed.step)
    }
}

/// Whether two events of the same step decide the same, so that nobody has to be asked.
fn agree(one: &Action, other: &Action) -> bool {
    let matter = |action: &Action| matches!(action, Action::File { .. } | Action::Merge { .. });
    one == other || !(matter(one) || matter(other))
}

fn entry(placed: &Placed<'_>, effect: Effect, state: Option<CaseState>) -> TimelineEntry {
    let input = placed.input;
    TimelineEntry {
        event: placed.id,
        author: input.author,
        time: input.time,
        by: input.event.by.clone(),
        role: input.event.role,
        step: placed.step,
        action: input.event.action.clone(),
        note: input.event.note.clone(),
        effect,
        state,
    }
}
