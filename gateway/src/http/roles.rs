//! Which role may ask what: the one table that requests are checked against.
//!
//! A route that is not in it is closed to everybody.

use axum::http::Method;
use fleetgrant_core::domain::{Role, Roles};

use Role::{Admin, Approver, Auditor, Customer, Factory, Integrator, Operator, Partner, Support};

/// Where the API's routes begin.
pub const PREFIX: &str = "/api/v1";

/// A route, and who may take it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The method; a `HEAD` is a `GET`.
    pub method: Method,
    /// The path, with the names of its parameters.
    pub path: &'static str,
    /// Who may: one of these roles is enough.
    pub roles: Roles,
}

impl Endpoint {
    /// Whether some other route changes the thing that this one shows.
    #[must_use]
    pub fn is_changeable(&self) -> bool {
        self.path.ends_with('}')
            && ENDPOINTS.iter().any(|other| {
                let rest = other.path.strip_prefix(self.path);
                other.method != Method::GET
                    && rest.is_some_and(|rest| !rest.trim_start_matches('/').contains('/'))
            })
    }
}

/// What happened and how it stands, with everybody's names.
const STAFF: Roles = Roles::of(&[Operator, Support, Approver, Integrator, Auditor, Admin]);
/// Parties too, each of which sees its own.
const OWNERS: Roles = Roles::of(&[
    Operator, Support, Approver, Integrator, Auditor, Admin, Partner, Customer,
]);
/// What goes wrong with devices.
const HELPERS: Roles = Roles::of(&[Operator, Support, Approver, Auditor, Admin]);
/// Figures over all customers.
const MANAGERS: Roles = Roles::of(&[Operator, Integrator, Auditor, Admin]);
/// Figures that say what to do next.
const WATCHERS: Roles = Roles::of(&[Operator, Support, Auditor, Admin]);

/// What is built, and where; a contract manufacturer sees its own.
const BUILDERS: Roles = Roles::of(&[Factory, Operator, Support, Integrator, Auditor, Admin]);
/// What is tried on a line; a contract manufacturer tries its own.
const TESTERS: Roles = Roles::of(&[Factory, Operator, Admin]);
/// What is sold on.
const SELLERS: Roles = Roles::of(&[Operator, Support, Integrator, Auditor, Admin, Partner]);

/// What changes rights.
const OPERATORS: Roles = Roles::of(&[Operator, Admin]);
/// What sends what is decided already.
const PUSHERS: Roles = Roles::of(&[Operator, Support, Admin]);
/// What changes what was sold.
const CHANGERS: Roles = Roles::of(&[Operator, Integrator, Admin]);
/// What somebody waits for at any hour.
const HELPDESK: Roles = Roles::of(&[Operator, Support, Admin]);
/// What somebody else asked for.
const APPROVERS: Roles = Roles::of(&[Approver, Admin]);
/// Who may do what.
const ADMINS: Roles = Roles::of(&[Admin]);
/// What the back office knows.
const IMPORTERS: Roles = Roles::of(&[Integrator, Admin]);

