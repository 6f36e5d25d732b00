//! Inputs for the decoders of records and tables.

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::change::Assertion;
use townmesh_crdt::domain::case::{Action, Assignment, CaseEvent, Report, Source};
use townmesh_crdt::domain::device_batch::EventBatch;
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::door_tag::DoorToken;
use townmesh_crdt::domain::inspection::{Answer, Inspection, PhotoHash};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::TableKind;
use townmesh_crdt::domain::track::{self, SealedTrack, TrackPoint};
use townmesh_crdt::id::{DocumentId, RecordId};

use super::{Sample, damaged, hostile_cbor, prolonged, sample};

const TIME: i64 = 1_763_900_000_000;
/// The version byte of immutable values.
const VERSION: [u8; 1] = [1];

pub(super) fn samples() -> Vec<Sample> {
    [inspections(), batches(), personal_data(), case_events(), tables(), tracks(), door_tokens()].concat()
}

/// A version byte and CBOR, right and wrong.
fn versioned(target: &'static str, valid: &[u8]) -> Vec<Sample> {
    let mut newer = valid.to_vec();
    newer.iter_mut().take(1).for_each(|version| *version = 2);
    let mut samples = vec![
        sample(target, "valid-whole", valid),
        sample(target, "version-2", newer),
        sample(target, "version-alone", VERSION),
        sample(target, "map-key-of-4-billion", [1, 0xa1, 0x1a, 0xff, 0xff, 0xff, 0xff, 0x00]),
        sample(target, "null-instead-of-a-map", [1, 0xf6]),
        sample(
            target,
            "array-of-4-billion-in-every-field",
            [&[1, 0xa8][..], &(0..8).flat_map(|field| [field, 0x9a, 0xff, 0xff, 0xff, 0xff]).collect::<Vec<u8>>()]
                .concat(),
        ),
    ];
    samples.extend([damaged(target, valid), prolonged(target, valid), hostile_cbor(target, &VERSION)].concat());
    samples
}

fn inspections() -> Vec<Sample> {
    let inspection = Inspection {
        household: DocumentId([9; 16]),
        by: "inspector-1".into(),
        time_ms: TIME,
        checklist: 1,
        answers: BTreeMap::from([(1, Answer::Ok), (4, Answer::Hazard), (12, Answer::Unknown(900))]),
        note: Some("楼道堆放杂物".into()),
        photos: vec![PhotoHash([3; 32]); 2],
        position: Position::from_e7(397_300_000, 1_163_300_000),
    };
    let mut samples = versioned("inspection", &inspection.encode().expect("it is within its limits"));
    samples.push(sample("inspection", "over-8-kib", [&[1, 0x59, 0x20, 0x01][..], &[0; 0x2001]].concat()));
    samples
}

fn batches() -> Vec<Sample> {
    let event = |number: i64, kind: &str, value: EventValue| DeviceEvent {
        time_ms: TIME + 1_000 * number,
        kind: kind.into(),
        key: if number % 2 == 0 { EventKey::Time } else { EventKey::Sequence(number.unsigned_abs()) },
        value,
        alarm: number % 3 == 0,
        device: "deviceid:7".into(),
    };
    let place = Position::from_e7(397_300_000, 1_163_300_000).map_or(EventValue::Empty, EventValue::Position);
    let events = [
        event(0, "smoke", EventValue::Empty),
        event(1, "temperature", EventValue::Number("-12.50".parse().expect("it is a number"))),
        event(2, "position", place),
        event(3, "note", EventValue::Text("低电量".into())),
    ];
    let valid = EventBatch::new(events).expect("they are of one device").encode();
    let full = EventBatch::new((0..256).map(|number| event(number, "heartbeat", EventValue::Empty)))
        .expect("256 fit")
        .encode();
    let mut samples = [damaged("event_batch", &valid), prolonged("event_batch", &valid)].concat();
    let number = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    samples.extend([
        sample("event_batch", "valid-every-form", valid),
        sample("event_batch", "valid-256-events", full),
        sample("event_batch", "version-2", [2, 1, b'a', 1]),
        sample("event_batch", "device-code-of-2-to-the-64-bytes", [&[1][..], &number, b"a"].concat()),
        sample("event_batch", "2-to-the-64-events", [&[1, 1, b'a'][..], &number, &[1, 1, b'k', 1, 0]].concat()),
        sample("event_batch", "257-events", [1, 1, b'a', 0x81, 0x02, 1, 1, b'k', 1]),
        sample("event_batch", "no-events", [1, 1, b'a', 0, 0, 1]),
        sample("event_batch", "2-to-the-64-kinds", [&[1, 1, b'a', 1][..], &number].concat()),
        sample("event_batch", "number-that-never-ends", [&[1][..], &[0x80; 64]].concat()),
        sample("event_batch", "unit-of-0", [1, 1, b'a', 1, 1, 1, b'k', 0, 0]),
        sample("event_batch", "device-code-that-is-not-utf8", [1, 2, 0xc3, 0x28, 1, 1, 1, b'k', 1, 0, 0, 0, 0]),
    ]);
    samples
}

