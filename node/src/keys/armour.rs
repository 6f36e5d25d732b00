//! The text around the content of a key file.
//!
//! # Format
//!
//! ```text
//! -----BEGIN TOWNMESH INVITE-----
//! # what this is, in Chinese
//! # what this is, in English
//! version: 1
//! <base64 of the content, standard alphabet with padding, 64 characters a line>
//! checksum: <32 hexadecimal digits: the first half of BLAKE3 over kind, a zero byte, version and content>
//! -----END TOWNMESH INVITE-----
//! ```
//!
//! Lines may end in CR LF and be surrounded by spaces; text before BEGIN and after END is ignored, as a mail program puts
//! some there. Everything else is refused.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const VERSION: u8 = 1;
const LINE: usize = 64;

/// What a key file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A node's keys and certificates.
    Identity,
    /// The town's root key.
    Root,
    /// An authority: may invite and remove nodes.
    Authority,
    /// A one-time invite.
    Invite,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Root, Self::Authority, Self::Invite];

    fn label(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Root => "ROOT KEY",
            Self::Authority => "AUTHORITY",
            Self::Invite => "INVITE",
        }
    }

    /// What it is called in Chinese.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Identity => "节点身份文件",
            Self::Root => "全镇根密钥文件",
            Self::Authority => "授权机构密钥文件",
            Self::Invite => "入网邀请文件",
        }
    }

    fn notes(self) -> [&'static str; 2] {
        match self {
            Self::Identity => [
                "节点身份，机密：只属于这一台机器，不要复制到别的机器",
                "Identity of a node. SECRET: it belongs to this machine alone, do not copy it to another.",
            ],
            Self::Root => [
                "全镇根密钥，绝密：离线保存，平时不用；只用来签发授权机构",
                "Root key of the town. TOP SECRET: keep it offline; it only signs authorities.",
            ],
            Self::Authority => [
                "授权机构密钥，机密：持有者可以邀请和移除节点，请妥善保管",
                "Key of an authority. SECRET: whoever has it can invite and remove nodes.",
            ],
            Self::Invite => [
                "一次性入网邀请，机密：只能用一次，用后请删除；townmesh join <本文件>",
                "One-time invite. SECRET: for one node, delete it after use: townmesh join <this file>",
            ],
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity file",
            Self::Root => "root key file",
            Self::Authority => "authority file",
            Self::Invite => "invite file",
        })
    }
}

/// Why a text is no key file of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmourError {
    /// No BEGIN line.
    #[error("this is not a townmesh key file")]
    NotAKeyFile,
    /// Another kind of key file.
    #[error("this is not the {wanted} but a file “{found}”")]
    OtherKind {
        /// What was asked for.
        wanted: FileKind,
        /// What its first line says.
        found: String,
    },
    /// Written by a newer version.
    #[error("the file has version {0}, this program knows {VERSION}: upgrade townmesh here")]
    Newer(u32),
    /// The end is missing.
    #[error("the file is cut off: its last line is missing")]
    CutOff,
    /// A line that does not belong.
    #[error("line {0} is damaged")]
    Line(usize),
    /// The content does not match its checksum.
    #[error("the checksum does not match: some characters were changed")]
    Checksum,
}

fn checksum(kind: FileKind, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.label().as_bytes()).update(&[0, VERSION]).update(bytes);
    hasher.finalize().to_hex().chars().take(32).collect()
}

/// The text of a key file.
pub(super) fn wrap(kind: FileKind, bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let lines = encoded.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
    let [zh, en] = kind.notes();
    let label = kind.label();
    let body: String = lines.collect();
    let sum = checksum(kind, bytes);
    format!(
        "-----BEGIN TOWNMESH {label}-----\n# {zh}\n# {en}\nversion: {VERSION}\n{body}checksum: {sum}\n-----END TOWNMESH {label}-----\n"
    )
}

/// The content of a key file.
pub(super) fn unwrap(kind: FileKind, text: &[u8]) -> Result<Vec<u8>, ArmourError> {
    let text = std::str::from_utf8(text).map_err(|_| ArmourError::NotAKeyFile)?;
    let mut lines = text.lines().map(str::trim).zip(1..).skip_while(|(line, _)| begin(line).is_none());
    let label = lines.next().and_then(|(line, _)| begin(line)).ok_or(ArmourError::NotAKeyFile)?;
    if label != kind.label() {
        return Err(ArmourError::OtherKind { wanted: kind, found: label.chars().take(40).collect() });
    }
    let end = format!("-----END TOWNMESH {label}-----");
    let (mut encoded, mut version, mut sum) = (String::new(), None, None);
    for (line, number) in lines {
        if line == end {
            return open(kind, &encoded, version, sum);
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(": ") {
            Some(("version", value)) if version.is_none() => {
                let value: u32 = value.parse().map_err(|_| ArmourError::Line(number))?;
                if value != u32::from(VERSION) {
                    return Err(ArmourError::Newer(value));
                }
                version = Some(value);
            }
            Some(("checksum", value)) if sum.is_none() => sum = Some(value),
            // Nothing but the end stands after the checksum, and nothing before the version.
            None if sum.is_none() && version.is_some() => encoded.push_str(line),
            Some(_) | None => return Err(ArmourError::Line(number)),
        }
    }
    Err(ArmourError::CutOff)
}

fn begin(line: &str) -> Option<&str> {
    line.strip_prefix("-----BEGIN TOWNMESH ")?.strip_suffix("-----")
}

fn open(kind: FileKind, encoded: &str, version: Option<u32>, sum: Option<&str>) -> Result<Vec<u8>, ArmourError> {
    let (Some(_), Some(sum)) = (version, sum) else { return Err(ArmourError::CutOff) };
    let bytes = STANDARD.decode(encoded).map_err(|_| ArmourError::Checksum)?;
    if checksum(kind, &bytes) == sum { Ok(bytes) } else { Err(ArmourError::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn contents_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in FileKind::ALL {
                prop_assert_eq!(unwrap(kind, wrap(kind, &bytes).as_bytes()), Ok(bytes.clone()));
            }
        }

        #[test]
        fn any_text_is_a_key_file_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unwrap(FileKind::Invite, &text);
        }
    }

    #[test]
    fn every_changed_character_of_the_content_is_noticed() {
        let text = wrap(FileKind::Invite, &[7; 100]);
        let start = text.find("version").unwrap();
        for at in start..text.len() - 1 {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(unwrap(FileKind::Invite, &changed).is_err(), "character {at} of\n{text}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let text = wrap(FileKind::Invite, &[7; 100]);
        for length in 0..text.len() - 1 {
            let cut = text.as_bytes().get(..length).unwrap();
            assert!(unwrap(FileKind::Invite, cut).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_mail_programs_do_to_a_text_is_undone() {
        let text = wrap(FileKind::Invite, &[7; 100]).replace('\n', " \r\n");
        let mailed = format!("您好，邀请见下：\n\n{text}\n-- \n村委会");
        assert_eq!(unwrap(FileKind::Invite, mailed.as_bytes()), Ok(vec![7; 100]));
    }

    #[test]
    fn other_kinds_and_newer_versions_are_named() {
        let text = wrap(FileKind::Root, b"x");
        assert!(
            matches!(unwrap(FileKind::Invite, text.as_bytes()), Err(ArmourError::OtherKind { found, .. }) if found == "ROOT KEY")
        );
        let newer = wrap(FileKind::Root, b"x").replace("version: 1", "version: 2");
        assert_eq!(unwrap(FileKind::Root, newer.as_bytes()), Err(ArmourError::Newer(2)));
    }
}
