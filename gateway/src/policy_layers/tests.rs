#![allow(clippy::unwrap_used)]

use fleetgrant_core::tier::{Mode, standard};
use proptest::prelude::*;

use super::*;

fn named(reference: &str, json: &str) -> Named {
    Named {
        reference: reference.to_owned(),
        terms: Terms::parse(json).unwrap(),
    }
}

fn layers(of: &[Option<Named>; 3]) -> Layers<'_> {
    let [product, contract, entitlement] = of;
    Layers {
        product: product.as_ref(),
        contract: contract.as_ref(),
        entitlement: entitlement.as_ref(),
    }
}

/// Every set of layers over a tier's policy, and the days of grace that apply.
#[test]
fn an_entitlement_goes_before_a_contract_before_a_product_before_the_tier() {
    let of =
        |grace: u32, reference: &str| named(reference, &format!(r#"{{"grace_days":{grace}}}"#));
    let (product, contract, entitlement) = (of(1, "P"), of(2, "C"), of(3, "E"));
    let cases = [
        ([false, false, false], 0, "standard/1"),
        ([true, false, false], 1, "standard/1+product:P"),
        ([false, true, false], 2, "standard/1+C"),
        ([true, true, false], 2, "standard/1+product:P+C"),
        ([false, false, true], 3, "standard/1+entitlement:E"),
        ([true, false, true], 3, "standard/1+product:P+entitlement:E"),
        ([false, true, true], 3, "standard/1+C+entitlement:E"),
        (
            [true, true, true],
            3,
            "standard/1+product:P+C+entitlement:E",
        ),
    ];
    for ([has_product, has_contract, has_entitlement], days, name) in cases {
        let of = [
            has_product.then(|| product.clone()),
            has_contract.then(|| contract.clone()),
            has_entitlement.then(|| entitlement.clone()),
        ];
        let policy = layers(&of).whole(standard()).unwrap();
        assert_eq!(policy.rules.grace, days * 86_400, "{name}");
        assert_eq!(policy.tag.to_string(), name);
    }
}

#[test]
fn a_table_is_taken_whole_and_what_is_left_out_is_as_below() {
    let product = named(
        "P",
        r#"{"temporary":{"mode":"approval","days":2,"causes":["broken"]},"returns":"approval"}"#,
    );
    let entitlement = named(
        "E",
        r#"{"rehost":{"mode":"approval"},"rehost_unconfirmed":{"mode":"refused"}}"#,
    );
    let of = [Some(product), None, Some(entitlement)];
    let rules = layers(&of).whole(standard()).unwrap().rules;
    let temporary = rules.temporary.unwrap();
    assert_eq!((temporary.days.get(), rules.returns), (2, Mode::Approval));
    assert_eq!(rules.rehost, Some(fleetgrant_core::tier::Permit::Approval));
    assert_eq!(rules.rehost_unconfirmed, None);
    assert_eq!(rules.activation, standard().rules.activation);
}

#[test]
fn what_contradicts_what_is_below_it_is_left_out_alone() {
    // A move begins with a return, so the contract's returns go with the product's moves only.
    let none = r#"{"rehost":{"mode":"refused"},"rehost_unconfirmed":{"mode":"refused"}}"#;
    let refused = r#"{"returns":"refused"}"#;
    let of = [Some(named("P", none)), Some(named("C", refused)), None];
    let policy = layers(&of).whole(standard()).unwrap();
    assert_eq!(policy.rules.returns, Mode::Refused);
    let of = [
        None,
        Some(named("C", refused)),
        Some(named("E", r#"{"grace_days":9}"#)),
    ];
    let (policy, left_out) = layers(&of).over(standard());
    assert_eq!(policy.tag.to_string(), "standard/1+entitlement:E");
    assert_eq!(policy.rules.returns, Mode::SelfService);
    let [left_out] = &left_out[..] else {
        panic!("{left_out:?}");
    };
    assert_eq!(left_out.layer, Layer::Contract);
    let told = left_out.to_string();
    assert!(
        told.contains("over the policy of the tier standard: rehost.mode"),
        "{told}"
    );
    let of = [
        Some(named("P", none)),
        Some(named("C", refused)),
        Some(named("E", r#"{"rehost":{"mode":"approval"}}"#)),
    ];
    let told = layers(&of).whole(standard()).unwrap_err().to_string();
    assert!(
        told.contains("standard/1+product:P+C: rehost.mode"),
        "{told}"
    );
}

#[test]
fn what_is_about_a_device_is_of_no_single_right() {
    let fields = [
        r#""admission":"approval""#,
        r#""offline":false"#,
        r#""renew_after_days":3"#,
        r#""requests_per_day":9"#,
        r#""suggested":{"window":"P1Y","values":{"EUR":1}}"#,
    ];
    for field in fields {
        let terms = Terms::parse(&format!("{{{field}}}")).unwrap();
        assert!(terms.check(Layer::Contract).is_ok(), "{field}");
        for layer in [Layer::Product, Layer::Entitlement] {
            let refused = terms.check(layer).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("no {layer} can have its own")),
                "{refused}"
            );
        }
    }
    for (field, unlike) in [("ofline", "true"), ("grace_days", "\"many\"")] {
        let terms = Terms::parse(&format!(r#"{{"{field}":{unlike}}}"#)).unwrap();
        let refused = terms.check(Layer::Product).unwrap_err();
        assert!(
            matches!(refused, TermsError::Unreadable(_)),
            "{field}: {refused}"
        );
    }
    let rest = Terms::parse(
        r#"{"activation":"approval","returns":"approval","grace_days":1,"lease_days":30,
            "overdraft_units":1,"overdraft_per_units":9,"rehost":{"mode":"approval"},
            "rehost_unconfirmed":{"mode":"approval"},"temporary":{"mode":"refused"}}"#,
    );
    rest.unwrap().check(Layer::Entitlement).unwrap();
}

/// What a layer says, in a model without JSON and drafts.
#[derive(Clone, Debug)]
struct Said {
    grace: Option<u16>,
    activation: Option<Mode>,
    returns: Option<Mode>,
    overdraft: Option<u32>,
    /// As `temporary.mode`; what it has of days and causes is of the same layer.
    temporary: Option<bool>,
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::SelfService), Just(Mode::Approval)]
}

fn said() -> impl Strategy<Value = Said> {
    (
        proptest::option::of(0..400_u16),
        proptest::option::of(mode()),
        proptest::option::of(mode()),
        proptest::option::of(0..9_u32),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(grace, activation, returns, overdraft, temporary)| Said {
            grace,
            activation,
            returns,
            overdraft,
            temporary,
        })
}

impl Said {
    fn named(&self, reference: &str) -> Named {
        let mut fields = BTreeMap::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let word = |mode: Option<Mode>| mode.map(|mode| serde_json::to_value(mode).unwrap());
        put("grace_days", self.grace.map(Value::from));
        put("activation", word(self.activation));
        put("returns", word(self.returns));
        put("overdraft_units", self.overdraft.map(Value::from));
        let temporary = self.temporary.map(|given| match given {
            true => serde_json::json!({"mode": "approval", "days": 5, "causes": ["broken"]}),
            false => serde_json::json!({"mode": "refused"}),
        });
        put("temporary", temporary);
        Named {
            reference: reference.to_owned(),
            terms: Terms::of(fields),
        }
    }
}

proptest! {
    /// Of each field what the highest layer says that says anything; or else what the tier says.
    #[test]
    fn each_field_is_that_of_the_highest_layer_that_has_it(
        said in proptest::array::uniform3(proptest::option::of(said())),
    ) {
        let tier = standard();
        let of = [0, 1, 2].map(|place| said[place].as_ref().map(|said| said.named("R")));
        let policy = layers(&of).whole(tier.clone()).unwrap();
        let highest = || said.iter().rev().flatten();
        let days = highest().find_map(|said| said.grace).map_or(0, u32::from);
        prop_assert_eq!(policy.rules.grace, days * 86_400);
        let activation = highest().find_map(|said| said.activation);
        prop_assert_eq!(policy.rules.activation, activation.unwrap_or(tier.rules.activation));
        let returns = highest().find_map(|said| said.returns);
        prop_assert_eq!(policy.rules.returns, returns.unwrap_or(tier.rules.returns));
        let overdraft = highest().find_map(|said| said.overdraft);
        prop_assert_eq!(policy.rules.overdraft.units, overdraft.unwrap_or(0));
        let days = policy.rules.temporary.map(|temporary| temporary.days.get());
        let given = highest().find_map(|said| said.temporary);
        prop_assert_eq!(days, match given {
            None => tier.rules.temporary.map(|temporary| temporary.days.get()),
            Some(true) => Some(5),
            Some(false) => None,
        });
        prop_assert_eq!(policy.rules.rehost, tier.rules.rehost);
        prop_assert_eq!(policy.tag.product.is_some(), said[0].is_some());
        prop_assert_eq!(policy.tag.contract.is_some(), said[1].is_some());
        prop_assert_eq!(policy.tag.entitlement.is_some(), said[2].is_some());
    }

    /// Whatever lies over whatever: what decides never contradicts itself, and names what it is of.
    #[test]
    fn what_decides_never_contradicts_itself(
        picked in proptest::array::uniform3(proptest::option::of(0..6_usize)),
    ) {
        const ALL: [&str; 6] = [
            r#"{"returns":"refused"}"#,
            r#"{"rehost":{"mode":"refused"}}"#,
            r#"{"rehost":{"mode":"refused"},"rehost_unconfirmed":{"mode":"refused"}}"#,
            r#"{"rehost_unconfirmed":{"mode":"self-service","units":1,"window":"P1Y","beyond":"refused"}}"#,
            r#"{"lease_days":30}"#,
            r#"{"rehost":{"mode":"approval"},"returns":"approval"}"#,
        ];
        let of = picked.map(|picked| picked.map(|picked| named("R", ALL[picked])));
        let (policy, left_out) = layers(&of).over(standard());
        let draft = Draft::from(&policy.rules);
        prop_assert_eq!(TierRules::try_from(draft), Ok(policy.rules.clone()));
        for (layer, there) in Layer::ALL.into_iter().zip(&of) {
            let named = match layer {
                Layer::Product => policy.tag.product.is_some(),
                Layer::Contract => policy.tag.contract.is_some(),
                Layer::Entitlement => policy.tag.entitlement.is_some(),
            };
            let is_out = left_out.iter().any(|out| out.layer == layer);
            prop_assert_eq!(there.is_some(), named != is_out);
        }
        prop_assert_eq!(layers(&of).whole(standard()).is_ok(), left_out.is_empty());
    }
}