fn tracks() -> Vec<Sample> {
    let point = |second: i64, east: i32| {
        let at = Position::from_e7(397_300_000, 1_163_300_000 + east).expect("it is on Earth");
        TrackPoint::new(TIME + second * 1_000, at)
    };
    let valid = track::encode(&[point(0, 0), point(10, 9_000), point(20, -9_000)]);
    let number = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let mut samples = [damaged("track", &valid), prolonged("track", &valid)].concat();
    samples.extend([
        sample("track", "valid-three-points", valid.clone()),
        sample("track", "version-2", [&[2][..], &valid[1..]].concat()),
        sample("track", "no-points", [1, 0]),
        sample("track", "2-to-the-64-points", [&[1][..], &number].concat()),
        sample("track", "2049-points", [&[1, 0x81, 0x10][..], &[0; 2049 * 3]].concat()),
        sample("track", "two-points-at-one-moment", [1, 2, 0, 0, 0, 0, 0, 0]),
        sample("track", "beyond-the-pole", [&[1, 1, 0][..], &[0x80, 0x80, 0x80, 0x80, 0x10], &[0]].concat()),
        sample("track", "valid-time-before-the-world", [&[1, 1][..], &number, &[0, 0]].concat()),
    ]);
    let sealed = SealedTrack { ephemeral: [7; 32], shares: vec![([3; 32], vec![5; 48])], sealed: vec![9; 40] };
    let valid = sealed.to_bytes();
    samples.extend([damaged("sealed_track", &valid), prolonged("sealed_track", &valid)].concat());
    samples.extend(hostile_cbor("sealed_track", &[0x84, 0x01, 0x58, 0x20]));
    let nobody = SealedTrack { shares: vec![], ..sealed.clone() };
    let many = SealedTrack { shares: vec![([3; 32], vec![]); 65], ..sealed };
    samples.extend([
        sample("sealed_track", "valid-one-recipient", valid),
        sample("sealed_track", "no-recipient", nobody.to_bytes()),
        sample("sealed_track", "65-recipients", many.to_bytes()),
    ]);
    samples
}

fn personal_data() -> Vec<Sample> {
    let person = |name: &str, id_number: &str, phone: &str| {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let data = PersonalData { name: name.into(), id_number: known(id_number), phone: known(phone) };
        data.encode().expect("it is within its limits")
    };
    let version = person("", "", "");
    let header = version.first().copied().unwrap_or_default();
    let id_form = |form: u8| person("", if form == 1 { "11010519491231002X" } else { "E1234" }, "");
    let mut samples = vec![
        sample("personal_data", "valid-everything-packed", person("测试", "11010519491231002X", "13800000000")),
        sample("personal_data", "valid-everything-raw", person("Name", "E1234", "no phone")),
        sample("personal_data", "valid-nothing-known", version.clone()),
        sample("personal_data", "empty", []),
        sample("personal_data", "name-of-half-a-character", [&person("测", "", "")[..], &[0x6d]].concat()),
        sample("personal_data", "name-of-a-lone-surrogate", [&person("测", "", "")[..], &[0xd8, 0x00]].concat()),
        sample("personal_data", "name-that-is-not-utf8", [header, 0xc3, 0x28]),
        sample("personal_data", "name-over-the-limit", [&[header][..], &[b'a'; 201]].concat()),
        sample("personal_data", "short-name-as-long-characters", [&person("测", "", "")[..1], &[0, b'a']].concat()),
    ];
    for form in [1, 2] {
        let bytes = id_form(form);
        samples.push(sample("personal_data", &format!("id-number-of-form-{form}-cut-off"), &bytes[..bytes.len() - 1]));
    }
    samples.extend(
        (0..8_u8)
            .filter(|version| *version != header >> 5)
            .map(|version| sample("personal_data", &format!("version-{version}"), [version << 5])),
    );
    samples
}

