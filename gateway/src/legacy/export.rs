//! The export of an older system, read by a mapping.

use std::collections::BTreeMap;
use std::io::Read;

use csv::StringRecord;
use jiff::civil::Date;

use super::Mapping;

/// Most rights of one export.
pub const MAX_RIGHTS: usize = 200_000;
/// Most bytes of one export.
pub const MAX_EXPORT_BYTES: u64 = 64 * 1024 * 1024;
/// Words without a meaning that are told one by one.
const MAX_UNMAPPED: usize = 10_000;
/// Bad rows that are told one by one.
const MAX_FAULTS: usize = 1_000;
const MAX_CELL: usize = 200;
/// An entitlement's reference has at most 64 characters, the name of the system in it.
const MAX_REFERENCE: usize = 40;

/// A right of the older system, in our words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// Its line in the export; the header's is 1.
    pub(super) line: u64,
    /// What it is called there.
    pub(super) reference: String,
    /// The id of who has it, in the customer system.
    pub(super) customer: String,
    /// What it is for, as the older system calls it.
    pub(super) product: String,
    /// The product here.
    pub(super) ours: String,
    /// The licence model here.
    pub(super) model: String,
    /// None: as many as are asked for.
    pub(super) units: Option<u32>,
    /// From this day on it does not run.
    pub(super) ends_at: Option<Date>,
    /// The host or dongle, as the older system calls it.
    pub(super) host: Option<String>,
    /// The serial number of the device that takes its place.
    pub(super) serial: Option<String>,
}

/// What has no meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmapped {
    /// A product, or a product with or without an end.
    Product,
    /// A customer.
    Customer,
    /// A host or dongle.
    Device,
}

impl Unmapped {
    /// The table of the mapping that it is missing in.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Product => "products",
            Self::Customer => "customers",
            Self::Device => "devices",
        }
    }
}

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {column}: {reason}")]
pub struct RowFault {
    /// Its line; the header's is 1.
    pub line: u64,
    /// The column of the export.
    pub column: String,
    /// What is wrong.
    pub reason: String,
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It is no CSV, or not in UTF-8.
    #[error("it cannot be read: {0}")]
    Csv(#[from] csv::Error),
    /// It has too many bytes.
    #[error("it has more than {MAX_EXPORT_BYTES} bytes: split it")]
    TooLong,
    /// It has too many rows.
    #[error("it has more than {MAX_RIGHTS} rights: split it")]
    TooMany,
    /// The mapping names a column that it has not.
    #[error("it has no column {0:?}, which the mapping names")]
    NoColumn(String),
}

/// What an export says, and what of it cannot be said here.
#[derive(Clone, Debug, Default)]
pub struct Export {
    pub(super) rights: Vec<Right>,
    /// Words that the mapping lacks, each with the rows that have it.
    pub unmapped: BTreeMap<(Unmapped, String), u64>,
    /// Rows with such a word.
    pub left_out: u64,
    /// Units of those rows.
    pub units_left_out: u64,
    /// Rows that cannot be read, up to a thousand.
    pub faults: Vec<RowFault>,
}

impl Export {
    /// Reads an export.
    ///
    /// # Errors
    /// See [`ExportError`]; a row that cannot be read is no error.
    pub fn read(source: impl Read, mapping: &Mapping) -> Result<Self, ExportError> {
        let mut bytes = Vec::new();
        source
            .take(MAX_EXPORT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(csv::Error::from)?;
        if bytes.len() as u64 > MAX_EXPORT_BYTES {
            return Err(ExportError::TooLong);
        }
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let places = Places::find(reader.headers()?, mapping)?;
        let mut export = Self::default();
        let mut seen = BTreeMap::new();
        for (index, record) in reader.into_records().enumerate() {
            if index >= MAX_RIGHTS {
                return Err(ExportError::TooMany);
            }
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = Row {
                mapping,
                places: &places,
                record: &record,
                line,
            };
            match row.right(&mut export) {
                Ok(Some(right)) => {
                    if let Some(first) = seen.insert(right.reference.clone(), line) {
                        let reason =
                            format!("{:?} stands in line {first} already", right.reference);
                        export.fault(row.fault(&mapping.columns.right, reason));
                    }
                    export.rights.push(right);
                }
                Ok(None) => {}
                Err(fault) => export.fault(fault),
            }
        }
        Ok(export)
    }

    /// Rights that can be brought over.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rights.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rights.is_empty()
    }

