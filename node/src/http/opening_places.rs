//! Cases that are opened for a place: where something comes back again and again, and where most of everything gathers.
//!
//! Such a case asks for the cause, not for what was found once more: it stands at no place of the map, or recurrence would count it as
//! another time of what it is about.

use townmesh_crdt::command::table;
use townmesh_crdt::domain::date::{Day, UTC_OFFSET_MINUTES};
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::tables::{Tables, Threshold};

use super::Api;
use super::analysis::checked_days;
use super::error::ApiError;
use super::openings::{Opening, OpeningInput};
use crate::engine;
use crate::views::{HotSpot, HotSpotFilter, RecurrenceFilter, RecurrenceGroup, Square, Subject};

/// The category of cases about hazards, which have none of their own.
const SAFETY: &str = "safety";
/// The category of cases about devices.
const DEVICE: &str = "device";

/// One for each place to which something came back so often as the town's threshold says.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn recurrence(api: &Api, input: &OpeningInput) -> Result<Vec<Opening>, ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let filter = RecurrenceFilter {
        from_ms: input.from_ms,
        until_ms: input.until_ms,
        region: input.region,
        category: None,
        days: checked_days(input.days, &tables)?,
        by: None,
        limit: Some(u32::MAX),
    };
    let least = u64::from(tables.threshold(Threshold::RecurrenceCase));
    let known = tables.clone();
    let found = api.readers().analyse(move |reader| reader.recurrence(&filter, &known)).await?;
    let often = found.rows.iter().filter(|group| group.count >= least);
    Ok(often.filter_map(|group| of_group(group, &tables)).collect())
}

fn of_group(group: &RecurrenceGroup, tables: &Tables) -> Option<Opening> {
    let category = match &group.subject {
        Subject::Category(category) => category.clone(),
        Subject::Hazard { .. } => SAFETY.to_owned(),
    };
    // A hazard where the town has no such category is left to its campaign.
    tables.category(&category)?;
    let place = group.place.clone().unwrap_or_default();
    let at = match (&group.inspected, group.position) {
        (Some(document), _) => document.clone(),
        (None, Some(position)) => Square::of(position).to_string(),
        (None, None) => normalise(&place),
    };
    let what = match &group.subject {
        Subject::Category(category) => category.clone(),
        Subject::Hazard { checklist, item } => format!("{checklist}.{item}"),
    };
    let [words, _] = group.words.clone().unwrap_or_else(|| [what.clone(), what.clone()]);
    Some(Opening {
        region: group.region.parse().ok()?,
        key: format!("recurrence:{what}:{at}"),
        category,
        place: format!("反复发生：{place}"),
        position: None,
        description: format!("{words}在同一处反复发生 {} 次，请查明原因并治理", group.count),
    })
}

/// One for each square in which as much gathers as the town's threshold says, in the village in whose grid its middle lies.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn hot_spots(api: &Api, input: &OpeningInput) -> Result<Vec<Opening>, ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let filter = HotSpotFilter {
        from_ms: input.from_ms,
        until_ms: input.until_ms,
        region: input.region,
        limit: Some(u32::MAX),
        ..HotSpotFilter::default()
    };
    let least = u64::from(tables.threshold(Threshold::HotSpotCase));
    let asked = input.region;
    let today = Day::of_time(engine::now().cast_signed(), UTC_OFFSET_MINUTES);
    let ask = move |reader: &crate::views::Reader| {
        let mut openings = Vec::new();
        for spot in reader.hot_spots(&filter)?.rows.iter().filter(|spot| spot.counts.weight >= least) {
            let grids = match spot.centre {
                Some(centre) => reader.regions_at(centre, today)?,
                None => Vec::new(),
            };
            // Where no grid is drawn, the village that was asked about.
            let region = grids.into_iter().next().or(asked);
            openings.extend(region.and_then(|region| of_spot(spot, region, &tables)));
        }
        Ok(openings)
    };
    api.readers().analyse(ask).await
}

fn of_spot(spot: &HotSpot, region: townmesh_crdt::domain::region::RegionCode, tables: &Tables) -> Option<Opening> {
    let counts = spot.counts;
    let is_of_devices = counts.alarms > counts.cases + counts.hazards;
    let category = if is_of_devices { DEVICE } else { SAFETY };
    tables.category(category)?;
    Some(Opening {
        region,
        key: format!("hot_spot:{}", spot.square),
        category: category.to_owned(),
        place: format!("热点方格 {}", spot.square),
        position: None,
        description: format!(
            "此方格内案卷 {} 件、隐患 {} 处、设备报警 {} 次，请查明原因并治理",
            counts.cases, counts.hazards, counts.alarms
        ),
    })
}
