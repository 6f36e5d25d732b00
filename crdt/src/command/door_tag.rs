//! Door tags: issued, replaced, retired; and what becomes of a token that somebody scanned.
//!
//! Any node checks a token offline: the town and the signature by the certificates that it holds, the rest by the registry of
//! the region, where it holds that. A tag counts where the record of it stands in the registry with effect: the node that
//! issued it may have been removed since. What a removed node issued past the cut has no effect there, and neither has what
//! it signs now.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::entity::ITSELF;
use super::{CommandError, Outcome, book};
use crate::clock::Millis;
use crate::document::Content;
use crate::domain::date::{Day, UTC_OFFSET_MINUTES};
use crate::domain::door_tag::{DoorTag, DoorToken, ENTRANCES, MAX_TAGS, TagRetirement};
use crate::domain::dwelling::Dwelling;
use crate::domain::household::Household;
use crate::domain::input;
use crate::domain::number::SpokenNumber;
use crate::domain::record::Scalar;
use crate::domain::region::RegionCode;
use crate::entry::Lane;
use crate::id::{DocumentId, NodeId, TagId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{Recorded, Replica};
use crate::store::StoreError;
use crate::value::{Fields, Value};

/// The door tags of one dwelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoorTagsRecord {
    /// The document.
    pub id: DocumentId,
    /// The tags, by id, retired ones included.
    pub tags: Vec<DoorTagRecord>,
    /// Records that are no tags: whose token is not of this tag, or not signed by the node that they name.
    pub unreadable: u32,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoorTagRecord {
    /// Its id.
    pub id: TagId,
    /// What people call it by.
    pub code: SpokenNumber,
    /// What it holds.
    pub token: DoorToken,
    /// The node that issued it.
    pub issuer: NodeId,
    /// The dwelling's document.
    pub dwelling: DocumentId,
    /// The rest of it.
    pub tag: DoorTag,
}

/// Where a tag stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TagPlace {
    /// The document with the tags of its dwelling.
    pub document: DocumentId,
    /// The dwelling's document.
    pub dwelling: DocumentId,
    /// Its namespace.
    pub namespace: String,
    /// Its id.
    pub tag: TagId,
    /// What people call it by.
    pub code: SpokenNumber,
    /// What its QR code holds.
    pub token: DoorToken,
}

/// What issuing tags for many dwellings came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuedAll {
    /// Dwellings that have one now.
    pub issued: usize,
    /// Dwellings that had one.
    pub had_one: usize,
    /// Dwellings that are gone.
    pub gone: usize,
}

/// For which door a tag is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issue {
    /// The document of the dwelling, or of a household in it.
    pub dwelling: DocumentId,
    /// Which of its doors, from 1, the main one.
    pub entrance: u16,
    /// The house stands, though it is said to be gone.
    pub stands: bool,
}

/// What is known of a token from certificates alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedToken {
    /// The node that signed it.
    pub issuer: NodeId,
    /// It was removed from the town.
    pub is_removed: bool,
}

/// Why a tag does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagRefusal {
    /// Made for another town.
    #[error("这块门牌属于其他镇 / this door tag belongs to another town")]
    OtherTown,
    /// No node that is known here signed it.
    #[error(
        "制作这块门牌的节点本节点不认识：请先同步；若仍如此，门牌是伪造的 / the node that made this door tag is not known here: synchronise first; if that changes nothing, the tag is forged"
    )]
    UnknownIssuer,
    /// The signature is wrong.
    #[error("这块门牌是伪造的，或二维码已被改动 / this door tag is forged, or its code was altered")]
    Forged,
    /// Signed by a node that was removed, and not recorded with effect.
    #[error(
        "制作这块门牌的节点已被注销，登记中没有此门牌：请让村居重新制作 / the node that made this door tag was removed and the registry does not hold the tag: have the village make a new one"
    )]
    IssuerRemoved,
    /// Rightly signed; no record of it.
    #[error(
        "本节点的登记中没有这块门牌：可能刚制作，请先同步 / the registry here does not hold this door tag: it may be new, synchronise first"
    )]
    NotRecorded,
    /// Rightly signed; the registry of its region is not held here.
    #[error(
        "本节点没有 {0} 的登记，无法查看这块门牌：请在该村居或指挥中心查看 / the registry of {0} is not held here: ask its village or the center about this door tag"
    )]
    Elsewhere(RegionCode),
    /// It was retired.
    #[error("这块门牌已停用（{}），请使用新门牌 / this door tag was retired ({}): use the one that hangs there now", why(.0).0, why(.0).1)]
    Retired(Option<TagRetirement>),
}