    fn fault(&mut self, fault: RowFault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    fn unmapped(&mut self, what: Unmapped, word: &str) {
        let key = (what, word.to_owned());
        if self.unmapped.len() < MAX_UNMAPPED || self.unmapped.contains_key(&key) {
            *self.unmapped.entry(key).or_default() += 1;
        }
    }
}

/// Where the columns are.
struct Places {
    right: usize,
    customer: usize,
    product: usize,
    device: Option<usize>,
    units: Option<usize>,
    last_day: Option<usize>,
}

impl Places {
    fn find(header: &StringRecord, mapping: &Mapping) -> Result<Self, ExportError> {
        let place = |name: &String| {
            let found = header.iter().position(|cell| cell.trim() == name);
            found.ok_or_else(|| ExportError::NoColumn(name.clone()))
        };
        let columns = &mapping.columns;
        Ok(Self {
            right: place(&columns.right)?,
            customer: place(&columns.customer)?,
            product: place(&columns.product)?,
            device: columns.device.as_ref().map(place).transpose()?,
            units: columns.units.as_ref().map(place).transpose()?,
            last_day: columns.last_day.as_ref().map(place).transpose()?,
        })
    }
}

struct Row<'r> {
    mapping: &'r Mapping,
    places: &'r Places,
    record: &'r StringRecord,
    line: u64,
}

impl Row<'_> {
    /// The right; none if a word of it has no meaning here, which the export then knows.
    fn right(&self, export: &mut Export) -> Result<Option<Right>, RowFault> {
        let (mapping, columns) = (self.mapping, &self.mapping.columns);
        let reference = self.needed(self.places.right, &columns.right, MAX_REFERENCE)?;
        let theirs = self.needed(self.places.customer, &columns.customer, MAX_CELL)?;
        let product = self.needed(self.places.product, &columns.product, MAX_CELL)?;
        let host = match (self.places.device, &columns.device) {
            (Some(place), Some(name)) if mapping.kind.is_bound() => {
                Some(self.needed(place, name, MAX_CELL)?)
            }
            _ => None,
        };
        let units = self.units()?;
        let ends_at = self.ends_at()?;
        let customer = mapping.customer(theirs);
        let serial = host.and_then(|host| mapping.serial(host));
        let ours = mapping.products.get(product);
        let model = ours.and_then(|ours| match ends_at {
            Some(_) => ours.limited.as_deref(),
            None => ours.perpetual.as_deref(),
        });
        if customer.is_none() {
            export.unmapped(Unmapped::Customer, theirs);
        }
        if model.is_none() {
            let end = match (ours, ends_at) {
                (None, _) => "",
                (Some(_), Some(_)) => ", limited",
                (Some(_), None) => ", perpetual",
            };
            export.unmapped(Unmapped::Product, &format!("{product}{end}"));
        }
        if let (Some(host), None) = (host, serial) {
            export.unmapped(Unmapped::Device, host);
        }
        let is_placed = host.is_none() || serial.is_some();
        let (Some(customer), Some(ours), Some(model), true) = (customer, ours, model, is_placed)
        else {
            export.left_out += 1;
            export.units_left_out += u64::from(units.unwrap_or(0));
            return Ok(None);
        };
        Ok(Some(Right {
            line: self.line,
            reference: reference.to_owned(),
            customer: customer.to_owned(),
            product: product.to_owned(),
            ours: ours.product.clone(),
            model: model.to_owned(),
            units,
            ends_at,
            host: host.map(str::to_owned),
            serial: serial.map(str::to_owned),
        }))
    }

    fn units(&self) -> Result<Option<u32>, RowFault> {
        let (Some(place), Some(name)) = (self.places.units, &self.mapping.columns.units) else {
            return Ok(Some(1));
        };
        let text = self.needed(place, name, MAX_CELL)?;
        if !self.mapping.kind.is_bound() && matches!(text, "unlimited" | "uncounted") {
            return Ok(None);
        }
        match text.parse() {
            Ok(units) if units > 0 => Ok(Some(units)),
            _ => Err(self.fault(
                name,
                format!("{text:?} is no number of units from 1 to {}", u32::MAX),
            )),
        }
    }

    /// The day after the last.
    fn ends_at(&self) -> Result<Option<Date>, RowFault> {
        let (Some(place), Some(name)) = (self.places.last_day, &self.mapping.columns.last_day)
        else {
            return Ok(None);
        };
        let text = self.cell(place);
        if text.is_empty() || self.mapping.endless.iter().any(|word| word == text) {
            return Ok(None);
        }
        let format = self.mapping.date_format.as_deref().unwrap_or("%Y-%m-%d");
        let day = Date::strptime(format, text).and_then(|day| day.tomorrow());
        day.map(Some)
            .map_err(|error| self.fault(name, format!("{text:?} is no day as {format}: {error}")))
    }

    fn needed(&self, place: usize, column: &str, max: usize) -> Result<&str, RowFault> {
        let cell = self.cell(place);
        if cell.is_empty() {
            return Err(self.fault(column, "is empty".to_owned()));
        }
        if cell.chars().count() > max || cell.contains(char::is_control) {
            let reason = format!("has more than {max} characters, or control characters");
            return Err(self.fault(column, reason));
        }
        Ok(cell)
    }

    fn cell(&self, place: usize) -> &str {
        self.record.get(place).unwrap_or_default().trim()
    }

    fn fault(&self, column: &str, reason: String) -> RowFault {
        RowFault {
            line: self.line,
            column: column.to_owned(),
            reason,
        }
    }
}
