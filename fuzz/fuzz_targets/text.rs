//! What is read from text: topics, device ids, activation codes. What is read prints again as it
//! was, a code as the same code.
#![no_main]

use fleetgrant_schemas::code::ActivationCode;
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::topic::Topic;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(topic) = Topic::parse("fg", text) {
        assert_eq!(topic.within("fg").to_string(), text);
    }
    if let Ok(device) = DeviceId::new(text) {
        assert_eq!(device.as_str(), text);
    }
    if let Ok(code) = text.parse::<ActivationCode>() {
        let printed = code.to_string();
        let again = printed.parse::<ActivationCode>();
        assert!(again.is_ok_and(|again| again == code), "{printed}");
    }
});
