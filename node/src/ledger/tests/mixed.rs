//! A ledger as a village sends it: of a hundred rows three are wrong, each kind of mistake among them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use townmesh_crdt::domain::region::Region;

use super::*;

/// Cells that make a row wrong, and what it is told for that.
type Mistake = (&'static [(usize, &'static str)], &'static str);

const MISTAKES: [Mistake; 29] = [
    (&[(0, "狼垡九村")], "region_unknown"),
    (&[(0, "同名村")], "region_ambiguous"),
    (&[(0, "110115005")], "region_too_wide"),
    (&[(3, "1381234567")], "phone"),
    (&[(4, "别墅")], "word_unknown"),
    (&[(5, "")], "missing"),
    (&[(6, "110105491231002")], "id_number_length"),
    (&[(6, "1101051949123100AX")], "id_number_digit"),
    (&[(6, "01010519491231002X")], "id_number_region"),
    (&[(6, "11010519491331002X")], "id_number_birth"),
    (&[(6, "110105194912310021")], "id_number_check"),
    (&[(6, "1.10105E+17")], "id_number_rounded"),
    (&[(6, "护照"), (8, "境外")], "document_number"),
    (&[(7, "邻居家的猫")], "word_unknown"),
    (&[(8, "火星")], "word_unknown"),
    (&[(9, "2024-02-30")], "day"),
    (&[(10, "2024-03-04")], "day_order"),
    (&[(11, "三")], "number"),
    (&[(12, "0")], "number"),
    (&[(13, "")], "position"),
    (&[(14, "91")], "position"),
    (&[(15, "乱\u{FFFD}码")], "encoding"),
    (&[(15, "有\u{1}空")], "control_character"),
    (&[(5, "乙\u{1}西")], "control_character"),
    (&[(2, "甲*")], "masked"),
    (&[(3, "138****5678")], "masked"),
    (&[(5, "乙＊")], "masked"),
    (&[(6, "1101**********002X")], "masked"),
    (&[(15, LONG)], "too_long"),
];

/// 1,001 characters.
const LONG: &str = {
    const BYTES: [u8; 1_001] = [b'x'; 1_001];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

/// A ledger, and what is wrong with it.
pub(crate) struct Mixed {
    pub(crate) text: String,
    /// Row number and code of each wrong row, in order.
    pub(crate) wrong: Vec<(u64, &'static str)>,
}

fn good(region: &str, number: usize) -> String {
    format!("{region},{number}号,甲东,13812345678,出租,乙{number},,租户,流动,2024-03-05,,3,45.5,116.2910,39.8012,临街")
}

fn spoilt(region: &str, number: usize, (cells, code): Mistake) -> (String, &'static str) {
    let row = good(region, number);
    let mut row: Vec<&str> = row.split(',').collect();
    for (column, cell) in cells {
        row[*column] = cell;
    }
    (row.join(","), code)
}

/// The row of a number within a block of a hundred: the 11th, 51st and 52nd are wrong. The last of them leans on a wrong one,
/// repeats a person, or contradicts its household, in turns.
fn row(region: &str, number: usize) -> (String, Option<&'static str>) {
    let (block, place) = (number / 100, number % 100);
    let mistake = |turn: usize| MISTAKES[turn % MISTAKES.len()];
    let (row, code) = match (place, block % 3) {
        (10, _) => spoilt(region, number, mistake(2 * block)),
        (50, 0) => spoilt(region, number, MISTAKES[0]),
        (50, _) => spoilt(region, number, mistake(2 * block + 1)),
        (51, 0) => (format!(",,,,,丙{number},,,,,,,,,,"), "above_rejected"),
        (51, 1) => (good(region, number - 2), "person_duplicate"),
        (51, _) => (good(region, number - 2).replace("出租", "自住").replace("乙", "丁"), "household_conflict"),
        _ => return (good(region, number), None),
    };
    (row, Some(code))
}

/// A ledger of so many rows in a region.
pub(crate) fn mixed(region: &str, rows: usize) -> Mixed {
    let mut text = format!("{HEADER}\n");
    let mut wrong = Vec::new();
    for number in 0..rows {
        let (row, code) = row(region, number);
        text += &row;
        text.push('\n');
        // The header is the first row.
        wrong.extend(code.map(|code| (number as u64 + 2, code)));
    }
    Mixed { text, wrong }
}

/// A file that tells how far it was read.
struct Watched<'a> {
    file: io::Cursor<&'a [u8]>,
    at: Rc<Cell<u64>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.at.set(self.file.position());
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.file.seek(to)?;
        self.at.set(at);
        Ok(at)
    }
}

