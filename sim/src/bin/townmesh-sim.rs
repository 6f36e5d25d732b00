//! `townmesh-sim`: lives through towns under faults, and shrinks what goes wrong to a short story.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use townmesh_sim::bugs::SWITCH;
use townmesh_sim::bugs::campaign::{self, Campaign};
use townmesh_sim::images::{self, Flaw};
use townmesh_sim::plan::{self, Options, Plan};
use townmesh_sim::regressions::Kept;
use townmesh_sim::run::{ENTRIES_A_DAY, FAULTS_A_DAY, Report, run_plan, run_together};
use townmesh_sim::scale::{Cost, HEAD, Series};
use townmesh_sim::shrink::shrink;

/// Documents are many small allocations; see the decisions in the README.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lives through towns under faults; the same seed gives the same town to the byte.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lives through one or more seeds; ends with an error at the first that goes wrong, shrunk to a story.
    Run(RunArgs),
    /// Measures how cost grows with nodes, documents and towns.
    Scale(ScaleArgs),
    /// Shrinks a seed, or a plan that was kept, to the fewest steps that still go wrong.
    Shrink(ShrinkArgs),
    /// Puts small wrong changes into a copy of the sources, and tells what finds which.
    Bugs(BugsArgs),
    /// Opens what every power cut could leave of a recorded node's disk; ends with an error if any image is not right.
    Images(ImagesArgs),
    /// Lists the rows of FAULTS.md that are simulated, and those that wait for a piece of the product.
    Rows,
}

#[derive(Debug, clap::Args)]
struct TownArgs {
    /// The seed that everything follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nodes: centers, village offices, vehicles, carriers.
    #[arg(long, default_value_t = 12)]
    nodes: usize,
    /// Days of work and faults.
    #[arg(long, default_value_t = 1.0)]
    days: f64,
    /// Work in percent of the model town's.
    #[arg(long, default_value_t = 100)]
    load: u32,
    /// Faults in percent of what the seed draws; 0 for none.
    #[arg(long, default_value_t = 100)]
    faults: u32,
    /// Seconds between two beacons of a node; 60 in production.
    #[arg(long, default_value_t = 900)]
    beacon: u64,
    /// Minutes within which everybody must hold everything once the faults have stopped.
    #[arg(long, default_value_t = 180)]
    bound: u64,
    /// Most events in one report of a device; with 740 the model town has its million a day.
    #[arg(long, default_value_t = 12)]
    events: u32,
}

impl TownArgs {
    fn options(&self, seed: u64) -> Options {
        Options {
            seed,
            nodes: self.nodes,
            hours: (self.days * 24.0).round().max(1.0) as u32,
            load: self.load,
            faults: self.faults,
            beacon_s: self.beacon,
            events: self.events,
            bound_min: self.bound,
        }
    }
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    town: TownArgs,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Lives through a plan that was kept, in place of seeds.
    #[arg(long, conflicts_with_all = ["seed", "seeds"])]
    plan: Option<PathBuf>,
    /// Lives through so many towns at one time, of seeds that follow on each other: a district on one machine.
    #[arg(long, default_value_t = 1, conflicts_with_all = ["plan", "seeds"])]
    towns: u64,
    /// Prints only what it cost, as JSON.
    #[arg(long, conflicts_with_all = ["plan", "seeds", "story"])]
    cost: bool,
    /// Stops after this many CPU seconds, whatever is left.
    #[arg(long)]
    cpu: Option<f64>,
    /// Prints what happened.
    #[arg(long)]
    story: bool,
    /// Where a plan that goes wrong is kept, shrunk.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Most runs that shrinking may take; 0 to leave a failure as it is.
    #[arg(long, default_value_t = 200)]
    shrink: usize,
}

#[derive(Debug, clap::Args)]
struct ScaleArgs {
    /// Sizes of a town, in nodes; the other series are of the first.
    #[arg(long, value_delimiter = ',', default_value = "12,25,50,100,158")]
    nodes: Vec<usize>,
    /// Loads in percent: more work makes more documents.
    #[arg(long, value_delimiter = ',', default_value = "25,50,200,400")]
    loads: Vec<u32>,
    /// Numbers of towns on one machine.
    #[arg(long, value_delimiter = ',', default_value = "5,20")]
    towns: Vec<usize>,
    /// Further arguments of `run`.
    #[arg(long, default_value = "--seed 1 --days 0.25", allow_hyphen_values = true)]
    town: String,
}

