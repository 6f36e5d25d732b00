//! Assessment: the figures of a period, and the cases behind each.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use townmesh_crdt::command::table;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole};
use townmesh_crdt::namespace::NamespaceKind;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::Params;
use super::completeness::{self, Complete};
use super::error::ApiError;
use super::openapi::problems::{Sought, Wrong};
use crate::engine;
use crate::message::Message;
use crate::views::{
    Assessment, AssessmentFilter, CaseRow, Figure, GroupBy, Listed, Moments, Page, Reader, Score, ScoreFilter, Scores,
    ShareSide,
};

/// Which cases, and what is asked of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AssessmentQuery {
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    by: Option<GroupBy>,
    group: Option<String>,
    figure: Option<Figure>,
    /// 附上一时段及名次变化 / beside the period before, with the change of place
    #[serde(default)]
    before: bool,
    limit: Option<u32>,
    after: Option<String>,
}

/// The figures of a period, with how complete the data is that they were made from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Assessed {
    from_ms: i64,
    until_ms: i64,
    /// When this was asked.
    now_ms: i64,
    /// By region, deadlines until when are told to have passed: its data is complete so far; 0 where nothing is known of it. Now, where
    /// a region is not named.
    judged_to: Moments,
    by: Option<GroupBy>,
    #[serde(flatten)]
    assessment: Assessment,
    completeness: Complete,
}

pub(super) fn check_period(from_ms: i64, until_ms: i64) -> Result<(), ApiError> {
    if until_ms > from_ms {
        return Ok(());
    }
    let message = Message::new("period", "考核时段的结束须晚于开始", "a period must end after it begins");
    Err(ApiError::bad_request(message.remedy("更正 from_ms 与 until_ms", "correct from_ms and until_ms")))
}

impl AssessmentQuery {
    /// Deadlines of a region count as passed up to the moment to which its data is complete.
    async fn filter(&self, api: &Api) -> Result<AssessmentFilter, ApiError> {
        let (from_ms, until_ms, region) = (self.from_ms, self.until_ms, self.region);
        check_period(from_ms, until_ms)?;
        let group = match (self.by, &self.group) {
            (Some(by), Some(group)) => Some((by, group.clone())),
            (_, None) => None,
            (None, Some(_)) => {
                let message =
                    Message::new("group", "group 须与 by 同用", "group needs by, which says of what it is one");
                return Err(ApiError::bad_request(message));
            }
        };
        let known = api.moments(NamespaceKind::Cases, region).await?;
        Ok(AssessmentFilter { from_ms, until_ms, now_ms: engine::now().cast_signed(), known, region, group })
    }
}

#[utoipa::path(
    get,
    path = "/v1/assessment",
    operation_id = "assess",
    tag = "decisions",
    summary = "考核指标 / figures of a period",
    params(AssessmentQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Assessed),
        Wrong
    )
)]
pub(super) async fn figures(
    State(api): State<Api>,
    Params(query): Params<AssessmentQuery>,
) -> Result<Response, ApiError> {
    let filter = query.filter(&api).await?;
    if query.figure.is_some() {
        let message =
            Message::new("figure", "figure 用于 /v1/assessment/cases", "figure belongs to /v1/assessment/cases");
        return Err(ApiError::bad_request(message));
    }
    // Before the figures, which may then be more complete than is said.
    let completeness = completeness::of(&api, Some(NamespaceKind::Cases), query.region).await?;
    let (from_ms, until_ms, now_ms, by) = (filter.from_ms, filter.until_ms, filter.now_ms, query.by);
    let judged_to = filter.known.clone();
    let before = query.before;
    let ask = move |reader: &Reader| match before {
        true => reader.assessment_beside_the_one_before(&filter, by),
        false => reader.assessment(&filter, by),
    };
    let assessment = api.readers().query(ask).await?;
    Ok(Json(Assessed { from_ms, until_ms, now_ms, judged_to, by, assessment, completeness }).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/assessment/cases",
    operation_id = "assessedCases",
    tag = "decisions",
    summary = "指标中的案卷 / the cases behind a figure",
    params(AssessmentQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<CaseRow>),
        Wrong
    )
)]
pub(super) async fn cases(
    State(api): State<Api>,
    Params(query): Params<AssessmentQuery>,
) -> Result<Response, ApiError> {
    let filter = query.filter(&api).await?;
    let Some(figure) = query.figure else {
        let known = Figure::ALL.iter().map(|figure| figure.name()).collect::<Vec<_>>().join(", ");
        let en = format!("figure is missing; the figures are {known}");
        let zh = format!("缺少 figure；可用：{known}");
        return Err(ApiError::bad_request(Message::new("figure", zh, en)));
    };
    let page = Page { limit: query.limit, after: query.after };
    let listed = api.readers().query(move |reader| reader.assessed_cases(&filter, figure, &page)).await?;
    Ok(Json(listed).into_response())
}

