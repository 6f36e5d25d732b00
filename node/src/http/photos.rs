//! Photos: bytes in, the hash that inspections name them by out; and back, as they are or as thumbnails.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::inspection;
use townmesh_crdt::command::photo::{self, NewPhoto, Photo};
use townmesh_crdt::domain::inspection::PhotoHash;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::Replica;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params};
use super::error::ApiError;
use super::households::{Recorded, recorded};
use super::openapi::problems::{Missing, Noted, Sought, Written};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::message::{Explain as _, Message};
use crate::reveals::RevealKind;
use crate::thumbnail::{self, PictureError};

/// Largest photo in bytes: what phones make, uncut.
pub(super) const PHOTO_BYTES: usize = 16 << 20;
/// The media type of thumbnails made here.
const THUMBNAIL: &str = "image/jpeg";
/// What a browser may be told that a photo is: a peer's word could be a page with a script.
const SHOWN: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// What the photo is of: a household, or a place of a region.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PhotoQuery {
    household: Option<DocumentId>,
    region: Option<RegionCode>,
    /// Who of the household is to be seen on it.
    resident: Option<ResidentId>,
}

#[utoipa::path(
    post,
    path = "/v1/photos",
    operation_id = "recordPhoto",
    tag = "registry",
    summary = "保存照片 / keep a photo",
    params(PhotoQuery),
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 201, description = "新记录 / recorded", body = Recorded<PhotoPlace>),
        (status = 200, description = "已有，或已更改 / known before, or changed", body = Recorded<PhotoPlace>),
        Written,
        Missing
    )
)]
pub(super) async fn record(
    State(api): State<Api>,
    Params(query): Params<PhotoQuery>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let bytes = bytes.map_err(|rejection| {
        let zh = format!("照片未能完整收到，最大 {} MiB", PHOTO_BYTES >> 20);
        ApiError { status: rejection.status(), message: Message::new("body", zh, rejection.body_text()) }
    })?;
    let PhotoQuery { household, region, resident } = query;
    if household.is_some() == region.is_some() || (household.is_none() && resident.is_some()) {
        let message = Message::new("query", "须写明 household 或 region 之一", "name either a household or a region");
        return Err(ApiError::bad_request(message));
    }
    if photo::media_type(&bytes).is_none() {
        return Err(CommandError::NotAPhoto.into());
    }
    thumbnail::check(&bytes).map_err(refused)?;
    // Where many come at once some have none; it is made where somebody asks for it.
    let thumbnail = match api.bounds().decoding_soon().await {
        Some(place) => thumbnail_of(place, bytes.clone()).await?,
        None => None,
    };
    // Where the subject lies is found below; a grid, too, whose document lies elsewhere than its photos.
    let household_of_person = household.filter(|_| resident.is_some());
    let new = NewPhoto { household: household_of_person, resident, bytes: bytes.into(), thumbnail };
    let job = move |replica: &mut Replica, now| {
        let namespace = match (household, region) {
            (Some(subject), _) => inspection::registry_of(replica, subject)?,
            (None, region) => Namespace::registry(&region.map(|region| region.to_string()).unwrap_or_default()),
        };
        let outcome = photo::record(replica, &namespace, &new, now)?;
        Ok(outcome.map(|photo| PhotoPlace { namespace: namespace.to_string(), photo }))
    };
    Ok(recorded(&api.engine().record(job).await?))
}

/// Makes a thumbnail away from what answers requests; one photo is in memory at a time.
async fn thumbnail_of(place: OwnedSemaphorePermit, photo: Bytes) -> Result<Option<Vec<u8>>, ApiError> {
    let made = tokio::task::spawn_blocking(move || {
        let made = thumbnail::of(&photo);
        drop(place);
        made
    });
    // A picture on which a decoder fails has no thumbnail; that is no reason to lose it.
    made.await.unwrap_or(Ok(None)).map_err(refused)
}

fn refused(error: PictureError) -> ApiError {
    ApiError { status: StatusCode::UNPROCESSABLE_ENTITY, message: error.explain() }
}

/// Where a photo was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PhotoPlace {
    namespace: String,
    photo: PhotoHash,
}

/// Why the photo is looked at.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ShowQuery {
    reveal: Option<String>,
}

