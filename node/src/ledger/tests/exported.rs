//! What goes out comes back the same.

use super::*;

fn export(ledger: &Ledger, format: ExportFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let households =
        ledger.households.iter().map(|one| ExportedHousehold { household: &one.household, residents: &one.residents });
    write_households(households, &regions(), format, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_exported_is_imported_the_same() {
    let ledger = read(&town(80)).unwrap();
    for format in [ExportFormat::Csv, ExportFormat::Xlsx] {
        let again = read(&export(&ledger, format)).unwrap();
        assert_eq!(again.rejected, [], "{format:?}");
        assert_eq!(content(&again), content(&ledger), "{format:?}");
    }
}

#[test]
fn a_formula_leaves_as_text_and_comes_back_as_it_was() {
    let ledger = read_rows(&["狼垡一村,'=1+1,+甲,,,@SUM(A1),,,,,,,,,,\"=HYPERLINK(\"\"x\"\",\"\"y\"\")\""]);
    assert_eq!(ledger.rejected, []);
    let csv = export(&ledger, ExportFormat::Csv);
    assert!(csv.starts_with(b"\xEF\xBB\xBF"));
    for record in csv::Reader::from_reader(&csv[3..]).records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }
    for format in [ExportFormat::Csv, ExportFormat::Xlsx] {
        assert_eq!(content(&read(&export(&ledger, format)).unwrap()), content(&ledger), "{format:?}");
    }
}

#[test]
fn geojson_has_points_and_no_personal_data() {
    let ledger = read_rows(&[
        "狼垡一村,12号,甲东,13812345678,出租,乙西,11010519491231002X,,,,,,45.5,116.2910,39.8012,",
        "狼垡一村,13号,,,,,,,,,,,,,,",
    ]);
    let bytes = export(&ledger, ExportFormat::GeoJson);
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["type"], "FeatureCollection");
    let [first, second] = json["features"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(first["geometry"], serde_json::json!({"type": "Point", "coordinates": [116.291, 39.8012]}));
    assert_eq!(first["properties"]["region_name"], "狼垡一村村委会");
    assert_eq!(first["properties"]["residents"], 1);
    assert!(second["geometry"].is_null());
    let text = String::from_utf8(bytes).unwrap();
    for secret in ["甲东", "乙西", "13812345678", "11010519491231002X"] {
        assert!(!text.contains(secret));
    }
    let nothing = Ledger { households: Vec::new(), ..ledger };
    assert!(serde_json::from_slice::<serde_json::Value>(&export(&nothing, ExportFormat::GeoJson)).is_ok());
}

#[test]
fn rejected_rows_come_back_as_the_same_kind_of_file_and_are_accepted_once_corrected() {
    let bad = town(5);
    let text = String::from_utf8(bad).unwrap().replace("110115005", "990115005");
    for bytes in [text.clone().into_bytes(), as_workbook(text.as_bytes()), as_json_lines(text.as_bytes())] {
        let ledger = read(&bytes).unwrap();
        assert_eq!(ledger.households, []);
        let mut returned = Vec::new();
        write_rejects(ledger.summary.format, &ledger.summary.header, &ledger.rejected, &mut returned).unwrap();
        let again = read(&returned).unwrap();
        assert_eq!(again.summary.format, ledger.summary.format);
        assert_eq!(codes(&again), codes(&ledger));
        if ledger.summary.format != Format::Xlsx {
            let text = String::from_utf8(returned).unwrap();
            assert!(text.contains("没有村居") && text.contains("region_unknown"));
            let corrected = read(text.replace("990115005", "110115005").as_bytes()).unwrap();
            assert_eq!(content(&corrected), content(&read(&town(5)).unwrap()));
        }
    }
}

#[test]
fn returned_twice_a_file_has_one_column_of_reasons() {
    let mut ledger = read_rows(&["狼垡九村,1号,,,,甲,,,,,,,,,,,,,,one cell too many"]);
    for _ in 0..2 {
        let mut returned = Vec::new();
        write_rejects(Format::Csv, &ledger.summary.header, &ledger.rejected, &mut returned).unwrap();
        assert_eq!(String::from_utf8_lossy(&returned).matches("退回原因").count(), 1);
        ledger = read(&returned).unwrap();
        assert_eq!(ledger.rejected.len(), 1);
    }
}

#[test]
fn a_template_is_an_empty_ledger_that_can_be_read() {
    for format in [Format::Csv, Format::Xlsx] {
        let mut bytes = Vec::new();
        write_template(format, &mut bytes).unwrap();
        let ledger = read(&bytes).unwrap();
        assert_eq!((ledger.summary.rows, ledger.summary.ignored_columns.len()), (0, 0), "{format:?}");
        assert_eq!(ledger.summary.header.len(), Column::written().count());
    }
    let mut line = Vec::new();
    write_template(Format::JsonLines, &mut line).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&line).unwrap().get("id_number").is_some());
}