fn why(retired: &Option<TagRetirement>) -> (&'static str, &'static str) {
    retired.map_or(("原因不明", "for an unknown reason"), |why| (why.chinese(), why.english()))
}

impl TagRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherTown => "tag_other_town",
            Self::UnknownIssuer => "tag_issuer_unknown",
            Self::Forged => "tag_forged",
            Self::IssuerRemoved => "tag_issuer_removed",
            Self::NotRecorded => "tag_not_recorded",
            Self::Elsewhere(_) => "tag_elsewhere",
            Self::Retired(_) => "tag_retired",
        }
    }
}

/// Checks a token as far as certificates go.
///
/// # Errors
/// [`TagRefusal::OtherTown`], [`TagRefusal::UnknownIssuer`], [`TagRefusal::Forged`].
pub fn check(replica: &Replica, token: &DoorToken) -> Result<CheckedToken, TagRefusal> {
    let trust = replica.trust();
    if !token.is_of_town(trust.town()) {
        return Err(TagRefusal::OtherTown);
    }
    let mut refusal = TagRefusal::UnknownIssuer;
    for issuer in trust.enrolled_beginning(token.issuer()) {
        if token.is_signed_by(trust.town(), &issuer) {
            return Ok(CheckedToken { issuer, is_removed: trust.current(&issuer).is_none() });
        }
        refusal = TagRefusal::Forged;
    }
    Err(refusal)
}

/// What a checked token comes to by the record of its tag: none where it is not held here.
///
/// # Errors
/// [`TagRefusal`].
pub fn judge(
    token: &DoorToken,
    checked: CheckedToken,
    recorded: Option<(DoorToken, &DoorTag)>,
    holds_registry: bool,
) -> Result<(), TagRefusal> {
    match recorded {
        // Whoever reads the registry knows the ids: another node may have signed one of them.
        Some((known, _)) if known != *token => Err(TagRefusal::Forged),
        Some((_, tag)) if tag.is_retired() => Err(TagRefusal::Retired(tag.retired_why)),
        Some(_) => Ok(()),
        None if checked.is_removed => Err(TagRefusal::IssuerRemoved),
        None if holds_registry => Err(TagRefusal::NotRecorded),
        None => Err(TagRefusal::Elsewhere(token.region())),
    }
}

/// The door that a document is about, and where its tags stand.
struct Door {
    namespace: Namespace,
    region: RegionCode,
    address: String,
    dwelling: DocumentId,
    tags: DocumentId,
}

impl Door {
    /// The door of a dwelling, or of a household in it.
    fn of(replica: &mut Replica, namespace: &Namespace, document: DocumentId) -> Result<Self, CommandError> {
        let unknown = || CommandError::NotFound { thing: "dwelling", chinese: "房屋", document };
        let fields = replica.content(replica.namespace_id(namespace), document)?.fields(ITSELF);
        // Both have region and address under these numbers, and so has much else: the id tells what it is.
        let household = Household::read(&fields);
        let (region, address) = household.region.zip(household.address.clone()).ok_or_else(unknown)?;
        let found = Dwelling { region: Some(region), address: Some(address.clone()), ..Dwelling::default() };
        let key = found.natural_key().ok_or_else(unknown)?;
        let dwelling = replica.document_id(namespace, DocumentKind::Dwelling, &key)?;
        if dwelling != document {
            let key = household.natural_key().ok_or_else(unknown)?;
            if replica.document_id(namespace, DocumentKind::Household, &key)? != document {
                return Err(unknown());
            }
        }
        let tags = replica.document_id(namespace, DocumentKind::DoorTag, &dwelling.0)?;
        Ok(Self { namespace: namespace.clone(), region, address, dwelling, tags })
    }

    /// Since when the house is gone.
    fn gone(&self, replica: &mut Replica) -> Result<Option<Day>, StoreError> {
        gone(replica, &self.namespace, self.dwelling)
    }

