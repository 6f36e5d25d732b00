//! The HTTP API: what people, programs and the command line ask of a running node.
//!
//! It listens on loopback, answers those who bear the node's token ([`access`]), and bounds what each may cost
//! ([`bounds`], [`server`]). A record is acknowledged (2xx) only after the engine's commit made it durable. Lists come
//! from the views and may be a moment behind; what is asked for by id waits for them.
//!
//! | path | method | what |
//! |---|---|---|
//! | `/healthz`, `/readyz`, `/metrics` | GET | for monitoring; no token on loopback |
//! | `/openapi.json` | GET | the description of all this for programs (OpenAPI 3.1) |
//! | `/v1/status`, `/v1/progress` | GET | what the node holds, whom it knows, how far it is |
//! | `/v1/households` | GET, POST | list and search; record |
//! | `/v1/households/{id}` | GET, PATCH | one; edit |
//! | `/v1/households/{id}/residents` | POST | add somebody |
//! | `/v1/households/{id}/residents/{resident}` | PATCH | edit somebody: moved out, another phone, a mistake |
//! | `/v1/inspections` | GET, POST | of one household; record |
//! | `/v1/photos`, `/v1/photos/{hash}` | POST, GET | a photo of a household or region; for a stated reason |
//! | `/v1/photos/{hash}/thumbnail` | GET | what comes ahead of a photo over slow links; for a stated reason |
//! | `/v1/hazards`, `/v1/hazards/{id}/steps` | GET, POST | list; take a step |
//! | `/v1/dwellings`, `/v1/dwellings/{id}` | GET, POST, PATCH | list and search; record; one; edit |
//! | `/v1/door-tags` | GET, POST | list; issue one for a door |
//! | `/v1/door-tags/issue-all` | POST | issue one for each dwelling of a region that has none |
//! | `/v1/door-tags/{tag}`, `.../retire`, `.../replace` | GET, POST | one, by what was scanned or typed; retire; replace |
//! | `/v1/public/door-tags/{tag}` | GET | what the public is told of one: its mark and village |
//! | `/v1/hazards/{id}/case` | POST | note which case was made of a hazard |
//! | `/v1/cases`, `/v1/cases/{id}`, `/v1/cases/{id}/actions` | GET, POST | list, report; one; act |
//! | `/v1/cases/similar`, `/v1/cases/{id}/similar`, `/v1/cases/duplicates` | GET | what may be one problem; reports that may be |
//! | `/v1/cases/{id}/evidence` | GET | a zip that proves the case outside the town; for a stated reason in clear, with photos |
//! | `/v1/cases/import` | POST | a list of calls to the hotline (12345), CSV or XLSX |
//! | `/v1/events` | GET, POST | of one device, or alarms; record a batch |
//! | `/v1/regions`, `/v1/counts` | GET | the table of regions; how much there is in each |
//! | `/v1/members`, `/v1/teams`, `/v1/devices` | GET, POST | list; record |
//! | `/v1/grids` | GET, POST | list, record |
//! | `/v1/grids/{document}/retire` | POST | nobody patrols it from a day on, or that is taken back |
//! | `/v1/grids/import`, `/v1/regions/import` | POST | grids, outlines of regions, as GeoJSON: all of a file or nothing |
//! | `/v1/orders`, `/v1/orders/{number}` | GET | orders to teams; one, by the number that people say |
//! | `/v1/orders/{number}/sheet` | GET | the order on a page to print and sign: HTML |
//! | `/v1/handover` | GET | what one shift hands over to the next |
//! | `/v1/positions` | GET, POST | where each unit was last; where this one is |
//! | `/v1/delivery` | GET | which nodes said they hold a document, table, edition or removal; what waits for each node |
//! | `/v1/removals` | GET | what was removed from the town, and which nodes have not heard of it |
//! | `/v1/completeness` | GET | up to when everything is here that other nodes held, by kind and region |
//! | `/v1/assessment`, `/v1/assessment/cases` | GET | figures of a period with their completeness; the cases behind one |
//! | `/v1/scores`, `/v1/scores/cases` | GET | how well teams and people did in a period, by the town's weights; the cases behind a share |
//! | `/v1/analysis/hot-spots`, `/v1/analysis/proposals` | GET | where and when things gather; which campaigns that calls for |
//! | `/v1/analysis/recurrence`, `/v1/analysis/trend` | GET | what comes back at one place; cases by day, week, month |
//! | `/v1/analysis/offenders` | GET | who offends again and again |
//! | `/v1/command` | GET | peace or emergency, open responses, what lies on each desk |
//! | `/v1/analysis/hazards`, `/v1/analysis/population` | GET | statistics of hazards and of people |
//! | `/v1/analysis/contradictions`, `/v1/analysis/grids` | GET | what gates say and the registry does not; grids against their rule |
//! | `/v1/analysis/grids/proposal` | GET | a division of a region into grids, as GeoJSON |
//! | `/v1/analysis/intervals` | GET | how long it takes from the finding to the report, to a person, to the scene |
//! | `/v1/analysis/intervals/cases`, `.../trend/cases`, `.../hot-spots/cases` | GET | the cases behind a group, a point, a square |
//! | `/v1/analysis/cases` | POST | opens a case for each contradiction or proposal, once |
//! | `/v1/tables`, `/v1/tables/{table}` | GET, POST | the town's tables; the rows of one (JSON, CSV, XLSX), record some |
//! | `/v1/tables/{table}/import` | POST | rows from a CSV or XLSX file, all of them or none |
//! | `/v1/books`, `/v1/books/{book}` | GET, POST | the town's books; the entries of one (JSON, CSV, XLSX), record some |
//! | `/v1/books/{book}/{id}` | GET | one entry |
//! | `/v1/books/{book}/duplicates` | GET | entries that seem to be one |
//! | `/v1/books/{book}/import` | POST | entries from a CSV or XLSX file, all of them or none |
//! | `/v1/staffing` | GET | posts and who fills them; who came to which shift |
//! | `/v1/campaigns/{code}` | GET | how far a campaign is: worklist, visits, findings, cases before and after |
//! | `/v1/responses/{code}` | GET | where a response stands: the steps of its plan, whom they call, who knows |
//! | `/v1/tracks`, `/v1/tracks/{id}` | GET, POST | where units were, by day; record; the points of one, for a stated reason |
//! | `/v1/coverage` | GET | how much of each grid was patrolled on a day |
//! | `/v1/escalations` | GET | cases so late that somebody higher up is told |
//! | `/v1/conflicts`, `/v1/conflicts/{id}` | GET | what people have to settle, and how they may; one |
//! | `/v1/conflicts/{id}/settle` | POST | settles one as it was seen |
//! | `/v1/conflicts/settled`, `/v1/conflicts/settled/{id}/undo` | GET, POST | what was settled; take one back |
//! | `/v1/changes` | GET | live changes as Server-Sent Events |
//! | `/georeport/v2/...` | GET, POST | reports of the public: Open311 GeoReport v2 |
//! | `/ogc/...` | GET | the map for GIS programs: OGC API Features |
//! | `/v1/import` | POST | a ledger file; answers JSON lines |
//! | `/v1/export` | GET | households as CSV, XLSX, GeoJSON |
//! | `/v1/export/{list}` | GET | a list with its filters as CSV, XLSX, and GeoJSON or GPX where there are places |
//! | `/v1/verify`, `/v1/dump` | POST, GET | checks everything; tells everything, for a stated reason; JSON lines |
//! | `/v1/reveals` | GET | who was shown personal data, when and why |
//! | `/v1/invite`, `/v1/revoke` | POST | makes an invite; removes a node or withdraws an invite |
//! | `/v1/invites` | GET | which invites there are, and what became of them |
//! | `/v1/authorities` | GET, POST | list; record a new one that the root key signed |
//! | `/v1/authorities/adopt`, `/v1/authorities/revoke` | POST | certifies the nodes of an authority anew; revokes one |
//! | `/v1/erase` | POST | destroys the keys of what is recorded of a person, on every node |
//! | `/v1/ratify` | POST | what is held here of a removed node, or of a forked log, counts |

