//! A day of everybody who works with the town, in whole towns: what they do, what they may not, and one hour of it while
//! the village is cut off. Each story reads by itself; those of one town are told one after the other.

mod auditor;
mod back_office_and_liaison;
mod commander;
mod dispatcher;
mod duty_head;
mod handler;
mod inspector;
mod intake_clerk;
mod lane_chief;
mod leader_and_analyst;
mod story;
mod technician;
mod village_clerk;
mod work;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1};

use self::story::Story;
use crate::small_town::{FOUR, start};

/// For the nodes to meet before the first story begins.
const START: Duration = Duration::from_secs(30);

/// What somebody lives through.
type Day = fn(&Story<'_>) -> anyhow::Result<()>;

/// Those who keep the registry: a village that looks after its neighbour, too, the neighbour, and a vehicle between them.
pub(crate) fn of_the_registry() -> anyhow::Result<()> {
    tell(&FOUR, &[("village clerk", village_clerk::day), ("inspector", inspector::day)])
}

/// Those through whose hands a case goes.
pub(crate) fn of_a_case() -> anyhow::Result<()> {
    let days: [(&str, Day); 4] = [
        ("intake clerk", intake_clerk::day),
        ("duty head", duty_head::day),
        ("dispatcher", dispatcher::day),
        ("handler", handler::day),
    ];
    tell(&[CENTER, VILLAGE_1, VEHICLE_1], &days)
}

/// Those who command, and those whom the town works with beside its own teams.
pub(crate) fn of_command() -> anyhow::Result<()> {
    let days: [(&str, Day); 3] = [
        ("commander", commander::day),
        ("lane chief", lane_chief::day),
        ("enforcement back office, department liaison", back_office_and_liaison::day),
    ];
    tell(&[CENTER, VILLAGE_1], &days)
}

/// Those who look, and who keep the nodes running. The technician's comes last: it ends with one node less.
pub(crate) fn of_those_who_look() -> anyhow::Result<()> {
    let days: [(&str, Day); 3] =
        [("leader, analyst", leader_and_analyst::day), ("auditor", auditor::day), ("technician", technician::day)];
    tell(&[CENTER, VILLAGE_1, VEHICLE_1], &days)
}

/// Tells the stories in one town. One that goes wrong is named, and the next begins with every link up.
fn tell(nodes: &[&str], days: &[(&str, Day)]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), nodes)?;
    town.wait_equal(START).context("before the day")?;
    let mut wrong = Vec::new();
    for (who, day) in days {
        let (story, began) = (Story::new(&town, folder.path()), Instant::now());
        match day(&story) {
            Ok(()) => println!("    {who}: {:.1} s", began.elapsed().as_secs_f64()),
            Err(problem) => wrong.push(format!("{who}, when “{}”: {problem:#}", story.at())),
        }
        story.links_return();
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}
