//! Wrong usage ends with 2, wherever it is written.

use super::*;

fn exit_code(line: &str) -> i32 {
    match parse(line) {
        Err(error) => error.exit_code(),
        Ok(_) => run(line).map_or_else(|failure| i32::from(failure.code), |_| 0),
    }
}

#[test]
fn wrong_values_of_flags_end_with_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    for line in [
        "run --http bad",
        "run --listen bad",
        "run --peer bad",
        "run --relay maybe",
        "run --beacon-interval-seconds 0",
        "run --log-filter ===",
        "run --http 0.0.0.0:8470",
        "run --http [::]:8470 --http-beyond-loopback false",
        "invite --name v --role village --region 110115005001 --authority k --out i --peer bad",
        "join i --listen bad",
        "export --out x.pdf",
        "export cases --out x.pdf",
        "export --region 110115005001 cases --out x.csv",
        "export case 410-ZYP-76KT --reason x --out x.zip",
        "map tracks --out x",
        "verify x.zip --peers",
        "verify x.zip --town 123",
        "order sheet 1",
        "order convey 410-ZYP-76KS --by a --role dispatcher --means pigeon --to b",
        "order convey 410-ZYP-76KS --by a --role dispatcher --means phone --to b --at 25:00",
        "demo --households 5",
        "household edit 1",
        "household edit 00000000000000000000000000000000 --set {",
        "household edit 00000000000000000000000000000000 --resident 1",
        "hazard list --state lost",
        "hazard step 00000000000000000000000000000000 forget --by a",
        "hazard link 00000000000000000000000000000000 --case 1",
        "household record --file f --region 110115005001",
        "household record --file f --note x",
        "household record --file f --resident name=x",
        "inspection record --file f --checklist 2",
        "inspection record --file f --photo p",
        "event record --region 110115005001 --file f --alarm",
    ] {
        assert_eq!(exit_code(&format!("townmesh {line} --data-dir {path}")), 2, "{line}");
    }
    let mapping = Message::new("mapping", "", "");
    assert_eq!(Failure::from(mapping).code, 2, "import --map foo, which the node looks at");
}

#[test]
fn a_file_goes_alone_or_the_flags_without_it() {
    for line in [
        "export --out x.csv --region 110115005001",
        "export --data-dir d cases --out x.csv --open true",
        "household record --file f",
        "household record --region 110115005001 --address 1 --note x",
        "inspection record --file f",
        "event record --region 110115005001 --file f",
    ] {
        assert!(parse(&format!("townmesh {line}")).is_ok(), "{line}");
    }
}

#[test]
fn an_open_http_address_has_to_be_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let open = format!("townmesh run --http 0.0.0.0:0 --data-dir {path}");
    assert_eq!(code_of(run(&open)), "http_beyond_loopback");
    assert_eq!(code_of(run(&format!("{open} --http-beyond-loopback"))), "no_identity", "asked for");
    std::fs::write(directory.path().join("townmesh.toml"), "http_beyond_loopback = true").unwrap();
    assert_eq!(code_of(run(&open)), "no_identity", "asked for in the file");
}

#[test]
fn usage_errors_are_told_in_json_too() {
    for (line, zh, en) in [
        ("status --wait abc", "--wait", "--wait"),
        ("status --wiat 3", "--wiat", "--wiat"),
        ("nonsense", "nonsense", "nonsense"),
        ("delivery x", "x", "x"),
        ("revoke", "缺少", "required"),
    ] {
        let message = crate::cli::usage::message(&parse(&format!("townmesh {line} --json")).unwrap_err());
        assert_eq!(message.code, "usage");
        assert!(message.zh.contains(zh) && message.en.contains(en), "{line}: {message}");
        assert!(message.remedy.is_some() && !message.en.contains('\n'), "{line}: {message}");
    }
}

#[test]
fn a_demo_without_its_judge_ends_before_it_begins() {
    assert_eq!(code_of(run("townmesh demo --script outage --exit")), "verdict_missing");
}

#[test]
fn wrong_values_in_a_file_end_with_code_2_and_name_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("townmesh.toml");
    for (text, key) in [("http = 'bad'", "http"), ("lissten = []", "lissten"), ("log_filter = '==='", "log_filter")] {
        std::fs::write(&path, text).unwrap();
        let failure = run(&format!("townmesh status --data-dir {}", directory.path().display())).unwrap_err();
        let message = failure.message;
        assert_eq!(failure.code, 2, "{message}");
        assert!(message.zh.contains("townmesh.toml") && message.en.contains("townmesh.toml"), "{message}");
        assert!(message.en.contains(key) && message.remedy.is_some(), "{message}");
    }
    let failure = run(&format!("townmesh run --http bad --data-dir {}", path.display())).unwrap_err();
    assert!(failure.message.zh.contains("--http") && failure.message.en.contains("--http"), "{}", failure.message);
}

#[test]
fn scopes_that_a_role_does_not_have_are_refused() {
    for line in [
        "--role center --region 110115005001",
        "--role center --carry 110115005001",
        "--role carrier",
        "--role village --carry 110115005001",
    ] {
        assert_eq!(exit_code(&format!("townmesh invite --name v {line} --authority k --out i")), 2, "{line}");
    }
}

#[test]
fn a_table_of_regions_says_in_both_languages_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let head = "code,name,kind,parent";
    let town = "110115005000,黄村地区,town,110115000000";
    for (table, point) in [
        (format!("{head}\n{town}\n"), "村"),
        (format!("{head}\n{town}\n{town}\n"), "第 3 行"),
        (format!("{head}\n110115005000\n"), "第 2 行"),
        (format!("{head}\nx,黄村,town,110115000000\n"), "第 2 行"),
        ("x\n".to_owned(), "第 1 行"),
    ] {
        std::fs::write(at("regions.csv"), &table).unwrap();
        let line =
            format!("townmesh town create --regions {0} --out {1} --data-dir {2}", at("regions.csv"), at("k"), at("d"));
        let message = run(&line).unwrap_err().message;
        assert_eq!(message.code, "regions", "{message}");
        assert!(message.zh.contains(point), "{table}: {message}");
    }
}

#[test]
fn a_pack_is_looked_at_without_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let (path, nowhere) = (directory.path().join("case.zip"), directory.path().join("none"));
    let line = format!("townmesh verify {} --data-dir {}", path.display(), nowhere.display());
    assert!(run(&line).is_err(), "there is no such file");
    std::fs::write(&path, b"PK no pack").unwrap();
    assert_eq!(run(&line).ok(), Some(ExitCode::from(FAILED)));
    assert!(!nowhere.exists());
}
