//! Storage whose power can fail at any write.

use std::cell::RefCell;
use std::rc::Rc;

use fleetgrant_agent::{Record, Storage, StorageError};

/// The storage of one device; a clone of this handle is the same storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flash(Rc<RefCell<Chip>>);

#[derive(Clone, Debug, Default)]
struct Chip {
    records: [Vec<u8>; Record::ALL.len()],
    cut: Option<Cut>,
    /// So many writes fail, while the device runs on.
    failing: u8,
    is_dark: bool,
}

/// A power cut to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Writes that are still made.
    pub(crate) after: u8,
    /// Whether the write that it falls on is made: the old record is left, or the new one.
    pub(crate) keeps_new: bool,
}

impl Flash {
    /// Other storage with the same content.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        copy.0.borrow_mut().records = self.0.borrow().records.clone();
        copy
    }

    /// Replaces those records by another storage's whose bit is set.
    pub(crate) fn take_over(&self, other: &Self, records: u8) {
        let other = other.0.borrow();
        let mut chip = self.0.borrow_mut();
        for (place, record) in chip.records.iter_mut().enumerate() {
            if records >> place & 1 == 1 {
                record.clone_from(&other.records[place]);
            }
        }
    }

    pub(crate) fn wipe(&self) {
        self.0.borrow_mut().records = Default::default();
    }

    /// Changes a byte of a record, if there is one.
    pub(crate) fn damage(&self, record: Record, place: usize) {
        let record = &mut self.0.borrow_mut().records[record as usize];
        let len = record.len().max(1);
        if let Some(byte) = record.get_mut(place % len) {
            *byte ^= 0x55;
        }
    }

    pub(crate) fn cut(&self, cut: Cut) {
        self.0.borrow_mut().cut = Some(cut);
    }

    pub(crate) fn fail(&self, writes: u8) {
        self.0.borrow_mut().failing = writes;
    }

    /// Whether the power failed. From then on nothing that the device still believes to do
    /// happens.
    pub(crate) fn is_dark(&self) -> bool {
        self.0.borrow().is_dark
    }

    pub(crate) fn restore_power(&self) {
        let mut chip = self.0.borrow_mut();
        chip.is_dark = false;
        chip.cut = None;
    }
}

impl Storage for Flash {
    fn load(
        &mut self,
        record: Record,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        let chip = self.0.borrow();
        let rest = chip.records[record as usize].get(offset..).unwrap_or(&[]);
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn store(&mut self, record: Record, parts: &[&[u8]]) -> Result<(), StorageError> {
        let mut chip = self.0.borrow_mut();
        if chip.is_dark {
            return Err(StorageError::Write);
        }
        if chip.failing > 0 {
            chip.failing -= 1;
            return Err(StorageError::Write);
        }
        match &mut chip.cut {
            Some(cut) if cut.after > 0 => cut.after -= 1,
            Some(cut) => {
                let keeps_new = cut.keeps_new;
                chip.is_dark = true;
                if !keeps_new {
                    return Err(StorageError::Write);
                }
            }
            None => {}
        }
        chip.records[record as usize] = parts.concat();
        Ok(())
    }
}
