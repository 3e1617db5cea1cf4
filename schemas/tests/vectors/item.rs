//! A CBOR tree that can also hold what no encoder should write.

use std::fmt::Write as _;

/// One data item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Uint(u64),
    /// −1 − n.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    /// In the order given, twice the same key or not.
    Map(Vec<(Item, Item)>),
    Tag(u64, Box<Item>),
    Null,
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
}

impl Item {
    pub(crate) fn int(value: i64) -> Self {
        match u64::try_from(value) {
            Ok(value) => Self::Uint(value),
            Err(_) => Self::Negative((-1 - value) as u64),
        }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }

    /// Reads what this crate wrote.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let item = parse(&mut rest);
        assert!(rest.is_empty(), "bytes follow the item");
        item
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(value) => out.extend(head(0, *value)),
            Self::Negative(value) => out.extend(head(1, *value)),
            Self::Bytes(bytes) => {
                out.extend(head(2, bytes.len() as u64));
                out.extend(bytes);
            }
            Self::Text(text) => {
                out.extend(head(3, text.len() as u64));
                out.extend(text.as_bytes());
            }
            Self::Array(items) => {
                out.extend(head(4, items.len() as u64));
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(entries) => {
                out.extend(head(5, entries.len() as u64));
                for (key, value) in entries {
                    key.write(out);
                    value.write(out);
                }
            }
            Self::Tag(tag, item) => {
                out.extend(head(6, *tag));
                item.write(out);
            }
            Self::Null => out.push(0xf6),
            Self::Raw(bytes) => out.extend(bytes),
        }
    }

    /// The item under these map keys and array positions.
    pub(crate) fn at(&mut self, path: &[i64]) -> &mut Self {
        path.iter().fold(self, |item, step| match item {
            Self::Map(entries) => {
                let key = Self::int(*step);
                let entry = entries.iter_mut().find(|(k, _)| *k == key);
                &mut entry
                    .unwrap_or_else(|| panic!("no key {step} of {path:?}"))
                    .1
            }
            Self::Array(items) => &mut items[*step as usize],
            other => panic!("{other:?} has no {step}"),
        })
    }

    pub(crate) fn entries(&mut self) -> &mut Vec<(Item, Item)> {
        match self {
            Self::Map(entries) => entries,
            other => panic!("{other:?} is no map"),
        }
    }

    pub(crate) fn items(&mut self) -> &mut Vec<Item> {
        match self {
            Self::Array(items) => items,
            other => panic!("{other:?} is no array"),
        }
    }

    /// Arrays and maps inside each other, the outermost counted as 1.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(entries) => 1 + entries.iter().map(|(_, v)| v.depth()).max().unwrap_or(0),
            Self::Tag(_, item) => item.depth(),
            _ => 0,
        }
    }

    /// Diagnostic notation (RFC 8949 section 8), with the name of each key as a comment.
    pub(crate) fn diagnostic(&self, name: &dyn Fn(&[i64]) -> Option<&'static str>) -> String {
        let mut out = String::new();
        self.print(&mut out, &mut Vec::new(), name);
        out
    }

    fn print(
        &self,
        out: &mut String,
        path: &mut Vec<i64>,
        name: &dyn Fn(&[i64]) -> Option<&'static str>,
    ) {
        let indent = "  ".repeat(path.len() + 1);
        let close = "  ".repeat(path.len());
        match self {
            Self::Uint(value) => write!(out, "{value}"),
            Self::Negative(value) => write!(out, "{}", -1 - i128::from(*value)),
            Self::Bytes(bytes) => write!(out, "h'{}'", crate::hex(bytes)),
            Self::Text(text) => write!(out, "\"{text}\""),
            Self::Null => write!(out, "null"),
            Self::Array(items) if items.is_empty() => write!(out, "[]"),
            Self::Map(entries) if entries.is_empty() => write!(out, "{{}}"),
            Self::Array(items) => {
                out.push_str("[\n");
                for (position, item) in items.iter().enumerate() {
                    out.push_str(&indent);
                    path.push(position as i64);
                    item.print(out, path, name);
                    print_end(out, path, name, position + 1 == items.len());
                    path.pop();
                }
                write!(out, "{close}]")
            }
            Self::Map(entries) => {
                out.push_str("{\n");
                for (position, (key, value)) in entries.iter().enumerate() {
                    let number = match key {
                        Self::Uint(value) => *value as i64,
                        Self::Negative(value) => -1 - *value as i64,
                        other => panic!("{other:?} is no key of ours"),
                    };
                    write!(out, "{indent}{number}: ").expect("a string takes it");
                    path.push(number);
                    value.print(out, path, name);
                    print_end(out, path, name, position + 1 == entries.len());
                    path.pop();
                }
                write!(out, "{close}}}")
            }
            Self::Tag(..) | Self::Raw(_) => panic!("not part of a header or payload of ours"),
        }
        .expect("a string takes it");
    }
}

fn print_end(
    out: &mut String,
    path: &[i64],
    name: &dyn Fn(&[i64]) -> Option<&'static str>,
    is_last: bool,
) {
    if !is_last {
        out.push(',');
    }
    if let Some(name) = name(path) {
        write!(out, " / {name} /").expect("a string takes it");
    }
    out.push('\n');
}

/// The shortest head (RFC 8949 section 3).
pub(crate) fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, from) = match argument {
        0..=23 => return vec![major << 5 | argument as u8],
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    [&[major << 5 | info], &bytes[from..]].concat()
}

/// A head with one, two, four or eight bytes of argument, however small that is.
pub(crate) fn long_head(major: u8, argument: u64, width: usize) -> Vec<u8> {
    let info = 24 + width.trailing_zeros() as u8;
    [&[major << 5 | info], &argument.to_be_bytes()[8 - width..]].concat()
}

fn parse(rest: &mut &[u8]) -> Item {
    let first = take(rest, 1)[0];
    let (major, info) = (first >> 5, first & 31);
    let argument = match info {
        0..=23 => u64::from(info),
        24..=27 => {
            let width = 1 << (info - 24);
            take(rest, width)
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte))
        }
        _ if first == 0xf6 => 0,
        _ => panic!("an indefinite length"),
    };
    match major {
        0 => Item::Uint(argument),
        1 => Item::Negative(argument),
        2 => Item::bytes(take(rest, argument as usize)),
        3 => Item::Text(String::from_utf8(take(rest, argument as usize).to_vec()).expect("UTF-8")),
        4 => Item::Array((0..argument).map(|_| parse(rest)).collect()),
        5 => Item::Map((0..argument).map(|_| (parse(rest), parse(rest))).collect()),
        6 => Item::Tag(argument, Box::new(parse(rest))),
        _ if first == 0xf6 => Item::Null,
        _ => panic!("a simple value that is not null"),
    }
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (taken, left) = rest.split_at(len);
    *rest = left;
    taken
}
