//! What every device needs, whatever its licensing: to sign, to check a signature, and to read and
//! write a little CBOR. The size that the others are compared with.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use fleetgrant_agent::software::{SoftwareKey, verify};
use fleetgrant_schemas::envelope::SigStructure;
use fleetgrant_schemas::keys::PublicKey;
use minicbor::encode::write::Cursor;
use minicbor::{Decoder, Encoder};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[entry]
fn main() -> ! {
    loop {
        black_box(run());
    }
}

fn run() -> Option<bool> {
    // Whence they come is not part of it.
    let message: SigStructure<'_> = black_box(None)?;
    let authority: PublicKey = black_box(None)?;
    let (number, bytes) = decode(black_box(&[])).ok()?;
    encode(number, bytes, black_box(&mut [])).ok()?;
    let signature = SoftwareKey::new(black_box(&[1; 32]))?.sign(&message).ok()?;
    Some(verify(&authority, &message, black_box(&signature)))
}

fn decode(bytes: &[u8]) -> Result<(u64, &[u8]), minicbor::decode::Error> {
    let mut message = Decoder::new(bytes);
    let (mut number, mut content) = (0, [].as_slice());
    for _ in 0..message.map()?.unwrap_or_default() {
        match message.i32()? {
            1 => content = message.str()?.as_bytes(),
            2 => content = message.bytes()?,
            3 => number = message.u64()?,
            4 => number = message.u32()?.into(),
            5 => number = message.array()?.unwrap_or_default(),
            _ => message.skip()?,
        }
    }
    Ok((number, content))
}

fn encode(
    number: u64,
    bytes: &[u8],
    buffer: &mut [u8],
) -> Result<(), minicbor::encode::Error<minicbor::encode::write::EndOfSlice>> {
    Encoder::new(Cursor::new(buffer))
        .map(5)?
        .i32(1)?
        .str("text")?
        .i32(2)?
        .bytes(bytes)?
        .i32(3)?
        .u64(number)?
        .i32(-4)?
        .u32(number as u32)?
        .i32(5)?
        .array(0)?;
    Ok(())
}
