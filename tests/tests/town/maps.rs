//! A GIS program that knows nothing of us reads the map.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::json;
use townmesh_node::demo::api::Api;
use townmesh_node::demo::plan::CENTER;

use crate::small_town::start;

/// Doors, of which every tenth has no place; more than the program reads in a page.
const DOORS: usize = 250;
/// Tracks, one a day; more than the program reads in a page.
const TRACKS: i64 = 13;

pub(crate) fn a_gis_program_reads_the_map() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), &[CENTER])?;
    let (center, village) = (&town.node(CENTER)?.api, &town.plan.villages[0].code);
    for number in 0..DOORS {
        let place = json!({ "lat": 39.70 + number as f64 * 1e-4, "lon": 116.30 });
        let position = (number % 10 != 0).then_some(place);
        let household = json!({ "region": village, "address": format!("{number}号"), "position": position });
        let household = json!({ "household": household });
        center.send_for_lines("/v1/households", "application/json", household.to_string().as_bytes())?;
    }
    for day in 1..=TRACKS {
        let from_ms = townmesh_node::engine::now().cast_signed() - day * 86_400_000;
        let point =
            |step: i64| json!({ "time_ms": from_ms + step * 10_000, "lat": 39.7, "lon": 116.3 + step as f64 * 1e-3 });
        let track = json!({ "region": village, "points": [point(0), point(1), point(2)] });
        center.send_for_lines("/v1/tracks", "application/json", track.to_string().as_bytes())?;
    }
    // A list by members waits for the views.
    let mut rows = Vec::new();
    center.copy("/v1/members", &mut rows)?;

    let layers = ogrinfo(center, "", &[])?;
    for name in ["regions", "grids", "dwellings", "hazards", "cases", "devices", "units", "tracks"] {
        ensure!(layers.contains(name), "{name} is missing among the layers:\n{layers}");
    }
    let all = ogrinfo(center, "", &["-so", "dwellings"])?;
    ensure!(all.contains(&format!("Feature Count: {DOORS}")), "not {DOORS} doors:\n{all}");
    let corner = ["-spat", "116.2", "39.69995", "116.4", "39.70995", "dwellings"];
    let some = ogrinfo(center, "", &corner)?;
    ensure!(some.matches("OGRFeature(dwellings)").count() == 90, "not 90 of 100 doors:\n{some}");
    ensure!(some.contains("POINT (116.3 39.7001)") && some.contains("address (String) = 1号"), "{some}");

    let refused = ogrinfo(center, "", &["-so", "tracks"])?;
    ensure!(refused.contains("reason_missing") && refused.contains("Feature Count: 0"), "{refused}");
    let tracks = ogrinfo(center, "?reason=check", &["tracks"])?;
    ensure!(tracks.matches("OGRFeature(tracks)").count() == TRACKS as usize, "not {TRACKS} tracks:\n{tracks}");
    ensure!(tracks.contains("LINESTRING (116.3 39.7,116.301 39.7,116.302 39.7)"), "{tracks}");
    ensure!(tracks.contains("\"times\":") && tracks.contains("Geometry: Line String"), "{tracks}");
    let elsewhere = ogrinfo(center, "?reason=check", &["-spat", "116.4", "39.6", "116.5", "39.8", "tracks"])?;
    ensure!(!elsewhere.contains("OGRFeature(tracks)"), "{elsewhere}");
    let all = ogrinfo(center, "?reason=check", &[])?;
    ensure!(!all.contains("ERROR"), "{all}");
    Ok(())
}

/// What the program says of the map of a node, whose address ends so.
fn ogrinfo(api: &Api, query: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let (base, token) = (api.base(), api.token());
    let mut command = Command::new("ogrinfo");
    command.env("GDAL_HTTP_HEADERS", format!("Authorization: Bearer {token}")).env("GDAL_HTTP_TIMEOUT", "30");
    let output =
        command.arg("-ro").arg(format!("OAPIF:{base}/ogc{query}")).args(arguments).output().context("ogrinfo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ogrinfo failed:\n{said}");
    Ok(said)
}
