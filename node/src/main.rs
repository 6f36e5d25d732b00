//! `townmesh`: the program.

use std::process::ExitCode;

/// Documents are many small allocations: a third of the time of an edit with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    townmesh_node::cli::main()
}
