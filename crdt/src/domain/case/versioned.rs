//! The outer form of what this module writes: a version byte and one CBOR item, nothing after it.

use minicbor::{Decode, Decoder, Encode};

/// Version of everything written here.
const VERSION: u8 = 1;

/// The bytes of a value; an error says what the encoder could not write.
pub(super) fn encode<T: Encode<()>>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = vec![VERSION];
    minicbor::encode(value, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The value of these bytes, all of them; an error says what is wrong.
pub(super) fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, String> {
    let (version, item) = bytes.split_first().ok_or("there are none")?;
    if *version != VERSION {
        return Err(format!("they have version {version}, and this program reads version {VERSION}"));
    }
    let mut decoder = Decoder::new(item);
    let value = decoder.decode().map_err(|error| error.to_string())?;
    match item.len().saturating_sub(decoder.position()) {
        0 => Ok(value),
        rest => Err(format!("{rest} bytes follow the end")),
    }
}
