//! A GIS program that knows nothing of us reads the map.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::json;
use townmesh_node::demo::api::Api;
use townmesh_node::demo::plan::CENTER;

use crate::small_town::start;

/// Doors, of which every tenth has no place; more than the program reads in a page.
const DOORS: usize = 250;

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
    // A list by members waits for the views.
    let mut rows = Vec::new();
    center.copy("/v1/members", &mut rows)?;

    let layers = ogrinfo(center, &[])?;
    for name in ["regions", "grids", "dwellings", "hazards", "cases", "devices", "units"] {
        ensure!(layers.contains(name), "{name} is missing among the layers:\n{layers}");
    }
    let all = ogrinfo(center, &["-so", "dwellings"])?;
    ensure!(all.contains(&format!("Feature Count: {DOORS}")), "not {DOORS} doors:\n{all}");
    let corner = ["-spat", "116.2", "39.69995", "116.4", "39.70995", "dwellings"];
    let some = ogrinfo(center, &corner)?;
    ensure!(some.matches("OGRFeature(dwellings)").count() == 90, "not 90 of 100 doors:\n{some}");
    ensure!(some.contains("POINT (116.3 39.7001)") && some.contains("address (String) = 1号"), "{some}");
    Ok(())
}

/// What the program says of the map of a node.
fn ogrinfo(api: &Api, arguments: &[&str]) -> anyhow::Result<String> {
    let (base, token) = (api.base(), api.token());
    let mut command = Command::new("ogrinfo");
    command.env("GDAL_HTTP_HEADERS", format!("Authorization: Bearer {token}")).env("GDAL_HTTP_TIMEOUT", "30");
    let output = command.arg("-ro").arg(format!("OAPIF:{base}/ogc")).args(arguments).output().context("ogrinfo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ogrinfo failed:\n{said}");
    Ok(said)
}
