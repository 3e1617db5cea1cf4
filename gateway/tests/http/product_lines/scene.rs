//! Two product lines with all that belongs to each, and what belongs to both.

use fleetgrant::http::roles::Endpoint;
use fleetgrant_core::domain::Role;
use serde_json::{Value, json};

use crate::api::{Answer, Served};
use crate::desk::JSON;

use super::ROLES;

/// What there is of a product line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: &'static str,
    /// A key of it.
    pub(super) key: String,
    pub(super) device: String,
    pub(super) spare: String,
    pub(super) owner: String,
    pub(super) product: String,
    pub(super) product_code: String,
    pub(super) entitlement: String,
    pub(super) reference: String,
    pub(super) order: String,
    pub(super) shipment: String,
    pub(super) activation: String,
    pub(super) case: String,
    pub(super) batch: String,
    pub(super) campaign: String,
    pub(super) pack: String,
    pub(super) code: String,
}

impl Line {
    /// What nobody may be told who has nothing to do with the line.
    pub(super) fn traces(&self) -> [&str; 16] {
        [
            self.name,
            &self.device,
            &self.spare,
            &self.owner,
            &self.product,
            &self.product_code,
            &self.entitlement,
            &self.reference,
            &self.order,
            &self.shipment,
            &self.activation,
            &self.case,
            &self.batch,
            &self.campaign,
            &self.pack,
            &self.code,
        ]
    }