mod access;
mod analysis;
mod asked_lists;
mod assessment;
mod authority;
mod books;
mod bounds;
mod cases;
mod changes;
mod columns;
mod command;
mod completeness;
mod conflicts;
mod delivery;
mod door_tags;
mod drill_down;
mod dump;
mod duplicates;
mod dwellings;
mod erase;
mod error;
mod events;
mod evidence;
mod export;
mod export_lists;
mod georeport;
mod grids;
mod hazard_case;
mod hotline;
mod households;
mod import;
mod invite;
mod judging;
mod life_cycle;
mod lines;
mod locate;
mod metrics;
mod moves;
mod ogc;
mod once;
mod openapi;
mod opening_places;
mod openings;
mod order_delivery;
mod orders;
mod organisation;
mod photos;
mod positions;
mod problems;
mod ratify;
mod readers;
mod residents;
mod reveal;
mod revoke;
mod same_people;
mod server;
mod sheets;
mod shown_case;
mod status;
mod tables;
#[cfg(test)]
mod tests;
mod town;
mod tracks;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, patch, post};
use townmesh_crdt::enrol::Authority;

pub use access::{Access, ApiFile};
pub use authority::{AdoptInput, AuthorityInput, AuthorityRevokeInput};
pub(crate) use authority::{Authorities, introduce as introduce_authority};
pub(crate) use cases::CaseName;
pub use erase::EraseInput;
pub use error::ApiError;
pub use invite::{InviteAnswer, InviteInput};
pub(crate) use invite::{Invites, acting_roles};
pub(crate) use ogc::escaped;
pub(crate) use openapi::description;
pub use ratify::RatifyInput;
pub use reveal::USER_HEADER;
pub use revoke::RevokeInput;
pub use server::{Patience, serve};

