//! `townmesh`: the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    townmesh_node::cli::main()
}
