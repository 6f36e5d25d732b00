//! Cases that decision support opens: one for each contradiction of the registry, proposal of a campaign, place to which something
//! comes back, or hot spot, once.
//!
//! The case is found again by what it is about, so that two centers that ask open one, in whatever period. Once it is over
//! a further one is opened only for what was seen after that. What a gate saw is named masked: a case travels to teams that need
//! not know whose car it is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::case::{self, Actor, NewCase};
use townmesh_crdt::command::{CommandError, Outcome, UTC_OFFSET_MINUTES, table};
use townmesh_crdt::domain::case::{Report, Source};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::input::{Fault, InputError};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use utoipa::ToSchema;

use super::Api;
use super::assessment::check_period;
use super::bounds::Payload;
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::Written;
use super::opening_places;
use crate::views::{
    ContradictionFilter, Contradictions, CrowdedDoor, Proposal, ProposalsFilter, Rental, RentalFault, SeenBy,
    StrangeVehicle, Subject, UnknownPeople,
};

/// The category of cases that ask a village to look what is true.
const REGISTRY: &str = "registry";
/// Most cases that one request opens, of all kinds together.
const MOST: u32 = 50;
/// Things looked at in one go.
const AT_ONCE: usize = 32;
/// How often one thing may become a case.
const MOST_TURNS: u32 = 1_000;

/// What cases are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ground {
    /// What contradicts the registry.
    Contradictions,
    /// Where campaigns are called for.
    Proposals,
    /// What comes back at one place again and again.
    Recurrence,
    /// Where most of everything gathers.
    HotSpots,
}

/// Cases to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpeningInput {
    of: Ground,
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    #[serde(default)]
    pub(super) region: Option<RegionCode>,
    /// As for the analysis that is asked.
    #[serde(default)]
    pub(super) days: Option<u32>,
    /// At most so many are opened.
    #[serde(default)]
    limit: Option<u32>,
    actor: Actor,
}

/// A case that was opened, now or before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenedCase {
    document: DocumentId,
    number: SpokenNumber,
    /// `created`, `changed` or `unchanged`.
    outcome: &'static str,
    region: RegionCode,
}

impl OpenedCase {
    fn is_new(&self) -> bool {
        self.outcome != Outcome::Unchanged(()).key()
    }
}

/// A case that is to be opened.
pub(super) struct Opening {
    pub(super) region: RegionCode,
    pub(super) key: String,
    pub(super) category: String,
    pub(super) place: String,
    pub(super) position: Option<Position>,
    pub(super) description: String,
}

#[utoipa::path(
    post,
    path = "/v1/analysis/cases",
    operation_id = "openCases",
    tag = "decisions",
    summary = "分析转案卷 / open a case for each contradiction, proposal, recurrence or hot spot, once",
    request_body = OpeningInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<OpenedCase>),
        Written
    )
)]
pub(super) async fn open(State(api): State<Api>, Payload(input): Payload<OpeningInput>) -> Result<Response, ApiError> {
    check_period(input.from_ms, input.until_ms)?;
    api.views_follow().await;
    let openings = match input.of {
        Ground::Contradictions => contradictions(&api, &input).await?,
        Ground::Proposals => proposals(&api, &input).await?,
        Ground::Recurrence => opening_places::recurrence(&api, &input).await?,
        Ground::HotSpots => opening_places::hot_spots(&api, &input).await?,
    };
    let (actor, from_ms) = (input.actor, input.from_ms);
    let most = input.limit.unwrap_or(MOST).min(MOST) as usize;
    let job = move |replica: &mut Replica, now| {
        // All or none: what one of them lacks is looked for before the first is recorded.
        let tables = table::tables(replica)?;
        for opening in &openings {
            if tables.category(&opening.category).is_none() {
                let known = tables.category_codes().take(40).collect::<Vec<_>>().join(", ");
                return Err(InputError::new("category", Fault::Category { known }).into());
            }
            let wanted = Namespace::cases(&opening.region.to_string(), &year_of(now));
            let namespace = replica.period(&wanted, now)?;
            replica.may_record(&namespace, DocumentKind::Case, DocumentKind::Case.lane())?;
        }
        Ok(openings)
    };
    let mut openings = api.engine().step(job).await?.into_iter();
    let mut rows: Vec<OpenedCase> = Vec::new();
    let mut left = most;
    // A few at a time, so that others are served in between; what was opened stays, and is found again the next time.
    while left > 0 && openings.len() > 0 {
        let (some, actor): (Vec<Opening>, Actor) = (openings.by_ref().take(AT_ONCE).collect(), actor.clone());
        let job = move |replica: &mut Replica, now| open_some(replica, &actor, some, (left, from_ms), now);
        let opened = api.engine().step(job).await?;
        left = left.saturating_sub(opened.iter().filter(|one| one.is_new()).count());
        rows.extend(opened);
    }
    Ok(Json(Rows { rows }).into_response())
}

/// Opens so many at most that were not opened before.
fn open_some(
    replica: &mut Replica,
    actor: &Actor,
    openings: Vec<Opening>,
    (most, from_ms): (usize, i64),
    now: u64,
) -> Result<Vec<OpenedCase>, CommandError> {
    let mut opened: Vec<OpenedCase> = Vec::new();
    for opening in openings {
        if opened.iter().filter(|one| one.is_new()).count() == most {
            break;
        }
        opened.push(open_once(replica, actor, opening, from_ms, now)?);
    }
    Ok(opened)
}