use crate::data_dir::DataDir;
use crate::engine::Engine;
use crate::keys::parse_authority;
use crate::ledger::MAX_TABLE_FILE;
use crate::message::Message;
use crate::reveals::Reveals;
use bounds::Bounds;
use judging::Judged;
use once::UnderWay;
use readers::Readers;

/// What every handler works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    readers: Readers,
    access: Access,
    bounds: Bounds,
    directory: DataDir,
    reveals: Reveals,
    judged: Judged,
    under_way: Arc<UnderWay>,
}

impl Api {
    /// The API of a node.
    pub fn new(engine: Engine, directory: DataDir, access: Access) -> Self {
        let readers = Readers::new(directory.views());
        let reveals = Reveals::new(directory.reveals());
        Self(Arc::new(Inner {
            engine,
            readers,
            access,
            bounds: Bounds::new(),
            directory,
            reveals,
            judged: Judged::default(),
            under_way: Arc::default(),
        }))
    }

    fn under_way(&self) -> &Arc<UnderWay> {
        &self.0.under_way
    }

    fn judged(&self) -> &Judged {
        &self.0.judged
    }

    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The authority of this town whose file a request brought; used for that request and forgotten.
    async fn authority(&self, text: &str) -> Result<Authority, ApiError> {
        let authority = parse_authority(text, "authority")?;
        let town = self.engine().read(|replica| *replica.trust().town()).await?;
        if authority.town == town { Ok(authority) } else { Err(ApiError::bad_request(crate::keys::other_town())) }
    }

    fn readers(&self) -> &Readers {
        &self.0.readers
    }

    fn access(&self) -> &Access {
        &self.0.access
    }

    fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    fn directory(&self) -> &DataDir {
        &self.0.directory
    }

    fn reveals(&self) -> &Reveals {
        &self.0.reveals
    }

    /// Every path, behind the guards.
    pub fn router(self) -> Router {
        let ordinary = Router::new()
            .route("/healthz", get(status::healthz))
            .route("/readyz", get(status::readyz))
            .route("/metrics", get(metrics::metrics))
            .route("/openapi.json", get(openapi::describe))
            .route("/v1/status", get(status::status))
            .route("/v1/progress", get(status::progress))
            .merge(lists())
            .nest("/ogc", ogc::router())
            .route("/ogc/", get(ogc::landing))
            .nest("/georeport/v2", georeport::router())
            .layer(from_fn_with_state(self.clone(), once::once))
            .layer(from_fn(reveal::write_for))
            .layer(from_fn(bounds::limit_time));
        let streaming = Router::new()
            .route("/v1/import", post(import::import).layer(DefaultBodyLimit::disable()))
            .route("/v1/export", get(export::export))
            .route("/v1/export/{list}", get(export_lists::export))
            .route("/v1/cases/{id}/evidence", get(evidence::export))
            .route("/v1/changes", get(changes::follow))
            .route("/v1/verify", post(verify::verify))
            .route("/v1/dump", get(dump::dump));
        ordinary
            .merge(streaming)
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(DefaultBodyLimit::max(bounds::BODY_BYTES))
            .layer(from_fn_with_state(self.clone(), bounds::bound))
            .layer(from_fn_with_state(self.clone(), access::guard))
            .with_state(self)
    }
}

