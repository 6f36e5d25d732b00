//! `townmesh-verdict <folder>`: see the module `verdict`, which this program contains so that nothing else is linked in.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "mod.rs"]
#[allow(unused_imports, unreachable_pub, reason = "what the library shows, the program needs only in part")]
mod verdict;

use verdict::{Input, Verdict, judge};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: townmesh-verdict <folder with dumps/, acknowledged.jsonl and plan.json>");
        return ExitCode::from(2);
    };
    match decide(&PathBuf::from(folder)) {
        Ok(verdict) if verdict.passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("townmesh-verdict: {problem:#}");
            ExitCode::from(2)
        }
    }
}

fn decide(folder: &Path) -> anyhow::Result<Verdict> {
    let verdict = judge(&Input::of_folder(folder)?);
    // A reader that went away (`| head`) changes nothing about the verdict.
    let _ = std::io::stdout().write_all(verdict.to_string().as_bytes());
    std::fs::write(folder.join("verdict.json"), serde_json::to_vec_pretty(&verdict)?)?;
    Ok(verdict)
}
