//! The rules of a policy, as `fleetgrant policies` reads and writes them, for the description.

use fleetgrant_core::tier::TierRules;
use fleetgrant_core::tier::draft::{Draft, MAX_DAYS, MAX_TEMPORARY_DAYS};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// The rules of a policy. What is left out is as `standard` is shipped, but for the tables: one that
/// is left out refuses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PolicyRules(pub(crate) Draft);

impl From<&TierRules> for PolicyRules {
    fn from(rules: &TierRules) -> Self {
        Self(Draft::from(rules))
    }
}

const MODES: [&str; 3] = ["self-service", "approval", "refused"];
const ADMISSIONS: [&str; 2] = ["automatic", "approval"];
const SCOPES: [&str; 3] = ["entitlement", "customer", "device"];
const BEYOND: [&str; 2] = ["approval", "refused"];
const CAUSES: [&str; 2] = ["expired", "broken"];

impl PartialSchema for PolicyRules {
    fn schema() -> RefOr<Schema> {
        let days = |about| number(about, 1, MAX_DAYS.into(), Given::MayBeNull);
        closed("What a tier's customers are allowed")
            .property("activation", word("How an activation is answered", &MODES))
            .property("returns", word("How a return is answered", &MODES))
            .property(
                "grace_days",
                number(
                    "Days that a right goes on after its end at least",
                    0,
                    MAX_DAYS.into(),
                    Given::Always,
                ),
            )
            .property("offline", flag("Whether devices are served in files"))
            .property(
                "renew_after_days",
                days("Days after which a device asks again"),
            )
            .property(
                "lease_days",
                days("Days that a device runs without contact"),
            )
            .property("admission", word("How a device is admitted", &ADMISSIONS))
            .property(
                "requests_per_day",
                number(
                    "Requests of a device that are served in a day",
                    3,
                    u16::MAX.into(),
                    Given::MayBeNull,
                ),
            )
            .property(
                "overdraft_units",
                number(
                    "Units that an order gives beyond those bought",
                    0,
                    u32::MAX,
                    Given::Always,
                ),
            )
            .property(
                "overdraft_per_units",
                number(
                    "One more of them for each so many that were bought",
                    1,
                    u32::MAX,
                    Given::MayBeNull,
                ),
            )
            .property("suggested", suggested())
            .property("rehost", permit("Moves with proof of the return"))
            .property("rehost_unconfirmed", permit("Moves from a dead device"))
            .property(
                "temporary",
                quota(closed("Temporary licences"))
                    .property(
                        "days",
                        number(
                            "Days that one runs",
                            1,
                            MAX_TEMPORARY_DAYS.into(),
                            Given::MayBeNull,
                        ),
                    )
                    .property("causes", causes()),
            )
            .into()
    }
}

impl ToSchema for PolicyRules {}

/// Whether a number may be left empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Always,
    MayBeNull,
}

fn closed(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .description(Some(about))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

fn permit(about: &str) -> ObjectBuilder {
    quota(closed(about))
}

fn quota(of: ObjectBuilder) -> ObjectBuilder {
    let units = |about, least| number(about, least, u32::MAX, Given::MayBeNull);
    of.property("mode", word("How it is answered", &MODES))
        .required("mode")
        .property("units", units("Units within the window", 0))
        .property("per_units", units("One more for each so many units", 1))
        .property(
            "window",
            ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                .max_length(Some(32))
                .description(Some("How long a use counts, as P1Y or P90D")),
        )
        .property("scope", optional("Whose uses count together", &SCOPES))
        .property(
            "beyond",
            optional("What becomes of what is beyond it", &BEYOND),
        )
}

fn suggested() -> ObjectBuilder {
    let value = number("Whole units of a currency", 1, u32::MAX, Given::Always);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some(
            "From which value of what was bought the tier is suggested",
        ))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
        .property(
            "window",
            ObjectBuilder::new()
                .schema_type(Type::String)
                .max_length(Some(32))
                .description(Some("Of orders that are no longer ago, as P1Y")),
        )
        .required("window")
        .property(
            "values",
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .description(Some("By currency, as ISO 4217 writes it"))
                .additional_properties(Some(AdditionalProperties::<Schema>::RefOr(RefOr::T(
                    Schema::Object(value.build()),
                )))),
        )
        .required("values")
}

fn causes() -> ArrayBuilder {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(CAUSES)),
        )
        .max_items(Some(CAUSES.len()))
}

fn word(about: &str, words: &[&'static str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .description(Some(about))
}

fn optional(about: &str, words: &[&'static str]) -> ObjectBuilder {
    let words = words.iter().map(|word| serde_json::Value::from(*word));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.chain([serde_json::Value::Null])))
        .description(Some(about))
}

fn flag(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(about))
}

fn number(about: &str, least: u32, most: u32, given: Given) -> ObjectBuilder {
    let kind = match given {
        Given::Always => SchemaType::Type(Type::Integer),
        Given::MayBeNull => SchemaType::from_iter([Type::Integer, Type::Null]),
    };
    ObjectBuilder::new()
        .schema_type(kind)
        .minimum(Some(least))
        .maximum(Some(most))
        .description(Some(about))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    /// The fields that serde names when it refuses one that is none.
    fn known(body: &Value) -> BTreeSet<String> {
        let refused = serde_json::from_value::<Draft>(body.clone()).unwrap_err();
        let told = refused.to_string();
        let (_, names) = told.split_once("expected one of ").unwrap();
        names
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    fn described(schema: &Value) -> BTreeSet<String> {
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    #[test]
    fn the_description_has_the_fields_that_are_read() {
        let schema = serde_json::to_value(PolicyRules::schema()).unwrap();
        assert_eq!(described(&schema), known(&json!({"none": 1})));
        for table in ["rehost", "rehost_unconfirmed", "temporary"] {
            let fields = known(&json!({ table: {"none": 1} }));
            assert_eq!(described(&schema["properties"][table]), fields, "{table}");
        }
    }

    #[test]
    fn every_word_of_the_description_is_read() {
        let schema = serde_json::to_value(PolicyRules::schema()).unwrap();
        for (field, about) in schema["properties"].as_object().unwrap() {
            for word in about["enum"].as_array().into_iter().flatten() {
                serde_json::from_value::<Draft>(json!({ field: word })).unwrap();
            }
        }
        for field in ["mode", "scope", "beyond"] {
            let words = &schema["properties"]["rehost"]["properties"][field]["enum"];
            for word in words.as_array().unwrap() {
                let mut permit = json!({"mode": "approval"});
                permit[field] = word.clone();
                serde_json::from_value::<Draft>(json!({ "rehost": permit })).unwrap();
            }
        }
        let causes = json!({"mode": "approval", "causes": CAUSES});
        serde_json::from_value::<Draft>(json!({ "temporary": causes })).unwrap();
    }
}
