#![no_main]

#[path = "../../tests/fuzz/targets/mod.rs"]
#[allow(dead_code, unused_imports)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::query(data));