/// What is recorded and listed.
fn lists() -> Router<Api> {
    registry().merge(work()).merge(books()).merge(decisions()).merge(whole_town()).merge(trust())
}

/// Who lives where, what was found there, and what is to be settled.
fn registry() -> Router<Api> {
    Router::new()
        .route("/v1/households", get(households::list).post(households::record))
        .route("/v1/households/{id}", get(households::show).patch(households::edit))
        .route("/v1/households/{id}/residents", post(households::add_resident))
        .route("/v1/households/{id}/residents/{resident}", patch(residents::edit))
        .route("/v1/moves", get(moves::list).post(moves::give))
        .route("/v1/moves/{id}", get(moves::show))
        .route("/v1/moves/{id}/accept", post(moves::accept))
        .route("/v1/moves/{id}/refuse", post(moves::refuse))
        .route("/v1/moves/{id}/take-back", post(moves::take_back))
        .route("/v1/same-people", get(same_people::list).post(same_people::answer))
        .route("/v1/inspections", get(households::inspections).post(households::inspect))
        .route("/v1/photos", post(photos::record).layer(DefaultBodyLimit::max(photos::PHOTO_BYTES)))
        .route("/v1/photos/{hash}", get(photos::show))
        .route("/v1/photos/{hash}/thumbnail", get(photos::show_thumbnail))
        .route("/v1/hazards", get(households::hazards))
        .route("/v1/hazards/{id}/steps", post(households::hazard_step))
        .route("/v1/dwellings", get(dwellings::list).post(dwellings::record))
        .route("/v1/dwellings/{id}", get(dwellings::show).patch(dwellings::edit))
        .route("/v1/door-tags", get(door_tags::list).post(door_tags::issue))
        .route("/v1/door-tags/issue-all", post(door_tags::issue_all))
        .route("/v1/door-tags/{tag}", get(door_tags::show))
        .route("/v1/door-tags/{tag}/retire", post(door_tags::retire))
        .route("/v1/door-tags/{tag}/replace", post(door_tags::replace))
        .route("/v1/public/door-tags/{tag}", get(door_tags::public))
        .route("/v1/hazards/{id}/case", post(hazard_case::link))
        .route("/v1/conflicts", get(conflicts::list))
        .route("/v1/conflicts/settled", get(conflicts::settled))
        .route("/v1/conflicts/settled/{id}/undo", post(conflicts::undo))
        .route("/v1/conflicts/{id}", get(conflicts::show))
        .route("/v1/conflicts/{id}/settle", post(conflicts::settle))
}

/// Cases, orders, device events.
fn work() -> Router<Api> {
    Router::new()
        .route("/v1/cases", get(cases::list).post(cases::report))
        .route("/v1/cases/similar", get(duplicates::similar))
        .route("/v1/cases/duplicates", get(duplicates::suspected))
        .route("/v1/cases/{id}/similar", get(duplicates::similar_to))
        .route("/v1/cases/{id}", get(shown_case::show))
        .route("/v1/cases/import", post(hotline::import).layer(DefaultBodyLimit::max(MAX_TABLE_FILE as usize)))
        .route("/v1/cases/{id}/actions", post(cases::act))
        .route("/v1/events", get(events::list).post(events::record).layer(DefaultBodyLimit::max(bounds::EVENTS_BYTES)))
        .route("/v1/orders", get(orders::list))
        .route("/v1/orders/{number}", get(orders::show))
        .route("/v1/orders/{number}/sheet", get(sheets::sheet))
        .route("/v1/handover", get(orders::handover))
        .route("/v1/command", get(command::show))
}

/// What the town keeps lists of beside households, cases and devices, and what follows from them.
fn books() -> Router<Api> {
    let file = DefaultBodyLimit::max(MAX_TABLE_FILE as usize);
    Router::new()
        .route("/v1/books", get(books::list))
        .route("/v1/books/{book}", get(books::entries).post(books::record).layer(file))
        .route("/v1/books/{book}/import", post(books::import).layer(file))
        .route("/v1/books/{book}/duplicates", get(books::duplicates))
        .route("/v1/books/{book}/{id}", get(books::show))
        .route("/v1/staffing", get(organisation::staffing))
        .route("/v1/campaigns/{code}", get(organisation::campaign))
        .route("/v1/responses/{code}", get(organisation::response))
        .route("/v1/escalations", get(organisation::escalations))
        .route("/v1/tracks", get(tracks::list).post(tracks::record))
        .route("/v1/tracks/{id}", get(tracks::show))
        .route("/v1/coverage", get(tracks::coverage))
}

