//! Making and revoking keys.

use std::time::Duration;

use fleetgrant_core::domain::{ApiKeyId, PartyId, ProductLineId, Role, Roles, Timestamp};
use fleetgrant_core::event::{Event, EventKind};

use super::{KeyName, Token};
use crate::store::api_key::{self, ApiKey};
use crate::store::column::{Micros, Octets};
use crate::store::event::{self, Occasion, Stream};
use crate::store::{Db, StoreError, id, party, product_line};

/// How long a key may live: what is forgotten must end by itself.
const LONGEST: Duration = Duration::from_secs(5 * 366 * 86_400);

/// What a key may do, and with whose things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everybody's, in roles of the maker's own.
    All(Roles),
    /// One party's, as that party.
    Party(Roles, PartyId),
    /// Those of one product line, in roles of the maker's own.
    Line(Roles, ProductLineId),
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: KeyName,
    /// What it may do.
    pub grant: Grant,
    /// How long it lives.
    pub lives: Duration,
}

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// Its row.
    pub key: ApiKey,
    /// Its secret, which nothing else has.
    pub token: Token,
}

/// Why a key was not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It would be of no use.
    #[error("a key needs a role: {}", Roles::ALL)]
    NoRole,
    /// The role is played by a party, and none is named.
    #[error("a {0} sees its own things only: say whose")]
    NoParty(Role),
    /// A party is named, and the role is not played by one.
    #[error("the role {0} sees everybody's things, so it cannot be given to a party")]
    NotOfAParty(Role),
    /// A product line is named, and the role has to do with all.
    #[error("the role {0} has to do with every product line, so it cannot be given for one")]
    NotOfALine(Role),
    /// Both a party and a product line are named.
    #[error("a key is of a party or of a product line, not of both")]
    PartyAndLine,
    /// There is no such party.
    #[error("there is no party {0}")]
    UnknownParty(PartyId),
    /// There is no such product line.
    #[error(
        "there is no product line {0}: one of the configuration is known from the first import on"
    )]
    UnknownLine(String),
    /// It would be dead, or outlive whoever remembers it.
    #[error("a key lives for a second at least, and for five years at most")]
    Lifetime,
    /// The name is taken, if only by a key that was revoked: names stand in the history.
    #[error("there is, or was, a key {0}: give this one another name")]
    NameTaken(KeyName),
    /// There is none of this name.
    #[error("there is no key {0}: list them with `fleetgrant keys list`")]
    Unknown(KeyName),
    /// It was revoked before.
    #[error("the key {0} was revoked already")]
    RevokedAlready(KeyName),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Grant {
    /// Puts roles and whose things they are for together.
    ///
    /// # Errors
    /// They do not go together.
    pub fn new(
        roles: Roles,
        party: Option<PartyId>,
        line: Option<ProductLineId>,
    ) -> Result<Self, KeyError> {
        if let Some(line) = line {
            return Self::of_line(roles, party, line);
        }
        let of_a_party = roles.iter().find(|role| role.is_of_a_party());
        let of_the_maker = roles.iter().find(|role| !role.may_be_of_a_party());
        if roles == Roles::default() {
            return Err(KeyError::NoRole);
        }
        match (of_a_party, of_the_maker, party) {
            (Some(role), _, None) => Err(KeyError::NoParty(role)),
            (_, Some(role), Some(_)) => Err(KeyError::NotOfAParty(role)),
            (None, _, None) => Ok(Self::All(roles)),
            (_, None, Some(party)) => Ok(Self::Party(roles, party)),
        }
    }

    fn of_line(
        roles: Roles,
        party: Option<PartyId>,
        line: ProductLineId,
    ) -> Result<Self, KeyError> {
        let of_all = roles.iter().find(|role| !role.may_be_of_a_product_line());
        match (of_all, party) {
            _ if roles == Roles::default() => Err(KeyError::NoRole),
            (_, Some(_)) => Err(KeyError::PartyAndLine),
            (Some(role), None) => Err(KeyError::NotOfALine(role)),
            (None, None) => Ok(Self::Line(roles, line)),
        }
    }

    /// The roles.
    #[must_use]
    pub const fn roles(self) -> Roles {
        match self {
            Self::All(roles) | Self::Party(roles, _) | Self::Line(roles, _) => roles,
        }
    }

    /// The party whose things alone are seen.
    #[must_use]
    pub const fn party(self) -> Option<PartyId> {
        match self {
            Self::All(_) | Self::Line(..) => None,
            Self::Party(_, party) => Some(party),
        }
    }

    /// The product line whose things alone are seen.
    #[must_use]
    pub const fn line(self) -> Option<ProductLineId> {
        match self {
            Self::All(_) | Self::Party(..) => None,
            Self::Line(_, line) => Some(line),
        }
    }
}

/// Makes a key and writes that it was made.
///
/// # Errors
/// See [`KeyError`].
pub fn create(db: &mut Db, new: &NewKey, actor: &str, now: Timestamp) -> Result<Made, KeyError> {
    if new.lives < Duration::from_secs(1) || new.lives > LONGEST {
        return Err(KeyError::Lifetime);
    }
    if let Some(party) = new.grant.party()
        && party::find(db, Octets(party))?.is_none()
    {
        return Err(KeyError::UnknownParty(party));
    }
    let line = match new.grant.line() {
        Some(line) => match product_line::find(db, Octets(line))? {
            Some(line) => Some(line),
            None => return Err(KeyError::UnknownLine(line.to_string())),
        },
        None => None,
    };
    if api_key::by_name(db, new.name.as_str())?.is_some() {
        return Err(KeyError::NameTaken(new.name.clone()));
    }
    let token = Token::random();
    let key = ApiKey {
        id: id::fresh(now),
        name: new.name.to_string(),
        token_hash: Octets(token.hash().0),
        roles: new.grant.roles().bits(),
        party_id: new.grant.party().map(Octets),
        product_line_id: new.grant.line().map(Octets),
        created_at: Micros(now),
        expires_at: Micros(now.plus_seconds(new.lives.as_secs())),
        revoked_at: None,
        last_used_at: None,
    };
    api_key::insert(db, &key)?;
    let event = Event::new(EventKind::KeyCreated)
        .with("name", new.name.as_str())
        .with("roles", new.grant.roles().to_string().as_str())
        .with_some(
            "party",
            new.grant.party().map(|id| id.to_string()).as_deref(),
        )
        .with_some("product_line", line.as_ref().map(|line| line.name.as_str()))
        .with("expires", key.expires_at.0.seconds());
    record(db, key.id.0, &event, actor, now)?;
    Ok(Made { key, token })
}

/// Ends a key and writes that it was ended.
///
/// # Errors
/// There is none of this name that could be.
pub fn revoke(db: &mut Db, name: &KeyName, actor: &str, now: Timestamp) -> Result<(), KeyError> {
    let Some(key) = api_key::by_name(db, name.as_str())? else {
        return Err(KeyError::Unknown(name.clone()));
    };
    if key.revoked_at.is_some() {
        return Err(KeyError::RevokedAlready(name.clone()));
    }
    api_key::revoke(db, key.id, now)?;
    let event = Event::new(EventKind::KeyRevoked).with("name", name.as_str());
    record(db, key.id.0, &event, actor, now)?;
    Ok(())
}

fn record(
    db: &mut Db,
    key: ApiKeyId,
    event: &Event,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let occasion = Occasion {
        at: now,
        actor,
        cause: &[],
    };
    event::append(db, Stream::Key(key), occasion, std::slice::from_ref(event))
}