/// Takes what is read, and keeps nothing of it but what is wrong.
struct Watcher {
    at: Rc<Cell<u64>>,
    /// Where each row ends in the file.
    ends: Vec<u64>,
    households: u64,
    residents: u64,
    ahead: u64,
    wrong: Vec<(u64, &'static str)>,
    texts: BTreeMap<&'static str, BTreeSet<[bool; 2]>>,
}

impl Watcher {
    fn look(&mut self, row: u64) {
        let end = self.ends.get(row as usize).or(self.ends.last()).copied().unwrap_or_default();
        self.ahead = self.ahead.max(self.at.get().saturating_sub(end));
    }
}

impl Visitor for Watcher {
    fn household(&mut self, household: LedgerHousehold) -> ControlFlow<()> {
        self.look(household.first_row);
        self.households += 1;
        self.residents += household.residents.len() as u64;
        ControlFlow::Continue(())
    }

    fn rejected(&mut self, row: RejectedRow) -> ControlFlow<()> {
        self.look(row.row);
        for problem in &row.problems {
            let says = [problem.kind.chinese(), problem.kind.english()].map(|text| !text.is_empty());
            self.texts.entry(problem.kind.code()).or_default().insert(says);
            self.wrong.push((row.row, problem.kind.code()));
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn of_a_hundred_thousand_rows_every_wrong_one_is_named_and_every_other_one_is_read() {
    let region =
        |code: &str, name: &str| Region { code: code.parse().ok(), name: Some(name.into()), ..Region::default() };
    let regions = RegionTable::new(&[
        region("110115005", "黄村地区"),
        region("110115005220", "狼垡一村村委会"),
        region("110115005221", "同名村村委会"),
        region("110115005222", "同名村村委会"),
    ]);
    let Mixed { text, wrong } = mixed("狼垡一村", 100_000);
    assert_eq!(wrong.len(), 3_000);
    let ends = text.match_indices('\n').map(|(end, _)| end as u64 + 1).collect();
    let at = Rc::new(Cell::new(0));
    let mut watcher = Watcher {
        at: Rc::clone(&at),
        ends,
        households: 0,
        residents: 0,
        ahead: 0,
        wrong: vec![],
        texts: BTreeMap::new(),
    };
    let file = Watched { file: io::Cursor::new(text.as_bytes()), at };
    let summary = Reading::new(&regions).each(file, &mut watcher).unwrap();
    assert_eq!((summary.rows, summary.rejected), (100_000, 3_000));
    assert_eq!((watcher.households, watcher.residents), (97_000, 97_000));
    assert_eq!(watcher.wrong, wrong);
    assert!(watcher.texts.values().flatten().all(|says| *says == [true, true]), "{:?}", watcher.texts);
    let told: BTreeSet<&str> = watcher.texts.into_keys().collect();
    let kinds: BTreeSet<&str> = MISTAKES.iter().map(|(_, code)| *code).collect();
    let leaning = ["above_rejected", "person_duplicate", "household_conflict"];
    assert_eq!(told, kinds.into_iter().chain(leaning).collect());
    // What is read is handed over at once: never more of the file is in hand than a row and the buffers.
    assert!(watcher.ahead < 256 << 10, "{} bytes were read ahead", watcher.ahead);
}