#[derive(Debug, clap::Args)]
struct ShrinkArgs {
    #[command(flatten)]
    town: TownArgs,
    /// A plan as JSON in place of a seed.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Where the shrunk plan is kept.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Most runs.
    #[arg(long, default_value_t = 400)]
    runs: usize,
}

#[derive(Debug, clap::Args)]
struct BugsArgs {
    /// Only these bugs.
    only: Vec<String>,
    /// The root of the workspace.
    #[arg(long, default_value = ".")]
    workspace: PathBuf,
    /// Where the copy of the sources, its build and the verdicts go.
    #[arg(long, default_value = "target/seeded-bugs")]
    out: PathBuf,
    /// Seconds for each bug, for the simulator and for the tests.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Bugs hunted at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Leaves the unit tests out.
    #[arg(long)]
    no_tests: bool,
    /// Runs the unit tests only for bugs that the simulator does not find.
    #[arg(long, conflicts_with = "no_tests")]
    until_found: bool,
    /// Where the shortest plan that finds a bug is kept, under its name: seeds that find it are shrunk, which takes minutes.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// How large and long the simulated towns are, as arguments of `run`.
    #[arg(long, default_value = "--nodes 8 --days 0.5", allow_hyphen_values = true)]
    town: String,
}

#[derive(Debug, clap::Args)]
struct ImagesArgs {
    /// The seed that everything follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// About so many images of each seed, nested ones included.
    #[arg(long, default_value_t = 10_000)]
    images: usize,
    /// Power cuts one after another: 1 cuts work only, 3 cuts the recovery from a cut recovery.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    depth: u8,
    /// Only the images on this path, as a failure prints it.
    #[arg(long)]
    path: Option<String>,
    /// A disk that does something wrong, to see that it is found.
    #[arg(long)]
    flaw: Option<Flaw>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let shown = std::panic::take_hook();
    // A node that panics on a damaged disk is caught, as in the binary; any other panic is a finding with its seed.
    std::panic::set_hook(Box::new(move |panic| {
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0") {
            shown(panic);
        }
    }));
    let done = match Cli::parse().command {
        Command::Run(args) => run_seeds(&args),
        Command::Scale(args) => measure_scale(&args),
        Command::Shrink(args) => shrink_one(&args),
        Command::Bugs(args) => hunt_bugs(args),
        Command::Images(args) => open_images(&args),
        Command::Rows => {
            plan::rows().into_iter().for_each(|(row, name)| println!("{row:3}  {name}"));
            plan::SLOTS.iter().for_each(|(row, name, waits)| println!("{row:3}  {name}: not simulated ({waits})"));
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("townmesh-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<bool, Box<dyn std::error::Error>>;

fn run_seeds(args: &RunArgs) -> Done {
    if args.towns > 1 || args.cost {
        return run_district(args);
    }
    let (mut node_days, mut counted, mut cpu, mut done) = (0.0, 0.0, 0.0, 0);
    for plan in plans(args)? {
        if args.cpu.is_some_and(|limit| cpu >= limit) {
            break;
        }
        let report = run_plan(&plan, args.story)?;
        (node_days, cpu, done) = (node_days + report.node_days(), cpu + report.cpu_s.unwrap_or(0.0), done + 1);
        counted += if report.counts() { report.node_days() } else { 0.0 };
        report.outcome.story.iter().for_each(|line| println!("{line}"));
        print!("{report}");
        if !report.is_sound() {
            return failed(&plan, &report, args);
        }
    }
    println!(
        "{done} seeds, {node_days:.0} node-days in {cpu:.0} CPU-s: nothing wrong; {counted:.0} of them ({:.2} node-years) had \
         {ENTRIES_A_DAY} entries and {FAULTS_A_DAY} fault or more",
        counted / 365.0
    );
    Ok(true)
}

fn run_district(args: &RunArgs) -> Done {
    let first = args.town.seed;
    let seeds = first..first.saturating_add(args.towns.max(1));
    let plans: Vec<Plan> = seeds.map(|seed| Plan::draw(args.town.options(seed))).collect();
    let reports = run_together(&plans)?;
    let cost = Cost::of(&reports);
    if args.cost {
        println!("{}", serde_json::to_string(&cost)?);
    } else {
        reports.iter().for_each(|report| print!("{report}"));
        println!("{HEAD}\n{cost}");
    }
    Ok(cost.wrong.is_empty())
}

fn measure_scale(args: &ScaleArgs) -> Done {
    let series = Series {
        nodes: args.nodes.clone(),
        loads: args.loads.clone(),
        towns: args.towns.clone(),
        town: args.town.split_whitespace().map(str::to_owned).collect(),
    };
    println!("{HEAD}");
    let rows = series.measure(|cost| println!("{cost}"))?;
    Ok(rows.iter().all(|cost| cost.wrong.is_empty()))
}

fn plans(args: &RunArgs) -> Result<Box<dyn Iterator<Item = Plan> + '_>, Box<dyn std::error::Error>> {
    if let Some(file) = &args.plan {
        return Ok(Box::new(std::iter::once(Kept::read(file)?.plan)));
    }
    let first = args.town.seed;
    Ok(Box::new((first..first.saturating_add(args.seeds)).map(|seed| Plan::draw(args.town.options(seed)))))
}

fn failed(plan: &Plan, report: &Report, args: &RunArgs) -> Done {
    let Options { seed, nodes, hours, load, faults, beacon_s, bound_min, events } = report.options;
    let days = f64::from(hours) / 24.0;
    println!(
        "seed {seed} goes wrong; repeat it with: townmesh-sim run --seed {seed} --nodes {nodes} --days {days} \
         --load {load} --faults {faults} --beacon {beacon_s} --bound {bound_min} --events {events}"
    );
    if args.shrink > 0 {
        tell_shrunk(plan, args.shrink, args.keep.as_ref())?;
    }
    Ok(false)
}

fn hunt_bugs(args: BugsArgs) -> Done {
    let campaign = Campaign {
        lists: campaign::lists_in(&args.workspace),
        workspace: args.workspace,
        out: args.out,
        only: args.only,
        limit: Duration::from_secs(args.seconds),
        jobs: args.jobs,
        with_tests: !args.no_tests,
        until_found: args.until_found,
        keep: args.keep,
        town: args.town.split_whitespace().map(str::to_owned).collect(),
    };
    let outcome = campaign::run(&campaign)?;
    print!("{}", outcome.table());
    Ok(outcome.is_all_found())
}

fn open_images(args: &ImagesArgs) -> Done {
    let options = images::Options {
        seed: args.seed,
        seeds: args.seeds,
        images: args.images,
        depth: usize::from(args.depth),
        path: args.path.clone(),
        flaw: args.flaw,
    };
    let report = images::run(&options, |so_far| {
        eprintln!("{} seeds, {} images, {} wrong", so_far.seeds, so_far.tally.opened(), so_far.tally.failures.len());
    })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.is_sound())
}

fn shrink_one(args: &ShrinkArgs) -> Done {
    let plan = match &args.plan {
        Some(path) => Kept::read(path)?.plan,
        None => Plan::draw(args.town.options(args.town.seed)),
    };
    tell_shrunk(&plan, args.runs, args.keep.as_ref())
}

fn tell_shrunk(plan: &Plan, runs: usize, keep: Option<&PathBuf>) -> Done {
    let Some(shrunk) = shrink(plan, runs) else {
        println!("nothing goes wrong");
        return Ok(true);
    };
    println!(
        "{} of {} steps are left after {} runs: {}",
        shrunk.plan.steps.len(),
        plan.steps.len(),
        shrunk.runs,
        shrunk.rule
    );
    let report = run_plan(&shrunk.plan, true)?;
    report.outcome.story.iter().for_each(|line| println!("{line}"));
    report.outcome.violations.iter().for_each(|violation| println!("{}: {}", violation.rule, violation.what));
    if let Some(path) = keep {
        let bug = std::env::var(SWITCH).ok();
        Kept { why: shrunk.rule.to_owned(), bug, plan: shrunk.plan }.write(path)?;
        println!("kept in {}", path.display());
    }
    Ok(false)
}
