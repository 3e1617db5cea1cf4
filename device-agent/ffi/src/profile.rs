//! The configuration that C gives, read and checked.

use core::ffi::c_char;

use fleetgrant_agent::Profile;
use fleetgrant_schemas::id::DeviceId;
use fleetgrant_schemas::keys::{AuthorityKey, PublicKey, Role};
use fleetgrant_schemas::{OemId, Platform, limits};

use crate::callbacks::public_key;
use crate::raw;
use crate::status::fg_status;
use crate::types::{fg_authority_key, fg_config, fg_slice};

/// Rights there is room for: 80 bytes each.
pub(crate) const RIGHTS: usize = setting(option_env!("FLEETGRANT_RIGHTS"), 16, 64);
/// Features there is room for: two words each.
pub(crate) const FEATURES: usize = setting(option_env!("FLEETGRANT_FEATURES"), 32, 64);
/// The authority's keys there is room for: 88 bytes each.
pub(crate) const KEYS: usize = setting(option_env!("FLEETGRANT_KEYS"), 2, 8);
/// Roots there is room for: 64 bytes each.
pub(crate) const ROOTS: usize = 2;

/// A number that the builder set, from 1 to `most`.
const fn setting(text: Option<&str>, default: usize, most: usize) -> usize {
    let Some(text) = text else {
        return default;
    };
    let (digits, mut place, mut number) = (text.as_bytes(), 0, 0);
    while place < digits.len() {
        assert!(digits[place].is_ascii_digit() && number <= most, "a number");
        number = 10 * number + (digits[place] - b'0') as usize;
        place += 1;
    }
    assert!(
        number >= 1 && number <= most,
        "from 1 to the most there can be"
    );
    number
}

/// What a [`Profile`] borrows beside what C keeps.
pub(crate) struct Lists {
    pub(crate) features: [&'static str; FEATURES],
    pub(crate) authority_keys: [AuthorityKey; KEYS],
    pub(crate) roots: [PublicKey; ROOTS],
}

impl Lists {
    /// Reads the lists.
    ///
    /// # Safety
    /// The lists of `config` are as the header says, the names for as long as the agent lives.
    pub(crate) unsafe fn read(config: &fg_config) -> Result<Self, fg_status> {
        const NO_KEY: PublicKey = PublicKey {
            x: [0; 32],
            y: [0; 32],
        };
        let mut lists = Self {
            features: [""; FEATURES],
            authority_keys: [AuthorityKey {
                key: NO_KEY,
                not_before: 0,
                not_after: 0,
                epoch: 0,
                role: Role::Grants,
            }; KEYS],
            roots: [NO_KEY; ROOTS],
        };
        // SAFETY: passed on.
        let names = unsafe { raw::list(config.features, config.features_len) };
        for (slot, name) in fill(&mut lists.features, names)? {
            // SAFETY: passed on.
            let name = unsafe { raw::text(*name, limits::MAX_FEATURE) };
            *slot = name.ok_or(fg_status::Features)?;
        }
        // SAFETY: passed on.
        let keys = unsafe { raw::list(config.authority_keys, config.authority_keys_len) };
        for (slot, key) in fill(&mut lists.authority_keys, keys)? {
            *slot = authority_key(key).ok_or(fg_status::AuthorityKey)?;
        }
        // SAFETY: passed on.
        let roots = unsafe { raw::list(config.roots, config.roots_len) };
        for (slot, root) in fill(&mut lists.roots, roots)? {
            *slot = public_key(root);
        }
        Ok(lists)
    }
}

/// The slots and what goes into them.
fn fill<'s, T, U>(
    slots: &'s mut [T],
    list: Option<&'s [U]>,
) -> Result<impl Iterator<Item = (&'s mut T, &'s U)>, fg_status> {
    let list = list.ok_or(fg_status::NullPointer)?;
    if list.len() > slots.len() {
        return Err(fg_status::TooMany);
    }
    Ok(slots.iter_mut().zip(list))
}

fn authority_key(key: &fg_authority_key) -> Option<AuthorityKey> {
    (key.not_before < key.not_after).then_some(AuthorityKey {
        key: public_key(&key.key),
        not_before: key.not_before,
        not_after: key.not_after,
        epoch: key.epoch,
        role: Role::from_number(key.role.into())?,
    })
}

/// Reads the profile.
///
/// # Safety
/// What `config` says stays with the agent lives as long as the agent does.
pub(crate) unsafe fn read(
    config: &fg_config,
    lists: &'static Lists,
) -> Result<Profile<'static>, fg_status> {
    // SAFETY: passed on.
    let device = unsafe { raw::text(config.device, limits::MAX_DEVICE_ID) };
    let device = DeviceId::new(device.ok_or(fg_status::DeviceId)?);
    // SAFETY: passed on.
    let realm = unsafe { raw::text(config.realm, limits::MAX_REALM) };
    // SAFETY: passed on.
    let platform = unsafe { platform(config) }?;
    Ok(Profile {
        device: device.map_err(|_| fg_status::DeviceId)?,
        realm: realm.ok_or(fg_status::Realm)?,
        platform,
        // That the lists are no longer than there is room for was checked when they were read.
        features: lists
            .features
            .get(..config.features_len)
            .unwrap_or_default(),
        authority_keys: lists
            .authority_keys
            .get(..config.authority_keys_len)
            .unwrap_or_default(),
        roots: lists.roots.get(..config.roots_len).unwrap_or_default(),
        sw_built: (config.sw_built != 0).then_some(config.sw_built),
        min_key_set: config.min_key_set,
        max_down: u16::try_from(config.max_down).unwrap_or(u16::MAX),
    })
}

/// # Safety
/// As for [`read`].
unsafe fn platform(config: &fg_config) -> Result<Platform<'static>, fg_status> {
    // SAFETY: passed on.
    let oem_id = unsafe { optional_bytes(&config.oem_id) }?;
    Ok(Platform {
        oem_id: match (config.oem_pen, oem_id) {
            (0, None) => None,
            (pen, None) => Some(OemId::Pen(pen)),
            (0, Some(id)) if matches!(id.len(), 3 | 16) => Some(OemId::Bytes(id)),
            _ => return Err(fg_status::Platform),
        },
        // SAFETY: passed on.
        hw_model: unsafe { optional_bytes(&config.hw_model) }?,
        boot_count: None,
        // SAFETY: passed on.
        sw_name: unsafe { optional_text(config.sw_name) }?,
        // SAFETY: passed on.
        sw_version: unsafe { optional_text(config.sw_version) }?,
    })
}

/// # Safety
/// As for [`raw::bytes`].
unsafe fn optional_bytes(slice: &fg_slice) -> Result<Option<&'static [u8]>, fg_status> {
    // SAFETY: passed on.
    let bytes = unsafe { raw::bytes(slice) }.ok_or(fg_status::NullPointer)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// # Safety
/// As for [`raw::text`].
unsafe fn optional_text(text: *const c_char) -> Result<Option<&'static str>, fg_status> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on.
    let text = unsafe { raw::text(text, limits::MAX_SOFTWARE) };
    text.map(Some).ok_or(fg_status::Platform)
}
