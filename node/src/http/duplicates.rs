//! Suspected duplicates of cases, for intake to look at before it accepts.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use utoipa::IntoParams;

use super::Api;
use super::bounds::{Named, Params};
use super::cases::CaseName;
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::{Clashing, Sought, Wrong};
use super::positions::place_called;
use crate::engine;
use crate::views::{Likeness, SimilarCase, SuspectedDuplicate};

/// What somebody is about to report.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SimilarQuery {
    region: RegionCode,
    #[serde(default)]
    place: String,
    #[serde(default)]
    description: String,
    category: Option<String>,
    /// Latitude and longitude.
    near: Option<String>,
    /// When it was noticed, in milliseconds since 1970; now if not given.
    noticed_ms: Option<i64>,
}

#[utoipa::path(
    get,
    path = "/v1/cases/similar",
    operation_id = "similarCases",
    tag = "cases",
    summary = "上报前查重 / cases that may be what is about to be reported",
    params(SimilarQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<SimilarCase>),
        Wrong
    )
)]
pub(super) async fn similar(State(api): State<Api>, Params(query): Params<SimilarQuery>) -> Result<Response, ApiError> {
    let position = place_called(query.near.as_deref())?;
    let now_ms = engine::now().cast_signed();
    let report = Likeness {
        region: Some(query.region),
        reported_ms: query.noticed_ms.unwrap_or(now_ms),
        category: query.category,
        place: query.place,
        position,
        description: query.description,
        ..Likeness::default()
    };
    let rows = api.readers().query(move |reader| reader.similar_cases(&report, now_ms)).await?;
    Ok(Json(json!(Rows { rows })).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/cases/{id}/similar",
    operation_id = "similarToCase",
    tag = "cases",
    summary = "与此案疑似重复的案卷 / cases that may be the same problem as this one",
    params(("id" = CaseName, Path, description = "案卷或编号 / case, or its number")),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<SimilarCase>),
        Sought,
        Clashing
    )
)]
pub(super) async fn similar_to(State(api): State<Api>, Named(name): Named<CaseName>) -> Result<Response, ApiError> {
    let document = api.case_named(name).await?;
    api.views_follow().await;
    let rows = api.similar_to(document).await?;
    Ok(Json(json!(Rows { rows })).into_response())
}

impl Api {
    /// Cases that may be the same problem as this one.
    pub(super) async fn similar_to(&self, case: DocumentId) -> Result<Vec<SimilarCase>, ApiError> {
        let now_ms = engine::now().cast_signed();
        let found = self.readers().query(move |reader| {
            let report = reader.likeness(&case.to_string())?;
            report.map(|report| reader.similar_cases(&report, now_ms)).transpose()
        });
        found.await?.ok_or_else(|| ApiError::not_found("本节点没有此案卷", "there is no such case here"))
    }
}

/// Where.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SuspectedQuery {
    region: Option<RegionCode>,
}

#[utoipa::path(
    get,
    path = "/v1/cases/duplicates",
    operation_id = "suspectedDuplicates",
    tag = "cases",
    summary = "待受理中的疑似重复案卷 / reports that wait for intake and may be duplicates",
    params(SuspectedQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<SuspectedDuplicate>),
        Wrong
    )
)]
pub(super) async fn suspected(
    State(api): State<Api>,
    Params(query): Params<SuspectedQuery>,
) -> Result<Response, ApiError> {
    let now_ms = engine::now().cast_signed();
    let rows = api.readers().analyse(move |reader| reader.suspected_duplicates(query.region, now_ms)).await?;
    Ok(Json(json!(Rows { rows })).into_response())
}
