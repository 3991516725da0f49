#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| connectus_fuzz::entries::template(data));
