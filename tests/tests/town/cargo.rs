//! What a vehicle brings along: photos that it cannot see, and where the units were last.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use townmesh_node::demo::Acknowledgements;
use townmesh_node::demo::api::Api;
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1, VILLAGE_2};
use townmesh_node::demo::status::difference;
use townmesh_node::demo::work::desk;

use crate::pixel;
use crate::small_town::{FOUR, start};

const SOON: Duration = Duration::from_secs(30);

/// More than two chunks, and nothing that compresses.
fn photo() -> Vec<u8> {
    let mut state = 1_u64;
    let noise = (0..700_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    pixel::photo(&noise.collect::<Vec<u8>>())
}

fn shown(api: &Api, hash: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    api.copy(&format!("/v1/photos/{hash}?reveal=inspection"), &mut bytes)?;
    Ok(bytes)
}

pub(crate) fn photos_and_positions_travel_with_a_vehicle() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), &FOUR)?;
    let list = Acknowledgements::create(&folder.path().join("acknowledged.jsonl"))?;
    let village = town.plan.villages[1].code.clone();
    town.wait_equal(SOON).context("before")?;
    town.relays.set_cut(true, |link| link.touches(CENTER) || link.touches(VEHICLE_1));

    let taken = photo();
    let household = desk(&town, &list, VILLAGE_2)?.note(&village, "1号", "有照片")?;
    let office = &town.node(VILLAGE_2)?.api;
    let path = format!("/v1/photos?household={}", household.document);
    let answer: Value = office.send(&path, "image/png", &taken)?;
    let hash = answer.pointer("/value/photo").and_then(Value::as_str).context("the answer names no photo")?.to_owned();
    let place = json!({ "lat": 39.7, "lon": 116.3 });
    office.send_for_lines("/v1/positions", "application/json", place.to_string().as_bytes())?;

    // The vehicle loads at village 2, then brings it to village 1, which may see both villages.
    town.relays.set_cut(false, |link| link.touches(VEHICLE_1) && link.touches(VILLAGE_2));
    let vehicle = &town.node(VEHICLE_1)?.api;
    let before = town.relays.bytes_sent(VILLAGE_2);
    until(VEHICLE_1, || town.relays.bytes_sent(VILLAGE_2) > before + taken.len() as u64)?;
    // What has left the office is durable on the vehicle a moment later.
    town.pause(Duration::from_secs(1))?;
    ensure!(shown(vehicle, &hash).is_err(), "the vehicle shows a photo that it only carries");
    town.relays.set_cut(true, |link| link.touches(VEHICLE_1));
    town.relays.set_cut(false, |link| link.touches(VEHICLE_1) && link.touches(VILLAGE_1));
    let other = &town.node(VILLAGE_1)?.api;
    until(VILLAGE_1, || shown(other, &hash).is_ok_and(|bytes| bytes == taken))?;
    let units: Value = other.fetch("/v1/positions")?;
    let rows = units.get("rows").and_then(Value::as_array).context("no list of units")?;
    let unit = rows.iter().find(|row| row.get("name").and_then(Value::as_str) == Some(VILLAGE_2));
    let at = unit.and_then(|row| row.get("position"));
    ensure!(at == Some(&place), "the last position did not come along: {units}");

    town.relays.set_cut(false, |_| true);
    town.watch(SOON, difference)?.1.map_or(Ok(()), |missing| anyhow::bail!("not equal at the end: {missing}"))
}

fn until(node: &str, has_come: impl Fn() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !has_come() {
        ensure!(started.elapsed() < SOON, "{node} did not get it in time");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
