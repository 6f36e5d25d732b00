//! Requests that are carried out once, whatever comes between.

use super::super::tests::edit;
use super::*;

const WEEK: Millis = 7 * 24 * 60 * 60 * 1000;

fn asked(key: &str, what: &str) -> Request {
    Request::new(key, &[b"POST", what.as_bytes()])
}

fn became(replica: &Replica, key: &str, what: &str) -> Carried {
    replica.carried_out(&asked(key, what)).unwrap()
}

#[test]
fn what_is_noted_stands_and_falls_with_what_was_recorded() {
    let mut town = Town::new(340);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    assert_eq!(became(center.replica(), "k", "one"), Carried::Not);
    center.replica().note_request(&asked("k", "one"), NOW);
    assert_eq!(became(center.replica(), "k", "one"), Carried::Out(None), "also before it is durable");
    // The power fails before the commit.
    center.reopen(&mut town.rng, NOW);
    assert_eq!(became(center.replica(), "k", "one"), Carried::Not);
    center.replica().note_request(&asked("k", "one"), NOW);
    edit(center.replica(), LANGFA, "1", "x");
    center.reopen(&mut town.rng, NOW);
    assert_eq!(became(center.replica(), "k", "one"), Carried::Out(None));
    assert_eq!(became(center.replica(), "k", "two"), Carried::Another);
    assert_eq!(became(center.replica(), "l", "one"), Carried::Not);
    center.replica().note_answer(&asked("k", "one"), b"answer", NOW).unwrap();
    center.replica().commit(NOW).unwrap();
    center.reopen(&mut town.rng, NOW);
    assert_eq!(became(center.replica(), "k", "one"), Carried::Out(Some(b"answer".to_vec())));
    center.replica().note_answer(&asked("k", "one"), b"other", NOW).unwrap();
    assert_eq!(became(center.replica(), "k", "one"), Carried::Out(Some(b"answer".to_vec())), "it is answered once");
}

#[test]
fn requests_are_forgotten_after_a_week_and_their_answers_are_sealed() {
    let mut town = Town::new(341);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let answer = b"a word that stands nowhere else";
    center.replica().note_request(&asked("old", "one"), NOW);
    center.replica().commit(NOW).unwrap();
    center.replica().note_answer(&asked("old", "one"), answer, NOW).unwrap();
    center.replica().commit(NOW).unwrap();
    let mut bytes = vec![0; center.disk.len().unwrap() as usize];
    center.disk.read(0, &mut bytes).unwrap();
    assert!(!bytes.windows(answer.len()).any(|part| part == answer), "it stands on the disk in clear");
    for number in 0..1_500 {
        center.replica().note_request(&asked(&number.to_string(), "one"), NOW + WEEK + 1);
        center.replica().commit(NOW + WEEK + 1).unwrap();
    }
    assert_eq!(became(center.replica(), "old", "one"), Carried::Not);
    assert_eq!(became(center.replica(), "0", "one"), Carried::Out(None));
}
