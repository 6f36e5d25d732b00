//! Door tags: issued, listed, looked up, retired, replaced; and what the public is told of one.
//!
//! A tag is named by what its QR code holds, by the number beneath it, or by its id. A scanned one is checked offline:
//! [`townmesh_crdt::command::door_tag`] says how.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use townmesh_crdt::certificate::Access;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::door_tag::{self, Issue, IssuedAll, TagPlace, TagRefusal};
use townmesh_crdt::domain::door_tag::{TagName, TagRetirement};
use townmesh_crdt::domain::hazard::{DoorMark, DoorSign};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, TagId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::LogState;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use super::households::{Recorded, recorded};
use super::locate::namespace_of;
use super::openapi::problems::{Clashing, Gone, Missing, Sought, Written, Wrong};
use crate::engine;
use crate::message::{Explain as _, Message};
use crate::views::{DoorTagDetail, DoorTagFilter, DoorTagRow, HouseholdBehind, Listed, MAX_DOORS, Page, TagState};

/// Which tags.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DoorTagQuery {
    region: Option<RegionCode>,
    /// The document of the dwelling, or of a household in it.
    dwelling: Option<DocumentId>,
    state: Option<TagState>,
    limit: Option<u32>,
    after: Option<String>,
}

impl DoorTagQuery {
    /// What it asks for, and which part of that.
    pub(super) fn parts(self) -> (DoorTagFilter, Page) {
        let Self { region, dwelling, state, limit, after } = self;
        (DoorTagFilter { region, dwelling, state }, Page { limit, after })
    }
}

#[utoipa::path(
    get,
    path = "/v1/door-tags",
    operation_id = "listDoorTags",
    tag = "registry",
    summary = "门牌列表 / list door tags",
    params(DoorTagQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = Listed<DoorTagRow>),
        Wrong
    )
)]
pub(super) async fn list(State(api): State<Api>, Params(query): Params<DoorTagQuery>) -> Result<Response, ApiError> {
    let (filter, page) = query.parts();
    let listed = api.readers().query(move |reader| reader.door_tags(&filter, &page)).await?;
    Ok(Json(listed).into_response())
}

/// For which door a tag is issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueInput {
    /// The document of the dwelling, or of a household in it.
    dwelling: DocumentId,
    /// Which of its doors, from 1, the main one, to 99; the main one if not given.
    #[serde(default = "main_door")]
    entrance: u16,
    /// The house stands, though it is said to be gone.
    #[serde(default)]
    stands: bool,
}

fn main_door() -> u16 {
    1
}

#[utoipa::path(
    post,
    path = "/v1/door-tags",
    operation_id = "issueDoorTag",
    tag = "registry",
    summary = "制作门牌 / issue a tag for a door",
    request_body = IssueInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<TagPlace>),
        (status = 200, description = "该门已有 / the door has one", body = Recorded<TagPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn issue(State(api): State<Api>, Payload(input): Payload<IssueInput>) -> Result<Response, ApiError> {
    let IssueInput { dwelling, entrance, stands } = input;
    let job = move |replica: &mut Replica, now| {
        let unknown = CommandError::NotFound { thing: "dwelling", chinese: "房屋", document: dwelling };
        let namespace = match namespace_of(replica, DocumentKind::Dwelling, dwelling)? {
            Some(namespace) => namespace,
            None => namespace_of(replica, DocumentKind::Household, dwelling)?.ok_or(unknown)?,
        };
        door_tag::issue(replica, &namespace, Issue { dwelling, entrance, stands }, now)
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// For which region's dwellings tags are issued.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueAllInput {
    region: RegionCode,
}

#[utoipa::path(
    post,
    path = "/v1/door-tags/issue-all",
    operation_id = "issueDoorTags",
    tag = "registry",
    summary = "为区划内尚无门牌的房屋制作门牌 / issue a tag for each dwelling of a region that has none",
    request_body = IssueAllInput,
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<IssuedAll>),
        (status = 200, description = "均已有 / each has one", body = Recorded<IssuedAll>),
        Written,
        Missing
    )
)]
pub(super) async fn issue_all(
    State(api): State<Api>,
    Payload(input): Payload<IssueAllInput>,
) -> Result<Response, ApiError> {
    let region = input.region;
    api.views_follow().await;
    let doors = api.readers().query(move |reader| reader.doors(region)).await?;
    if doors.is_empty() {
        let (zh, en) = ("本节点没有该区划的房屋", "no dwelling of this region is known here");
        return Err(ApiError::not_found(zh, en));
    }
    if doors.len() > MAX_DOORS {
        let zh = format!("一次最多 {MAX_DOORS} 扇门");
        let message = Message::new("too_many_doors", zh, format!("{MAX_DOORS} doors at once are the most"));
        let message = message.remedy("分村居制作", "issue them village by village");
        return Err(ApiError { status: StatusCode::UNPROCESSABLE_ENTITY, message });
    }
    let place = api.bounds().heavy()?;
    let outcome = api.engine().record(move |replica, now| door_tag::issue_all(replica, &doors, now)).await?;
    drop(place);
    Ok(recorded(&outcome))
}

