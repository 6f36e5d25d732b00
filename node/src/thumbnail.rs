//! Thumbnails of photos, made where a photo is recorded: they travel ahead of it over slow links.
//!
//! What somebody sends may be a bomb: a few hundred bytes that say that they are a picture of four thousand million pixels.
//! So the size is read from the header, and nothing is decoded beyond [`MAX_PIXELS`]. A header that cannot be read promises
//! nothing, so it is refused; a picture that breaks off later is evidence all the same, and is recorded without a thumbnail.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use townmesh_crdt::bounds::MAX_PREVIEW;

use crate::message::{Explain, Message};

/// Most pixels of a photo: 67 million, what the cameras of phones make without joining several pictures.
pub(crate) const MAX_PIXELS: u64 = 1 << 26;
/// The longer side of a thumbnail, in pixels. Smaller photos stay as large as they are.
pub(crate) const SIDE: u32 = 320;
/// Most bytes of a photo that is decoded: 44 million pixels of three colours. Of a progressive JPEG the decoder holds two
/// bytes more for each of them, 400 MB in all. What is larger is recorded without a thumbnail.
const MAX_DECODED: u64 = 2 * MAX_PIXELS;
/// Qualities of JPEG, tried in this order until a thumbnail is no larger than a preview may be.
const QUALITIES: [u8; 3] = [75, 50, 25];

/// Why a photo is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PictureError {
    /// Its header is damaged, or not one of JPEG, PNG and WebP.
    #[error("the photo's header cannot be read, so nobody can tell how large it is")]
    Header,
    /// It would not fit into memory.
    #[error("the photo has {width} × {height} pixels, at most {MAX_PIXELS} are taken")]
    TooManyPixels {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl Explain for PictureError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::Header => Message::new("photo_unreadable", "照片的文件头无法读取，不知其大小", en)
                .remedy("重新拍摄，或另存为 JPEG 后再传", "take it again, or save it as JPEG, then send that"),
            Self::TooManyPixels { width, height } => {
                let zh = format!("照片有 {width} × {height} 像素，上限为 {MAX_PIXELS} 像素");
                Message::new("photo_too_many_pixels", zh, en)
                    .remedy("缩小后再传", "make it smaller, then send it again")
            }
        }
    }
}

/// The thumbnail of a photo: a JPEG of at most [`MAX_PREVIEW`] bytes with the photo upright, its longer side [`SIDE`]
/// pixels. `None` where the picture behind the header cannot be decoded.
///
/// # Errors
/// [`PictureError`]; nothing was decoded then.
pub(crate) fn of(photo: &[u8]) -> Result<Option<Vec<u8>>, PictureError> {
    let decoder = opened(photo)?;
    Ok(if decoder.total_bytes() <= MAX_DECODED { shrunk(decoder) } else { None })
}

/// Looks at the header alone.
///
/// # Errors
/// [`PictureError`].
pub(crate) fn check(photo: &[u8]) -> Result<(), PictureError> {
    opened(photo).map(drop)
}

fn opened(photo: &[u8]) -> Result<impl ImageDecoder + '_, PictureError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(4 * MAX_PIXELS);
    let mut reader = ImageReader::new(Cursor::new(photo)).with_guessed_format().map_err(|_| PictureError::Header)?;
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|_| PictureError::Header)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PictureError::Header);
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooManyPixels { width, height });
    }
    Ok(decoder)
}

fn shrunk(mut decoder: impl ImageDecoder) -> Option<Vec<u8>> {
    let orientation = decoder.orientation();
    let picture = DynamicImage::from_decoder(decoder).ok()?;
    let is_small = picture.width() <= SIDE && picture.height() <= SIDE;
    let mut small = if is_small { picture } else { picture.thumbnail(SIDE, SIDE) };
    // Phones write every picture as it lies in the sensor, and beside it which way is up.
    if let Ok(orientation) = orientation {
        small.apply_orientation(orientation);
    }
    let small = small.into_rgb8();
    let mut encoded = QUALITIES.into_iter().map_while(|quality| {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&small).ok().map(|()| bytes)
    });
    encoded.find(|bytes| bytes.len() <= MAX_PREVIEW)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};

    /// A photo whose left half is red and whose right half is blue.
    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let halves = |at: u32, _| if at < width / 2 { Rgb([250, 5, 5]) } else { Rgb([5, 5, 250]) };
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_fn(width, height, halves).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A small photo; photos with different remarks are different photos.
    pub(crate) fn jpeg(remark: &[u8]) -> Vec<u8> {
        [&picture(8, 8, ImageFormat::Jpeg), remark].concat()
    }

    /// A photo that says of itself to be 65,535 pixels wide and high.
    pub(crate) fn bomb() -> Vec<u8> {
        let mut bytes = picture(8, 8, ImageFormat::Jpeg);
        // The frame header: marker, length, precision, height, width.
        let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].fill(0xff);
        bytes
    }

    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }

    #[test]
    fn a_thumbnail_has_the_shape_of_its_photo_and_is_small() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            for ((width, height), shape) in
                [((1280, 960), (320, 240)), ((900, 1800), (160, 320)), ((100, 50), (100, 50)), ((1, 1), (1, 1))]
            {
                let thumbnail = of(&picture(width, height, format)).unwrap().expect("it can be decoded");
                assert!(thumbnail.len() < 8_000, "{} bytes", thumbnail.len());
                let small = image::load_from_memory_with_format(&thumbnail, ImageFormat::Jpeg).unwrap().into_rgb8();
                assert_eq!(small.dimensions(), shape, "{format:?}");
            }
        }
    }

    #[test]
    fn a_photo_taken_with_the_phone_on_its_side_stands_upright() {
        // Exif: one entry, orientation (0x0112) 6: what is to be seen on top lies on the right.
        let exif = *b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let plain = picture(640, 480, ImageFormat::Jpeg);
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let turned = [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..]].concat();
        let small = image::load_from_memory(&of(&turned).unwrap().unwrap()).unwrap().into_rgb8();
        assert_eq!(small.dimensions(), (240, 320));
        let is_red = |Rgb([red, _, blue]): &Rgb<u8>| red > blue;
        assert!(is_red(small.get_pixel(120, 40)) && !is_red(small.get_pixel(120, 280)), "red, left, came to the top");
    }

    #[test]
    fn a_bomb_is_refused_by_its_header_alone() {
        let refused = |width, height| Err(PictureError::TooManyPixels { width, height });
        assert_eq!(of(&bomb()), refused(65_535, 65_535));

        let mut png = picture(8, 8, ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let sum = crc(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(of(&png), refused(65_535, 65_535));

        let mut webp = picture(8, 8, ImageFormat::WebP);
        assert_eq!(&webp[12..16], b"VP8L");
        // After the signature: 14 bits of width - 1, 14 of height - 1.
        let size = (0x3ffe_u32 | (0x3ffe << 14)).to_le_bytes();
        webp[21..25].copy_from_slice(&size);
        assert_eq!(of(&webp), refused(16_383, 16_383));
    }

    #[test]
    fn what_breaks_off_has_no_thumbnail_and_what_never_began_is_refused() {
        let png = picture(64, 64, ImageFormat::Png);
        assert_eq!(of(&png[..png.len() / 2]), Ok(None));
        for bytes in [&b""[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a\x01\0\x01\0\0\0\0"]
        {
            assert_eq!(of(bytes), Err(PictureError::Header), "{bytes:02x?}");
        }
        let jpeg = jpeg(b"");
        for end in 0..jpeg.len() {
            let _ = of(&jpeg[..end]);
        }
    }
}
