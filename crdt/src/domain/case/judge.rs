//! Whether an event has effect.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::edition::{LifeCycle, Place};
use super::fold::milliseconds;
use super::history::{History, Placed};
use super::settlement::Conflict;
use super::state::{Case, CaseState, Effect, TimelineEntry};
use super::step::{ConflictKind, Reason, Step};
use super::table::{Late, Outcome, Rule, Target, TransitionTable};
use crate::id::RecordId;

/// One round of the fold.
pub(super) struct Judge<'a> {
    pub(super) history: &'a History<'a>,
    life_cycle: &'a LifeCycle,
    /// The editions by which events of this case go.
    editions: BTreeSet<Place>,
    /// Places struck in earlier rounds, and by whom.
    struck: &'a BTreeMap<usize, usize>,
    /// Places that this round found to be beaten by an event after them, and by whom.
    pub(super) overruled: BTreeMap<usize, usize>,
    /// The case so far.
    pub(super) case: Case,
    /// Places with effect, by step.
    effective: BTreeMap<Step, Vec<usize>>,
    /// Places of what is shown beside a decision that was taken unaware of it.
    pub(super) shown_late: BTreeSet<usize>,
    /// Changes of the state.
    moves: Vec<Move>,
    /// What authors believed to have moved.
    beliefs: Vec<Belief>,
    /// Places of decisions that were taken once more without knowledge of the first, by the place of that.
    doubles: BTreeMap<usize, Vec<usize>>,
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
    pub(super) fn of(history: &'a History<'a>, life_cycle: &'a LifeCycle, struck: &'a BTreeMap<usize, usize>) -> Self {
        let mut judge = Self {
            history,
            life_cycle,
            editions: history.placed.iter().map(|placed| placed.rules).collect(),
            struck,
            overruled: BTreeMap::new(),
            case: Case::default(),
            effective: BTreeMap::new(),
            shown_late: BTreeSet::new(),
            moves: Vec::new(),
            beliefs: Vec::new(),
            doubles: BTreeMap::new(),
            before_suspension: CaseState::Handling,
        };
        for (place, placed) in history.placed.iter().enumerate() {
            let effect = judge.effect(place, placed);
            let edition = life_cycle.number_at(placed.rules);
            judge.case.timeline.push(entry(placed, effect, judge.case.state, edition));
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
        let rule = self.life_cycle.table_at(placed.rules).rule(step).ok_or(Reason::NotInTable)?;
        if !rule.who.includes(placed.input.event.role) {
            return Err(Reason::WrongRole.into());
        }
        let view = self.view(place);
        let in_time = rule.allows(self.case.state);
        if !in_time && !rule.allows(view.map(|belief| belief.state)) {
            return Err(self.out_of_place(place));
        }
        if let Err(refusal) = self.check(place, placed, rule) {
            self.believe_refused(place, rule, &refusal);
            return Err(refusal);
        }
        self.overrule(place, step);
        if let Some(by) = self.beaten_by(place, step) {
            self.believe(place, rule, Some(by));
            return Err(self.beaten(place, step, by));
        }
        if !in_time && rule.late != Late::Stands {
            return Err(self.overtaken(place, placed, rule, view));
        }
        self.believe(place, rule, None);
        self.case.apply(placed);
        self.effective.entry(step).or_default().push(place);
        self.note_meetings(place, step, placed.id);
        self.note_unaware(place, step);
        let history = self.history;
        let knew_of = |event| history.knew_of(place, event);
        if let Some(void) = placed.input.event.restates {
            self.case.note_restated(void, (placed.id, step, &placed.input.event.action), knew_of);
        }
        if in_time {
            self.advance(place, placed, rule);
        }
        Ok(if in_time { Effect::Applied } else { Effect::AppliedLate })
    }

    /// The newest state that the author believed the case to be in.
    fn view(&self, place: usize) -> Option<Belief> {
        let knew = |other| self.history.knew(place, other);
        let knew_double = |other| self.doubles.get(&other).is_some_and(|doubles| doubles.iter().any(|one| knew(*one)));
        let holds =
            |belief: &&Belief| (knew(belief.place) || knew_double(belief.place)) && !belief.lost_to.is_some_and(knew);
        self.beliefs.iter().rev().find(holds).copied()
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

    fn beaten(&self, place: usize, step: Step, by: usize) -> Refusal {
        let conflict = self.step(by).map(|winner| self.between(place, by).conflict_between(winner, step));
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
        let conflict = Some(self.between(place, winner).conflict_between(winning_step, rule.step));
        Refusal { reason: Reason::Overtaken, because_of, conflict }
    }

    /// An effective event before this one, unknown to it, that beats it; or one after it, found in an earlier round.
    fn beaten_by(&self, place: usize, step: Step) -> Option<usize> {
        let earlier = self.met(place, step, Outcome::Beats, false).map(|(_, winner)| winner).min();
        self.struck.get(&place).copied().or(earlier)
    }

    /// Marks the events before this one that it beats.
    fn overrule(&mut self, place: usize, step: Step) {
        let beaten: Vec<usize> = self.met(place, step, Outcome::Beats, true).map(|(_, loser)| loser).collect();
        for loser in beaten {
            self.overruled.entry(loser).or_insert(place);
        }
    }

    /// Shows the earliest effective event of each kind that stands beside this one without knowing of it.
    fn note_meetings(&mut self, place: usize, step: Step, other: RecordId) {
        let as_first = self.met(place, step, Outcome::BothStand, true);
        let mut earliest: BTreeMap<Step, usize> = BTreeMap::new();
        for (opponent, met) in as_first.chain(self.met(place, step, Outcome::BothStand, false)) {
            let first = earliest.entry(opponent).or_insert(met);
            *first = met.min(*first);
        }
        for (opponent, first) in earliest {
            if let Some(stands) = self.id(first) {
                let kind = self.between(first, place).conflict_between(opponent, step);
                self.case.conflicts.push(Conflict { kind, stands, other, both_stand: true, settled_by: None });
            }
        }
    }

    /// Effective events, with their step, that an event meets with this outcome, neither having known of the other; the event
    /// being the first of the row where `first`, else the second.
    pub(super) fn met(
        &self,
        place: usize,
        step: Step,
        outcome: Outcome,
        first: bool,
    ) -> impl Iterator<Item = (Step, usize)> {
        let own = self.rules(place);
        self.editions.iter().flat_map(move |theirs| {
            let opponents: BTreeSet<Step> =
                self.life_cycle.table_at(own.max(*theirs)).opponents(step, outcome, first).collect();
            opponents.into_iter().flat_map(move |opponent| {
                let places = self.effective.get(&opponent).into_iter().flatten().copied();
                let met = move |other: &usize| self.rules(*other) == *theirs && self.history.concurrent(place, *other);
                places.filter(met).map(move |other| (opponent, other))
            })
        })
    }

    /// The edition by which an event goes.
    fn rules(&self, place: usize) -> Place {
        self.history.placed.get(place).map_or(0, |placed| placed.rules)
    }

    /// The rules that judge between two events: the newer of theirs.
    pub(super) fn between(&self, one: usize, other: usize) -> &'a TransitionTable {
        self.life_cycle.table_at(self.rules(one).max(self.rules(other)))
    }

    /// Notes where the author believed to have moved the case.
    fn believe(&mut self, place: usize, rule: &Rule, lost_to: Option<usize>) {
        if let Some(state) = self.target(rule.to) {
            self.beliefs.push(Belief { place, state, lost_to });
        }
    }

    /// Notes where the author of a refused step believed to have moved the case: with reason, where somebody else had decided the
    /// same, so that whoever goes on from it goes on from that; in vain, where it was decided otherwise.
    fn believe_refused(&mut self, place: usize, rule: &Rule, refusal: &Refusal) {
        if refusal.reason == Reason::DecidedAlready {
            // It is the other's decision that stands, where it was taken: whoever knew of this one knew what it comes to.
            if let Some(first) = refusal.because_of.and_then(|event| self.history.place_of(event)) {
                self.doubles.entry(first).or_default().push(place);
            }
            return;
        }
        let winner = refusal.because_of.filter(|_| refusal.conflict.is_some());
        if let Some(winner) = winner.and_then(|event| self.history.place_of(event)) {
            self.believe(place, rule, Some(winner));
        }
    }

    /// Notes a void move: nobody may build on it, but whoever tried is told so.
    fn doubt(&mut self, place: usize, placed: &Placed<'_>) {
        let rule = placed.step.and_then(|step| self.life_cycle.table_at(placed.rules).rule(step));
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

    pub(super) fn id(&self, place: usize) -> Option<RecordId> {
        self.history.placed.get(place).map(|placed| placed.id)
    }

    pub(super) fn step(&self, place: usize) -> Option<Step> {
        self.history.placed.get(place).and_then(|placed| placed.step)
    }
}

/// Whether two events of the same step decide the same, so that nobody has to be asked.
fn agree(one: &Action, other: &Action) -> bool {
    let matter = |action: &Action| matches!(action, Action::File { .. } | Action::Merge { .. });
    one == other || !(matter(one) || matter(other))
}

fn entry(placed: &Placed<'_>, effect: Effect, state: Option<CaseState>, edition: u32) -> TimelineEntry {
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
        edition,
    }
}