/// A tag with the dwelling that it hangs on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownTag {
    #[serde(flatten)]
    tag: DoorTagRow,
    /// Name of the region, where the table of regions has it.
    region_name: Option<String>,
    /// The households behind the door.
    households: Vec<HouseholdBehind>,
    /// The hazard mark; `unknown` where something of it may be missing here.
    mark: DoorSign,
    /// Up to when everything of the registry is here that other nodes held, in milliseconds since 1970; null where that is not known.
    complete_to_ms: Option<u64>,
    /// Why the tag does not count, where it does not.
    refusal: Option<Message>,
}

#[utoipa::path(
    get,
    path = "/v1/door-tags/{tag}",
    operation_id = "showDoorTag",
    tag = "registry",
    summary = "按扫码内容、编号或标识查看门牌 / one door tag, by its code, number or id",
    params(("tag" = TagName, Path, description = "扫码内容、编号或标识 / what was scanned, the number beneath it, or its id")),
    responses(
        (status = 200, description = "结果 / what was asked for", body = ShownTag),
        Sought,
        Clashing
    )
)]
pub(super) async fn show(State(api): State<Api>, Named(tag): Named<String>) -> Result<Response, ApiError> {
    let looked = api.door_tag(&tag).await?;
    let DoorTagDetail { tag, households, mark, region_name } = looked.detail;
    let (mark, complete_to_ms) = api.door_sign(&tag.region, mark).await?;
    let refusal = looked.refusal.map(|refusal| refusal.explain());
    Ok(Json(ShownTag { tag, region_name, households, mark, complete_to_ms, refusal }).into_response())
}

/// What the public is told of a tag: nothing of the address, and nothing of people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublicTag {
    /// The number beneath the QR code.
    code: SpokenNumber,
    /// Code of the region.
    region: RegionCode,
    /// Its name, where the table of regions has it.
    region_name: Option<String>,
    /// The hazard mark; `unknown` where something of it may be missing here.
    mark: DoorSign,
}

#[utoipa::path(
    get,
    path = "/v1/public/door-tags/{tag}",
    operation_id = "showPublicDoorTag",
    tag = "registry",
    summary = "公众扫码所见 / what the public is told of a door tag",
    params(("tag" = TagName, Path, description = "扫码内容或编号 / what was scanned, or the number beneath it")),
    responses(
        (status = 200, description = "结果 / what was asked for", body = PublicTag),
        Sought,
        Clashing,
        Gone
    )
)]
pub(super) async fn public(State(api): State<Api>, Named(tag): Named<String>) -> Result<Response, ApiError> {
    let DoorTagDetail { tag, mark, region_name, .. } = api.standing_door_tag(&tag).await?;
    let (mark, _) = api.door_sign(&tag.region, mark).await?;
    let known = tag.known_token().ok_or_else(|| ApiError::from(TagRefusal::Forged))?;
    let code = SpokenNumber::of_tag(known.tag());
    Ok(Json(PublicTag { code, region: known.region(), region_name, mark }).into_response())
}

/// Why and when a tag is retired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetireInput {
    /// `house_gone` retires every tag of the dwelling, which gets none any more.
    why: TagRetirement,
    /// When, in milliseconds since 1970; now if not given.
    #[serde(default)]
    at_ms: Option<i64>,
}

