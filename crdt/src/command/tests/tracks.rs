//! Tracks: recorded by a unit, read by the centers and by it alone.

use super::*;
use crate::command::track::{self, Fix, TrackRecord};
use crate::command::{CommandError, Outcome};
use crate::domain::columns::Time;
use crate::domain::position::Position;
use crate::domain::track::{MAX_POINTS, SealedTrack, natural_key};
use crate::policy::DocumentKind;

fn fix(second: i64) -> Fix {
    let position = Position::from_degrees(39.7 + second as f64 * 1e-4, 116.3).unwrap();
    Fix { time: Time(NOW.cast_signed() + second * 1_000), position }
}

fn record(replica: &mut Replica, seconds: std::ops::Range<i64>) -> track::TrackRecorded {
    let fixes: Vec<Fix> = seconds.map(fix).collect();
    let outcome = track::record(replica, langfa(), &fixes, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome.into_value()
}

fn events() -> Namespace {
    Namespace::events(LANGFA, "2025-11")
}

fn read(replica: &mut Replica, document: DocumentId) -> Option<TrackRecord> {
    track::read(replica, &events(), document).unwrap()
}

#[test]
fn the_center_reads_where_a_unit_was_and_another_office_does_not() {
    let mut town = Town::new(90);
    // The offices know each other, and still nothing is sealed to the other one.
    town.meet();
    let done = record(&mut town.one, 0..30);
    assert_eq!((done.stored, done.repeated, done.documents.len()), (30, 0, 1));
    let again = record(&mut town.one, 20..40);
    assert_eq!((again.stored, again.repeated), (10, 10), "a batch that is sent again adds nothing");
    town.meet();
    let document = done.documents[0];
    for replica in [&mut town.one, &mut town.center] {
        let track = read(replica, document).unwrap();
        assert_eq!((track.points.len(), track.unreadable), (40, 0));
        assert!(track.points.windows(2).all(|pair| pair[0].time_s < pair[1].time_s));
    }
    assert_eq!(read(&mut town.two, document), None, "it holds the records and cannot open them");
    let held = town.two.records(town.two.namespace_id(&events()), document).unwrap();
    assert_eq!(held.len(), 2);
    // Nothing of the place stands in what it holds.
    let latitude = 3_970_000_i32.to_le_bytes();
    assert!(held.iter().all(|record| record.bytes.windows(4).all(|window| window != latitude)));
    let node = town.one.node();
    assert_eq!(read(&mut town.center, document).unwrap().node, node);
}

#[test]
fn a_track_that_somebody_else_puts_into_a_unit_s_day_counts_for_nothing() {
    let mut town = Town::new(91);
    let done = record(&mut town.one, 0..3);
    town.meet();
    let document = done.documents[0];
    // The other office seals points of its own under the same document.
    let points = [crate::domain::track::TrackPoint::new(NOW.cast_signed() + 9_000, fix(9).position)];
    let sealed = town.two.seal_for_centers(document, &crate::domain::track::encode(&points)).unwrap();
    let put = |replica: &mut Replica, document, sealed: &SealedTrack| {
        let lane = crate::entry::Lane::Telemetry;
        replica.put(&events(), DocumentKind::Track, document, sealed.to_bytes(), lane, NOW).unwrap();
        replica.commit(NOW).unwrap();
    };
    put(&mut town.two, document, &sealed);
    // And moves what the first one sealed to a day of its own.
    let held = town.two.records(town.two.namespace_id(&events()), document).unwrap();
    let stolen = SealedTrack::from_bytes(&held.iter().find(|record| record.author == town.one.node()).unwrap().bytes);
    let day = points[0].day();
    let own_key = natural_key(town.two.node(), day);
    let own = town.two.document_id(&events(), DocumentKind::Track, &own_key).unwrap();
    put(&mut town.two, own, &stolen.unwrap());
    town.meet();
    meet(&mut town.center, &mut town.two);
    let track = read(&mut town.center, document).unwrap();
    assert_eq!((track.points.len(), track.unreadable, track.node), (3, 1, town.one.node()));
    assert_eq!(read(&mut town.center, own), None);
}

#[test]
fn points_that_cannot_be_are_refused_and_nothing_of_them_is_recorded() {
    let mut town = Town::new(92);
    let refused = |town: &mut Town, fixes: &[Fix]| match track::record(&mut town.one, langfa(), fixes, NOW) {
        Err(error) => error.code().to_owned(),
        Ok(outcome) => panic!("{outcome:?}"),
    };
    assert_eq!(refused(&mut town, &[]), "number");
    let many: Vec<Fix> = (0..=MAX_POINTS as i64).map(fix).collect();
    assert_eq!(refused(&mut town, &many), "number");
    let before = Fix { time: Time(-1), ..fix(0) };
    assert_eq!(refused(&mut town, &[fix(0), before]), "time");
    assert_eq!(record(&mut town.one, 0..1).stored, 1);
    let same = track::record(&mut town.one, langfa(), &[fix(0)], NOW).unwrap();
    assert!(matches!(same, Outcome::Unchanged(_)));
    let elsewhere = track::record(&mut town.one, "110115005002".parse().unwrap(), &[fix(0)], NOW);
    assert!(matches!(elsewhere, Err(CommandError::Record(_))), "{elsewhere:?}");
}
