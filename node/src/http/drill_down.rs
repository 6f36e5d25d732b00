//! How long things take, and the cases behind the answers of decision support: behind a group of times, a point of a trend, a hot
//! square.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::table;
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::namespace::NamespaceKind;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::analysis::{Analysed, Scope, checked_days, now, square_at};
use super::assessment::check_period;
use super::bounds::Params;
use super::error::ApiError;
use super::openapi::problems::Wrong;
use crate::message::Message;
use crate::views::{
    CaseRow, HotSpotFilter, HoursOfWeek, IntervalFilter, IntervalGroup, IntervalGrouping, Listed, Moments, Page,
    RecurrenceFilter, RecurringCase, TrendFilter, TrendGrouping, TrendStep,
};

/// How long things take, and by what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct IntervalQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    by: Option<IntervalGrouping>,
}

/// How long orders take.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Intervals {
    /// By what they are put together.
    by: IntervalGrouping,
    /// By region, limits of arrival until when are told to have passed: its data is complete so far. Now, where a region is not named.
    judged_to: Moments,
    /// The group with most orders first.
    rows: Vec<IntervalGroup>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/intervals",
    operation_id = "intervals",
    tag = "decisions",
    summary = "发现、上报、派遣、到人、到场用时 / how long it takes from the finding to the scene",
    params(IntervalQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Analysed<Intervals>),
        Wrong
    )
)]
pub(super) async fn intervals(
    State(api): State<Api>,
    Params(query): Params<IntervalQuery>,
) -> Result<Response, ApiError> {
    let IntervalQuery { from_ms, until_ms, region, by } = query;
    let by = by.unwrap_or(IntervalGrouping::Team);
    let known = api.moments(NamespaceKind::Cases, region).await?;
    let judged_to = known.clone();
    let filter = IntervalFilter { from_ms, until_ms, now_ms: now(), known, region, by };
    let tables = api.engine().read(table::tables).await??;
    let scope = Scope { from_ms, until_ms, region, kind: Some(NamespaceKind::Cases) };
    scope
        .answer(&api, move |reader, _| Ok(Intervals { by, judged_to, rows: reader.intervals(&filter, &tables)? }))
        .await
}

/// Behind which group of times.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct IntervalCasesQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    by: Option<IntervalGrouping>,
    /// 该组的编号，空为无 / code of the group; empty where there is none
    group: String,
    /// 只看到场超时的 / only with an order on which nobody came in time
    #[serde(default)]
    late: bool,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/intervals/cases",
    operation_id = "intervalCases",
    tag = "decisions",
    summary = "用时背后的案卷 / the cases of the orders of a group",
    params(IntervalCasesQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<CaseRow>),
        Wrong
    )
)]
pub(super) async fn interval_cases(
    State(api): State<Api>,
    Params(query): Params<IntervalCasesQuery>,
) -> Result<Response, ApiError> {
    let IntervalCasesQuery { from_ms, until_ms, region, by, group, late, limit, after } = query;
    check_period(from_ms, until_ms)?;
    let by = by.unwrap_or(IntervalGrouping::Team);
    let known = api.moments(NamespaceKind::Cases, region).await?;
    let filter = IntervalFilter { from_ms, until_ms, now_ms: now(), known, region, by };
    let tables = api.engine().read(table::tables).await??;
    let page = Page { limit, after };
    let ask = move |reader: &crate::views::Reader| reader.interval_cases(&filter, &tables, (&group, late), &page);
    Ok(Json(api.readers().analyse(ask).await?).into_response())
}

