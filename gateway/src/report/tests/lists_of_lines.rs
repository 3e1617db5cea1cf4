//! Each list of a product line has what of the list belongs to the line, in every order.

use super::two_lines::{LINES, line};
use super::*;

/// Two lines of which the lists tell one as large and the other as small.
pub(super) fn a_large_and_a_small_line() -> Ledger {
    let mut ledger = Ledger::of_two_lines();
    ledger.import(
        Kind::Products,
        "product,title,product_line,feature\nP,Pump,devices,pump\nV,Valve,valves,valve\nA,Any,,any\n",
    );
    ledger.import(
        Kind::Skus,
        "sku,title,product,model\nPUMP,Pump,P,perpetual\nVALVE,Valve,V,perpetual\n\
         ANY,Any,A,perpetual\nBOTH,Both,P,perpetual\nBOTH,Both,V,perpetual\n",
    );
    let mut parties = "system,party,name\n".to_owned();
    let mut orders = "system,order,ordered_at,sold_to,line,sku,quantity\n".to_owned();
    let mut shipments = "system,shipment,order,line,quantity,shipped_at\n".to_owned();
    let mut manifest = "serial,product_line,system,owner\n".to_owned();
    for (number, device) in (1..=8).chain(101..=103).enumerate() {
        let is_pump = device < ledger::SECOND_LINE;
        let (line, sku) = if is_pump {
            ("devices", "PUMP")
        } else {
            ("valves", "VALVE")
        };
        // Valves between the pumps, in whichever order a list comes.
        let rank = if is_pump { number * 2 } else { number * 3 % 16 };
        parties.push_str(&format!("erp,C-{device},Owner {rank:02} {device}\n"));
        orders.push_str(&format!(
            "erp,O-{rank:02}-{device},2026-10-{:02},C-{device},1,{sku},2\n",
            1 + rank
        ));
        shipments.push_str(&format!(
            "erp,DN-{rank:02}-{device},O-{rank:02}-{device},1,1,2026-10-{:02}\n",
            2 + rank
        ));
        manifest.push_str(&format!("{device},{line},erp,C-{device}\n"));
    }
    orders.push_str("erp,O-both,2026-10-20,C-1,1,BOTH,2\nerp,O-any,2026-10-20,C-2,1,ANY,2\n");
    shipments.push_str("erp,DN-both,O-both,1,1,2026-10-21\nerp,DN-any,O-any,1,1,2026-10-21\n");
    for (kind, text) in [
        (Kind::Parties, parties),
        (Kind::Orders, orders),
        (Kind::Manifest, manifest),
        (Kind::Shipments, shipments),
    ] {
        ledger.import(kind, &text);
    }
    for device in [1, 101, 2, 3, 102, 4, 5, 6, 103, 7, 8] {
        let feature = if device < ledger::SECOND_LINE {
            "pump"
        } else {
            "valve"
        };
        ledger.activate(device, &[(feature, 1)]);
        ledger.ask(device, &[(feature, 9)]);
        ledger.wait(7);
    }
    ledger
}

#[test]
fn a_list_of_a_line_is_what_of_the_list_belongs_to_it() {
    use listing::{
        ActivationFilter, CaseFilter, EntitlementFilter, OrderFilter, PartyFilter, ShipmentFilter,
    };
    use listing::{Part, Place, Placed as _, Sort, SortBy as _};
    let ledger = a_large_and_a_small_line();
    macro_rules! list {
        ($filter:ident, $sort:ident, $list:path, $id:expr, $belongs:expr) => {
            for (index, (name, ..)) in LINES.iter().enumerate() {
                let within = Some(line(&ledger, name));
                for by in listing::$sort::ALL.iter().copied() {
                    for descending in [false, true] {
                        let sort = Sort { by, descending };
                        let page = |within, part: Part<listing::$sort>, limit| {
                            ledger.read(move |db| {
                                let filter = $filter {
                                    within,
                                    part,
                                    ..$filter::default()
                                };
                                $list(db, &filter, limit)
                            })
                        };
                        let whole = page(None, Part::new(sort, None).unwrap(), 1_000);
                        let expected: Vec<String> = whole
                            .iter()
                            .filter(|row| $belongs(index, *row))
                            .map($id)
                            .collect();
                        assert!(expected.len() >= 3, "{name} {sort}");
                        let mut told = Vec::new();
                        let mut part = Part::new(sort, None).unwrap();
                        loop {
                            let rows = page(within, part, 2);
                            told.extend(rows.iter().map($id));
                            let Some(last) = rows.last() else { break };
                            let place: Place = last.place(by);
                            part = Part::after(sort, place);
                        }
                        assert_eq!(told, expected, "{name} {sort}");
                    }
                }
            }
        };
    }
    let is_of = |index: usize, device: &str| device.starts_with(LINES[index].1);
    list!(
        ActivationFilter,
        ActivationSort,
        listing::activations,
        |row: &listing::ActivationRow| row.id.0.to_string(),
        |index, row: &listing::ActivationRow| is_of(index, &row.device)
    );
    list!(
        CaseFilter,
        CaseSort,
        listing::cases,
        |row: &crate::store::case::Case| row.id.0.to_string(),
        |index, row: &crate::store::case::Case| is_of(index, &row.device_id)
    );
    list!(
        EntitlementFilter,
        EntitlementSort,
        listing::entitlements,
        |row: &listing::EntitlementRow| row.id.0.to_string(),
        |index: usize, row: &listing::EntitlementRow| LINES[index].2.contains(&&*row.product)
    );
    let is_named = |index: usize, name: &str| {
        let number = name
            .rsplit(['-', ' '])
            .next()
            .and_then(|number| number.parse::<u8>().ok());
        number.is_some_and(|device| (device < ledger::SECOND_LINE) == (index == 0))
    };
    list!(
        OrderFilter,
        OrderSort,
        listing::orders,
        |row: &listing::OrderRow| row.id.0.to_string(),
        |index, row: &listing::OrderRow| is_named(index, &row.reference)
    );
    list!(
        ShipmentFilter,
        ShipmentSort,
        listing::shipments,
        |row: &listing::ShipmentRow| row.id.0.to_string(),
        |index, row: &listing::ShipmentRow| is_named(index, &row.reference)
    );
    // Who bought for both owns of both.
    let owns =
        |index: usize, party: &str| is_named(index, party) || (index == 1 && party.ends_with(" 1"));
    list!(
        PartyFilter,
        PartySort,
        listing::parties,
        |row: &crate::store::party::Party| row.id.0.to_string(),
        |index, row: &crate::store::party::Party| owns(index, &row.name)
    );
}