    /// The address of a route with what it names being of this line.
    pub(super) fn path(&self, endpoint: &Endpoint) -> String {
        let segments = endpoint.path.split('/').map(|segment| match segment {
            "{device}" => &self.device,
            "{party}" => &self.owner,
            "{product}" => &self.product,
            "{entitlement}" => &self.entitlement,
            "{order}" => &self.order,
            "{shipment}" => &self.shipment,
            "{activation}" => &self.activation,
            "{case}" => &self.case,
            "{batch}" => &self.batch,
            "{campaign}" => &self.campaign,
            "{pack}" => &self.pack,
            "{code}" => &self.code,
            "{tier}" => "standard",
            "{version}" => "1",
            "{kind}" => "parties",
            "{key}" | "{webhook}" => "none",
            other => other,
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// Two lines, and what is of both or of none.
pub(super) struct Scene {
    pub(super) api: Served,
    pub(super) admin: String,
}

impl Scene {
    pub(super) async fn open() -> (Self, [Line; 2]) {
        let api = Served::with_lines(&["pumps", "valves"]).await;
        let admin = api.key(Role::Admin).await;
        let scene = Self { api, admin };
        for (kind, file) in FILES {
            let path = format!("/api/v1/imports/{kind}");
            let sent = scene
                .api
                .post(&scene.admin, kind, &path, ("text/csv", file));
            let answer = sent.await;
            assert_eq!(answer.status, 200, "{kind}: {answer:?}");
        }
        let mixed = json!({
            "name": "campaign-of-both",
            "give": scene.only("entitlements?reference=E-ANY", "id").await,
            "devices": {"product_lines": ["pumps", "valves"]},
        });
        assert_eq!(scene.send("mixed", "campaigns", mixed).await.status, 200);
        let lines = [scene.line("pumps").await, scene.line("valves").await];
        (scene, lines)
    }

    pub(super) async fn line(&self, name: &'static str) -> Line {
        let one = name.trim_end_matches('s');
        let (device, spare) = (format!("{one}-{one}-0001"), format!("{one}-{one}-0002"));
        let reference = format!("SO-{name}/10/PROD-{name}/perpetual");
        let entitlement = format!("entitlements?reference={reference}");
        let entitlement = self.only(&entitlement, "id").await;
        let assigned = json!({"device": device, "entitlement": entitlement});
        let assigned = self.send(name, "activations", assigned).await.json();
        let outage = json!({"replacement": spare});
        let path = format!("devices/{device}/outage");
        let bridged = self.send(&format!("outage {name}"), &path, outage).await;
        assert_eq!(bridged.status, 200, "{bridged:?}");
        let campaign = json!({
            "name": format!("campaign-{name}"),
            "give": entitlement,
            "devices": {"product_lines": [name]},
        });
        let made = self
            .send(&format!("campaign {name}"), "campaigns", campaign)
            .await;
        assert_eq!(made.status, 200, "{made:?}");
        let owner = self
            .only(&format!("parties?external_id=C-{name}"), "id")
            .await;
        let contract = json!({"reference": format!("F-{name}"), "terms": {"grace_days": 7}});
        let path = format!("parties/{owner}/contract");
        let put = self
            .send(&format!("contract {name}"), &path, contract)
            .await;
        assert_eq!(put.status, 200, "{put:?}");
        let product = self.only(&format!("products?code=PROD-{name}"), "id").await;
        let own = json!({"reference": format!("P-{name}"), "terms": {"grace_days": 8}});
        for (of, id) in [("products", &product), ("entitlements", &entitlement)] {
            let path = format!("{of}/{id}/policy");
            let put = self
                .send(&format!("{path} {name}"), &path, own.clone())
                .await;
            assert_eq!(put.status, 200, "{put:?}");
        }
        let roles: Vec<_> = ROLES.iter().map(|role| role.as_str()).collect();
        let key = json!({"name": format!("of-{name}"), "roles": roles, "product_line": name});
        let key = self.send(&format!("key {name}"), "keys", key).await.json();
        Line {
            name,
            key: key["secret"].as_str().unwrap().to_owned(),
            activation: assigned["activations"][0]["id"]
                .as_str()
                .unwrap()
                .to_owned(),
            case: self
                .only(&format!("cases?device={device}&step=approval"), "id")
                .await,
            owner,
            product,
            product_code: format!("PROD-{name}"),
            order: self
                .only(&format!("orders?reference=SO-{name}"), "id")
                .await,
            shipment: self
                .only(&format!("shipments?reference=DN-{name}"), "id")
                .await,
            batch: self
                .only(&format!("batches?reference=B-{name}"), "id")
                .await,
            campaign: format!("campaign-{name}"),
            code: self.first(&format!("packs/PACK-{name}/codes"), "id").await,
            pack: format!("PACK-{name}"),
            entitlement,
            reference,
            device,
            spare,
        }
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Answer {
        self.api.get_as(key, &format!("/api/v1/{path}")).await
    }

    /// A field of the one row that a list has.
    pub(super) async fn only(&self, list: &str, field: &str) -> String {
        let found = self.get(&self.admin, list).await.json();
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{list}: {found}");
        items[0][field].as_str().unwrap().to_owned()
    }

    /// A field of the first row of a list.
    async fn first(&self, list: &str, field: &str) -> String {
        let found = self.get(&self.admin, list).await.json();
        found["items"][0][field].as_str().unwrap().to_owned()
    }

    pub(super) async fn send(&self, name: &str, path: &str, body: Value) -> Answer {
        self.send_as(&self.admin, name, path, &body).await
    }

    pub(super) async fn send_as(&self, key: &str, name: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/{path}");
        let text = body.to_string();
        let body = if body.is_null() {
            ("", "")
        } else {
            (JSON, text.as_str())
        };
        self.api.post(key, name, &path, body).await
    }

    /// Tries devices of every batch at one station, and scraps them.
    pub(super) async fn scrap(&self) {
        let station = self
            .send("station", "stations", json!({"name": "final"}))
            .await;
        assert_eq!(station.status, 200, "{station:?}");
        for device in [
            "pump-pump-0001",
            "pump-pump-0003",
            "valve-valve-0001",
            "valve-valve-0003",
        ] {
            let run = json!({"device": device, "station": "final"});
            for (path, body) in [("runs", run), ("runs/scrap", json!({"device": device}))] {
                let name = format!("{path} {device}");
                let answer = self.send(&name, path, body).await;
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
            }
        }
    }

    /// Brings rights of an older system over, some of each line.
    pub(super) async fn bring_over(&self) {
        let mapping = "system = \"older\"\ncustomer_system = \"erp\"\nkind = \"site\"\n\
                       [columns]\nright = \"Right\"\ncustomer = \"Customer\"\n\
                       product = \"Product\"\nunits = \"Units\"\n\
                       [products]\n\
                       P = { product = \"PROD-pumps\", perpetual = \"perpetual\" }\n\
                       V = { product = \"PROD-valves\", perpetual = \"perpetual\" }\n\
                       [customers]\nX = \"C-pumps\"\nY = \"C-valves\"\n";
        let export = "Right,Customer,Product,Units\nR-1,X,P,2\nR-2,Y,V,3\n";
        let body = json!({"mapping": mapping, "export": export});
        let answer = self.send("bring over", "legacy-rights/import", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The whole history, and how the keys were last used left out.
    pub(super) async fn history(&self) -> Value {
        let told = self.get(&self.admin, "events?limit=1000").await.json();
        assert_eq!(told["next"], Value::Null);
        told["items"].clone()
    }
}

const FILES: [(&str, &str); 8] = [
    (
        "parties",
        "system,party,name,kind\n\
         erp,C-pumps,Owner of the pumps,customer\n\
         erp,C-valves,Owner of the valves,customer\n\
         erp,C-both,Owner of both,customer\n",
    ),
    (
        "products",
        "product,title,product_line,feature,feature_title\n\
         PROD-pumps,Runs,pumps,run-p,Run\n\
         PROD-valves,Runs,valves,run-v,Run\n\
         PROD-ANY,Runs,,run,Run\n",
    ),
    (
        "skus",
        "sku,title,product,model,start_basis\n\
         S-pumps,One,PROD-pumps,perpetual,fixed\n\
         S-valves,One,PROD-valves,perpetual,fixed\n\
         S-both,Both,PROD-pumps,perpetual,fixed\n\
         S-both,Both,PROD-valves,perpetual,fixed\n",
    ),
    (
        "orders",
        "system,order,revision,ordered_at,sold_to,line,sku,quantity,starts_at\n\
         erp,SO-pumps,1,2026-09-01,C-pumps,10,S-pumps,5,2026-09-01\n\
         erp,SO-valves,1,2026-09-01,C-valves,10,S-valves,5,2026-09-01\n\
         erp,SO-both,1,2026-09-01,C-both,10,S-both,5,2026-09-01\n",
    ),
    (
        "entitlements",
        "system,entitlement,owner,product,model,units,source,start_basis,starts_at,state\n\
         erp,E-pumps,,PROD-pumps,perpetual,5,goodwill,fixed,2026-09-01,active\n\
         erp,E-valves,,PROD-valves,perpetual,5,goodwill,fixed,2026-09-01,active\n\
         erp,E-ANY,C-both,PROD-ANY,perpetual,5,goodwill,fixed,2026-09-01,active\n",
    ),
    (
        "manifest",
        "serial,product_line,system,owner,batch\n\
         pump-0001,pumps,erp,C-pumps,B-pumps\n\
         pump-0002,pumps,erp,,\n\
         pump-0003,pumps,erp,,B-both\n\
         valve-0001,valves,erp,C-valves,B-valves\n\
         valve-0002,valves,erp,,\n\
         valve-0003,valves,erp,,B-both\n",
    ),
    (
        "codes",
        "pack,system,entitlement,count,units,uses\n\
         PACK-pumps,erp,E-pumps,2,1,1\n\
         PACK-valves,erp,E-valves,2,1,1\n",
    ),
    (
        "shipments",
        "system,shipment,order,line,quantity,shipped_at\n\
         erp,DN-pumps,SO-pumps,10,1,2026-09-02\n\
         erp,DN-valves,SO-valves,10,1,2026-09-02\n\
         erp,DN-both,SO-both,10,1,2026-09-02\n",
    ),
];

/// What is of both lines, or of none, and so of neither key's.
pub(super) const OF_BOTH: [&str; 5] = ["B-both", "campaign-of-both", "E-ANY", "DN-both", "S-both"];

/// Lists, and what of the own line each has.
pub(super) fn own_rows(line: &Line) -> [(&'static str, &str); 16] {
    [
        ("parties", &line.owner),
        ("products", &line.product),
        ("orders", &line.order),
        ("shipments", &line.shipment),
        ("skus", &line.product_code),
        ("contracts", &line.owner),
        ("policy-overrides", &line.owner),
        ("policy-overrides?kind=product", &line.product_code),
        ("entitlements", &line.entitlement),
        ("devices", &line.device),
        ("activations", &line.activation),
        ("cases", &line.case),
        ("campaigns", &line.campaign),
        ("batches", &line.batch),
        ("packs", &line.pack),
        ("key", line.name),
    ]
}
