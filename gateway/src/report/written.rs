//! How values of reports are written as JSON, and read again by whoever asks another gateway.

/// As RFC 3339.
pub(super) mod instant {
    use fleetgrant_core::domain::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(in crate::report) fn serialize<S: Serializer>(
        at: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(at)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Timestamp::from_micros(at.as_microsecond()))
    }
}

/// As RFC 3339, or null.
pub(super) mod optional_instant {
    use fleetgrant_core::domain::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Instant(#[serde(deserialize_with = "super::instant::deserialize")] Timestamp);

    pub(in crate::report) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::instant::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Instant>::deserialize(deserializer)?.map(|instant| instant.0))
    }
}

/// Seconds with their fraction, or null.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de};

    pub(in crate::report) fn serialize<S: Serializer>(
        length: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        length
            .map(|length| length.as_secs_f64())
            .serialize(serializer)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(de::Error::custom))
            .transpose()
    }
}

/// A map from the names of what was counted.
pub(super) mod by_name {
    use std::collections::BTreeMap;
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(in crate::report) fn serialize<K: Display, S: Serializer>(
        counted: &BTreeMap<K, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(counted.iter().map(|(key, count)| (key.to_string(), count)))
    }

    pub(in crate::report) fn deserialize<'de, K, D>(
        deserializer: D,
    ) -> Result<BTreeMap<K, u64>, D::Error>
    where
        K: FromStr<Err: Display> + Ord,
        D: Deserializer<'de>,
    {
        let counted = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let named = counted
            .into_iter()
            .map(|(name, count)| Ok((name.parse().map_err(de::Error::custom)?, count)));
        named.collect()
    }
}
