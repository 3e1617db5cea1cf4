//! Keys of the HTTP API.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use fleetgrant_core::domain::{ApiKeyId, KeyState, PartyId, ProductLineId, Role, Roles, Timestamp};

use super::column::{Micros, Octets};
use super::listing::part::{Part, Place, Placed, sorts};
use super::schema::{api_keys as table, product_lines};
use super::{Db, StoreError};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct ApiKey {
    /// Its id.
    pub id: Octets<ApiKeyId>,
    /// What people call it.
    pub name: String,
    /// SHA-256 of its secret.
    pub token_hash: Octets<[u8; 32]>,
    /// The bits of [`fleetgrant_core::domain::Roles`].
    pub roles: i64,
    /// Whose things it sees; none sees all.
    pub party_id: Option<Octets<PartyId>>,
    /// When it was made.
    pub created_at: Micros,
    /// From when on it is refused.
    pub expires_at: Micros,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// When it was used; later uses of the same minute are not written.
    pub last_used_at: Option<Micros>,
    /// The product line whose things alone it sees.
    pub product_line_id: Option<Octets<ProductLineId>>,
}

/// Adds a key.
pub fn insert(db: &mut Db, key: &ApiKey) -> Result<(), StoreError> {
    on!(db, c => diesel::insert_into(table::table).values(key).execute(c))?;
    Ok(())
}

/// The key whose secret has this hash.
pub fn by_hash(db: &mut Db, hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::token_hash.eq(Octets(hash)))
        .select(ApiKey::as_select())
        .first(c)
        .optional())?)
}

/// The key of this name.
pub fn by_name(db: &mut Db, name: &str) -> Result<Option<ApiKey>, StoreError> {
    Ok(on!(db, c => table::table
        .filter(table::name.eq(name))
        .select(ApiKey::as_select())
        .first(c)
        .optional())?)
}

sorts!(
    /// What keys can be ordered by.
    pub ApiKeySort {
        Name = "name" [Text "api_keys.name"],
        CreatedAt = "created_at" [Number "api_keys.created_at", Text "api_keys.name"],
        ExpiresAt = "expires_at" [Number "api_keys.expires_at", Text "api_keys.name"],
    }
);

impl Placed for ApiKey {
    type By = ApiKeySort;

    fn place(&self, by: ApiKeySort) -> Place {
        match by {
            ApiKeySort::Name => [(&self.name).into()].into(),
            ApiKeySort::CreatedAt => [self.created_at.into(), (&self.name).into()].into(),
            ApiKeySort::ExpiresAt => [self.expires_at.into(), (&self.name).into()].into(),
        }
    }
}

/// Which keys.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyFilter {
    /// Those of this role, which may have others.
    pub role: Option<Role>,
    /// Those of these parties.
    pub parties: Option<Vec<PartyId>>,
    /// Those of the product line of this name.
    pub product_line: Option<String>,
    /// Those that stand so at an instant.
    pub state: Option<(KeyState, Timestamp)>,
    /// In which order, and which part.
    pub part: Part<ApiKeySort>,
}

/// Up to `limit` keys.
pub fn list(db: &mut Db, filter: &ApiKeyFilter, limit: i64) -> Result<Vec<ApiKey>, StoreError> {
    Ok(on!(db, c => {
        let mut query = table::table
            .limit(limit)
            .select(ApiKey::as_select())
            .into_boxed()
            .order(filter.part.order());
        if let Some(role) = filter.role {
            let bit = Roles::of(&[role]).bits();
            let shared = sql::<Bool>("(api_keys.roles & ").bind::<BigInt, _>(bit).sql(") <> 0");
            query = query.filter(shared);
        }
        if let Some(parties) = &filter.parties {
            let parties = parties.iter().copied().map(Octets);
            query = query.filter(table::party_id.eq_any(parties.collect::<Vec<_>>()));
        }
        if let Some(name) = &filter.product_line {
            let named = product_lines::table
                .filter(product_lines::name.eq(name))
                .select(product_lines::id.nullable());
            query = query.filter(table::product_line_id.eq_any(named));
        }
        if let Some((state, now)) = filter.state {
            query = match state {
                KeyState::Revoked => query.filter(table::revoked_at.is_not_null()),
                KeyState::Expired => query
                    .filter(table::revoked_at.is_null())
                    .filter(table::expires_at.le(Micros(now))),
                KeyState::Active => query
                    .filter(table::revoked_at.is_null())
                    .filter(table::expires_at.gt(Micros(now))),
            };
        }
        if let Some(beyond) = filter.part.beyond() {
            query = query.filter(beyond);
        }
        query.load(c)
    })?)
}

/// Ends a key.
pub fn revoke(db: &mut Db, id: Octets<ApiKeyId>, at: Timestamp) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table.find(id))
        .set(table::revoked_at.eq(Micros(at)))
        .execute(c))?;
    Ok(())
}

/// Notes that a key was used, unless it was used since `before` and that is written.
pub fn used(
    db: &mut Db,
    id: Octets<ApiKeyId>,
    at: Timestamp,
    before: Timestamp,
) -> Result<(), StoreError> {
    on!(db, c => diesel::update(table::table.find(id))
        .filter(table::last_used_at.is_null().or(table::last_used_at.lt(Micros(before))))
        .set(table::last_used_at.eq(Micros(at)))
        .execute(c))?;
    Ok(())
}
