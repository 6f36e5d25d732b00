//! The region table of the model town, and a strict parser for such tables.

use std::collections::BTreeSet;

use townmesh_crdt::domain::region::{Region, RegionCode, RegionKind};

/// Huangcun, as in the statistical code table of 2023.
pub const HUANGCUN_REGIONS: &str = include_str!("../../data/huangcun-regions.csv");

const HEADER: &str = "code,name,kind,parent";
const MAX_ROWS: usize = 100_000;

/// What is wrong with a region table. Lines count from 1, the header included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionTableError {
    /// The first line is another one.
    #[error("line 1: the header must be `{HEADER}`")]
    Header,
    /// A line has more or fewer fields than the header.
    #[error(
        "line {line}: expected 4 fields separated by commas, found {found}; names must not contain commas or quotes"
    )]
    FieldCount {
        /// Where.
        line: usize,
        /// How many fields there are.
        found: usize,
    },
    /// A code or parent that is no division code.
    #[error("line {line}: {reason}")]
    Code {
        /// Where.
        line: usize,
        /// What is wrong with the code and what to write.
        reason: String,
    },
    /// A kind that is not known.
    #[error("line {line}: {reason}")]
    Kind {
        /// Where.
        line: usize,
        /// What is wrong with the kind and what to write.
        reason: String,
    },
    /// An empty name.
    #[error("line {line}: the name is empty; write the region's full name")]
    Name {
        /// Where.
        line: usize,
    },
    /// A code that an earlier line has.
    #[error("line {line}: region {code} is listed before; remove one of the two lines")]
    Duplicate {
        /// Where.
        line: usize,
        /// Which.
        code: RegionCode,
    },
    /// More lines than any district has.
    #[error("the table has more than {MAX_ROWS} regions; split it")]
    TooLong,
}

/// The regions of a table `code,name,kind,parent`: plain fields, UTF-8, `\n` or `\r\n`, no empty lines but the last.
///
/// # Errors
/// The first line that is wrong, and how.
pub fn parse_regions(table: &str) -> Result<Vec<Region>, RegionTableError> {
    let mut lines = table.lines().zip(1..);
    if lines.next().map(|(header, _)| header) != Some(HEADER) {
        return Err(RegionTableError::Header);
    }
    let mut seen = BTreeSet::new();
    let mut regions = Vec::new();
    for (text, line) in lines {
        if regions.len() == MAX_ROWS {
            return Err(RegionTableError::TooLong);
        }
        let (code, region) = parse_region(text, line)?;
        if !seen.insert(code) {
            return Err(RegionTableError::Duplicate { line, code });
        }
        regions.push(region);
    }
    Ok(regions)
}

fn parse_region(text: &str, line: usize) -> Result<(RegionCode, Region), RegionTableError> {
    let fields: Vec<&str> = text.split(',').collect();
    let [code, name, kind, parent] = fields[..] else {
        return Err(RegionTableError::FieldCount { line, found: fields.len() });
    };
    if text.contains('"') {
        return Err(RegionTableError::FieldCount { line, found: fields.len() });
    }
    let read_code = |text: &str| -> Result<RegionCode, RegionTableError> {
        text.parse().map_err(|reason| RegionTableError::Code { line, reason: format!("{reason}") })
    };
    let code = read_code(code)?;
    let parent = read_code(parent)?;
    let kind: RegionKind =
        kind.parse().map_err(|reason| RegionTableError::Kind { line, reason: format!("{reason}") })?;
    if name.trim().is_empty() {
        return Err(RegionTableError::Name { line });
    }
    let region = Region {
        code: Some(code),
        name: Some(name.trim().to_owned()),
        kind: Some(kind),
        // What the code says already is not repeated.
        parent: Some(parent).filter(|parent| code.parent() != Some(*parent)),
        ..Region::default()
    };
    Ok((code, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huangcun_has_47_villages_communities_and_parks() {
        let regions = parse_regions(HUANGCUN_REGIONS).unwrap();
        let count = |kind| regions.iter().filter(|region| region.kind == Some(kind)).count();
        assert_eq!(count(RegionKind::Village) + count(RegionKind::Community) + count(RegionKind::Park), 47);
        assert_eq!((count(RegionKind::District), count(RegionKind::Town)), (1, 1));
        assert!(regions.iter().all(|region| region.parent.is_none()), "every parent lies in the code");
    }

    #[test]
    fn a_wrong_table_names_the_line() {
        let table = |row: &str| format!("{HEADER}\n110115,大兴区,district,1101\n{row}\n");
        let message = |row: &str| parse_regions(&table(row)).unwrap_err().to_string();
        for (row, expected) in [
            ("", "line 3: expected 4 fields"),
            ("110115005,黄村,town", "line 3: expected 4 fields"),
            ("110115005,\"黄村\",town,110115", "line 3: expected 4 fields"),
            ("11011500,黄村,town,110115", "line 3: “11011500” is no region code"),
            ("110115005,黄村,city,110115", "line 3: “city” is no kind of region"),
            ("110115005, ,town,110115", "line 3: the name is empty"),
            ("110115,大兴区,district,1101", "line 3: region 110115 is listed before"),
        ] {
            assert!(message(row).starts_with(expected), "{row}: {}", message(row));
        }
        for text in ["", "name,code\n"] {
            assert_eq!(parse_regions(text), Err(RegionTableError::Header));
        }
    }
}
