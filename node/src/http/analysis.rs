//! Decision support: where things gather, what comes back, hazards, people, trends, proposals; each with how complete the data
//! is that it was made from.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::device::DeviceKind;
use townmesh_crdt::domain::household::ResidentKind;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::{RegionCode, RegionLevel};
use townmesh_crdt::domain::tables::{Tables, Threshold};
use townmesh_crdt::domain::town::GridKind;
use townmesh_crdt::enrol::EnrolError;
use townmesh_crdt::namespace::NamespaceKind;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::assessment::check_period;
use super::bounds::Params;
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::grids::today;
use super::openapi::problems::{Clashing, Noted, Wrong};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::engine;
use crate::message::Message;
use crate::reveals::RevealKind;
use crate::views::{
    CauseGrouping, ContradictionFilter, Contradictions, GridPlan, GridProposal, GridProposalFilter, HazardGrouping,
    HazardStatistics, HazardStatisticsFilter, HotSpotFilter, HotSpots, MAX_PERIODS, OffenderKind, Offenders,
    OffendersFilter, Population, PopulationFilter, Proposals, ProposalsFilter, QueryError, Reader, Recurrence,
    RecurrenceFilter, SpotSource, Square, Trend, TrendFilter, TrendGrouping, TrendStep,
};

/// On so many days a vehicle or person counts as living there, where the caller names no number.
const LIVING_DAYS: u32 = 10;
/// Most days of that kind: a year.
const MAX_LIVING_DAYS: u32 = 366;
/// Most days that can be asked for: ten years.
const MAX_RECURRENCE_DAYS: u32 = 3_653;

/// An answer with how complete the data is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Analysed<T> {
    from_ms: i64,
    until_ms: i64,
    /// What lies after it is not over.
    now_ms: i64,
    #[serde(flatten)]
    answer: T,
    completeness: Complete,
}

/// Of when and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    pub(super) region: Option<RegionCode>,
    /// What the answer is made from; `None` where it is made from more than one kind.
    pub(super) kind: Option<NamespaceKind>,
}

impl Scope {
    /// `query` is told up to when everything is here: what lies after it is not over.
    pub(super) async fn answer<T: Serialize + Send + 'static>(
        self,
        api: &Api,
        query: impl FnOnce(&Reader, i64) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let Self { from_ms, until_ms, region, kind } = self;
        check_period(from_ms, until_ms)?;
        if let Some(region) = region {
            let known = api.readers().query(move |reader| reader.knows_region(region)).await?;
            if !known {
                return Err(EnrolError::UnknownRegion(region.to_string()).into());
            }
        }
        // Before the figures, which may then be more complete than is said.
        let completeness = completeness::of(api, kind, region).await?;
        let now_ms = now();
        let known_ms = completeness.complete_to_ms.map_or(now_ms, |known| now_ms.min(known.cast_signed()));
        let answer = api.readers().analyse(move |reader| query(reader, known_ms)).await?;
        Ok(Json(Analysed { from_ms, until_ms, now_ms, answer, completeness }).into_response())
    }
}

pub(super) fn now() -> i64 {
    engine::now().cast_signed()
}

/// On how many days something counts as living there.
pub(super) fn living_days(days: Option<u32>) -> Result<u32, ApiError> {
    let days = days.unwrap_or(LIVING_DAYS);
    if (1..=MAX_LIVING_DAYS).contains(&days) {
        return Ok(days);
    }
    let zh = format!("days 须为 1 至 {MAX_LIVING_DAYS} 之间的天数");
    let en = format!("days must be a number of days from 1 to {MAX_LIVING_DAYS}");
    Err(ApiError::bad_request(Message::new("days", zh, en)))
}

pub(super) fn checked_days(days: Option<u32>, tables: &Tables) -> Result<u32, ApiError> {
    let days = days.unwrap_or_else(|| tables.threshold(Threshold::RecurrenceDays));
    if (1..=MAX_RECURRENCE_DAYS).contains(&days) {
        return Ok(days);
    }
    let zh = format!("days 须为 1 至 {MAX_RECURRENCE_DAYS} 之间的天数");
    let en = format!("days must be a number of days from 1 to {MAX_RECURRENCE_DAYS}");
    Err(ApiError::bad_request(Message::new("days", zh, en)))
}

