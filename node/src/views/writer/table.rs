//! Tables of the town.

use townmesh_crdt::command::read::TableRecord;

use super::{Batch, Slot, json};

const ROW: &str = "INSERT INTO table_row (row, place, name, chinese, english, retired, recorded_ms, detail) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn table(&mut self, slot: Slot<'_>, record: &TableRecord) -> rusqlite::Result<()> {
        self.clear(slot, "table_row")?;
        let name = record.kind.to_string();
        for (place, row) in (0_i64..).zip(&record.rows) {
            let [_, chinese, english] = record.kind.title(&row.fields);
            let recorded = row.recorded.map(|time| time.millis().cast_signed());
            let values: &[&dyn rusqlite::ToSql] =
                &[&slot.row, &place, &name, &chinese, &english, &row.is_retired(), &recorded, &json(row)?];
            self.run(ROW, values)?;
        }
        Ok(())
    }
}