/// Behind which point of a trend.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TrendCasesQuery {
    /// 该段中的一日 / a day of the period
    begin: Day,
    step: Option<TrendStep>,
    region: Option<RegionCode>,
    /// 类别，空为无 / category; empty of those without one
    category: Option<String>,
    source: Option<Source>,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/trend/cases",
    operation_id = "trendCases",
    tag = "decisions",
    summary = "趋势中一点的案卷 / the cases of one point of a trend",
    params(TrendCasesQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<CaseRow>),
        Wrong
    )
)]
pub(super) async fn trend_cases(
    State(api): State<Api>,
    Params(query): Params<TrendCasesQuery>,
) -> Result<Response, ApiError> {
    let TrendCasesQuery { begin, step, region, category, source, limit, after } = query;
    let (now_ms, step, page) = (now(), step.unwrap_or(TrendStep::Day), Page { limit, after });
    let filter = TrendFilter {
        from_ms: 0,
        until_ms: 0,
        now_ms,
        region,
        category,
        source,
        by: TrendGrouping::Category,
        step,
        limit: None,
    };
    let listed = api.readers().analyse(move |reader| reader.trend_cases(&filter, begin, &page)).await?;
    Ok(Json(listed).into_response())
}

/// Behind which hot square, and which of its hours.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HotSpotCasesQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    category: Option<String>,
    /// 案卷来源 / only cases from this source
    source: Option<Source>,
    /// Any place in the square.
    square: Option<String>,
    /// 周几，1 为周一 / day of the week, 1 is Monday
    #[param(minimum = 1, maximum = 7)]
    weekday: Option<u8>,
    /// 时 / hour of the day
    #[param(minimum = 0, maximum = 23)]
    hour: Option<u8>,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/hot-spots/cases",
    operation_id = "hotSpotCases",
    tag = "decisions",
    summary = "热点中的案卷 / the cases of a hot square or hour",
    params(HotSpotCasesQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<CaseRow>),
        Wrong
    )
)]
pub(super) async fn hot_spot_cases(
    State(api): State<Api>,
    Params(query): Params<HotSpotCasesQuery>,
) -> Result<Response, ApiError> {
    let HotSpotCasesQuery { from_ms, until_ms, region, category, source, square, weekday, hour, limit, after } = query;
    check_period(from_ms, until_ms)?;
    let square = square_at(square.as_deref())?;
    if weekday.is_some_and(|day| !(1..=7).contains(&day)) || hour.is_some_and(|hour| hour > 23) {
        let en = "weekday is a number from 1, Monday, to 7, and hour one from 0 to 23";
        return Err(ApiError::bad_request(Message::new("hour", "weekday 须为 1（周一）至 7，hour 须为 0 至 23", en)));
    }
    let filter = HotSpotFilter { from_ms, until_ms, region, category, source, square, ..HotSpotFilter::default() };
    let (hours, page, now_ms) = (HoursOfWeek { weekday, hour }, Page { limit, after }, now());
    let ask = move |reader: &crate::views::Reader| reader.hot_spot_cases(&filter, hours, now_ms, &page);
    Ok(Json(api.readers().analyse(ask).await?).into_response())
}

/// Which group of what comes back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecurringCasesQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    category: Option<String>,
    days: Option<u32>,
    /// 该组的 first / `first` of the group
    first: String,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/analysis/recurrence/cases",
    operation_id = "recurringCases",
    tag = "decisions",
    summary = "一组反复发生的各次 / every time of one group",
    params(RecurringCasesQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<RecurringCase>),
        Wrong
    )
)]
pub(super) async fn recurring_cases(
    State(api): State<Api>,
    Params(query): Params<RecurringCasesQuery>,
) -> Result<Response, ApiError> {
    let RecurringCasesQuery { from_ms, until_ms, region, category, days, first, limit, after } = query;
    check_period(from_ms, until_ms)?;
    let days = checked_days(days, &*api.engine().read(table::tables).await??)?;
    let filter = RecurrenceFilter { from_ms, until_ms, region, category, days, by: None, limit: None };
    let page = Page { limit, after };
    let ask = move |reader: &crate::views::Reader| reader.recurring_cases(&filter, &first, &page);
    Ok(Json(api.readers().analyse(ask).await?).into_response())
}