    /// Sees to it that the dwelling is recorded: until then its households alone may have named it.
    fn record(&self, replica: &mut Replica, lane: Lane, now: Millis) -> Result<(), CommandError> {
        let (region, address) = (Some(self.region), Some(self.address.clone()));
        let content = replica.content(replica.namespace_id(&self.namespace), self.dwelling)?;
        if content.fields(ITSELF).contains_key(&Dwelling::ADDRESS) {
            return Ok(());
        }
        drop(content);
        // Also where only that it is gone had arrived.
        let fields = Dwelling { region, address, ..Dwelling::default() }.fields();
        let edits = BTreeMap::from([(ITSELF.to_vec(), fields)]);
        replica.edit(&self.namespace, DocumentKind::Dwelling, self.dwelling, edits, lane, now)?;
        Ok(())
    }

    fn place(&self, tag: TagId, token: DoorToken) -> TagPlace {
        place(&self.namespace, self.tags, self.dwelling, (tag, token))
    }

    fn may_record(&self, replica: &Replica, lane: Lane) -> Result<(), CommandError> {
        for kind in [DocumentKind::DoorTag, DocumentKind::Dwelling] {
            replica.may_record(&self.namespace, kind, lane)?;
        }
        Ok(())
    }
}

fn place(
    namespace: &Namespace,
    document: DocumentId,
    dwelling: DocumentId,
    (tag, token): (TagId, DoorToken),
) -> TagPlace {
    TagPlace { document, dwelling, namespace: namespace.to_string(), tag, code: SpokenNumber::of_tag(tag), token }
}

fn gone(replica: &mut Replica, namespace: &Namespace, dwelling: DocumentId) -> Result<Option<Day>, StoreError> {
    let content = replica.content(replica.namespace_id(namespace), dwelling)?;
    Ok(content.fields(ITSELF).get(&Dwelling::GONE).and_then(Day::from_value))
}

/// Issues a tag for a door of a dwelling, which the document of the dwelling or of a household in it names. A door that has
/// one keeps it: [`replace`] makes another. The dwelling is recorded where it was not.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::Input`], [`CommandError::DwellingGone`], [`CommandError::TagsFull`],
/// [`CommandError::Record`].
pub fn issue(
    replica: &mut Replica,
    namespace: &Namespace,
    issue: Issue,
    now: Millis,
) -> Result<Outcome<TagPlace>, CommandError> {
    input::number("entrance", Some(issue.entrance), ENTRANCES)?;
    let door = Door::of(replica, namespace, issue.dwelling)?;
    let known = tags(replica, namespace, door.tags)?;
    let gone = door.gone(replica)?;
    if let Some(gone) = gone.filter(|_| !issue.stands) {
        return Err(CommandError::DwellingGone(gone));
    }
    let standing = known.iter().find(|one| !one.tag.is_retired() && one.tag.entrance_or_first() == issue.entrance);
    if standing.is_none() {
        check_room(&known)?;
    }
    door.may_record(replica, Lane::Work)?;
    let cleared = gone.map(|_| mark_gone(replica, namespace, door.dwelling, None, now)).transpose()?;
    if let Some(standing) = standing {
        let place = door.place(standing.id, standing.token);
        return Ok(match cleared {
            None => Outcome::Unchanged(place),
            Some(recorded) => Outcome::Changed(place, recorded),
        });
    }
    door.record(replica, Lane::Work, now)?;
    let (tag, token, fields) = new_tag(replica, door.region, door.dwelling, issue.entrance, now);
    let recorded = write(replica, namespace, door.tags, [(tag, fields)], Lane::Work, now)?;
    Ok(Outcome::Created(door.place(tag, token), recorded))
}

