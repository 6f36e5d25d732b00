//! Trains the dictionary that entry bodies are compressed with, on what the generated model town writes:
//! `cargo run --release -p townmesh-sim --example train_dictionary -- crdt/data/body.zstd-dictionary`.
//!
//! A dictionary is part of the format: bodies name it by its hash. Train a new one only together with a way to read
//! the old one.

use std::collections::BTreeMap;
use std::error::Error;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use redb::backends::InMemoryBackend;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::change::encode_items;
use townmesh_crdt::command::case::{self, Actor, NewCase};
use townmesh_crdt::command::household::{self, Edit, HouseholdInput};
use townmesh_crdt::command::{device, inspection, town};
use townmesh_crdt::domain::case::{Action, LimitClock, Report, Severity, Source};
use townmesh_crdt::domain::device_event::{Decimal, DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::household::Household;
use townmesh_crdt::domain::inspection::{Answer, Inspection};
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::enrol::{self, Place};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::{Opening, Replica};
use townmesh_crdt::store::Store;
use townmesh_sim::generator::{self, GeneratedHousehold, HUANGCUN_REGIONS};

const NOW: u64 = 1_763_900_000_000;
const HOUSEHOLDS: usize = 3000;
const SIZE: usize = 16 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name the file to write")?;
    let regions = generator::parse_regions(HUANGCUN_REGIONS)?;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut replica = center(&regions, &mut rng)?;
    town::import_regions(&mut replica, &regions, NOW)?;
    for (at, generated) in generator::generate(7, &regions, HOUSEHOLDS).enumerate() {
        live(&mut replica, generated, at, &mut rng)?;
        replica.commit(NOW + at as u64 * 60_000)?;
    }
    let samples = samples(&replica)?;
    let dictionary = zstd::dict::from_samples(&samples, SIZE)?;
    std::fs::write(&path, &dictionary)?;
    let total: usize = samples.iter().map(Vec::len).sum();
    println!("{} samples, {total} bytes; dictionary of {} bytes written to {path}", samples.len(), dictionary.len());
    Ok(())
}

fn center(regions: &[Region], rng: &mut ChaCha8Rng) -> Result<Replica, Box<dyn Error>> {
    let codes: Vec<String> =
        regions.iter().filter_map(|region| Some(region.code?.to_string())).filter(|code| code.len() == 12).collect();
    let founded = enrol::found(&codes, "2025", "2025-11", NOW, rng);
    let place =
        Place { name: "center".into(), role: NodeRole::Center, regions: vec![], carries: vec![], acts_as: None };
    let invite = enrol::invite(&founded.authority, &place, &founded.secrets, NOW, rng)?;
    let joined = enrol::redeem(&invite, rng)?;
    let opening = Opening {
        store: Store::open_backend(InMemoryBackend::new())?,
        identity: joined.identity,
        town: founded.authority.town,
        chain: joined.chain,
        rng: Box::new(ChaCha8Rng::from_rng(rng)),
        expect_data: false,
        beacon_interval: u64::MAX / 2,
    };
    let mut replica = Replica::open(opening, NOW)?;
    replica.keep_secrets(&invite.secrets);
    replica.record_statements(founded.statements, NOW)?;
    replica.commit(NOW)?;
    Ok(replica)
}

/// What happens to one household: entered, inspected, edited; now and then a case and a sensor nearby.
fn live(
    replica: &mut Replica,
    generated: GeneratedHousehold,
    at: usize,
    rng: &mut ChaCha8Rng,
) -> Result<(), Box<dyn Error>> {
    let now = NOW + at as u64 * 60_000;
    let region = generated.household.region.ok_or("a household without a region")?;
    let namespace = Namespace::registry(&region.to_string());
    let input = HouseholdInput { household: generated.household, residents: generated.residents };
    let document = household::record(replica, &input, Lane::Work, now)?.into_value().document;
    replica.commit(now)?;
    if at.is_multiple_of(3) {
        let answers: BTreeMap<u16, Answer> = (1..=12)
            .map(|item| (item, if rng.next_u32().is_multiple_of(16) { Answer::Hazard } else { Answer::Ok }))
            .collect();
        let by = format!("inspector-{}", rng.next_u32() % 200);
        let visit = Inspection {
            household: document,
            by,
            time_ms: now as i64,
            checklist: 1,
            answers,
            note: None,
            photos: vec![],
            position: input.household.position,
        };
        inspection::record(replica, &namespace, &visit, now)?;
        let set = Household { rooms: Some((rng.next_u32() % 9) as u16), ..Household::default() };
        household::edit_household(replica, &namespace, document, &Edit { set, ..Edit::default() }, now)?;
        replica.commit(now)?;
    }
    if at.is_multiple_of(7) {
        let reporter = Actor { by: format!("clerk-{}", rng.next_u32() % 50), role: Role::IntakeClerk, note: None };
        let report = Report {
            source: Source::Public,
            category: Some("exposed_rubbish".into()),
            place: "村口".into(),
            position: None,
            description: "垃圾堆放".into(),
            region: None,
            device: None,
            reporter: None,
            photos: vec![],
            found_ms: None,
        };
        let new = NewCase { region, natural_key: None, noticed: now, report, reporter: None };
        let case = case::report(replica, &reporter, new, now)?.into_value();
        replica.commit(now)?;
        case::act(replica, &case, &reporter, Action::Accept, now)?;
        replica.commit(now)?;
        let head = Actor { by: "head-1".into(), role: Role::DutyHead, note: None };
        let file = Action::File {
            category: "exposed_rubbish".into(),
            severity: Severity::General,
            minutes: 480,
            clock: LimitClock::Working,
        };
        case::act(replica, &case, &head, file, now)?;
        replica.commit(now)?;
    }
    let reading = Decimal::new(i64::from(rng.next_u32() % 400), 1).ok_or("scale")?;
    let events: Vec<DeviceEvent> = (0..1 + at % 40)
        .map(|beat| DeviceEvent {
            device: format!("mqtt:smoke-{}", at % 60),
            time_ms: (now + beat as u64 * 15_000) as i64,
            kind: "temperature".into(),
            key: EventKey::Time,
            value: EventValue::Number(reading),
            alarm: false,
        })
        .collect();
    device::record_events(replica, region, events, now)?;
    Ok(())
}

/// Each item as a body of its own: what a single edit looks like before compression.
fn samples(replica: &Replica) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut samples = Vec::new();
    for (id, number) in replica.store().namespaces()? {
        for (document, _) in replica.documents(id, None, usize::MAX)? {
            for stored in replica.store().items(number, document)? {
                samples.push(encode_items(&[stored.item]));
            }
        }
    }
    Ok(samples)
}
