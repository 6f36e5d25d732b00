//! Formats, encodings and files that are no ledgers.

use super::*;

#[test]
fn the_generated_town_is_read_without_a_single_reason() {
    let ledger = read(&town(300)).unwrap();
    assert_eq!(ledger.rejected, []);
    let made: Vec<_> = generate(7, &parse_regions(HUANGCUN_REGIONS).unwrap(), 300)
        .map(|made| (made.household, made.residents))
        .collect();
    assert_eq!(content(&ledger), made);
    let summary = &ledger.summary;
    assert_eq!((summary.households, summary.encoding.as_deref()), (300, Some("UTF-8")));
    assert_eq!(summary.residents as usize, made.iter().map(|(_, residents)| residents.len()).sum::<usize>());
}

#[test]
fn every_format_and_encoding_gives_the_same_households() {
    let plain = town(60);
    let expected = content(&read(&plain).unwrap());
    let text = String::from_utf8(plain.clone()).unwrap();
    let forms: [(&str, Vec<u8>); 8] = [
        ("with byte order mark", [b"\xEF\xBB\xBF", plain.as_slice()].concat()),
        ("GB18030", GB18030.encode(&text).0.into_owned()),
        ("UTF-16", [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()),
        ("CRLF", text.replace('\n', "\r\n").into_bytes()),
        ("tabs", text.replace(',', "\t").into_bytes()),
        ("titles above the header", format!("黄村镇住户台账,,\n\n填表日期：,2025-06-01\n{text}").into_bytes()),
        ("XLSX", as_workbook(&plain)),
        ("JSON lines", as_json_lines(&plain)),
    ];
    for (form, bytes) in forms {
        let ledger = read(&bytes).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(content(&ledger), expected, "{form}");
        assert_eq!(ledger.rejected, [], "{form}");
    }
}

#[test]
fn english_headers_in_any_order_and_unknown_columns_are_understood() {
    let ledger = read(
        b"No,ID_Number,name,door,Region,use,relation,kind,favourite colour\n\
          1,11010519491231002X,A B,12,110115005220,rental,tenant,migrant,red\n",
    )
    .unwrap();
    assert_eq!(ledger.summary.ignored_columns, ["No", "favourite colour"]);
    let one = &ledger.households[0];
    assert_eq!(one.household.usage, Some(DwellingUse::Rental));
    let resident = &one.residents[0];
    assert_eq!((resident.kind, resident.relation), (Some(ResidentKind::Migrant), Some(Relation::Tenant)));
    assert_eq!(resident.personal.as_ref().unwrap().name, "A B");
}

#[test]
fn a_mapping_and_a_default_region_read_what_has_other_headers() {
    let regions = regions();
    let mapping = Mapping::parse(["栋=door", "住户＝name"]).unwrap();
    let mapping = mapping.with_default_region("110115005220".parse().unwrap());
    let reading = Reading { mapping, ..Reading::new(&regions) };
    let ledger = reading.bytes("栋,住户\n3号,甲东\n".as_bytes()).unwrap();
    assert_eq!(ledger.households[0].household.region.unwrap().number(), 110_115_005_220);
    assert_eq!(ledger.households[0].household.address.as_deref(), Some("3号"));
}

#[test]
fn a_file_that_is_no_ledger_says_what_it_is() {
    let old_workbook = [&b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"[..], &[0; 600]].concat();
    let noise: Vec<u8> = (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let unclosed = format!("{HEADER}\n\"狼垡一村,{}", "1号,甲\n".repeat(200_000));
    let workbook = as_workbook(&town(3));
    let files: [(&[u8], &str); 12] = [
        (b"", "empty"),
        (b"\n\n \n", "empty"),
        (b"\xEF\xBB\xBF", "empty"),
        (&noise, "not_text"),
        (&[0xFF; 400], "wrong_encoding"),
        (&old_workbook, "old_or_encrypted_workbook"),
        (b"PK\x03\x04 and nothing more", "damaged_workbook"),
        (&workbook[..workbook.len() / 2], "damaged_workbook"),
        ("姓名,证件号\n甲,1\n".as_bytes(), "missing_columns"),
        ("村居,门牌号,地址,姓名\n".as_bytes(), "duplicate_column"),
        (unclosed.as_bytes(), "row_too_long"),
        (b"just a sentence", "missing_columns"),
    ];
    for (bytes, code) in files {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(" / "), "{error}");
    }
    let message = read("姓名,地址\n".as_bytes()).unwrap_err().to_string();
    assert!(
        message.contains("村居(region)") && message.contains("姓名、地址") && message.contains("--map"),
        "{message}"
    );
}

#[test]
fn limits_hold() {
    let regions = regions();
    let csv = town(100);
    let workbook = as_workbook(&csv);
    let with = |limits: Limits, bytes: &[u8]| {
        Reading { limits, ..Reading::new(&regions) }
            .bytes(bytes)
            .map(|ledger| ledger.rejected.len())
            .map_err(|error| error.code())
    };
    let few_bytes = Limits { file_bytes: 1_000, ..Limits::default() };
    let few_rows = Limits { rows: 50, ..Limits::default() };
    let little_inside = Limits { unpacked_bytes: 20_000, ..Limits::default() };
    assert_eq!(with(few_bytes, &csv), Err("file_too_large"));
    assert_eq!(with(few_rows.clone(), &csv), Err("too_many_rows"));
    assert_eq!(with(few_rows, &workbook), Err("too_many_rows"));
    assert_eq!(with(little_inside, &workbook), Err("unpacks_too_large"));
    let short_cells = Limits { cell_chars: 40, ..Limits::default() };
    assert!(with(short_cells, &csv).unwrap() > 0);
}

#[test]
fn a_visitor_can_stop_the_reading_and_sees_progress() {
    struct First(Option<LedgerHousehold>, u64);
    impl Visitor for First {
        fn household(&mut self, household: LedgerHousehold) -> ControlFlow<()> {
            self.0 = Some(household);
            ControlFlow::Break(())
        }
        fn rejected(&mut self, _: RejectedRow) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn progress(&mut self, rows: u64) {
            self.1 = rows;
        }
    }
    struct Count(u64);
    impl Visitor for Count {
        fn household(&mut self, _: LedgerHousehold) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn rejected(&mut self, _: RejectedRow) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn progress(&mut self, rows: u64) {
            self.0 = rows;
        }
    }
    let regions = regions();
    let file = || io::Cursor::new(town(400));
    let mut first = First(None, 0);
    assert!(matches!(Reading::new(&regions).each(file(), &mut first), Err(LedgerError::Stopped)));
    assert!(first.0.is_some());
    let mut count = Count(0);
    let summary = Reading::new(&regions).each(file(), &mut count).unwrap();
    assert_eq!(count.0, summary.rows);
}

#[test]
fn numbers_dates_and_merged_cells_of_a_workbook_are_read_as_people_see_them() {
    use rust_xlsxwriter::{Format, Workbook};
    let mut workbook = Workbook::new();
    workbook.add_worksheet().set_name("空").unwrap();
    let sheet = workbook.add_worksheet();
    let date = Format::new().set_num_format("yyyy/m/d");
    for (column, title) in (0_u16..).zip(["村居", "门牌号", "姓名", "证件号", "人员电话", "迁入日期", "房间数"])
    {
        sheet.write_string(2, column, title).unwrap();
    }
    sheet.write_string(0, 0, "狼垡一村住户台账").unwrap();
    sheet.write_number(3, 0, 110_115_005_220_f64).unwrap();
    sheet.write_number(3, 1, 12.0).unwrap();
    sheet.write_string(3, 2, "甲东").unwrap();
    sheet.write_number(3, 4, 13_812_345_678_f64).unwrap();
    sheet.write_number_with_format(3, 5, 45_356.0, &date).unwrap();
    sheet.write_number(3, 6, 3.0).unwrap();
    // The household's cells are merged downwards.
    sheet.write_string(4, 2, "乙西").unwrap();
    sheet.write_number(5, 3, 110_105_194_912_310_020_f64).unwrap();
    sheet.write_string(5, 2, "丙南").unwrap();
    let ledger = read(&workbook.save_to_buffer().unwrap()).unwrap();
    assert_eq!(codes(&ledger), ["id_number_rounded"]);
    assert_eq!(ledger.rejected[0].row, 6);
    let [one] = ledger.households.as_slice() else { panic!("{:?}", ledger.households) };
    assert_eq!((one.household.address.as_deref(), one.household.rooms, one.residents.len()), (Some("12"), Some(3), 2));
    assert_eq!(one.residents[0].moved_in.unwrap().to_string(), "2024-03-05");
    assert_eq!(one.residents[0].personal.as_ref().unwrap().phone.as_deref(), Some("13812345678"));
}

#[test]
fn of_several_sheets_one_is_read_and_the_others_are_named() {
    use rust_xlsxwriter::Workbook;
    let mut workbook = Workbook::new();
    for (name, door) in [("空", ""), ("一组", "1号"), ("二组", "2号"), ("三组", "3号"), ("说明", "各列的说明")]
    {
        let sheet = workbook.add_worksheet();
        sheet.set_name(name).unwrap();
        if !door.is_empty() {
            for (column, title) in (0_u16..).zip(["村居", "门牌号", "姓名"]) {
                sheet.write_string(0, column, title).unwrap();
            }
            for (column, cell) in (0_u16..).zip(["狼垡一村", door, "甲"]) {
                sheet.write_string(1, column, cell).unwrap();
            }
        }
    }
    let bytes = workbook.save_to_buffer().unwrap();
    let regions = regions();
    let mut reading = Reading::new(&regions);
    let doors = |ledger: &Ledger| -> Vec<String> {
        ledger.households.iter().filter_map(|one| one.household.address.clone()).collect()
    };
    let first = reading.bytes(&bytes).unwrap();
    assert_eq!((doors(&first), first.summary.sheet.as_deref()), (vec!["1号".to_owned()], Some("一组")));
    assert_eq!(first.summary.sheets_left_out, ["二组", "三组"], "neither the empty one nor the template's own");
    reading.sheet = Some("三组".into());
    let third = reading.bytes(&bytes).unwrap();
    assert_eq!(
        (doors(&third), third.summary.sheets_left_out),
        (vec!["3号".to_owned()], vec!["一组".into(), "二组".into()])
    );
    reading.sheet = Some("四组".into());
    let error = reading.bytes(&bytes).unwrap_err();
    assert_eq!(error.code(), "sheet_unknown");
    assert!(error.to_string().contains("四组") && error.to_string().contains("一组、二组、三组"), "{error}");
    reading.sheet = Some("空".into());
    assert_eq!(reading.bytes(&bytes).unwrap_err().code(), "empty");
    assert_eq!(reading.bytes("村居,门牌号,姓名\n".as_bytes()).unwrap_err().code(), "no_sheets");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic(kind in 0..3_usize, hits in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..8), cut in any::<u16>()) {
        let csv = town(4);
        let mut bytes = match kind { 0 => as_workbook(&csv), 1 => as_json_lines(&csv), _ => csv };
        for (place, byte) in hits {
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
        }
        if cut % 3 == 0 {
            bytes.truncate(usize::from(cut) % bytes.len());
        }
        let _ = read(&bytes);
    }

    #[test]
    fn any_text_is_refused_or_read(text in "(村居,门牌号,姓名\n)?([村0-9a,\"\n=']{0,80})") {
        let _ = read(text.as_bytes());
    }
}