/// How far a photo has come, where not all of it is here.
#[derive(Debug, Serialize, ToSchema)]
struct OnItsWay {
    photo: PhotoHash,
    length: u64,
    complete: bool,
}

#[utoipa::path(
    get,
    path = "/v1/photos/{hash}",
    operation_id = "showPhoto",
    tag = "registry",
    summary = "查看照片 / look at a photo",
    params(("hash" = PhotoHash, Path, description = "照片 / the photo"), ShowQuery, Asking),
    responses(
        (status = 200, description = "照片 / the photo", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/octet-stream"))),
        (status = 202, description = "还在传来 / not all of it is here yet", body = OnItsWay),
        Sought,
        Noted
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named(hash): Named<PhotoHash>,
    Params(query): Params<ShowQuery>,
) -> Result<Response, ApiError> {
    // A photo cannot be masked.
    let reason = Reason::required(query.reveal, "查看照片须写明理由", "a photo is shown for a stated reason only")?;
    let found = api.engine().read(move |replica| photo::read(replica, hash)).await??;
    let found = found.ok_or_else(|| ApiError::not_found("本节点没有这张照片", "there is no such photo here"))?;
    let Photo { media_type, length, content, .. } = found;
    let Some(content) = content else { return Ok(on_its_way(hash, length)) };
    api.note_reveal(asker, reason, Shown::documents(RevealKind::Photo, vec![hash.to_string()])).await?;
    Ok(picture(&media_type, content))
}

#[utoipa::path(
    get,
    path = "/v1/photos/{hash}/thumbnail",
    operation_id = "showThumbnail",
    tag = "registry",
    summary = "查看缩略图 / look at the thumbnail of a photo",
    description = "先于原图传来；没有随照片保存的，由已到的原图生成 / It comes ahead of the photo; where none was recorded with it, one is made of the photo, if that is here.",
    params(("hash" = PhotoHash, Path, description = "照片 / the photo"), ShowQuery, Asking),
    responses(
        (status = 200, description = "缩略图 / the thumbnail", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/octet-stream"))),
        (status = 202, description = "还在传来 / it is not here yet", body = OnItsWay),
        Sought,
        Noted
    )
)]
pub(super) async fn show_thumbnail(
    State(api): State<Api>,
    asker: Asker,
    Named(hash): Named<PhotoHash>,
    Params(query): Params<ShowQuery>,
) -> Result<Response, ApiError> {
    // Small as it is, people are to be known on it.
    let reason = Reason::required(query.reveal, "查看照片须写明理由", "a photo is shown for a stated reason only")?;
    let found = api.engine().read(move |replica| photo::thumbnail(replica, hash)).await??;
    let (media_type, content) = match found {
        Some(Photo { media_type, content: Some(content), .. }) => (media_type, content),
        recorded @ (Some(Photo { content: None, .. }) | None) => {
            let whole = api.engine().read(move |replica| photo::read(replica, hash)).await??;
            let none = || ApiError::not_found("本节点没有这张照片", "there is no such photo here");
            let Photo { length, content, .. } = whole.ok_or_else(none)?;
            let Some(content) = content else {
                return Ok(on_its_way(hash, recorded.map_or(length, |thumbnail| thumbnail.length)));
            };
            let none = || ApiError::not_found("这张照片无法生成缩略图", "no thumbnail can be made of this photo");
            (
                THUMBNAIL.to_owned(),
                thumbnail_of(api.bounds().decoding().await?, content.into()).await?.ok_or_else(none)?,
            )
        }
    };
    api.note_reveal(asker, reason, Shown::documents(RevealKind::Photo, vec![hash.to_string()])).await?;
    Ok(picture(&media_type, content))
}

fn on_its_way(photo: PhotoHash, length: u64) -> Response {
    (StatusCode::ACCEPTED, Json(OnItsWay { photo, length, complete: false })).into_response()
}

/// A picture as it is answered: nothing keeps it, nothing takes it for anything else.
fn picture(media_type: &str, content: Vec<u8>) -> Response {
    let shown = SHOWN.into_iter().find(|known| *known == media_type).unwrap_or("application/octet-stream");
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(shown)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, content).into_response()
}
