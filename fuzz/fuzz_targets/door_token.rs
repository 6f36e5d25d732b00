#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| townmesh_fuzz::core("door_token", bytes));
