//! The device's storage and key, as C gives them.

use core::ffi::c_void;

use fleetgrant_agent::software::{self, SoftwareKey};
use fleetgrant_agent::{KeyError, KeyOperations, Record, Storage, StorageError};
use fleetgrant_schemas::envelope::{SigStructure, Signature};
use fleetgrant_schemas::keys::PublicKey;
use fleetgrant_schemas::limits;

use crate::raw;
use crate::status::fg_status;
use crate::types::{fg_keys, fg_public_key, fg_record, fg_slice, fg_storage};

const OK: i32 = fg_status::Ok as i32;
const FULL: i32 = fg_status::StorageFull as i32;
const ROLLED_BACK: i32 = fg_status::StorageRolledBack as i32;
/// Parts a record is stored in; the agent hands over five.
const MAX_PARTS: usize = 8;

type Load = unsafe extern "C" fn(*mut c_void, u32, usize, *mut u8, usize, *mut usize) -> i32;
type Store = unsafe extern "C" fn(*mut c_void, u32, *const fg_slice, usize) -> i32;

/// Storage behind callbacks that are there.
pub(crate) struct CallbackStorage {
    user: *mut c_void,
    load: Load,
    store: Store,
}

impl CallbackStorage {
    /// None if a callback is missing.
    ///
    /// # Safety
    /// While this lives the callbacks can be called with `user`, and keep to what the header says
    /// of them.
    pub(crate) unsafe fn new(storage: &fg_storage) -> Option<Self> {
        Some(Self {
            user: storage.user,
            load: storage.load?,
            store: storage.store?,
        })
    }
}

const fn number(record: Record) -> u32 {
    let record = match record {
        Record::Set => fg_record::Set,
        Record::State => fg_record::State,
        Record::Keys => fg_record::Keys,
        Record::Usage => fg_record::Usage,
    };
    record as u32
}

impl Storage for CallbackStorage {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let (place, len) = (buffer.as_mut_ptr(), buffer.len());
        let mut loaded = 0;
        // SAFETY: as `new` says; the buffer and the number are ours and live through the call.
        let ended =
            unsafe { (self.load)(self.user, number(record), offset, place, len, &mut loaded) };
        match ended {
            OK if loaded <= len => Ok(loaded),
            ROLLED_BACK => Err(StorageError::RolledBack),
            _ => Err(StorageError::Read),
        }
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        let mut slices = [fg_slice::of(&[]); MAX_PARTS];
        let slices = slices.get_mut(..parts.len()).ok_or(StorageError::Write)?;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = fg_slice::of(part);
        }
        // SAFETY: as `new` says; the parts live through the call.
        let ended =
            unsafe { (self.store)(self.user, number(record), slices.as_ptr(), slices.len()) };
        match ended {
            OK => Ok(()),
            FULL => Err(StorageError::Full),
            _ => Err(StorageError::Write),
        }
    }
}

type Certificate = unsafe extern "C" fn(*mut c_void, usize, *mut fg_slice) -> i32;
type Sign = unsafe extern "C" fn(*mut c_void, *const u8, *mut u8) -> i32;
type Verify = unsafe extern "C" fn(*mut c_void, *const fg_public_key, *const u8, *const u8) -> i32;
type Random = unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> i32;

/// Who signs.
enum Signing {
    Software(SoftwareKey),
    Element { public: PublicKey, sign: Sign },
}

/// The device's key behind callbacks that are there.
pub(crate) struct CallbackKeys {
    user: *mut c_void,
    signing: Signing,
    certificate: Certificate,
    verify: Option<Verify>,
    random: Random,
}

impl CallbackKeys {
    /// Copies the key.
    ///
    /// # Safety
    /// `private_key` leads to 32 bytes or is null, `public_key` as [`raw::reference`] asks. While
    /// this lives the callbacks can be called with `user`, and keep to what the header says.
    pub(crate) unsafe fn new(keys: &fg_keys) -> Result<Self, fg_status> {
        // SAFETY: passed on.
        let signing = match unsafe { raw::array(keys.private_key) } {
            Some(scalar) => {
                Signing::Software(SoftwareKey::new(&scalar).ok_or(fg_status::PrivateKey)?)
            }
            None => {
                // SAFETY: passed on.
                let public = unsafe { raw::reference(keys.public_key) };
                Signing::Element {
                    public: public_key(public.ok_or(fg_status::NullPointer)?),
                    sign: keys.sign.ok_or(fg_status::Callback)?,
                }
            }
        };
        Ok(Self {
            user: keys.user,
            signing,
            certificate: keys.certificate.ok_or(fg_status::Callback)?,
            verify: keys.verify,
            random: keys.random.ok_or(fg_status::Callback)?,
        })
    }
}

/// The same in our words.
pub(crate) const fn public_key(key: &fg_public_key) -> PublicKey {
    PublicKey { x: key.x, y: key.y }
}

impl KeyOperations for CallbackKeys {
    fn public_key(&self) -> PublicKey {
        match &self.signing {
            Signing::Software(key) => key.public_key(),
            Signing::Element { public, .. } => *public,
        }
    }

    fn certificate(&self, index: usize) -> Option<&[u8]> {
        let mut certificate = fg_slice::of(&[]);
        // SAFETY: as `new` says; the slice is ours and lives through the call.
        let ended = unsafe { (self.certificate)(self.user, index, &mut certificate) };
        let fits = (1..=limits::MAX_CERTIFICATE).contains(&certificate.len);
        if ended != OK || !fits {
            return None;
        }
        // SAFETY: the callback's bytes stay until the agent's call returns, which is longer than
        // the agent keeps what it gets here.
        unsafe { raw::bytes(&certificate) }
    }

    fn sign(&mut self, message: &SigStructure<'_>) -> Result<Signature, KeyError> {
        let sign = match &self.signing {
            Signing::Software(key) => return key.sign(message),
            Signing::Element { sign, .. } => sign,
        };
        let (digest, mut signature) = (message.digest().0, [0; 64]);
        // SAFETY: as `new` says; both arrays are ours and as long as the header says.
        let ended = unsafe { sign(self.user, digest.as_ptr(), signature.as_mut_ptr()) };
        if ended == OK {
            Ok(signature)
        } else {
            Err(KeyError)
        }
    }

    fn verify(
        &mut self,
        key: &PublicKey,
        message: &SigStructure<'_>,
        signature: &Signature,
    ) -> bool {
        let Some(verify) = self.verify else {
            return software::verify(key, message, signature);
        };
        let (key, digest) = (fg_public_key { x: key.x, y: key.y }, message.digest().0);
        // SAFETY: as `new` says; all three are ours and as long as the header says.
        let ended = unsafe { verify(self.user, &key, digest.as_ptr(), signature.as_ptr()) };
        ended == OK
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), KeyError> {
        // SAFETY: as `new` says; the buffer is ours.
        let ended = unsafe { (self.random)(self.user, bytes.as_mut_ptr(), bytes.len()) };
        if ended == OK { Ok(()) } else { Err(KeyError) }
    }
}
