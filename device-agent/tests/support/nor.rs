//! A NOR flash on which the power fails when told to.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::cell::RefCell;
use std::rc::Rc;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};

/// Bytes that are programmed at a time.
pub const WORD: usize = 4;

/// How far the word or the erasure got in which the power failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// Nothing of it happened.
    Nowhere,
    /// A word has some of its bits; of a page one half is erased.
    Halfway,
    /// A word's bits, or a page's, are what they may be: neither the old nor the new.
    Anywhere,
    /// It is done.
    There,
}

impl Got {
    pub const ALL: [Self; 4] = [Self::Nowhere, Self::Halfway, Self::Anywhere, Self::There];
}

/// The power fails at word or erasure `at`, counted from 0.
#[derive(Clone, Copy, Debug)]
pub struct PowerCut {
    pub at: usize,
    pub got: Got,
}

/// What is left of a flash when the power is off. Clones share it.
#[derive(Clone)]
pub struct Nor<const PAGE: usize> {
    state: Rc<RefCell<State>>,
}

struct State {
    bytes: Vec<u8>,
    /// Words that were programmed since their page was erased.
    programmed: Vec<bool>,
    /// Erasures of each page.
    erasures: Vec<usize>,
    operations: usize,
    cut: Option<PowerCut>,
    is_off: bool,
    /// The power failed in an erasure whose page may hold anything now.
    is_page_undefined: bool,
}

#[derive(Debug)]
pub struct Off;

impl NorFlashError for Off {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const PAGE: usize> Nor<PAGE> {
    pub fn new(pages: usize) -> Self {
        let state = State {
            bytes: vec![0xff; pages * PAGE],
            programmed: vec![false; pages * PAGE / WORD],
            erasures: vec![0; pages],
            operations: 0,
            cut: None,
            is_off: false,
            is_page_undefined: false,
        };
        Self {
            state: Rc::new(RefCell::new(state)),
        }
    }

    /// Counts from here on.
    pub fn cut_at(&self, cut: PowerCut) {
        let mut state = self.state.borrow_mut();
        state.operations = 0;
        state.cut = Some(cut);
    }

    pub fn is_off(&self) -> bool {
        self.state.borrow().is_off
    }

    pub fn is_page_undefined(&self) -> bool {
        self.state.borrow().is_page_undefined
    }

    /// The power is back.
    pub fn mend(&self) {
        let mut state = self.state.borrow_mut();
        state.cut = None;
        state.is_off = false;
    }

    /// Words and erasures so far.
    pub fn operations(&self) -> usize {
        self.state.borrow().operations
    }

    pub fn erasures(&self) -> Vec<usize> {
        self.state.borrow().erasures.clone()
    }

    pub fn copy(&self) -> Self {
        let state = self.state.borrow();
        Self {
            state: Rc::new(RefCell::new(State {
                bytes: state.bytes.clone(),
                programmed: state.programmed.clone(),
                erasures: state.erasures.clone(),
                ..*state
            })),
        }
    }
}

impl State {
    /// How far the next operation gets; none: all the way, and the power stays.
    fn operation(&mut self) -> Result<Option<Got>, Off> {
        if self.is_off {
            return Err(Off);
        }
        let now = self.operations;
        self.operations += 1;
        let cut = self.cut.filter(|cut| cut.at == now);
        self.is_off = cut.is_some();
        Ok(cut.map(|cut| cut.got))
    }

    fn ended(&self) -> Result<(), Off> {
        if self.is_off { Err(Off) } else { Ok(()) }
    }

    /// Some bits, differing from place to place and from time to time.
    fn noise(&self, place: usize) -> u8 {
        let mixed = (place * 31 + self.operations * 17 + 7).wrapping_mul(0x9e37_79b9);
        (mixed >> 16) as u8
    }
}

impl<const PAGE: usize> ErrorType for Nor<PAGE> {
    type Error = Off;
}

impl<const PAGE: usize> ReadNorFlash for Nor<PAGE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Off> {
        check_read(self, offset, bytes.len()).unwrap();
        let state = self.state.borrow();
        state.ended()?;
        let offset = offset as usize;
        bytes.copy_from_slice(&state.bytes[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.state.borrow().bytes.len()
    }
}

impl<const PAGE: usize> NorFlash for Nor<PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Off> {
        check_erase(self, from, to).unwrap();
        let mut state = self.state.borrow_mut();
        for page in (from as usize..to as usize).step_by(PAGE) {
            let got = state.operation()?;
            state.is_page_undefined |= got == Some(Got::Anywhere);
            let erased = match got {
                Some(Got::Nowhere) => page..page,
                Some(Got::Halfway) => page..page + PAGE / 2,
                _ => page..page + PAGE,
            };
            for place in erased {
                state.bytes[place] = match got {
                    Some(Got::Anywhere) => state.bytes[place] | state.noise(place),
                    _ => 0xff,
                };
                state.programmed[place / WORD] = false;
            }
            if got.is_none_or(|got| got != Got::Nowhere) {
                state.erasures[page / PAGE] += 1;
            }
            state.ended()?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Off> {
        check_write(self, offset, bytes.len()).unwrap();
        let mut state = self.state.borrow_mut();
        for (word, new) in (offset as usize..).step_by(WORD).zip(bytes.chunks(WORD)) {
            let got = state.operation()?;
            assert!(!state.programmed[word / WORD], "a word is written twice");
            // One in which the power failed may be: programming clears bits, and only bits.
            state.programmed[word / WORD] = got.is_none();
            for (place, new) in (word..).zip(new) {
                let mask = match got {
                    Some(Got::Nowhere) => 0xff,
                    Some(Got::Halfway) if place >= word + WORD / 2 => 0xff,
                    Some(Got::Anywhere) => state.noise(place),
                    _ => 0,
                };
                state.bytes[place] &= new | mask;
            }
            state.ended()?;
        }
        Ok(())
    }
}