/// The case that was opened for this before, unless it was over when the period began; else a new one.
fn open_once(
    replica: &mut Replica,
    actor: &Actor,
    opening: Opening,
    from_ms: i64,
    now: u64,
) -> Result<OpenedCase, CommandError> {
    for turn in 1..MOST_TURNS {
        let key = format!("{}:{turn}", opening.key);
        let Some(found) = case::by_key(replica, opening.region, key.as_bytes())? else {
            return report(replica, actor, Opening { key, ..opening }, now);
        };
        // Where intake found it to be part of another case, that one tells whether it goes on.
        let (found, case) = case::leading(replica, found)?;
        let over = case.over_since().map(u64::cast_signed);
        if over.is_none_or(|over| from_ms < over) {
            let number = SpokenNumber::of_case(found.document);
            return Ok(OpenedCase {
                document: found.document,
                number,
                outcome: Outcome::Unchanged(()).key(),
                region: opening.region,
            });
        }
    }
    let key = format!("{}:{MOST_TURNS}", opening.key);
    report(replica, actor, Opening { key, ..opening }, now)
}

fn report(replica: &mut Replica, actor: &Actor, opening: Opening, now: u64) -> Result<OpenedCase, CommandError> {
    let report = Report {
        source: Source::Data,
        category: Some(opening.category),
        place: opening.place,
        position: opening.position,
        description: opening.description,
        region: None,
        device: None,
        reporter: None,
        photos: vec![],
        found_ms: None,
    };
    let natural_key = Some(opening.key.into_bytes());
    let new = NewCase { region: opening.region, natural_key, noticed: now, report, reporter: None };
    let outcome: Outcome<_> = case::report(replica, actor, new, now)?;
    let (key, document) = (outcome.key(), outcome.value().document);
    Ok(OpenedCase { document, number: SpokenNumber::of_case(document), outcome: key, region: opening.region })
}

async fn contradictions(api: &Api, input: &OpeningInput) -> Result<Vec<Opening>, ApiError> {
    let filter = ContradictionFilter {
        from_ms: input.from_ms,
        until_ms: input.until_ms,
        region: input.region,
        days: super::analysis::living_days(input.days)?,
        // Those that were opened before must not keep the others from it.
        limit: Some(u32::MAX),
        reveal: false,
    };
    let found: Contradictions = api.readers().analyse(move |reader| reader.contradictions(&filter)).await?;
    let opening = |region: &str, key: &str, place: String, description: String| {
        let region = region.parse().ok()?;
        let (key, category) = (format!("contradiction:{key}"), REGISTRY.to_owned());
        Some(Opening { region, key, category, place, position: None, description })
    };
    let vehicles = found.vehicles.iter().filter_map(|StrangeVehicle { region, plate, days, key, .. }| {
        let text = format!("车辆 {plate} 有 {days} 天出入本村居，车辆台账中没有，请核实登记");
        opening(region, key, "出入口".to_owned(), text)
    });
    let crowd = |seen: u64, by: SeenBy, residents: u64, unknown: u64| {
        let seen = match by {
            SeenBy::Identified => format!("门禁常见 {seen} 人"),
            SeenBy::Counted => format!("门禁计数推算约 {seen} 人"),
        };
        format!("{seen}，登记 {residents} 人，多出 {unknown} 人，请核实登记")
    };
    let people = found.people.iter().filter_map(|UnknownPeople { region, seen, by, residents, unknown, key }| {
        opening(region, key, "全村居".to_owned(), crowd(*seen, *by, *residents, *unknown))
    });
    let doors = found.doors.iter().filter_map(|door: &CrowdedDoor| {
        let text = format!("出租房{}", crowd(door.seen, door.by, door.residents, door.unknown));
        opening(&door.region, &door.key, door.address.clone(), text)
    });
    let rentals = found.rentals.iter().filter_map(|rental: &Rental| {
        let text = match (rental.fault, rental.tenant_limit) {
            (RentalFault::TooMany, Some(limit)) => {
                format!("出租房登记 {} 人，限住 {limit} 人，请核实处理", rental.residents)
            }
            (RentalFault::TooMany, None) | (RentalFault::Nobody, _) => "出租房没有登记任何人，请核实登记".to_owned(),
        };
        opening(&rental.region, &rental.key, rental.address.clone(), text)
    });
    Ok(vehicles.chain(people).chain(rentals).chain(doors).collect())
}

async fn proposals(api: &Api, input: &OpeningInput) -> Result<Vec<Opening>, ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let filter = ProposalsFilter {
        from_ms: input.from_ms,
        until_ms: input.until_ms,
        region: input.region,
        category: None,
        days: super::analysis::checked_days(input.days, &tables)?,
        limit: Some(u32::MAX),
    };
    let found = api.readers().analyse(move |reader| reader.proposals(&filter, &tables)).await?;
    let opening = |proposal: &Proposal| {
        // A hazard of a checklist has no category of cases: what it calls for is a campaign, not a case.
        let Subject::Category(category) = &proposal.subject else { return None };
        let [words, _] = proposal.words.clone().unwrap_or_else(|| [category.clone(), category.clone()]);
        let [form, _] = proposal.form.words();
        let [reason, _] = &proposal.reason;
        Some(Opening {
            region: proposal.region.parse().ok()?,
            key: format!("proposal:{}:{category}", proposal.square),
            category: category.clone(),
            place: format!("方格 {}", proposal.square),
            position: proposal.centre,
            description: format!("{words}：{} 起，{} 处，{reason}；建议{form}", proposal.count, proposal.places),
        })
    };
    Ok(found.rows.iter().filter_map(opening).collect())
}

fn year_of(now: u64) -> String {
    let (year, ..) = Day::of_time(now.cast_signed(), UTC_OFFSET_MINUTES).calendar();
    format!("{year:04}")
}
