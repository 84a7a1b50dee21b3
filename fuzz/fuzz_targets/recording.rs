#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| shelfmq_fuzz::recording::run(data));