/// Every route that wants a key.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/metrics", Roles::of(&[Operator, Auditor, Admin])),
    get("/api/v1/key", Roles::ALL),
    post("/api/v1/imports/{kind}", IMPORTERS),
    post(
        "/api/v1/imports/manifest",
        Roles::of(&[Factory, Integrator, Admin]),
    ),
    get("/api/v1/parties", STAFF),
    get("/api/v1/parties/{party}", STAFF),
    post("/api/v1/parties/{party}/merge", OPERATORS),
    post("/api/v1/parties/{party}/erase", ADMINS),
    get("/api/v1/parties/{party}/policy", STAFF),
    post("/api/v1/parties/{party}/contract", ADMINS),
    post("/api/v1/parties/{party}/contract/end", ADMINS),
    get("/api/v1/products", STAFF),
    get("/api/v1/products/{product}", STAFF),
    get("/api/v1/license-models", STAFF),
    get("/api/v1/orders", OWNERS),
    get("/api/v1/orders/{order}", OWNERS),
    post("/api/v1/orders/{order}/acts", CHANGERS),
    get("/api/v1/entitlements", OWNERS),
    get("/api/v1/entitlements/{entitlement}", OWNERS),
    post("/api/v1/entitlements/{entitlement}/acts", OPERATORS),
    post("/api/v1/entitlements/bulk", OPERATORS),
    get("/api/v1/devices", OWNERS),
    get("/api/v1/devices/{device}", OWNERS),
    get("/api/v1/devices/{device}/events", HELPERS),
    post("/api/v1/devices/{device}/push", PUSHERS),
    post("/api/v1/devices/{device}/clear", OPERATORS),
    post("/api/v1/devices/{device}/admit", OPERATORS),
    post("/api/v1/devices/{device}/declare-dead", OPERATORS),
    post("/api/v1/devices/{device}/readmit", OPERATORS),
    post("/api/v1/devices/{device}/transfer", OPERATORS),
    post("/api/v1/devices/{device}/temporary", HELPDESK),
    post("/api/v1/devices/{device}/take-over", HELPDESK),
    post("/api/v1/devices/{device}/outage", HELPDESK),
    post("/api/v1/devices/bulk", OPERATORS),
    get("/api/v1/activations", OWNERS),
    get("/api/v1/activations/{activation}", OWNERS),
    post("/api/v1/activations", OPERATORS),
    post("/api/v1/activations/bulk", OPERATORS),
    post("/api/v1/activations/{activation}/cancel", OPERATORS),
    post("/api/v1/activations/{activation}/revoke", OPERATORS),
    get("/api/v1/cases", HELPERS),
    get("/api/v1/cases/{case}", HELPERS),
    post("/api/v1/cases/{case}/approve", APPROVERS),
    post("/api/v1/cases/{case}/refuse", APPROVERS),
    get("/api/v1/policies", STAFF),
    get("/api/v1/policies/{tier}", STAFF),
    get("/api/v1/policies/{tier}/versions/{version}", STAFF),
    put("/api/v1/policies/{tier}", ADMINS),
    get("/api/v1/keys", Roles::of(&[Auditor, Admin])),
    get("/api/v1/keys/{key}", Roles::of(&[Auditor, Admin])),
    post("/api/v1/keys", ADMINS),
    post("/api/v1/keys/{key}/revoke", ADMINS),
    get("/api/v1/campaigns", STAFF),
    get("/api/v1/campaigns/{campaign}", STAFF),
    get("/api/v1/campaigns/{campaign}/devices", STAFF),
    post("/api/v1/campaigns", OPERATORS),
    post("/api/v1/campaigns/{campaign}/start", OPERATORS),
    post("/api/v1/campaigns/{campaign}/pause", OPERATORS),
    post("/api/v1/campaigns/{campaign}/resume", OPERATORS),
    post("/api/v1/campaigns/{campaign}/abort", OPERATORS),
    get("/api/v1/batches", BUILDERS),
    post("/api/v1/batches/{batch}/reserve", OPERATORS),
    post("/api/v1/batches/{batch}/grants", TESTERS),
    get("/api/v1/stations", BUILDERS),
    post("/api/v1/stations", OPERATORS),
    post("/api/v1/runs", TESTERS),
    post("/api/v1/runs/close", TESTERS),
    post("/api/v1/runs/scrap", TESTERS),
    get("/api/v1/packs", SELLERS),
    post("/api/v1/legacy-rights/import", CHANGERS),
    post("/api/v1/legacy-rights/surrender", CHANGERS),
    get("/api/v1/events", Roles::of(&[Auditor, Admin])),
    get("/api/v1/webhooks", MANAGERS),
    get("/api/v1/webhooks/{webhook}", MANAGERS),
    get("/api/v1/webhooks/{webhook}/deliveries", MANAGERS),
    post("/api/v1/webhooks", IMPORTERS),
    post("/api/v1/webhooks/{webhook}/rotate", IMPORTERS),
    post("/api/v1/webhooks/{webhook}/pause", IMPORTERS),
    post("/api/v1/webhooks/{webhook}/resume", IMPORTERS),
    post("/api/v1/webhooks/{webhook}/remove", IMPORTERS),
    post("/api/v1/webhooks/{webhook}/replay", IMPORTERS),
    post("/api/v1/webhooks/{webhook}/test", IMPORTERS),
    get("/api/v1/history", Roles::of(&[Auditor, Admin])),
    get("/api/v1/history/verify", Roles::of(&[Auditor, Admin])),
    get("/api/v1/history/checkpoint", Roles::of(&[Auditor, Admin])),
    post("/api/v1/history/checkpoint", Roles::of(&[Auditor, Admin])),
    get("/api/v1/reports/activation", MANAGERS),
    get("/api/v1/reports/order-to-activation", MANAGERS),
    get("/api/v1/reports/shipment-to-activation", MANAGERS),
    get("/api/v1/reports/platforms", MANAGERS),
    get("/api/v1/reports/license-models", MANAGERS),
    get("/api/v1/reports/utilisation", MANAGERS),
    get("/api/v1/reports/activations", MANAGERS),
    get("/api/v1/reports/operations", MANAGERS),
    get("/api/v1/reports/uses", MANAGERS),
    get("/api/v1/reports/expiring", MANAGERS),
    get("/api/v1/reports/tiers", MANAGERS),
    get("/api/v1/reports/stuck", WATCHERS),
    get("/api/v1/reports/customer", Roles::of(&[Auditor, Admin])),
    get(
        "/api/v1/reports/yield",
        Roles::of(&[Factory, Operator, Integrator, Auditor, Admin]),
    ),
    get("/api/v1/reports/migration", MANAGERS),
    post("/api/v1/reports/reconcile", MANAGERS),
];

const fn get(path: &'static str, roles: Roles) -> Endpoint {
    Endpoint {
        method: Method::GET,
        path,
        roles,
    }
}

const fn post(path: &'static str, roles: Roles) -> Endpoint {
    Endpoint {
        method: Method::POST,
        path,
        roles,
    }
}

const fn put(path: &'static str, roles: Roles) -> Endpoint {
    Endpoint {
        method: Method::PUT,
        path,
        roles,
    }
}

/// Who may take a route.
#[must_use]
pub fn allowed(method: &Method, path: &str) -> Roles {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.method == *method && endpoint.path == path)
        .map_or(Roles::default(), |endpoint| endpoint.roles)
}
