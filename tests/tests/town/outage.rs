//! Outages and bad links.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use townmesh_node::demo::Acknowledgements;
use townmesh_node::demo::link::{DirectionSettings, LinkSettings};
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1, VILLAGE_2};
use townmesh_node::demo::status::difference;
use townmesh_node::demo::work::desk;

use crate::small_town::{FOUR, expect_verdict, start};

const SOON: Duration = Duration::from_secs(30);

pub(crate) fn a_town_converges_after_an_outage() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), &FOUR)?;
    let list = Acknowledgements::create(&folder.path().join("acknowledged.jsonl"))?;
    let (one, two) = (town.plan.villages[0].code.clone(), town.plan.villages[1].code.clone());
    let center = desk(&town, &list, CENTER)?;
    center.note(&one, "东街1号", "断网前")?;
    let case = center.report(&one, "路灯不亮")?;
    center.act(&case, "intake_clerk", &json!("accept"))?;
    town.wait_equal(SOON).context("before the outage")?;

    town.relays.set_cut(true, |link| link.touches(CENTER));
    for (node, region) in [(CENTER, &two), (VILLAGE_1, &one), (VILLAGE_2, &two), (VEHICLE_1, &one)] {
        let desk = desk(&town, &list, node)?;
        let household = desk.note(region, &format!("{node} 门前"), "断网中")?;
        desk.inspect(&household, &json!({ "1": "hazard" }), "现场检查")?;
        desk.report(region, "断网时发现的问题")?;
        desk.readings(region, &format!("hj212:{node}"), &[10, 20, 30])?;
    }
    // The vehicle hears of what the village says; the center does not.
    for node in [CENTER, VILLAGE_1] {
        desk(&town, &list, node)?.note(&one, "东街1号", &format!("{node} 的说法"))?;
    }
    town.pause(Duration::from_secs(3))?;
    ensure!(difference(&town.snapshot()?).is_some(), "the center heard of the others over cut links");

    town.relays.set_cut(false, |_| true);
    let took = town.wait_equal(SOON).context("after the outage")?;
    println!("    equal {:.1} s after the links returned", took.as_secs_f64());
    expect_verdict(&town, folder.path(), &[format!("registry/{two}")])
}

pub(crate) fn a_slow_lossy_link_only_takes_longer() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), &[CENTER, VILLAGE_1])?;
    let list = Acknowledgements::create(&folder.path().join("acknowledged.jsonl"))?;
    let region = town.plan.villages[0].code.clone();
    town.wait_equal(SOON).context("before")?;
    let bad = DirectionSettings {
        delay: Duration::from_millis(150),
        loss_per_mille: 50,
        bytes_per_second: NonZeroU64::new(16_000),
        cut: false,
    };
    town.relays.change(|settings| *settings = LinkSettings::both(bad), |_| true)?;
    for node in [CENTER, VILLAGE_1] {
        let desk = desk(&town, &list, node)?;
        for door in 0..40 {
            desk.note(&region, &format!("{node} {door}号"), "慢速链路")?;
        }
    }
    town.pause(Duration::from_secs(1))?;
    let took = town.wait_equal(Duration::from_secs(60)).context("over the bad link")?;
    println!("    equal after {:.1} s", took.as_secs_f64());
    expect_verdict(&town, folder.path(), &[])
}
