//! Shrinking: the fewest steps of a plan that still go wrong in the same way.

use crate::plan::{Plan, Step};
use crate::world::World;

/// What shrinking came to.
#[derive(Debug)]
pub struct Shrunk {
    /// The plan with the steps that are left.
    pub plan: Plan,
    /// What is violated.
    pub rule: &'static str,
    /// How many runs it took.
    pub runs: usize,
}

/// Shrinks a plan that goes wrong, in at most so many runs; `None` if it does not go wrong.
pub fn shrink(plan: &Plan, most_runs: usize) -> Option<Shrunk> {
    shrink_with(plan, most_runs, &|plan| {
        let outcome = World::live(plan, false).ok()?;
        let first = outcome.violations.into_iter().next()?;
        Some((first.rule, first.at))
    })
}

/// What a plan violates, and when; 0 for what is found in the end.
type Judge<'a> = &'a dyn Fn(&Plan) -> Option<(&'static str, u64)>;

/// Delta debugging (Zeller and Hildebrandt, 2002): drops ever smaller parts as long as the same rule is violated.
fn shrink_with(plan: &Plan, most_runs: usize, judge: Judge<'_>) -> Option<Shrunk> {
    let (rule, at) = judge(plan)?;
    let mut runs = 1;
    let mut steps = plan.steps.clone();
    if at > 0 {
        steps.retain(|step| step.at <= at);
    }
    let fails = |steps: &[Step], runs: &mut usize| {
        *runs += 1;
        let candidate = Plan { options: plan.options.clone(), steps: steps.to_vec() };
        judge(&candidate).is_some_and(|(found, _)| found == rule)
    };
    let mut parts = 2;
    while !steps.is_empty() && runs < most_runs {
        let size = steps.len().div_ceil(parts).max(1);
        let mut dropped = false;
        let mut start = 0;
        while start < steps.len() && runs < most_runs {
            let end = (start + size).min(steps.len());
            let rest: Vec<Step> = steps[..start].iter().chain(&steps[end..]).cloned().collect();
            if fails(&rest, &mut runs) {
                steps = rest;
                dropped = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !dropped {
            break;
        }
        parts = if dropped { parts.max(2) } else { parts * 2 };
    }
    Some(Shrunk { plan: Plan { options: plan.options.clone(), steps }, rule, runs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Fault, Options, What};

    #[test]
    fn only_the_steps_that_matter_are_left() {
        let plan = Plan::draw(Options { seed: 1, ..Options::default() });
        // Goes wrong when a kill comes after a backup, however far apart.
        let judge = |plan: &Plan| {
            let at = |wanted: fn(&Fault) -> bool| {
                plan.steps.iter().position(|step| matches!(&step.what, What::Fault(fault) if wanted(fault)))
            };
            let backup = at(|fault| matches!(fault, Fault::Backup))?;
            let last = plan.steps.iter().rposition(|step| matches!(step.what, What::Fault(Fault::Kill { .. })))?;
            (backup < last).then_some(("an invented rule", 0))
        };
        let has_both =
            (0..50).map(|seed| Plan::draw(Options { seed, ..plan.options.clone() })).find(|plan| judge(plan).is_some());
        let plan = has_both.expect("some seed draws both");
        let shrunk = shrink_with(&plan, 2_000, &judge).unwrap();
        assert_eq!(shrunk.plan.steps.len(), 2, "{:?}", shrunk.plan.steps);
        assert!(shrunk.runs < 300, "{} runs for {} steps", shrunk.runs, plan.steps.len());
        assert!(shrink_with(&Plan { steps: vec![], ..plan }, 10, &judge).is_none());
    }
}
