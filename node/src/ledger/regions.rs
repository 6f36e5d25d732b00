//! Which regions a ledger may name, by code and by name.

use std::collections::BTreeMap;

use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::region::{Region, RegionCode, RegionLevel};

use super::problem::{ProblemKind, excerpt};

/// What villages add to their name in official tables, and people leave out.
const SUFFIXES: [&str; 5] = ["社区居委会", "社区居民委员会", "村民委员会", "村村委会", "村委会"];

/// The regions of the town.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionTable {
    names: BTreeMap<RegionCode, String>,
    /// Every name and short name; several codes where they share it.
    codes: BTreeMap<String, Vec<RegionCode>>,
}

impl RegionTable {
    /// The table of these regions; those without code are left out.
    pub fn new<'a>(regions: impl IntoIterator<Item = &'a Region>) -> Self {
        let mut table = Self::default();
        for region in regions {
            let (Some(code), name) = (region.code, region.name.as_deref().unwrap_or_default()) else { continue };
            if table.names.insert(code, name.to_owned()).is_some() {
                continue;
            }
            for name in spellings(name) {
                let codes = table.codes.entry(name).or_default();
                if !codes.contains(&code) {
                    codes.push(code);
                }
            }
        }
        table
    }

    /// The region's full name.
    pub fn name(&self, code: RegionCode) -> Option<&str> {
        self.names.get(&code).map(String::as_str)
    }

    /// How the region is written into a ledger: its name where that finds it again, else its code.
    pub(super) fn cell(&self, code: RegionCode) -> String {
        let name = self.name(code).filter(|name| self.find(name) == Ok(code));
        name.map_or_else(|| code.to_string(), str::to_owned)
    }

    /// The village or community that a cell names by code or name.
    pub(super) fn find(&self, cell: &str) -> Result<RegionCode, ProblemKind> {
        let by_code = cell.parse::<RegionCode>().ok().filter(|code| self.names.contains_key(code));
        let named = |name: String| self.codes.get(&name).map(Vec::as_slice).unwrap_or_default();
        let code = match (by_code, named(normalise(cell))) {
            (Some(code), _) => code,
            (None, [code]) => *code,
            (None, []) => return Err(ProblemKind::RegionUnknown(excerpt(cell))),
            (None, _) => return Err(ProblemKind::RegionAmbiguous(excerpt(cell))),
        };
        if code.level() == RegionLevel::Village { Ok(code) } else { Err(ProblemKind::RegionTooWide(excerpt(cell))) }
    }
}

/// A name, and what is left of it without its official ending: 狼垡一村村委会 is also 狼垡一村 and 狼垡一.
fn spellings(name: &str) -> Vec<String> {
    let full = normalise(name);
    let mut all: Vec<String> =
        SUFFIXES.iter().filter_map(|suffix| full.strip_suffix(suffix).map(str::to_owned)).collect();
    let bare = full.strip_suffix("社区居委会").or_else(|| full.strip_suffix("居委会"));
    all.extend(bare.map(|bare| format!("{bare}社区")));
    all.push(full);
    all.retain(|name| !name.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use townmesh_sim::generator::{HUANGCUN_REGIONS, parse_regions};

    #[test]
    fn a_village_is_found_by_code_and_by_every_usual_name() {
        let table = RegionTable::new(&parse_regions(HUANGCUN_REGIONS).unwrap());
        let first: RegionCode = "110115005220".parse().unwrap();
        for cell in ["110115005220", " １１０１１５００５２２０ ", "狼垡一村村委会", "狼垡一村", "狼垡一 村"]
        {
            assert_eq!(table.find(cell), Ok(first), "{cell}");
        }
        assert_eq!(table.find("新凤社区").map(|code| code.number()), Ok(110_115_005_003));
        assert_eq!(table.find("狼垡九村"), Err(ProblemKind::RegionUnknown("狼垡九村".into())));
        assert_eq!(table.find("110115005999"), Err(ProblemKind::RegionUnknown("110115005999".into())));
        assert_eq!(table.find("黄村地区"), Err(ProblemKind::RegionTooWide("黄村地区".into())));
        assert_eq!(table.find(""), Err(ProblemKind::RegionUnknown(String::new())));
    }

    #[test]
    fn a_name_that_two_villages_share_is_not_guessed() {
        let mut regions = parse_regions(HUANGCUN_REGIONS).unwrap();
        let mut twin = regions.last().unwrap().clone();
        twin.code = "110115006001".parse().ok();
        twin.name = Some("狼垡一村".into());
        regions.push(twin);
        let table = RegionTable::new(&regions);
        assert_eq!(table.find("狼垡一村"), Err(ProblemKind::RegionAmbiguous("狼垡一村".into())));
        assert!(table.find("狼垡一村村委会").is_ok());
    }
}
