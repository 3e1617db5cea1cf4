//! Which role may ask what, and whether for one product line: the one table that requests are checked
//! against.
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
    /// Whether a key of one product line may: then it is told of that line alone, and touches nothing
    /// else.
    pub is_of_a_line: bool,
}

impl Endpoint {
    /// Narrowed to its product line for a key of one.
    const fn narrowed(mut self) -> Self {
        self.is_of_a_line = true;
        self
    }

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

    /// Whether it is a report, which is made once for all who ask.
    #[must_use]
    pub fn is_report(&self) -> bool {
        let path = self.path.strip_prefix(PREFIX);
        self.method == Method::GET && path.is_some_and(|path| path.starts_with("/reports/"))
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

/// What of that is told one by one, which who sells it on is not.
const CODE_KEEPERS: Roles = Roles::of(&[Operator, Support, Integrator, Auditor, Admin]);

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
    get("/api/v1/key", Roles::ALL).narrowed(),
    post("/api/v1/imports/{kind}", IMPORTERS),
    post(
        "/api/v1/imports/manifest",
        Roles::of(&[Factory, Integrator, Admin]),
    ),
    get("/api/v1/parties", STAFF).narrowed(),
    get("/api/v1/parties/{party}", STAFF).narrowed(),
    post("/api/v1/parties/{party}/hold", CHANGERS),
    post("/api/v1/parties/{party}/release", CHANGERS),
    post("/api/v1/parties/{party}/merge", OPERATORS),
    post("/api/v1/parties/{party}/erase", ADMINS),
    post("/api/v1/parties/{party}/co-term", OPERATORS).narrowed(),
    get("/api/v1/parties/{party}/policy", STAFF).narrowed(),
    post("/api/v1/parties/{party}/contract", ADMINS),
    post("/api/v1/parties/{party}/contract/end", ADMINS),
    get("/api/v1/products", STAFF).narrowed(),
    get("/api/v1/products/{product}", STAFF).narrowed(),
    get("/api/v1/products/{product}/policy", STAFF).narrowed(),
    post("/api/v1/products/{product}/policy", ADMINS),
    post("/api/v1/products/{product}/policy/end", ADMINS),
    get("/api/v1/skus", STAFF).narrowed(),
    get("/api/v1/license-models", STAFF).narrowed(),
    get("/api/v1/orders", OWNERS).narrowed(),
    get("/api/v1/orders/{order}", OWNERS).narrowed(),
    post("/api/v1/orders/{order}/acts", CHANGERS).narrowed(),
    get("/api/v1/shipments", OWNERS).narrowed(),
    get("/api/v1/shipments/{shipment}", OWNERS).narrowed(),
    get("/api/v1/entitlements", OWNERS).narrowed(),
    get("/api/v1/entitlements/{entitlement}", OWNERS).narrowed(),
    post("/api/v1/entitlements/{entitlement}/acts", OPERATORS).narrowed(),
    get("/api/v1/entitlements/{entitlement}/policy", STAFF).narrowed(),
    post("/api/v1/entitlements/{entitlement}/policy", ADMINS),
    post("/api/v1/entitlements/{entitlement}/policy/end", ADMINS),
    post("/api/v1/entitlements/bulk", OPERATORS).narrowed(),
    get("/api/v1/devices", OWNERS).narrowed(),
    get("/api/v1/devices/{device}", OWNERS).narrowed(),
    get("/api/v1/devices/{device}/events", HELPERS).narrowed(),
    post("/api/v1/devices/{device}/push", PUSHERS).narrowed(),
    post("/api/v1/devices/{device}/clear", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/admit", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/declare-dead", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/readmit", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/repair", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/revoke-key", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/transfer", OPERATORS).narrowed(),
    post("/api/v1/devices/{device}/temporary", HELPDESK).narrowed(),
    post("/api/v1/devices/{device}/take-over", HELPDESK).narrowed(),
    post("/api/v1/devices/{device}/outage", HELPDESK).narrowed(),
    post("/api/v1/devices/bulk", OPERATORS).narrowed(),
    get("/api/v1/activations", OWNERS).narrowed(),
    get("/api/v1/activations/{activation}", OWNERS).narrowed(),
    post("/api/v1/activations", OPERATORS).narrowed(),
    post("/api/v1/activations/bulk", OPERATORS).narrowed(),
    post("/api/v1/activations/{activation}/cancel", OPERATORS).narrowed(),
    post("/api/v1/activations/{activation}/revoke", OPERATORS).narrowed(),
    get("/api/v1/cases", HELPERS).narrowed(),
    get("/api/v1/cases/{case}", HELPERS).narrowed(),
    post("/api/v1/cases/{case}/approve", APPROVERS).narrowed(),
    post("/api/v1/cases/{case}/refuse", APPROVERS).narrowed(),
    get("/api/v1/policies", STAFF).narrowed(),
    get("/api/v1/policies/{tier}", STAFF).narrowed(),
    get("/api/v1/policies/{tier}/versions/{version}", STAFF).narrowed(),
    put("/api/v1/policies/{tier}", ADMINS),
    get("/api/v1/policy-overrides", STAFF).narrowed(),
    get("/api/v1/contracts", STAFF).narrowed(),
    get("/api/v1/keys", Roles::of(&[Auditor, Admin])),
    get("/api/v1/keys/{key}", Roles::of(&[Auditor, Admin])),
    post("/api/v1/keys", ADMINS),
    post("/api/v1/keys/{key}/revoke", ADMINS),
    get("/api/v1/campaigns", STAFF).narrowed(),
    get("/api/v1/campaigns/{campaign}", STAFF).narrowed(),
    get("/api/v1/campaigns/{campaign}/devices", STAFF).narrowed(),
    post("/api/v1/campaigns", OPERATORS).narrowed(),
    post("/api/v1/campaigns/{campaign}/start", OPERATORS).narrowed(),
    post("/api/v1/campaigns/{campaign}/pause", OPERATORS).narrowed(),
    post("/api/v1/campaigns/{campaign}/resume", OPERATORS).narrowed(),
    post("/api/v1/campaigns/{campaign}/abort", OPERATORS).narrowed(),
    get("/api/v1/batches", BUILDERS).narrowed(),
    post("/api/v1/batches/{batch}/reserve", OPERATORS).narrowed(),
    post("/api/v1/batches/{batch}/grants", TESTERS).narrowed(),
    get("/api/v1/stations", BUILDERS),
    post("/api/v1/stations", OPERATORS),
    get("/api/v1/runs", BUILDERS).narrowed(),
    post("/api/v1/runs", TESTERS),
    post("/api/v1/runs/close", TESTERS),
    post("/api/v1/runs/scrap", TESTERS),
    get("/api/v1/packs", SELLERS).narrowed(),
    get("/api/v1/packs/{pack}/codes", CODE_KEEPERS).narrowed(),
    post("/api/v1/packs/{pack}/void", CHANGERS).narrowed(),
    post("/api/v1/codes/{code}/void", CHANGERS).narrowed(),
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
    get("/api/v1/history", Roles::of(&[Auditor, Admin])).narrowed(),
    get("/api/v1/history/verify", Roles::of(&[Auditor, Admin])),
    get("/api/v1/history/checkpoint", Roles::of(&[Auditor, Admin])),
    post("/api/v1/history/checkpoint", Roles::of(&[Auditor, Admin])),
    get("/api/v1/reports/activation", MANAGERS).narrowed(),
    get("/api/v1/reports/order-to-activation", MANAGERS).narrowed(),
    get("/api/v1/reports/shipment-to-activation", MANAGERS).narrowed(),
    get("/api/v1/reports/platforms", MANAGERS).narrowed(),
    get("/api/v1/reports/license-models", MANAGERS).narrowed(),
    get("/api/v1/reports/utilisation", MANAGERS).narrowed(),
    get("/api/v1/reports/activations", MANAGERS).narrowed(),
    get("/api/v1/reports/operations", MANAGERS).narrowed(),
    get("/api/v1/reports/uses", MANAGERS).narrowed(),
    get("/api/v1/reports/expiring", MANAGERS).narrowed(),
    get("/api/v1/reports/tiers", MANAGERS),
    get("/api/v1/reports/stuck", WATCHERS).narrowed(),
    get("/api/v1/reports/customer", Roles::of(&[Auditor, Admin])),
    get(
        "/api/v1/reports/yield",
        Roles::of(&[Factory, Operator, Integrator, Auditor, Admin]),
    )
    .narrowed(),
    get("/api/v1/reports/migration", MANAGERS).narrowed(),
    post("/api/v1/reports/reconcile", MANAGERS).narrowed(),
];

const fn get(path: &'static str, roles: Roles) -> Endpoint {
    Endpoint {
        method: Method::GET,
        path,
        roles,
        is_of_a_line: false,
    }
}

const fn post(path: &'static str, roles: Roles) -> Endpoint {
    Endpoint {
        method: Method::POST,
        path,
        roles,
        is_of_a_line: false,
    }
}

const fn put(path: &'static str, roles: Roles) -> Endpoint {
    Endpoint {
        method: Method::PUT,
        path,
        roles,
        is_of_a_line: false,
    }
}

/// What is said of a route; none, if it is closed to everybody.
#[must_use]
pub fn endpoint(method: &Method, path: &str) -> Option<&'static Endpoint> {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.method == *method && endpoint.path == path)
}
