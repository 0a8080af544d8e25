//! See `holdline::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| holdline::fuzzing::run("log", data));