/// What gathers, when and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HotSpotQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    of: Option<SpotSource>,
    category: Option<String>,
    /// 案卷来源 / only cases from this source
    source: Option<Source>,
    device_kind: Option<DeviceKind>,
    /// Any place in the square.
    square: Option<String>,
    limit: Option<u32>,
}

/// The square that holds a place.
pub(super) fn square_at(place: Option<&str>) -> Result<Option<Square>, ApiError> {
    let place = place.map(str::parse::<Position>).transpose().map_err(|error| {
        let message = Message::new("square", "square 须为方格内一点：纬度,经度（度）", error.to_string());
        ApiError::bad_request(message)
    })?;
    Ok(place.map(Square::of))
}

impl HotSpotQuery {
    fn filter(self) -> Result<HotSpotFilter, ApiError> {
        let Self { from_ms, until_ms, region, of, category, source, device_kind, square, limit } = self;
        let is_of_cases = category.is_some() || source.is_some();
        let fits = match of {
            None => true,
            Some(SpotSource::Cases) => device_kind.is_none(),
            Some(SpotSource::Hazards) => device_kind.is_none() && !is_of_cases,
            Some(SpotSource::Alarms | SpotSource::Events) => !is_of_cases,
        };
        if !fits {
            let zh = "category 与 source 只用于案卷，device_kind 只用于设备：与 of 不符";
            let en = "category and source are of cases and device_kind of devices: that does not go with of";
            return Err(ApiError::bad_request(Message::new("of", zh, en)));
        }
        let square = square_at(square.as_deref())?;
        Ok(HotSpotFilter { from_ms, until_ms, region, of, category, source, device_kind, square, limit })
    }
}

#[utoipa::path(
    get,
    path = "/v1/analysis/hot-spots",
    operation_id = "hotSpots",
    tag = "decisions",
    summary = "高发地点与时段 / where and when things gather",
    params(HotSpotQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<HotSpots>),
        Wrong
    )
)]
pub(super) async fn hot_spots(
    State(api): State<Api>,
    Params(query): Params<HotSpotQuery>,
) -> Result<Response, ApiError> {
    let filter = query.filter()?;
    let scope = Scope { from_ms: filter.from_ms, until_ms: filter.until_ms, region: filter.region, kind: None };
    scope.answer(&api, move |reader, _| reader.hot_spots(&filter)).await
}

/// What comes back, when and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurrenceQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    category: Option<String>,
    days: Option<u32>,
    by: Option<CauseGrouping>,
    limit: Option<u32>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/recurrence",
    operation_id = "recurrence",
    tag = "decisions",
    summary = "反复发生 / what comes back",
    params(RecurrenceQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Recurrence>),
        Wrong
    )
)]
pub(super) async fn recurrence(
    State(api): State<Api>,
    Params(query): Params<RecurrenceQuery>,
) -> Result<Response, ApiError> {
    let RecurrenceQuery { from_ms, until_ms, region, category, days, by, limit } = query;
    let tables = api.engine().read(table::tables).await??;
    let days = checked_days(days, &tables)?;
    let filter = RecurrenceFilter { from_ms, until_ms, region, category, days, by, limit };
    let scope = Scope { from_ms, until_ms, region, kind: None };
    scope.answer(&api, move |reader, _| reader.recurrence(&filter, &tables)).await
}

/// Who.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OffendersQuery {
    by: OffenderKind,
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    category: Option<String>,
    /// 至少次数，缺省 2 / at least so often; twice where nothing is said
    least: Option<u32>,
    limit: Option<u32>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/offenders",
    operation_id = "offenders",
    tag = "decisions",
    summary = "屡犯 / who offends again and again",
    params(OffendersQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Offenders>),
        Wrong
    )
)]
pub(super) async fn offenders(
    State(api): State<Api>,
    Params(query): Params<OffendersQuery>,
) -> Result<Response, ApiError> {
    let OffendersQuery { by, from_ms, until_ms, region, category, least, limit } = query;
    let tables = api.engine().read(table::tables).await??;
    let least = least.unwrap_or_else(|| tables.threshold(Threshold::OffenderTimes));
    let filter = OffendersFilter { kind: by, from_ms, until_ms, region, category, least, limit };
    let scope = Scope { from_ms, until_ms, region, kind: None };
    scope.answer(&api, move |reader, _| reader.offenders(&filter, &tables)).await
}

