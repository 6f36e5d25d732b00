//! The day that the demo plays by itself: an outage of the center's links, work on all sides, and the way back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Sabotage;
use super::acknowledged::Acknowledgements;
use super::ledgers::Ledger;
use super::plan::{CENTER, LinkPlan, VEHICLE_1, VEHICLE_2, VILLAGE_1, VILLAGE_2, VILLAGE_3};
use super::say::say;
use super::status::{Snapshot, difference, times_to_converge};
use super::table::{Row, Table, gained};
use super::town::Town;
use super::work::{Desk, Recorded, desk};

/// For a first synchronisation, and for the one after the outage.
const CONVERGE: Duration = Duration::from_secs(45);
/// For what a vehicle carries to arrive.
const CARRY: Duration = Duration::from_secs(20);
/// Connections must have noticed that they are cut, so that the work is done in ignorance of each other.
const SILENCE: Duration = Duration::from_secs(5);
/// Inspections that each side makes while the links are down.
const INSPECTIONS: usize = 20;

/// A day in progress.
pub(super) struct Day<'a> {
    pub(super) town: &'a Town,
    pub(super) ledgers: &'a BTreeMap<String, Ledger>,
    pub(super) list: &'a Acknowledgements,
    pub(super) began: Instant,
}

impl Day<'_> {
    /// Says what happens, with the time of the day.
    pub(super) fn tell(&self, chinese: &str, english: &str) {
        say!("[{:6.1} s] {chinese} / {english}", self.began.elapsed().as_secs_f64());
    }

    fn desk(&self, node: &str) -> anyhow::Result<Desk<'_>> {
        desk(self.town, self.list, node)
    }

    fn village(&self, place: usize) -> anyhow::Result<&str> {
        Ok(&self.town.plan.villages.get(place).context("there are three villages")?.code)
    }

    fn door(&self, village: &str, place: usize) -> anyhow::Result<&str> {
        let ledger = self.ledgers.get(village).with_context(|| format!("village {village} has no ledger"))?;
        ledger.doors.get(place).map(String::as_str).with_context(|| format!("village {village} has too few doors"))
    }

    /// Morning: each village imports its ledger; all nodes get what they may hold.
    pub(super) fn morning(&self) -> anyhow::Result<()> {
        for (place, office) in [VILLAGE_1, VILLAGE_2, VILLAGE_3].into_iter().enumerate() {
            let code = self.village(place)?;
            let ledger = self.ledgers.get(code).with_context(|| format!("village {code} has no ledger"))?;
            self.desk(office)?.import(code, &ledger.csv, ledger.doors.len())?;
            let households = ledger.doors.len();
            self.tell(&format!("{office} 导入 {households} 户"), &format!("{office} imported {households} households"));
        }
        let took = self.town.wait_equal(CONVERGE).context("the first synchronisation")?;
        let seconds = took.as_secs_f64();
        self.tell(&format!("全部节点一致，用时 {seconds:.1} 秒"), &format!("all nodes equal {seconds:.1} s later"));
        Ok(())
    }

    /// The outage with everything in it; returns the table, and whether all nodes came to hold the same.
    pub(super) fn outage(&self, sabotage: Option<Sabotage>) -> anyhow::Result<(Table, bool)> {
        let case = self.open_case()?;
        self.town.wait_equal(CONVERGE).context("before the outage")?;

        let stays_cut = |link: LinkPlan| sabotage == Some(Sabotage::CutLink) && link.touches(VILLAGE_3);
        self.town.relays.set_cut(true, |link| link.touches(CENTER) || link.touches(VEHICLE_1) || stays_cut(link));
        self.tell("指挥中心的链路全部中断，巡逻车1在途", "all links of the center are down, vehicle 1 is on the road");
        self.town.pause(SILENCE)?;
        self.work_apart(&case)?;
        self.drive()?;
        self.work_on()?;

        let before = self.town.snapshot()?;
        ensure!(difference(&before).is_some(), "the outage changed nothing: the links were not cut");
        let sent: BTreeMap<_, _> =
            self.town.nodes().map(|node| (node.plan.name, self.town.relays.bytes_sent(node.plan.name))).collect();
        self.town.relays.set_cut(false, |link| !stays_cut(link));
        self.tell("链路恢复", "the links return");
        let (history, missing) = self.town.watch(CONVERGE, difference)?;
        match &missing {
            None => self.tell("全部节点一致", "all nodes are equal"),
            Some(missing) => self.tell("节点未能一致", &format!("the nodes did not converge: {missing}")),
        }
        Ok((self.table(&before, &sent, &history), missing.is_none()))
    }

    /// A case that both sides will go on with.
    fn open_case(&self) -> anyhow::Result<Recorded> {
        let center = self.desk(CENTER)?;
        let case = center.report(self.village(0)?, "群众反映楼道堆放杂物")?;
        center.act(&case, "intake_clerk", &json!("accept"))?;
        let file =
            json!({ "file": { "category": "fire_exit", "severity": "general", "minutes": 480, "clock": "working" } });
        center.act(&case, "duty_head", &file)?;
        Ok(case)
    }

    /// Everybody goes on without the others: different things, the same household, the same case.
    fn work_apart(&self, case: &Recorded) -> anyhow::Result<()> {
        for (place, node) in
            [(0, VILLAGE_1), (1, VILLAGE_2), (2, VILLAGE_3), (0, VEHICLE_1), (2, VEHICLE_2), (0, CENTER), (2, CENTER)]
        {
            self.rounds(node, self.village(place)?)?;
        }
        let same = (self.village(0)?, self.door(self.village(0)?, 0)?);
        for (node, note) in
            [(CENTER, "中心回访：已整改"), (VILLAGE_1, "村里复查：仍有杂物"), (VEHICLE_1, "巡逻：楼道已清")]
        {
            self.desk(node)?.note(same.0, same.1, note)?;
        }
        for (node, team) in [(CENTER, "综合执法队"), (VILLAGE_1, "微型消防站")] {
            let order = json!({ "team": team, "task": "清理楼道" });
            self.desk(node)?.act(case, "dispatcher", &json!({ "dispatch": { "orders": [order], "lead": 0 } }))?;
        }
        self.tell(
            "两侧各自录入、派遣，并改动同一户、同一案卷",
            "both sides record and dispatch, and change one household and one case",
        );
        Ok(())
    }

    /// What one node does in an hour: remarks, inspections, a case, a dispatch, device readings.
    fn rounds(&self, node: &str, village: &str) -> anyhow::Result<()> {
        let desk = self.desk(node)?;
        // Each node has doors of its own, so that only the household meant to be in conflict is.
        let first = 10 + self.town.plan.nodes.iter().position(|plan| plan.name == node).unwrap_or(0) * INSPECTIONS;
        for place in first..first + INSPECTIONS {
            let household = desk.note(village, self.door(village, place)?, &format!("{node} 巡查"))?;
            let answers: Value = json!({ "1": if place % 5 == 0 { "hazard" } else { "ok" }, "2": "ok" });
            desk.inspect(&household, &answers, "入户检查")?;
        }
        let case = desk.report(village, &format!("{node} 发现线路私拉乱接"))?;
        // Whoever finds a problem on patrol reports it; offices and the center decide on theirs.
        if !matches!(node, VEHICLE_1 | VEHICLE_2) {
            Self::dispatch(&desk, &case)?;
        }
        let readings: Vec<u32> = (0..60).map(|minute| 40 + minute * 2).collect();
        desk.readings(village, &format!("hj212:{node}"), &readings)
    }

    /// A reported case becomes an order.
    fn dispatch(desk: &Desk<'_>, case: &Recorded) -> anyhow::Result<()> {
        desk.act(case, "intake_clerk", &json!("accept"))?;
        let file =
            json!({ "file": { "category": "wiring", "severity": "serious", "minutes": 480, "clock": "working" } });
        desk.act(case, "duty_head", &file)?;
        let order = json!({ "team": "安全巡查队", "task": "断电整改" });
        desk.act(case, "dispatcher", &json!({ "dispatch": { "orders": [order], "lead": 0 } }))
    }

    /// Vehicle 1 drives from village 2 to village 1 and brings what it cannot read.
    fn drive(&self) -> anyhow::Result<()> {
        let registry = format!("registry/{}", self.village(1)?);
        let carried: Vec<String> = self.carried()?;
        let arrived = |snapshot: &Snapshot, at: &str| {
            carried.iter().find_map(|name| {
                let digest = |node: &str| Some(snapshot.get(node)?.namespace(name)?.digest.clone());
                let (there, here) = (digest(VILLAGE_2), digest(at));
                (there != here || here.is_none()).then(|| format!("{at} has not all of {name}"))
            })
        };
        let near =
            |at: &'static str| self.town.relays.set_cut(false, move |link| link.touches(VEHICLE_1) && link.touches(at));
        let away = || self.town.relays.set_cut(true, |link| link.touches(VEHICLE_1));
        near(VILLAGE_2);
        self.town.wait(CARRY, |snapshot| arrived(snapshot, VEHICLE_1)).context("vehicle 1 loads at village 2")?;
        let cargo = self.town.status(VEHICLE_1)?;
        let cargo = cargo.namespace(&registry).context("vehicle 1 carries village 2")?;
        ensure!(cargo.access == "carry" && !cargo.readable, "vehicle 1 can read what it should only carry");
        away();
        ensure!(
            arrived(&self.town.snapshot()?, VILLAGE_1).is_some(),
            "village 1 had everything before the vehicle came"
        );
        near(VILLAGE_1);
        self.town.wait(CARRY, |snapshot| arrived(snapshot, VILLAGE_1)).context("vehicle 1 unloads at village 1")?;
        away();
        self.tell(
            "巡逻车1把村2的记录带到村1，自己无法阅读",
            "vehicle 1 carried village 2's records to village 1 and could not read them",
        );
        Ok(())
    }

    /// The namespaces of village 2 that travel with vehicle 1, as they are named today.
    pub(super) fn carried(&self) -> anyhow::Result<Vec<String>> {
        let village = self.village(1)?.to_owned();
        let status = self.town.status(VILLAGE_2)?;
        let names = status.namespaces.into_iter().map(|namespace| namespace.name);
        Ok(names.filter(|name| name.split('/').nth(1) == Some(&village)).collect())
    }

    /// Work after the vehicle has left, so that something is still to be exchanged.
    fn work_on(&self) -> anyhow::Result<()> {
        for (place, node) in [(0, VILLAGE_1), (1, VILLAGE_2), (2, VILLAGE_3)] {
            let village = self.village(place)?;
            self.desk(node)?.note(village, self.door(village, 1)?, "午后复查")?;
        }
        Ok(())
    }

    fn table(&self, before: &Snapshot, sent: &BTreeMap<&str, u64>, history: &[(Duration, Snapshot)]) -> Table {
        let empty = Snapshot::new();
        let after = history.last().map_or(&empty, |(_, snapshot)| snapshot);
        let (times, gains) = (times_to_converge(history), gained(before, after));
        let row = |(node, status): (&&'static str, &super::status::NodeStatus)| {
            let (pending_then, new) = gains.get(node).copied().unwrap_or_default();
            Row {
                node: (*node).to_owned(),
                entries: status.entries,
                documents: 0,
                pending_then,
                pending_now: status.waiting(),
                converged: times.get(node).copied().unwrap_or_default(),
                sent: self.town.relays.bytes_sent(node).saturating_sub(sent.get(node).copied().unwrap_or(0)),
                new,
            }
        };
        Table(after.iter().map(row).collect())
    }
}