pub(super) fn case_event(action: Action, seen: &[RecordId]) -> Vec<u8> {
    let event = CaseEvent {
        case: DocumentId([9; 16]),
        by: "account".into(),
        role: Role::from_code(1),
        seen: seen.iter().copied().collect::<BTreeSet<_>>(),
        note: Some("已核实".into()),
        action,
        rules: None,
        restates: None,
    };
    event.to_bytes().expect("it is within its limits")
}

pub(super) fn report() -> Action {
    Action::Report(Box::new(Report {
        source: Source::Patrol,
        category: Some("environment".into()),
        place: "东街".into(),
        position: Position::from_e7(397_300_000, 1_163_300_000),
        description: "暴露垃圾".into(),
        region: "110115005001".parse().ok(),
        device: None,
        reporter: None,
        photos: vec![[3; 32].into()],
        found_ms: None,
    }))
}

fn case_events() -> Vec<Sample> {
    let mut samples = versioned("case_event", &case_event(report(), &[RecordId([1; 16])]));
    let orders = vec![Assignment { team: "team".into(), task: "清理".into() }; 3];
    let dispatch = case_event(Action::Dispatch { orders, lead: 2 }, &[]);
    let mut no_lead = dispatch.clone();
    no_lead.iter_mut().rev().take(1).for_each(|lead| *lead = 3);
    samples.extend([
        sample("case_event", "valid-dispatch", dispatch),
        sample("case_event", "valid-accept", case_event(Action::Accept, &[])),
        sample("case_event", "lead-that-is-no-order", no_lead),
        sample("case_event", "over-16-kib", [&[1, 0x59, 0x40, 0x01][..], &[0; 0x4001]].concat()),
        sample(
            "case_event",
            "member-without-a-name",
            [&[1, 0xa5, 0, 0x50][..], &[9; 16], &[1, 0x60, 2, 1, 3, 0x80, 5, 0x82, 4, 0xa0]].concat(),
        ),
    ]);
    samples
}

fn tables() -> Vec<Sample> {
    let mut samples = vec![];
    for kind in TableKind::ALL {
        let mut script = vec![];
        for (place, fields) in kind.defaults().into_iter().enumerate() {
            let assertion = Assertion { record: vec![], fields, supersedes: BTreeSet::new() };
            let bytes = assertion.value_bytes();
            let length = u16::try_from(bytes.len()).expect("a row is short").to_be_bytes();
            script.extend([&[kind.code() as u8, place as u8][..], &length, &bytes].concat());
        }
        if !script.is_empty() {
            samples.push(sample("town_tables", &format!("valid-{kind}"), script));
        }
    }
    samples
}

/// A token as bytes and as texts. Decoding does not look at its signature, so any will do.
fn door_tokens() -> Vec<Sample> {
    let target = "door_token";
    let head: &[&[u8]] = &[&[1, 0xaa, 0xbb, 0xcc, 0xdd], &110_115_005_001_u64.to_be_bytes()[3..], &[7; 16], &[9; 5]];
    let valid = [head.concat(), vec![0x5a; 64]].concat();
    let token = DoorToken::from_bytes(&valid).expect("it has the form of one").to_string();
    let with = |place: usize, bytes: &[u8]| {
        let mut altered = valid.clone();
        altered.splice(place..place + bytes.len(), bytes.iter().copied());
        altered
    };
    let mut samples = vec![
        sample(target, "valid-bytes", valid.as_slice()),
        sample(target, "valid-text", token.as_bytes()),
        sample(target, "valid-text-in-small-letters", token.to_lowercase()),
        sample(target, "valid-address-of-a-page", format!("https://example.org/d/{token}")),
        sample(target, "version-2", with(0, &[2])),
        sample(target, "region-0", with(5, &[0; 5])),
        sample(target, "region-with-zeros-at-its-end", with(5, &110_115_005_000_u64.to_be_bytes()[3..])),
        sample(target, "region-beyond-12-digits", with(5, &[0xff; 5])),
        sample(target, "text-that-ends-too-early", &token[..90]),
        sample(target, "text-with-a-letter-that-is-not-in-the-alphabet", token.replace('0', "U")),
        sample(target, "text-in-full-width-letters", "Ａ".repeat(152)),
        sample(target, "number-beneath-a-tag", "7K3-9XQ-2PAD"),
    ];
    samples.extend([damaged(target, &valid), prolonged(target, &valid)].concat());
    samples
}
