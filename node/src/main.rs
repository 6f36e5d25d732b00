//! townmesh
fn main() {}
