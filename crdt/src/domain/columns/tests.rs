use proptest::prelude::*;

use super::*;
use crate::domain::position::Position;
use crate::domain::record::Scalar;

#[test]
fn a_time_is_read_as_the_town_s_clock_or_as_a_number() {
    let read = |text: &str| Time::parse(text).map(|time| time.0);
    assert_eq!(read("2026-10-01 08:30"), Ok(1_790_814_600_000));
    assert_eq!(read("2026/10/1 8:30:05"), Ok(1_790_814_605_000));
    assert_eq!(read("2026-10-01T08：30"), Ok(1_790_814_600_000));
    assert_eq!(read("1790814600000"), Ok(1_790_814_600_000));
    assert_eq!(read("2026-10-01 08:30:05.250"), Ok(1_790_814_605_250));
    assert_eq!(Time(1_790_814_600_000).words()[1], "2026-10-01 08:30", "nobody reads seconds that are none");
    assert_eq!(read("1970-01-01 07:59"), Err(Fault::Time));
    assert_eq!(read("253402300800000"), Err(Fault::Time));
    for wrong in [
        "2026-10-01",
        "2026-10-01 24:00",
        "2026-10-01 8:60",
        "2026-02-30 08:00",
        "2026-10-01 08:00:00:00",
        "2026-10-01 08:00:00.5",
        "now",
    ] {
        assert!(matches!(read(wrong), Err(Fault::Form { .. })), "{wrong}");
    }
}

proptest! {
    #[test]
    fn what_a_cell_shows_it_reads(millis in 0_i64..=253_000_000_000_000, latitude in -900_000_000..=900_000_000, longitude in -1_800_000_000..=1_800_000_000) {
        let time = Time(millis);
        for words in time.words() {
            prop_assert_eq!(Time::parse(&words), Ok(time));
        }
        prop_assert_eq!(Time::from_value(&time.to_value()), Some(time));
        if let Some(place) = Position::from_e7(latitude, longitude) {
            prop_assert_eq!(<Position as Cell>::parse(&place.words()[0]), Ok(place));
        }
    }

    #[test]
    fn no_text_makes_a_cell_panic(text in ".{0,40}") {
        let _ = (Time::parse(&text), <Position as Cell>::parse(&text), Lines::parse(&text));
    }
}