/// Issues a tag for the main door of each of these dwellings that has none, all of them or none. What names the dwellings is
/// as for [`issue`]; several documents may name one. The second time there is nothing to do.
///
/// # Errors
/// As for [`issue`]; nothing is recorded then.
pub fn issue_all(
    replica: &mut Replica,
    documents: &[(Namespace, DocumentId)],
    now: Millis,
) -> Result<Outcome<IssuedAll>, CommandError> {
    let (mut lacking, mut seen, mut all) = (vec![], BTreeSet::new(), IssuedAll::default());
    for (namespace, document) in documents {
        let door = Door::of(replica, namespace, *document)?;
        if !seen.insert(door.dwelling) {
            continue;
        }
        let known = tags(replica, namespace, door.tags)?;
        if known.iter().any(|one| !one.tag.is_retired()) {
            all.had_one += 1;
        } else if door.gone(replica)?.is_some() {
            all.gone += 1;
        } else {
            check_room(&known)?;
            lacking.push(door);
        }
    }
    let lane = book::lane(DocumentKind::DoorTag, lacking.len());
    lacking.iter().try_for_each(|door| door.may_record(replica, lane))?;
    let mut recorded = None;
    for door in &lacking {
        door.record(replica, lane, now)?;
        let (tag, _, fields) = new_tag(replica, door.region, door.dwelling, 1, now);
        recorded = Some(write(replica, &door.namespace, door.tags, [(tag, fields)], lane, now)?);
    }
    all.issued = lacking.len();
    Ok(recorded.map_or(Outcome::Unchanged(all), |recorded| Outcome::Created(all, recorded)))
}

/// Retires a tag for good. A house that is gone takes all of its tags with it, and gets none until somebody says that it
/// stands.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::Input`], [`CommandError::Record`].
pub fn retire(
    replica: &mut Replica,
    namespace: &Namespace,
    (document, tag): (DocumentId, TagId),
    (why, at): (TagRetirement, i64),
    now: Millis,
) -> Result<Outcome<TagPlace>, CommandError> {
    input::word("why", Some(why), TagRetirement::ALL)?;
    input::time("at_ms", at)?;
    for kind in [DocumentKind::DoorTag, DocumentKind::Dwelling] {
        replica.may_record(namespace, kind, Lane::Work)?;
    }
    let known = tags(replica, namespace, document)?;
    let one = existing(&known, document, tag)?;
    let named = place(namespace, document, one.dwelling, (tag, one.token));
    let is_house = why == TagRetirement::HouseGone;
    let meant = known.iter().filter(|other| (is_house || other.id == tag) && !other.tag.is_retired());
    let edits: Vec<(TagId, Fields)> = meant.map(|other| (other.id, retirement(why, at))).collect();
    let mut recorded = None;
    if !edits.is_empty() {
        recorded = Some(write(replica, namespace, document, edits, Lane::Work, now)?);
    }
    if is_house && gone(replica, namespace, one.dwelling)?.is_none() {
        let day = Day::of_time(at, UTC_OFFSET_MINUTES);
        recorded = Some(mark_gone(replica, namespace, one.dwelling, Some(day), now)?);
    }
    Ok(match recorded {
        None => Outcome::Unchanged(named),
        Some(recorded) => Outcome::Changed(named, recorded),
    })
}

/// Retires a tag and issues another for its door: a lost or damaged plate. One that was replaced already stays so.
///
/// # Errors
/// As for [`retire`] and [`issue`].
pub fn replace(
    replica: &mut Replica,
    namespace: &Namespace,
    (document, tag): (DocumentId, TagId),
    why: TagRetirement,
    now: Millis,
) -> Result<Outcome<TagPlace>, CommandError> {
    input::word("why", Some(why), &[TagRetirement::Replaced, TagRetirement::Lost, TagRetirement::Damaged])?;
    let known = tags(replica, namespace, document)?;
    let one = existing(&known, document, tag)?;
    let heir = one.tag.replaced_by.and_then(|heir| known.iter().find(|other| other.id == heir));
    if let Some(heir) = heir {
        return Ok(Outcome::Unchanged(place(namespace, document, heir.dwelling, (heir.id, heir.token))));
    }
    if let Some(gone) = gone(replica, namespace, one.dwelling)? {
        return Err(CommandError::DwellingGone(gone));
    }
    check_room(&known)?;
    let entrance = one.tag.entrance_or_first();
    let (id, token, fields) = new_tag(replica, one.token.region(), one.dwelling, entrance, now);
    let mut old =
        if one.tag.is_retired() { Fields::new() } else { retirement(why, i64::try_from(now).unwrap_or(i64::MAX)) };
    old.insert(DoorTag::REPLACED_BY, id.to_value());
    let recorded = write(replica, namespace, document, [(id, fields), (tag, old)], Lane::Work, now)?;
    Ok(Outcome::Created(place(namespace, document, one.dwelling, (id, token)), recorded))
}