/// Figures, scores, decision support.
fn decisions() -> Router<Api> {
    Router::new()
        .route("/v1/assessment", get(assessment::figures))
        .route("/v1/assessment/cases", get(assessment::cases))
        .route("/v1/scores", get(assessment::scores))
        .route("/v1/scores/cases", get(assessment::score_cases))
        .route("/v1/analysis/hot-spots", get(analysis::hot_spots))
        .route("/v1/analysis/recurrence", get(analysis::recurrence))
        .route("/v1/analysis/recurrence/cases", get(drill_down::recurring_cases))
        .route("/v1/analysis/offenders", get(analysis::offenders))
        .route("/v1/analysis/hazards", get(analysis::hazards))
        .route("/v1/analysis/population", get(analysis::population))
        .route("/v1/analysis/trend", get(analysis::trend))
        .route("/v1/analysis/proposals", get(analysis::proposals))
        .route("/v1/analysis/contradictions", get(analysis::contradictions))
        .route("/v1/analysis/intervals", get(drill_down::intervals))
        .route("/v1/analysis/intervals/cases", get(drill_down::interval_cases))
        .route("/v1/analysis/trend/cases", get(drill_down::trend_cases))
        .route("/v1/analysis/hot-spots/cases", get(drill_down::hot_spot_cases))
        .route("/v1/analysis/grids", get(analysis::grids))
        .route("/v1/analysis/grids/proposal", get(analysis::grid_proposal))
        .route("/v1/analysis/cases", post(openings::open))
}

/// What the whole town knows, and how complete that is here.
fn whole_town() -> Router<Api> {
    Router::new()
        .route("/v1/regions", get(town::regions))
        .route("/v1/counts", get(town::counts))
        .route("/v1/regions/import", post(grids::import_outlines).layer(DefaultBodyLimit::max(grids::AREA_FILE_BYTES)))
        .route("/v1/grids", get(grids::list).post(town::record_grid))
        .route("/v1/grids/import", post(grids::import).layer(DefaultBodyLimit::max(grids::AREA_FILE_BYTES)))
        .route("/v1/grids/{document}/retire", post(grids::retire))
        .route("/v1/members", get(town::members).post(town::record_member))
        .route("/v1/teams", get(town::teams).post(town::record_team))
        .route("/v1/devices", get(town::devices).post(town::record_device))
        .route("/v1/positions", get(positions::list).post(positions::record))
        .route("/v1/delivery", get(delivery::list))
        .route("/v1/removals", get(delivery::removals))
        .route("/v1/completeness", get(completeness::show))
        .route("/v1/completeness/regions", get(completeness::by_region))
        .route("/v1/life-cycle", get(life_cycle::show).post(life_cycle::publish))
        .route("/v1/life-cycle/{edition}", get(life_cycle::edition))
        .route("/v1/life-cycle/{edition}/restore", post(life_cycle::restore))
        .route("/v1/tables", get(tables::list))
        .route("/v1/tables/{table}", get(tables::show).post(tables::record))
        .route("/v1/tables/{table}/import", post(tables::import).layer(DefaultBodyLimit::max(MAX_TABLE_FILE as usize)))
}

/// Who is in, and who was shown what.
fn trust() -> Router<Api> {
    Router::new()
        .route("/v1/reveals", get(reveal::list))
        .route("/v1/invite", post(invite::invite))
        .route("/v1/invites", get(invite::list))
        .route("/v1/revoke", post(revoke::revoke))
        .route("/v1/authorities", get(authority::list).post(authority::create))
        .route("/v1/authorities/adopt", post(authority::adopt))
        .route("/v1/authorities/revoke", post(authority::revoke))
        .route("/v1/erase", post(erase::erase))
        .route("/v1/ratify", post(ratify::ratify))
}

async fn no_such_path() -> ApiError {
    ApiError::not_found("没有这个接口", "there is no such path")
}

async fn no_such_method() -> ApiError {
    let message = Message::new("method", "该接口不支持此方法", "this path does not take this method");
    ApiError { status: StatusCode::METHOD_NOT_ALLOWED, message }
}