/// Whose work of which period is scored.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreQuery {
    role: ScoreRole,
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    /// Handling by person instead of by team.
    #[serde(default)]
    by_person: bool,
    /// 附上一时段及名次变化 / beside the period before, with the change of place
    #[serde(default)]
    before: bool,
}

#[utoipa::path(
    get,
    path = "/v1/scores",
    operation_id = "scores",
    tag = "decisions",
    summary = "评分 / how well teams and people did",
    params(ScoreQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Scored),
        Sought
    )
)]
pub(super) async fn scores(State(api): State<Api>, Params(query): Params<ScoreQuery>) -> Result<Response, ApiError> {
    let ScoreQuery { role, from_ms, until_ms, region, by_person, before } = query;
    check_period(from_ms, until_ms)?;
    if !ScoreRole::ALL.contains(&role) {
        return Err(ApiError::not_found("没有这个岗位的评分", "nobody is scored in this role"));
    }
    let completeness = completeness::of(&api, Some(NamespaceKind::Cases), region).await?;
    let tables = api.engine().read(table::tables).await??;
    let now_ms = engine::now().cast_signed();
    let known = api.moments(NamespaceKind::Cases, region).await?;
    let judged_to = known.clone();
    let filter = ScoreFilter { role, by_person, from_ms, until_ms, now_ms, known, region };
    let ask = move |reader: &Reader| match before {
        true => reader.scores_beside_the_one_before(&filter, &tables),
        false => reader.scores(&filter, &tables),
    };
    let scores = api.readers().query(ask).await?;
    let Scores { rows, truncated } = scores;
    let answer = Scored { completeness, from_ms, judged_to, now_ms, role, rows, truncated, until_ms };
    Ok(Json(json!(answer)).into_response())
}

/// Behind which share of whose score.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreCasesQuery {
    role: ScoreRole,
    from_ms: i64,
    until_ms: i64,
    region: Option<RegionCode>,
    /// Handling by person instead of by team.
    #[serde(default)]
    by_person: bool,
    /// 队伍或人员 / code of the team or person
    subject: String,
    /// 指标 / part of the score
    part: ScorePart,
    /// 分子或分母，缺省为分子 / what counts, or of how much; what counts where nothing is said
    side: Option<ShareSide>,
    limit: Option<u32>,
    after: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/scores/cases",
    operation_id = "scoreCases",
    tag = "decisions",
    summary = "评分背后的案卷 / the cases behind a share of a score",
    params(ScoreCasesQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<CaseRow>),
        Wrong
    )
)]
pub(super) async fn score_cases(
    State(api): State<Api>,
    Params(query): Params<ScoreCasesQuery>,
) -> Result<Response, ApiError> {
    let ScoreCasesQuery { role, from_ms, until_ms, region, by_person, subject, part, side, limit, after } = query;
    check_period(from_ms, until_ms)?;
    let now_ms = engine::now().cast_signed();
    let known = api.moments(NamespaceKind::Cases, region).await?;
    let filter = ScoreFilter { role, by_person, from_ms, until_ms, now_ms, known, region };
    let (side, page) = (side.unwrap_or(ShareSide::Got), Page { limit, after });
    let ask = move |reader: &Reader| reader.score_cases(&filter, (&subject, part, side), &page);
    Ok(Json(api.readers().query(ask).await?).into_response())
}

/// The scores of a period, with how complete the data is that they were made from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Scored {
    completeness: Complete,
    from_ms: i64,
    /// By region, deadlines until when are told to have passed: its data is complete so far; 0 where nothing is known of it. Now, where
    /// a region is not named.
    judged_to: Moments,
    /// When this was asked.
    now_ms: i64,
    role: ScoreRole,
    rows: Vec<Score>,
    /// There are more than are told.
    truncated: bool,
    until_ms: i64,
}
