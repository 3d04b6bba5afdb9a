//! A host that was taken is normal: parsed again, it is itself.
#![no_main]

use egret_policies::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(host) = Host::parse(text) {
        assert_eq!(Host::parse(&host.to_string()).as_ref(), Ok(&host));
    }
    let _ = Host::parse_authority(text);
});