#[utoipa::path(
    post,
    path = "/v1/door-tags/{tag}/retire",
    operation_id = "retireDoorTag",
    tag = "registry",
    summary = "停用门牌 / retire a door tag",
    params(("tag" = TagName, Path, description = "扫码内容、编号或标识 / what was scanned, the number beneath it, or its id")),
    request_body = RetireInput,
    responses(
        (status = 200, description = "已停用 / it is retired", body = Recorded<TagPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn retire(
    State(api): State<Api>,
    Named(tag): Named<String>,
    Payload(input): Payload<RetireInput>,
) -> Result<Response, ApiError> {
    let at = input.at_ms.unwrap_or_else(|| engine::now().cast_signed());
    let (namespace, place) = api.recorded_tag(&tag).await?;
    let job = move |replica: &mut Replica, now| door_tag::retire(replica, &namespace, place, (input.why, at), now);
    Ok(recorded(&api.engine().record(job).await?))
}

/// Why a tag is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplaceInput {
    /// `replaced` if not given; a house that is gone gets no other.
    #[serde(default = "replaced")]
    why: TagRetirement,
}

fn replaced() -> TagRetirement {
    TagRetirement::Replaced
}

#[utoipa::path(
    post,
    path = "/v1/door-tags/{tag}/replace",
    operation_id = "replaceDoorTag",
    tag = "registry",
    summary = "更换门牌 / retire a door tag and issue another for its door",
    params(("tag" = TagName, Path, description = "扫码内容、编号或标识 / what was scanned, the number beneath it, or its id")),
    request_body = ReplaceInput,
    responses(
        (status = 201, description = "新门牌 / the new one", body = Recorded<TagPlace>),
        (status = 200, description = "此前已更换 / it was replaced before", body = Recorded<TagPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn replace(
    State(api): State<Api>,
    Named(tag): Named<String>,
    Payload(input): Payload<ReplaceInput>,
) -> Result<Response, ApiError> {
    let (namespace, place) = api.recorded_tag(&tag).await?;
    let job = move |replica: &mut Replica, now| door_tag::replace(replica, &namespace, place, input.why, now);
    Ok(recorded(&api.engine().record(job).await?))
}

/// A tag that is recorded here.
pub(super) struct LookedUp {
    detail: DoorTagDetail,
    /// Why it does not count.
    refusal: Option<TagRefusal>,
}

impl Api {
    /// The tag that somebody scanned or typed. Two may share a number: nobody is shown one of them by chance.
    ///
    /// # Errors
    /// What is wrong with the name, and every refusal but that it was retired.
    pub(super) async fn door_tag(&self, text: &str) -> Result<LookedUp, ApiError> {
        let name: TagName = text
            .parse()
            .map_err(|error: townmesh_crdt::domain::door_tag::TagNameError| ApiError::bad_request(error.explain()))?;
        self.views_follow().await;
        let mut found = self.readers().query(move |reader| reader.door_tags_named(name)).await?;
        if found.len() > 1 {
            return Err(shared(&found));
        }
        let row = found.pop();
        let refusal = match name {
            TagName::Token(token) => {
                let recorded = row.as_ref().and_then(|row| Some((row.known_token()?, standing(row))));
                let judged = move |replica: &mut Replica| {
                    let checked = door_tag::check(replica, &token)?;
                    let recorded = recorded.as_ref().map(|(known, tag)| (*known, tag));
                    door_tag::judge(&token, checked, recorded, reads(replica, token.region()))
                };
                self.engine().read(judged).await?.err()
            }
            TagName::Code(_) | TagName::Id(_) => row
                .as_ref()
                .filter(|row| row.state == TagState::Retired)
                .map(|row| TagRefusal::Retired(row.retired_why)),
        };
        match (row, refusal) {
            (Some(row), None | Some(TagRefusal::Retired(_))) => {
                let detail = self.readers().query(move |reader| reader.door_tag(row.clone())).await?;
                Ok(LookedUp { detail, refusal })
            }
            (_, Some(refusal)) => Err(refusal.into()),
            (None, None) => Err(ApiError::not_found("本节点没有此编号的门牌", "no door tag here has this number")),
        }
    }

    /// The same where it counts.
    ///
    /// # Errors
    /// As for [`Self::door_tag`], and that it was retired.
    pub(super) async fn standing_door_tag(&self, text: &str) -> Result<DoorTagDetail, ApiError> {
        let LookedUp { detail, refusal } = self.door_tag(text).await?;
        refusal.map_or(Ok(detail), |refusal| Err(refusal.into()))
    }

    /// Where the tag that somebody means is recorded.
    async fn recorded_tag(&self, text: &str) -> Result<(Namespace, (DocumentId, TagId)), ApiError> {
        let row = self.door_tag(text).await?.detail.tag;
        let place = row.namespace.parse().ok().zip(row.document.parse().ok()).zip(row.tag.parse().ok());
        let ((namespace, document), tag) =
            place.ok_or_else(|| ApiError::not_found("本节点没有此门牌", "there is no such door tag here"))?;
        Ok((namespace, (document, tag)))
    }

    /// What a door shows by what is known of its hazards, and up to when its registry is complete here.
    async fn door_sign(&self, region: &str, mark: DoorMark) -> Result<(DoorSign, Option<u64>), ApiError> {
        let region = region.to_owned();
        let complete = self.engine().read(move |replica| complete_to(replica, &region)).await?;
        Ok((DoorSign::of(mark, complete.is_some()), complete))
    }
}

/// As far as the judgement of a token needs it.
fn standing(row: &DoorTagRow) -> townmesh_crdt::domain::door_tag::DoorTag {
    townmesh_crdt::domain::door_tag::DoorTag {
        retired_at: row.retired_ms,
        retired_why: row.retired_why,
        ..Default::default()
    }
}

fn shared(found: &[DoorTagRow]) -> ApiError {
    let ids = found.iter().map(|row| row.tag.as_str()).collect::<Vec<_>>().join(", ");
    let (zh, en) = (format!("多块门牌同用此编号：{ids}"), format!("several door tags share this number: {ids}"));
    let remedy = ("扫描二维码，或改用其中一个完整标识", "scan the code, or name one of them by its id");
    ApiError::conflict(Message::new("ambiguous", zh, en).remedy(remedy.0, remedy.1))
}

/// Whether this node reads the registry of a region.
fn reads(replica: &Replica, region: RegionCode) -> bool {
    let wanted = Namespace::registry(&region.to_string());
    let mut namespaces = replica.namespaces().into_iter();
    namespaces.any(|(_, namespace, access, readable)| namespace == wanted && access == Access::Hold && readable)
}

/// Up to when everything is here that others held of a registry; `None` where it is not read here, where entries of it are
/// held that its documents do not show yet, and where a node that writes there was never heard.
fn complete_to(replica: &mut Replica, region: &str) -> Option<u64> {
    let namespace = Namespace::registry(region);
    if !region.parse().is_ok_and(|region| reads(replica, region)) {
        return None;
    }
    let id = replica.namespace_id(&namespace);
    let is_behind =
        |state: &&LogState| state.log.namespace == id && state.forked_at == 0 && state.folded < state.height;
    if replica.logs().any(|state| is_behind(&state)) {
        return None;
    }
    let now = engine::now();
    let others = replica.completeness(&[namespace], now);
    others.iter().try_fold(now, |least, one| Some(one.until?.min(least)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_share_a_number_are_all_named() {
        let row = |tag: &str| DoorTagRow {
            tag: tag.into(),
            code: "7K3-9XQ-2PAD".into(),
            token: String::new(),
            document: String::new(),
            namespace: String::new(),
            region: "110115005001".into(),
            dwelling: String::new(),
            address: None,
            entrance: 1,
            state: TagState::Standing,
            issued_ms: 0,
            issuer: String::new(),
            retired_ms: None,
            retired_why: None,
            replaced_by: None,
            position: None,
        };
        let error = shared(&[row("aa"), row("bb")]);
        assert_eq!((error.status, error.message.code.as_ref()), (StatusCode::CONFLICT, "ambiguous"));
        assert!(error.message.zh.contains("aa, bb") && error.message.en.contains("aa, bb"), "{}", error.message);
    }
}
