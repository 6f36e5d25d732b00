//! The description of the whole API for programs (OpenAPI 3.1), made from the handlers and the types that they read and
//! write. `/ogc` describes itself (`/ogc/api`) and is only named here.

pub(super) mod problems;
#[cfg(test)]
pub(super) mod tests;
mod tidy;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use utoipa::OpenApi;

use super::cases::CaseName;
use super::error::Problem;
use crate::views::{
    CaseSort, CaseWait, CauseGrouping, Figure, HazardGrouping, IntervalGrouping, OffenderKind, ShareSide, SortOrder,
    SpotSource, TrendGrouping, TrendStep,
};
use townmesh_crdt::domain::door_tag::TagName;

/// Every operation but those of GeoReport, which are described where they are, and of `/ogc`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "townmesh",
        description = "乡镇治理节点的接口 / the API of a node of a town. Errors are problems of RFC 9457 in Chinese and English; their code is stable. The header townmesh-user names the account for whom a program asks; it is noted beside what is written."
    ),
    paths(
        describe,
        super::status::healthz,
        super::status::readyz,
        super::metrics::metrics,
        super::status::status,
        super::status::progress,
        super::households::list,
        super::households::record,
        super::households::show,
        super::households::edit,
        super::households::add_resident,
        super::residents::edit,
        super::moves::list,
        super::moves::give,
        super::moves::show,
        super::moves::accept,
        super::moves::refuse,
        super::moves::take_back,
        super::same_people::list,
        super::same_people::answer,
        super::households::inspections,
        super::households::inspect,
        super::households::hazards,
        super::households::hazard_step,
        super::dwellings::list,
        super::dwellings::record,
        super::dwellings::show,
        super::dwellings::edit,
        super::door_tags::list,
        super::door_tags::issue,
        super::door_tags::issue_all,
        super::door_tags::show,
        super::door_tags::public,
        super::door_tags::retire,
        super::door_tags::replace,
        super::hazard_case::link,
        super::photos::record,
        super::photos::show,
        super::photos::show_thumbnail,
        super::conflicts::list,
        super::conflicts::settled,
        super::conflicts::undo,
        super::conflicts::show,
        super::conflicts::settle,
        super::duplicates::similar,
        super::duplicates::similar_to,
        super::duplicates::suspected,
        super::cases::list,
        super::cases::report,
        super::shown_case::show,
        super::cases::act,
        super::evidence::export,
        super::hotline::import,
        super::events::list,
        super::events::record,
        super::orders::list,
        super::orders::show,
        super::sheets::sheet,
        super::orders::handover,
        super::command::show,
        super::assessment::figures,
        super::assessment::cases,
        super::assessment::scores,
        super::assessment::score_cases,
        super::analysis::hot_spots,
        super::analysis::recurrence,
        super::drill_down::recurring_cases,
        super::analysis::offenders,
        super::analysis::hazards,
        super::analysis::population,
        super::analysis::trend,
        super::analysis::proposals,
        super::analysis::contradictions,
        super::drill_down::intervals,
        super::drill_down::interval_cases,
        super::drill_down::trend_cases,
        super::drill_down::hot_spot_cases,
        super::analysis::grids,
        super::analysis::grid_proposal,
        super::openings::open,
        super::town::regions,
        super::town::counts,
        super::town::record_grid,
        super::grids::list,
        super::grids::retire,
        super::grids::import,
        super::grids::import_outlines,
        super::town::members,
        super::town::record_member,
        super::town::teams,
        super::town::record_team,
        super::town::devices,
        super::town::record_device,
        super::positions::list,
        super::positions::record,
        super::tracks::list,
        super::tracks::record,
        super::tracks::show,
        super::tracks::coverage,
        super::delivery::list,
        super::delivery::removals,
        super::completeness::show,
        super::completeness::by_region,
        super::life_cycle::show,
        super::life_cycle::publish,
        super::life_cycle::edition,
        super::life_cycle::restore,
        super::tables::list,
        super::tables::show,
        super::tables::record,
        super::tables::import,
        super::books::list,
        super::books::entries,
        super::books::record,
        super::books::import,
        super::books::show,
        super::books::duplicates,
        super::organisation::staffing,
        super::organisation::campaign,
        super::organisation::response,
        super::organisation::escalations,
        super::reveal::list,
        super::invite::invite,
        super::invite::list,
        super::revoke::revoke,
        super::authority::list,
        super::authority::create,
        super::authority::adopt,
        super::authority::revoke,
        super::erase::erase,
        super::ratify::ratify,
        super::import::import,
        super::export::export,
        super::export_lists::export,
        super::changes::follow,
        super::verify::verify,
        super::dump::dump,
    ),
    components(schemas(
        Problem,
        CaseName,
        TagName,
        Figure,
        SpotSource,
        CaseWait,
        CauseGrouping,
        OffenderKind,
        HazardGrouping,
        TrendStep,
        TrendGrouping,
        IntervalGrouping,
        CaseSort,
        SortOrder,
        ShareSide
    )),
    tags(
        (name = "registry", description = "户、居民、检查、隐患、门牌、照片 / households, residents, inspections, hazards, door tags, photos"),
        (name = "cases", description = "案卷、任务 / cases and orders"),
        (name = "devices", description = "设备与事件 / devices and their events"),
        (name = "conflicts", description = "待裁定与已裁定 / what people have to settle"),
        (name = "decisions", description = "考核与分析 / figures, scores, analyses"),
        (name = "town", description = "区划、人员、队伍、位置、轨迹 / regions, members, teams, positions, tracks"),
        (name = "tables", description = "码表 / the town's tables"),
        (name = "books", description = "台账 / the town's books"),
        (name = "organisation", description = "岗位、专项行动、应急响应、升级提醒 / posts, campaigns, responses, escalation"),
        (name = "completeness", description = "送达与完整性 / what has reached whom"),
        (name = "trust", description = "邀请、注销、授权、删除 / invites, removals, authorities, erasure"),
        (name = "files", description = "台账导入导出、实时变更 / ledgers in and out, live changes"),
        (name = "node", description = "本节点 / this node"),
        (name = "monitoring", description = "监控 / for monitoring"),
        (name = "georeport", description = "公众反映（Open311 GeoReport v2）/ reports of the public"),
        (name = "ogc", description = "地图（OGC API Features）/ the map for GIS programs: it describes itself", external_docs(url = "/ogc/api", description = "OpenAPI 3.0")),
    ),
)]
struct Described;

/// The description as it is answered.
pub(crate) fn description() -> Value {
    let mut description = serde_json::to_value(Described::openapi()).unwrap_or_default();
    if let Some(paths) = description["paths"].as_object_mut() {
        paths.extend(super::georeport::paths());
    }
    tidy::tidy(&mut description);
    description
}

#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "describe",
    tag = "node",
    summary = "本接口的描述 / the description of this API",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(super) async fn describe() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], SENT.clone()).into_response()
}

/// The description as it is sent: the same as long as the program runs, and some work to make.
static SENT: LazyLock<Bytes> = LazyLock::new(|| description().to_string().into());
