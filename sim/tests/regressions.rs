//! What went wrong once, and schedules that find a seeded bug, must go right.

use std::path::Path;

use townmesh_sim::bugs::List;
use townmesh_sim::regressions::{Kept, kept_in};
use townmesh_sim::run::run_plan;

/// Most steps of a kept plan: what is longer was not shrunk, and nobody reads it.
const MOST_STEPS: usize = 120;

#[test]
fn every_kept_plan_goes_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = kept_in(&root.join("regressions")).unwrap();
    assert!(!files.is_empty(), "the kept plans are there");
    let bugs: Vec<String> = List::read_all(&root.join("bugs"))
        .unwrap()
        .into_iter()
        .flat_map(|list| list.bugs)
        .map(|bug| bug.name)
        .collect();
    for file in files {
        let kept = Kept::read(&file).unwrap_or_else(|error| panic!("{error}"));
        let steps = kept.plan.steps.len();
        assert!(steps <= MOST_STEPS, "{}: {steps} steps; shrink it further", file.display());
        assert!(kept.bug.as_ref().is_none_or(|bug| bugs.contains(bug)), "{}: no such bug is listed", file.display());
        let report = run_plan(&kept.plan, true).unwrap();
        let story = report.outcome.story.join("\n");
        assert!(report.is_sound(), "{} ({}) goes wrong:\n{story}\n{report}", file.display(), kept.why);
    }
}
