//! Who moves, who is one person with whom, and who is therefore not counted by themselves.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::OptionalExtension as _;
use townmesh_crdt::clock::HybridTime;
use townmesh_crdt::command::moves::{MoveRecord, MovedState};
use townmesh_crdt::command::read::{FieldsRecord, ResidentRecord};
use townmesh_crdt::command::same_people;
use townmesh_crdt::domain::moves::MoveEntry;
use townmesh_crdt::domain::person::mask_numbers;
use townmesh_crdt::domain::same_person::{self, Answer, SamePerson, Two};
use townmesh_crdt::id::ResidentId;

use super::super::moves::MoveStepRow;
use super::super::query::word;
use super::{Batch, Slot, json, key};

const MOVE: &str = "INSERT OR REPLACE INTO move (row, from_region, to_region, household, resident, day, state, reason, \
    arrival_household, arrival_resident, name, id_number, phone, told, kind, relation, stays, given_ms, changed_ms, conflicts, \
    events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const SAME_PERSON: &str = "INSERT OR REPLACE INTO same_person (row, first, second, first_household, second_household, \
    first_region, second_region, answer, contested) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Most people who are looked at together: nobody is recorded so often but by somebody who answers at random.
const MAX_TOGETHER: usize = 256;

impl Batch<'_> {
    pub(super) fn moved(&mut self, slot: Slot<'_>, record: &MoveRecord) -> rusqlite::Result<()> {
        let (moved, told) = (&record.moved, record.told.as_ref());
        let arrival = moved.arrival();
        let person = told.map(|told| &told.personal);
        let times = || moved.timeline.iter().map(|entry| HybridTime(entry.time).millis().cast_signed());
        let events: Vec<MoveStepRow> = moved.timeline.iter().map(step).collect();
        let open = moved.conflicts.iter().filter(|conflict| conflict.settled.is_none()).count() as i64;
        self.run(
            MOVE,
            &[
                &slot.row,
                &moved.leading.from.to_string(),
                &moved.leading.to.to_string(),
                &moved.household.to_string(),
                &moved.resident.to_string(),
                &moved.leading.day.to_string(),
                &moved.state.to_string(),
                &moved.leading.reason.as_deref().map(mask_numbers),
                &key(arrival.map(|arrival| arrival.household)),
                &key(arrival.map(|arrival| arrival.resident)),
                &person.map(|person| &person.name),
                &person.and_then(|person| person.id_number.as_deref()),
                &person.and_then(|person| person.phone.as_deref()),
                &told_key(record.state),
                &key(told.and_then(|told| told.kind)),
                &key(told.and_then(|told| told.relation)),
                &json(&told.map(|told| &told.stays[..]).unwrap_or_default())?,
                &times().min().unwrap_or(0),
                &times().max().unwrap_or(0),
                &open,
                &json(&events)?,
            ],
        )?;
        let mut touched = self.residents_of(slot.row)?;
        self.clear(slot, "move_person")?;
        let shown: BTreeMap<ResidentId, ResidentId> = moved.aliases().collect();
        let people: BTreeSet<ResidentId> = moved.people().into_iter().map(|(_, resident)| resident).collect();
        for resident in &people {
            let shown = key(shown.get(resident));
            self.run(
                "INSERT INTO move_person (row, resident, shown) VALUES (?, ?, ?)",
                &[&slot.row, &resident.to_string(), &shown],
            )?;
        }
        touched.extend(people);
        self.refresh_aliases(touched)
    }

    pub(super) fn same_person(&mut self, slot: Slot<'_>, record: &FieldsRecord<SamePerson>) -> rusqlite::Result<()> {
        let pair = &record.record;
        let Some(two) = pair.two() else { return Ok(()) };
        let [first, second] = two.ids();
        self.run(
            SAME_PERSON,
            &[
                &slot.row,
                &first.to_string(),
                &second.to_string(),
                &key(pair.first_household),
                &key(pair.second_household),
                &key(pair.first_region),
                &key(pair.second_region),
                &key(same_people::standing(record)),
                &!record.conflicts.is_empty(),
            ],
        )?;
        self.refresh_aliases(two.ids().into())
    }

    /// Brings those of a household up to date who are, or whose record bears on, an alias in another household.
    pub(super) fn link_residents(&mut self, residents: &[ResidentRecord]) -> rusqlite::Result<()> {
        let mut linked = BTreeSet::new();
        for resident in residents {
            if !self.answers_about(resident.id)?.is_empty() {
                linked.insert(resident.id);
            }
        }
        self.refresh_aliases(linked)
    }

    /// Who is shown for somebody in another household, as what stands in the town says.
    fn alias_of(&self, resident: ResidentId) -> rusqlite::Result<Option<String>> {
        let together = self.together(resident)?;
        if together.is_empty() {
            return Ok(None);
        }
        Ok(key(self.aliases(&together, resident)?.get(&resident)))
    }

    /// Counts anew who lives in a household.
    pub(super) fn count_residents(&self, row: i64) -> rusqlite::Result<()> {
        self.run(
            "UPDATE household SET residents = (SELECT count(*) FROM resident r WHERE r.row = household.row AND r.void = 0 \
             AND r.moved_out IS NULL) WHERE row = ?",
            &[&row],
        )
    }

    /// Brings everybody who is one person with one of these up to date, and tells the households that change by it.
    fn refresh_aliases(&mut self, touched: BTreeSet<ResidentId>) -> rusqlite::Result<()> {
        let mut all = touched.clone();
        for resident in touched {
            all.extend(self.together(resident)?.into_iter().flat_map(|(two, _)| two.ids()));
        }
        for resident in all {
            let id = resident.to_string();
            let alias = self.alias_of(resident)?;
            let mut rows = self.connection.prepare_cached("SELECT row FROM resident WHERE resident = ?")?;
            let rows: Vec<i64> = rows.query_map([&id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            for row in rows {
                let update = "UPDATE resident SET alias_of = ?1, void = ?1 IS NOT NULL \
                              WHERE row = ?2 AND resident = ?3 AND mistake = 0 AND alias_of IS NOT ?1";
                if self.connection.prepare_cached(update)?.execute((&alias, row, &id))? > 0 {
                    self.count_residents(row)?;
                    self.tell(row)?;
                }
            }
        }
        Ok(())
    }

    /// Every answer that bears on somebody.
    fn together(&self, resident: ResidentId) -> rusqlite::Result<Vec<(Two, Answer)>> {
        let (mut answers, mut seen, mut open) = (Vec::new(), BTreeSet::from([resident]), vec![resident]);
        while let Some(next) = open.pop() {
            for (two, answer) in self.answers_about(next)? {
                answers.push((two, answer));
                if answer != Answer::Distinct && seen.len() < MAX_TOGETHER {
                    open.extend(two.ids().into_iter().filter(|one| seen.insert(*one)));
                }
            }
        }
        Ok(answers)
    }

    fn answers_about(&self, resident: ResidentId) -> rusqlite::Result<Vec<(Two, Answer)>> {
        let id = resident.to_string();
        let mut answered = self.connection.prepare_cached(
            "SELECT first, second, answer FROM same_person WHERE first = ?1 AND answer IS NOT NULL UNION ALL \
             SELECT first, second, answer FROM same_person WHERE second = ?1 AND answer IS NOT NULL",
        )?;
        let answered = answered.query_map([&id], |row| {
            let two: Option<(ResidentId, ResidentId)> = word(row, "first")?.zip(word(row, "second")?);
            Ok(two.and_then(|(first, second)| Two::of(first, second)).zip(word(row, "answer")?))
        })?;
        let mut found: Vec<(Two, Answer)> =
            answered.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect();
        let mut moved = self.connection.prepare_cached(
            "SELECT resident, shown FROM move_person WHERE resident = ?1 AND shown IS NOT NULL UNION ALL \
             SELECT resident, shown FROM move_person WHERE shown = ?1",
        )?;
        let moved = moved.query_map([&id], |row| {
            let both: Option<(ResidentId, ResidentId)> = word(row, "resident")?.zip(word(row, "shown")?);
            Ok(both.and_then(|(alias, shown)| {
                let two = Two::of(alias, shown)?;
                Some((two, two.keeping(shown)?))
            }))
        })?;
        found.extend(moved.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten());
        Ok(found)
    }

    /// Who is shown for whom by these answers. Of somebody in a registry that is not here it is not known that they were
    /// recorded by mistake: they stand. So does whoever is being written.
    fn aliases(
        &self,
        answers: &[(Two, Answer)],
        written: ResidentId,
    ) -> rusqlite::Result<BTreeMap<ResidentId, ResidentId>> {
        let people: BTreeSet<ResidentId> = answers.iter().flat_map(|(two, _)| two.ids()).collect();
        let mut stands = BTreeSet::new();
        for one in people {
            let mut mistake = self.connection.prepare_cached("SELECT min(mistake) FROM resident WHERE resident = ?")?;
            let mistake: Option<Option<bool>> = mistake.query_row([one.to_string()], |row| row.get(0)).optional()?;
            if one == written || mistake.flatten() != Some(true) {
                stands.insert(one);
            }
        }
        Ok(same_person::aliases(answers.iter().copied(), &stands))
    }

    fn residents_of(&self, row: i64) -> rusqlite::Result<BTreeSet<ResidentId>> {
        let mut known = self.connection.prepare_cached("SELECT resident FROM move_person WHERE row = ?")?;
        let known = known.query_map([row], |row| word(row, "resident"))?;
        Ok(known.collect::<rusqlite::Result<Vec<Option<ResidentId>>>>()?.into_iter().flatten().collect())
    }
}

fn step(entry: &MoveEntry) -> MoveStepRow {
    let MoveEntry { event, time, author, by, step, effect } = entry;
    MoveStepRow {
        event: *event,
        step: *step,
        by: by.clone(),
        node: *author,
        at_ms: HybridTime(*time).millis(),
        effect: effect.key(),
    }
}

fn told_key(state: MovedState) -> &'static str {
    match state {
        MovedState::Open => "open",
        MovedState::Sealed => "sealed",
        MovedState::KeyMissing => "key_missing",
        MovedState::Erased => "erased",
        MovedState::Unreadable => "unreadable",
    }
}