fn existing(known: &[DoorTagRecord], document: DocumentId, tag: TagId) -> Result<&DoorTagRecord, CommandError> {
    let found = known.iter().find(|one| one.id == tag);
    found.ok_or(CommandError::NotFound { thing: "door tag", chinese: "门牌", document })
}

fn check_room(known: &[DoorTagRecord]) -> Result<(), CommandError> {
    if known.len() < MAX_TAGS { Ok(()) } else { Err(CommandError::TagsFull) }
}

fn new_tag(
    replica: &mut Replica,
    region: RegionCode,
    dwelling: DocumentId,
    entrance: u16,
    now: Millis,
) -> (TagId, DoorToken, Fields) {
    let (id, token) = replica.new_door_tag(region);
    let tag = DoorTag {
        dwelling: Some(dwelling),
        entrance: Some(entrance).filter(|entrance| *entrance != 1),
        issued_at: Some(i64::try_from(now).unwrap_or(i64::MAX)),
        issuer: Some(replica.node()),
        token: Some(token),
        ..DoorTag::default()
    };
    (id, token, tag.fields())
}

fn retirement(why: TagRetirement, at: i64) -> Fields {
    Fields::from([(DoorTag::RETIRED, Value::Int(at)), (DoorTag::WHY, why.to_value())])
}

fn write(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    edits: impl IntoIterator<Item = (TagId, Fields)>,
    lane: Lane,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let edits: BTreeMap<_, _> = edits.into_iter().map(|(tag, fields)| (tag.0.to_vec(), fields)).collect();
    Ok(replica.edit(namespace, DocumentKind::DoorTag, document, edits, lane, now)?)
}

fn mark_gone(
    replica: &mut Replica,
    namespace: &Namespace,
    dwelling: DocumentId,
    since: Option<Day>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let fields = Fields::from([(Dwelling::GONE, since.map_or(Value::Null, |day| day.to_value()))]);
    let edits = BTreeMap::from([(ITSELF.to_vec(), fields)]);
    Ok(replica.edit(namespace, DocumentKind::Dwelling, dwelling, edits, Lane::Work, now)?)
}

fn tags(replica: &mut Replica, namespace: &Namespace, document: DocumentId) -> Result<Vec<DoorTagRecord>, StoreError> {
    Ok(read(replica, namespace, document)?.map(|found| found.tags).unwrap_or_default())
}

/// Reads the tags of a dwelling; `None` if the document says nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<DoorTagsRecord>, StoreError> {
    let content = replica.content(replica.namespace_id(namespace), document)?;
    if content.records.is_empty() {
        return Ok(None);
    }
    let town = *replica.trust().town();
    let mut found = DoorTagsRecord { id: document, tags: vec![], unreadable: 0 };
    for key in content.records.keys() {
        match sound(&town, namespace, key, &content) {
            Some(tag) => found.tags.push(tag),
            None => found.unreadable += 1,
        }
    }
    Ok(Some(found))
}

/// A tag whose token is its own and signed by the node that it names.
fn sound(town: &[u8; 32], namespace: &Namespace, key: &[u8], content: &Content) -> Option<DoorTagRecord> {
    let id = TagId::from_slice(key)?;
    let registers = content.records.get(key)?;
    // Whoever retired it is heard, whatever was written beside that: what has effect is never nothing.
    let said = |values: &[crate::document::Candidate]| {
        values.iter().map(|candidate| &candidate.value).find(|value| **value != Value::Null).cloned()
    };
    let fields = registers.iter().filter_map(|(number, register)| Some((*number, said(&register.values)?))).collect();
    let tag = DoorTag::read(&fields);
    let (token, issuer, dwelling) = (tag.token?, tag.issuer?, tag.dwelling?);
    let is_own = token.tag() == id && token.region().to_string() == namespace.region;
    (is_own && token.is_signed_by(town, &issuer)).then(|| DoorTagRecord {
        id,
        code: SpokenNumber::of_tag(id),
        token,
        issuer,
        dwelling,
        tag,
    })
}
