//! Rules of cases that were published without knowing of each other.

use super::super::life_cycle::EditionNote;
use super::super::read::LifeCycleRecord;
use super::{Done, InboxKind, OpenConflict, Place, Side, Speaker, actions, id, revision, side};
use crate::id::{ConflictId, DocumentId};

const SUBJECT: &str = "life_cycle";
const CHINESE: &str = "分别发布的办理流程：采用一版，或核对草稿后再发布";
const ENGLISH: &str = "rules of cases published apart: keep one, or look the draft through and publish it";

/// The newer one is in force until somebody publishes what they come to together, or one of them once more.
pub(super) fn of(record: &LifeCycleRecord) -> OpenConflict {
    OpenConflict {
        id: id_of(record.id),
        revision: revision(record.newest.iter().map(|edition| edition.id.0.to_vec())),
        kind: InboxKind::Editions,
        resident: None,
        subject: SUBJECT.into(),
        chinese: CHINESE.into(),
        english: ENGLISH.into(),
        personal: false,
        sides: sides(&record.newest),
        offers: actions::of_editions(),
        place: Place::Editions(record.newest.iter().map(|edition| edition.id).collect()),
    }
}

/// The editions that joined others. They are not taken back: whoever would publishes once more.
pub(super) fn settled(record: &LifeCycleRecord) -> Vec<Done> {
    let conflict = id_of(record.id);
    let done = |(joining, before): &(EditionNote, Vec<EditionNote>)| Done {
        id: id(record.id, &[b"settled", &conflict.0, &joining.id.0]),
        conflict,
        resident: None,
        subject: SUBJECT.into(),
        chinese: CHINESE.into(),
        english: ENGLISH.into(),
        personal: false,
        choice: side_of(0, joining),
        sides: sides(before),
        stands: true,
        undoable: false,
    };
    record.joined.iter().map(done).collect()
}

fn id_of(document: DocumentId) -> ConflictId {
    id(document, &[b"editions"])
}

fn sides(editions: &[EditionNote]) -> Vec<Side> {
    let sides = (1..).zip(editions).map(|(number, edition)| Side { stands: number == 1, ..side_of(number, edition) });
    sides.collect()
}

fn side_of(number: usize, edition: &EditionNote) -> Side {
    let EditionNote { number: of, why, by, author, time_ms, .. } = edition;
    let words = [of.to_string(), format!("第 {of} 版：{why}"), format!("edition {of}: {why}")];
    let said = Speaker { node: Some(*author), by: Some(by.clone()), role: None, at_ms: *time_ms };
    Side { said: vec![said], ..side(number, words, &[]) }
}
