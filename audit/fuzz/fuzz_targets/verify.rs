//! Whatever a file holds, verifying and showing it ends, in an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = egret_audit::verify(bytes) {
        let _ = egret_audit::verify_after(bytes, &report);
    }
    let _ = egret_audit::tail(bytes, std::io::sink());
});
