//! Compression of plain bodies, with a dictionary for the small ones.
//!
//! Most entries hold one edit of a few hundred bytes; a dictionary of what such bodies have in common saves
//! about half of them. Dictionaries are named by the hash of their content (DESIGN 12.24): a node can read
//! every body whose dictionary it ships.

use crate::bounds;
use crate::change::BodyError;

/// Dictionary trained by `townmesh-sim`'s `train_dictionary` example on bodies of the generated model town.
const DICTIONARY: &[u8] = include_bytes!("../data/body.zstd-dictionary");
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_DICTIONARY: u8 = 2;
/// Compression levels: edits and records at once; imports once for many readers.
const LEVEL: i32 = 3;

/// Compresses and decompresses bodies; keeps the prepared dictionary between calls.
pub struct BodyCodec {
    name: [u8; 4],
    plain: zstd::bulk::Compressor<'static>,
    compressor: zstd::bulk::Compressor<'static>,
    plain_decompressor: zstd::bulk::Decompressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl std::fmt::Debug for BodyCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BodyCodec({:02x?})", self.name)
    }
}

impl BodyCodec {
    /// Prepares the dictionary.
    ///
    /// # Errors
    /// Out of memory, as reported by zstd.
    pub fn new() -> std::io::Result<Self> {
        let mut name = [0; 4];
        name.copy_from_slice(&blake3::hash(DICTIONARY).as_bytes()[..4]);
        Ok(Self {
            name,
            plain: zstd::bulk::Compressor::new(LEVEL)?,
            compressor: zstd::bulk::Compressor::with_dictionary(LEVEL, DICTIONARY)?,
            plain_decompressor: zstd::bulk::Decompressor::new()?,
            decompressor: zstd::bulk::Decompressor::with_dictionary(DICTIONARY)?,
        })
    }

    /// The smallest of the forms of `bytes`.
    pub fn compress(&mut self, bytes: &[u8]) -> Vec<u8> {
        let with_dictionary = !DICTIONARY.is_empty();
        let packed = if with_dictionary { self.compressor.compress(bytes) } else { self.plain.compress(bytes) };
        match packed {
            Ok(packed) if packed.len() + 4 < bytes.len() => {
                let (codec, name): (_, &[u8]) =
                    if with_dictionary { (ZSTD_DICTIONARY, &self.name) } else { (ZSTD, &[]) };
                [&[codec], name, &packed].concat()
            }
            // Incompressible, or zstd ran out of memory: the plain form is always right.
            Ok(_) | Err(_) => [&[PLAIN], bytes].concat(),
        }
    }

    /// Undoes [`Self::compress`].
    ///
    /// # Errors
    /// [`BodyError::UnknownCodec`], and [`BodyError::Decompression`] beyond [`bounds::MAX_PLAIN_BODY`].
    pub fn decompress(&mut self, body: &[u8]) -> Result<Vec<u8>, BodyError> {
        let (codec, payload) = body.split_first().ok_or(BodyError::Decompression)?;
        let unpacked = match *codec {
            PLAIN if payload.len() <= bounds::MAX_PLAIN_BODY => return Ok(payload.to_vec()),
            ZSTD => self.plain_decompressor.decompress(payload, bounds::MAX_PLAIN_BODY),
            ZSTD_DICTIONARY => match payload.split_first_chunk::<4>() {
                Some((name, packed)) if *name == self.name => {
                    self.decompressor.decompress(packed, bounds::MAX_PLAIN_BODY)
                }
                Some(_) | None => return Err(BodyError::UnknownCodec(*codec)),
            },
            PLAIN => return Err(BodyError::Decompression),
            unknown => return Err(BodyError::UnknownCodec(unknown)),
        };
        unpacked.map_err(|_| BodyError::Decompression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..2000), repeat in 1usize..20) {
            let mut codec = BodyCodec::new().unwrap();
            let bytes = bytes.repeat(repeat);
            let body = codec.compress(&bytes);
            prop_assert_eq!(codec.decompress(&body).unwrap(), bytes);
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = BodyCodec::new().unwrap().decompress(&bytes);
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 64 * bounds::MAX_PLAIN_BODY], 19).unwrap();
        assert!(bomb.len() < bounds::MAX_BODY);
        let body = [&[ZSTD], bomb.as_slice()].concat();
        assert_eq!(BodyCodec::new().unwrap().decompress(&body), Err(BodyError::Decompression));
    }
}
