//! The tracks of units as features. They tell where people were, so they are shown for a stated reason only.
//!
//! Every page is noted before it is sent, not only the first: each is a request of its own, which nothing keeps from being
//! made first, and the note names the tracks that it shows. Tracks are sealed to the centers and the unit itself; other
//! nodes have none to show.

use townmesh_crdt::id::DocumentId;

use super::super::Api;
use super::super::error::ApiError;
use super::super::reveal::{Asker, Reason, Shown};
use crate::reveals::RevealKind;
use crate::views::{Feature, FeatureFilter, Listed, Page};

/// A page of tracks.
pub(super) async fn page(
    api: &Api,
    asker: Asker,
    reason: Option<String>,
    filter: FeatureFilter,
    page: Page,
) -> Result<Listed<Feature>, ApiError> {
    let reason = required(reason)?;
    api.views_follow().await;
    let listed = api.readers().query(move |reader| reader.track_features(&filter, &page)).await?;
    note(api, asker, reason, &listed.rows).await?;
    Ok(listed)
}

/// The track with this id.
pub(super) async fn one(
    api: &Api,
    asker: Asker,
    reason: Option<String>,
    id: &str,
) -> Result<Option<Feature>, ApiError> {
    let reason = required(reason)?;
    let Ok(id) = id.parse::<DocumentId>() else { return Ok(None) };
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.track_feature(id)).await?;
    if let Some(feature) = &found {
        note(api, asker, reason, std::slice::from_ref(feature)).await?;
    }
    Ok(found)
}

fn required(reason: Option<String>) -> Result<Reason, ApiError> {
    let (zh, en) = ("轨迹是敏感信息，查看须说明理由", "whereabouts are sensitive: say why you need them");
    Reason::required_as("reason", reason, zh, en)
}

async fn note(api: &Api, asker: Asker, reason: Reason, shown: &[Feature]) -> Result<(), ApiError> {
    let documents = shown.iter().map(|feature| feature.id.clone()).collect();
    api.note_reveal(asker, reason, Shown::documents(RevealKind::Track, documents)).await
}