/// Which hazards.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HazardStatisticsQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    by: Option<HazardGrouping>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/hazards",
    operation_id = "hazardStatistics",
    tag = "decisions",
    summary = "隐患统计 / statistics of hazards",
    params(HazardStatisticsQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<HazardStatistics>),
        Wrong
    )
)]
pub(super) async fn hazards(
    State(api): State<Api>,
    Params(query): Params<HazardStatisticsQuery>,
) -> Result<Response, ApiError> {
    let HazardStatisticsQuery { from_ms, until_ms, region, by } = query;
    let known = api.moments(NamespaceKind::Registry, region).await?;
    let filter = HazardStatisticsFilter { from_ms, until_ms, now_ms: now(), known, region, by };
    let tables = api.engine().read(table::tables).await??;
    let scope = Scope { from_ms, until_ms, region, kind: Some(NamespaceKind::Registry) };
    scope.answer(&api, move |reader, _| reader.hazard_statistics(&filter, &tables)).await
}

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PopulationQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    kind: Option<ResidentKind>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/population",
    operation_id = "population",
    tag = "decisions",
    summary = "人口统计 / statistics of people",
    params(PopulationQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Population>),
        Wrong
    )
)]
pub(super) async fn population(
    State(api): State<Api>,
    Params(query): Params<PopulationQuery>,
) -> Result<Response, ApiError> {
    let PopulationQuery { from_ms, until_ms, region, kind } = query;
    let filter = PopulationFilter { from_ms, until_ms, region, kind };
    let scope = Scope { from_ms, until_ms, region, kind: Some(NamespaceKind::Registry) };
    scope.answer(&api, move |reader, _| reader.population(&filter)).await
}

/// Which cases, by what periods.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TrendQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    category: Option<String>,
    source: Option<Source>,
    /// 缺省按类别 / cases by category where nothing is said
    by: Option<TrendGrouping>,
    step: Option<TrendStep>,
    limit: Option<u32>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/trend",
    operation_id = "trend",
    tag = "decisions",
    summary = "趋势 / cases or alarms by day, week or month",
    params(TrendQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Trend>),
        Wrong
    )
)]
pub(super) async fn trend(State(api): State<Api>, Params(query): Params<TrendQuery>) -> Result<Response, ApiError> {
    let TrendQuery { from_ms, until_ms, region, category, source, by, step, limit } = query;
    check_period(from_ms, until_ms)?;
    let by = by.unwrap_or(TrendGrouping::Category);
    if by == TrendGrouping::Device && (category.is_some() || source.is_some()) {
        let (zh, en) =
            ("category 与 source 只用于案卷，不用于设备", "category and source are of cases, not of devices");
        return Err(ApiError::bad_request(Message::new("by", zh, en)));
    }
    let step = step.unwrap_or(TrendStep::Day);
    if step.periods(from_ms, until_ms) > MAX_PERIODS as i64 {
        let zh = format!("时段过长：最多可分为 {MAX_PERIODS} 段");
        let en = format!("the period is too long: it may have {MAX_PERIODS} parts at most");
        let message =
            Message::new("period", zh, en).remedy("缩短时段，或按周、按月", "ask for less, or by week or month");
        return Err(ApiError::bad_request(message));
    }
    let kind = if by == TrendGrouping::Device { NamespaceKind::Events } else { NamespaceKind::Cases };
    let scope = Scope { from_ms, until_ms, region, kind: Some(kind) };
    let answer = move |reader: &Reader, now_ms| {
        reader.trend(&TrendFilter { from_ms, until_ms, now_ms, region, category, source, by, step, limit })
    };
    scope.answer(&api, answer).await
}

/// What contradicts the registry.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ContradictionQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    /// On so many days of the period something counts as living there; 10, where nobody says.
    days: Option<u32>,
    limit: Option<u32>,
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/contradictions",
    operation_id = "contradictions",
    tag = "decisions",
    summary = "人房车核实 / what gates say and the registry does not",
    params(ContradictionQuery, Asking),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Contradictions>),
        Wrong,
        Noted
    )
)]
pub(super) async fn contradictions(
    State(api): State<Api>,
    asker: Asker,
    Params(query): Params<ContradictionQuery>,
) -> Result<Response, ApiError> {
    let ContradictionQuery { from_ms, until_ms, region, days, limit, reveal } = query;
    let reason = Reason::of(reveal)?;
    let days = living_days(days)?;
    api.views_follow().await;
    let filter = ContradictionFilter { from_ms, until_ms, region, days, limit, reveal: reason.is_some() };
    let scope = Scope { from_ms, until_ms, region, kind: None };
    let answer = scope.answer(&api, move |reader, _| reader.contradictions(&filter)).await?;
    if let Some(reason) = reason {
        api.note_reveal(asker, reason, Shown::many(RevealKind::List, None)).await?;
    }
    Ok(answer)
}

