//! Namespaces: the unit of interest, permission and retention (DESIGN section 3).
//!
//! A namespace has a name, such as `registry/110115005001`, and an id derived from that name and the town's
//! root key. A *family* is a namespace without its period: `cases/110115005001` for
//! `cases/110115005001/2026`; secrets and permissions are given by family, so that a new month or year needs
//! no new grant.

use std::fmt;
use std::str::FromStr;

use crate::id::NamespaceId;

/// What kind of thing a namespace holds. The number is its code in certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NamespaceKind {
    /// Certificates, revocations, opened namespaces. Every node holds it, in the clear.
    Auth = 0,
    /// Regions, members, teams, tables, plans, command messages.
    Town = 1,
    /// Dwellings, door tags, households, residents, inspections, hazards of a region.
    Registry = 2,
    /// Cases of a region and year, with all their events.
    Cases = 3,
    /// Device events of a region and month.
    Events = 4,
    /// Positions of a day.
    Tracks = 5,
}

impl NamespaceKind {
    /// Every kind, in order of code.
    pub const ALL: [Self; 6] = [Self::Auth, Self::Town, Self::Registry, Self::Cases, Self::Events, Self::Tracks];

    /// The kind's code in certificates.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The first part of a namespace's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Town => "town",
            Self::Registry => "registry",
            Self::Cases => "cases",
            Self::Events => "events",
            Self::Tracks => "tracks",
        }
    }
}

/// A namespace by its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    /// What it holds.
    pub kind: NamespaceKind,
    /// The code of its region; empty for `auth`, `town` and `tracks`.
    pub region: String,
    /// Year (`2026`), month (`2026-11`) or day (`2026-11-23`); empty where the kind has no periods.
    pub period: String,
}

/// A text that is not the name of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a namespace: write auth, town, registry/<region code>, cases/<region code>/<year>, events/<region code>/<year-month> or tracks/<day>"
)]
pub struct NamespaceError(pub String);

impl Namespace {
    /// The namespace of certificates and revocations.
    pub fn auth() -> Self {
        Self { kind: NamespaceKind::Auth, region: String::new(), period: String::new() }
    }

    /// The namespace of tables and people that every member holds.
    pub fn town() -> Self {
        Self { kind: NamespaceKind::Town, region: String::new(), period: String::new() }
    }

    /// The registry of a region.
    pub fn registry(region: &str) -> Self {
        Self { kind: NamespaceKind::Registry, region: region.to_owned(), period: String::new() }
    }

    /// The cases of a region and year.
    pub fn cases(region: &str, year: &str) -> Self {
        Self { kind: NamespaceKind::Cases, region: region.to_owned(), period: year.to_owned() }
    }

    /// The device events of a region and month.
    pub fn events(region: &str, month: &str) -> Self {
        Self { kind: NamespaceKind::Events, region: region.to_owned(), period: month.to_owned() }
    }

    /// The id: the first half of BLAKE3, keyed by the town's root public key, over the name.
    pub fn id(&self, town: &[u8; 32]) -> NamespaceId {
        let hash = blake3::keyed_hash(town, self.to_string().as_bytes());
        let mut id = [0; NamespaceId::LEN];
        id.copy_from_slice(&hash.as_bytes()[..NamespaceId::LEN]);
        NamespaceId(id)
    }

    /// The name without the period: the unit that secrets and permissions are given by.
    pub fn family(&self) -> String {
        if self.region.is_empty() {
            self.kind.name().to_owned()
        } else {
            format!("{}/{}", self.kind.name(), self.region)
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.family())?;
        if self.period.is_empty() { Ok(()) } else { write!(f, "/{}", self.period) }
    }
}

fn is_region(text: &str) -> bool {
    matches!(text.len(), 6 | 9 | 12) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` has the shape of `pattern`, where `9` stands for a digit.
fn has_shape(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(byte, shape)| if shape == b'9' { byte.is_ascii_digit() } else { byte == shape })
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let parts: Vec<&str> = text.split('/').collect();
        let namespace = match parts.as_slice() {
            ["auth"] => Self::auth(),
            ["town"] => Self::town(),
            ["registry", region] if is_region(region) => Self::registry(region),
            ["cases", region, year] if is_region(region) && has_shape(year, "9999") => Self::cases(region, year),
            ["events", region, month] if is_region(region) && has_shape(month, "9999-99") => {
                Self::events(region, month)
            }
            ["tracks", day] if has_shape(day, "9999-99-99") => {
                Self { kind: NamespaceKind::Tracks, region: String::new(), period: (*day).to_owned() }
            }
            _ => return Err(NamespaceError(text.chars().take(80).collect())),
        };
        Ok(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in [
            "auth",
            "town",
            "registry/110115005001",
            "cases/110115005001/2026",
            "events/110115005001/2026-11",
            "tracks/2026-11-23",
        ] {
            assert_eq!(name.parse::<Namespace>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "auth/x",
            "registry",
            "registry/1101150050011",
            "registry/11011500500a",
            "cases/110115005001",
            "events/110115005001/2026",
            "tracks/2026-11",
        ] {
            assert!(name.parse::<Namespace>().is_err(), "{name} must be refused");
        }
    }

    #[test]
    fn towns_do_not_share_ids() {
        assert_ne!(Namespace::town().id(&[1; 32]), Namespace::town().id(&[2; 32]));
    }
}