/// Which grids.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GridQuery {
    region: Option<RegionCode>,
}

/// The grids of a region with how complete the data is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlannedGrids {
    #[serde(flatten)]
    plan: GridPlan,
    completeness: Complete,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/grids",
    operation_id = "gridPlan",
    tag = "decisions",
    summary = "网格划分 / grids against their rule",
    params(GridQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = PlannedGrids),
        Wrong
    )
)]
pub(super) async fn grids(State(api): State<Api>, Params(query): Params<GridQuery>) -> Result<Response, ApiError> {
    let region = query.region;
    let tables = api.engine().read(table::tables).await??;
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Registry), region).await?;
    let plan = api.readers().analyse(move |reader| reader.grid_plan(region, today(), &tables)).await?;
    Ok(Json(PlannedGrids { plan, completeness }).into_response())
}

/// Which region is divided, and as what kind of ground.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct GridProposalQuery {
    /// A village or community.
    region: RegionCode,
    /// By the rule of this kind; by that of the region's own where nothing is said.
    kind: Option<GridKind>,
}

/// A division of a region with how complete the data is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProposedGrids {
    #[serde(flatten)]
    proposal: GridProposal,
    completeness: Complete,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/grids/proposal",
    operation_id = "proposeGrids",
    tag = "decisions",
    summary = "网格划分建议 / a division of a region into grids, to be looked at before it is recorded",
    params(GridProposalQuery),
    responses(
        (status = 200, description = "GeoJSON", body = ProposedGrids, content_type = "application/geo+json"),
        Wrong,
        Clashing
    )
)]
pub(super) async fn grid_proposal(
    State(api): State<Api>,
    Params(query): Params<GridProposalQuery>,
) -> Result<Response, ApiError> {
    let GridProposalQuery { region, kind } = query;
    if region.level() != RegionLevel::Village {
        let (zh, en) = ("须为 12 位的村居代码", "the region must be a village or community, of 12 digits");
        return Err(ApiError::bad_request(Message::new("region", zh, en)));
    }
    let tables = api.engine().read(table::tables).await??;
    api.views_follow().await;
    let completeness = completeness::of(&api, Some(NamespaceKind::Registry), Some(region)).await?;
    let filter = GridProposalFilter { region, kind };
    let proposal = api.readers().analyse(move |reader| reader.grid_proposal(filter, &tables)).await?;
    let proposal = proposal.ok_or_else(|| {
        let (zh, en) = ("网格划分标准中没有这一类型的上限", "the rule of grids says no upper bound for this kind");
        let message = Message::new("no_grid_rule", zh, en);
        let remedy =
            ("在 grid_rule 表中补充，或用 kind 指定类型", "add it to the table grid_rule, or name another kind");
        ApiError { status: StatusCode::CONFLICT, message: message.remedy(remedy.0, remedy.1) }
    })?;
    let answer = Json(ProposedGrids { proposal, completeness });
    Ok(([(header::CONTENT_TYPE, "application/geo+json")], answer).into_response())
}

/// Where campaigns are looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ProposalsQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    category: Option<String>,
    days: Option<u32>,
    limit: Option<u32>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/proposals",
    operation_id = "proposals",
    tag = "decisions",
    summary = "专项整治建议 / which campaigns are called for",
    params(ProposalsQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Proposals>),
        Wrong
    )
)]
pub(super) async fn proposals(
    State(api): State<Api>,
    Params(query): Params<ProposalsQuery>,
) -> Result<Response, ApiError> {
    let ProposalsQuery { from_ms, until_ms, region, category, days, limit } = query;
    let tables = api.engine().read(table::tables).await??;
    let days = checked_days(days, &tables)?;
    let filter = ProposalsFilter { from_ms, until_ms, region, category, days, limit };
    let scope = Scope { from_ms, until_ms, region, kind: None };
    scope.answer(&api, move |reader, _| reader.proposals(&filter, &tables)).await
}
