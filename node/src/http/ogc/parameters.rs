//! What may be asked of the features: each parameter once, and none that is not known (OGC 17-069r4, 7.15).

use townmesh_crdt::domain::position::Position;

use super::super::error::ApiError;
use crate::message::Message;
use crate::moment::Moment;
use crate::views::{BoundingBox, FeatureFilter, MAX_FEATURES, Page};

/// Which features of a collection.
#[derive(Debug, Default)]
pub(super) struct ItemQuery {
    pub(super) filter: FeatureFilter,
    pub(super) page: Page,
    /// Why; only tracks ask for it.
    pub(super) reason: Option<String>,
    /// As they came, for the link to the next page.
    pairs: Vec<(String, String)>,
}

impl ItemQuery {
    /// Reads the parameters; `region` only where the collection has regions.
    pub(super) fn read(pairs: Vec<(String, String)>, has_regions: bool) -> Result<Self, ApiError> {
        let mut query = Self::default();
        for (name, value) in &pairs {
            if pairs.iter().filter(|(other, _)| other == name).count() > 1 {
                return Err(wrong(name, "不能重复", "is given twice"));
            }
            match name.as_str() {
                "bbox" => query.filter.bounds = Some(bounding_box(value)?),
                "datetime" => (query.filter.from_ms, query.filter.until_ms) = interval(value)?,
                "limit" => query.page.limit = Some(limit(value)?),
                "after" => query.page.after = Some(value.clone()),
                "reason" => query.reason = Some(value.clone()),
                "region" if has_regions => {
                    let wrong = |_| wrong(name, "须为 12 位或更短的区划代码", "must be the code of a region");
                    query.filter.region = Some(value.parse().map_err(wrong)?);
                }
                _ => return Err(wrong(name, "不是本接口的参数", "is no parameter of this path")),
            }
        }
        query.pairs = pairs;
        Ok(query)
    }

    /// The query of the page that begins there.
    pub(super) fn after(&self, cursor: &str) -> String {
        let same = self.pairs.iter().filter(|(name, _)| name != "after");
        let pairs = same.map(|(name, value)| (name.as_str(), value.as_str())).chain([("after", cursor)]);
        pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect::<Vec<_>>().join("&")
    }
}

/// What any path takes: GIS programs put what stands in the address of the map behind every path of it.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Stated {
    /// Why; only tracks ask for it.
    pub(super) reason: Option<String>,
}

/// A text as it stands in the path or the query of a URL (RFC 3986, 2.3: unreserved characters stay).
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

fn wrong(name: &str, zh: &str, en: &str) -> ApiError {
    // Only the beginning of what might be long.
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    ApiError::bad_request(Message::new("query", format!("参数 {name} {zh}"), format!("the parameter {name} {en}")))
}

/// At least one; more than a page holds is as many as it holds.
fn limit(text: &str) -> Result<u32, ApiError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().unwrap_or(MAX_FEATURES);
    if is_number && number > 0 {
        Ok(number)
    } else {
        Err(wrong("limit", "须为正整数", "must be a positive number"))
    }
}

/// `west,south,east,north` in degrees; with heights, which count for nothing, third and sixth. A box whose west lies
/// east of its east crosses the 180th meridian.
fn bounding_box(text: &str) -> Result<BoundingBox, ApiError> {
    let degrees: Option<Vec<f64>> = text.split(',').map(|one| one.trim().parse().ok()).collect();
    let corners = match degrees.as_deref() {
        Some([west, south, east, north] | [west, south, _, east, north, _]) if south <= north => {
            Position::from_degrees(*south, *west).zip(Position::from_degrees(*north, *east))
        }
        _ => None,
    };
    let (southwest, northeast) = corners.ok_or_else(|| {
        wrong("bbox", "须为 西,南,东,北（度）", "must be west,south,east,north in degrees, south not above north")
    })?;
    Ok(BoundingBox { southwest, northeast })
}

/// A moment, or two with `/` between them of which one may be open (`..` or nothing): from the first millisecond on, and
/// before the last one.
fn interval(text: &str) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let refuse = || {
        let zh = "须为时刻或时段，如 2026-11-27T08:00:00+08:00/..";
        wrong("datetime", zh, "must be a moment or an interval such as 2026-11-27T08:00:00+08:00/..")
    };
    let moment = |text: &str| match text {
        "" | ".." => Ok(None),
        // In a URL a plain + is a space.
        text => text.replace(' ', "+").parse().map(|Moment(millis)| Some(millis)).map_err(|_| refuse()),
    };
    let (from, to) = match text.split_once('/') {
        Some((from, to)) => (moment(from)?, moment(to)?),
        None => (moment(text)?, moment(text)?),
    };
    match (from, to) {
        (None, None) => Err(refuse()),
        (Some(from), Some(to)) if from > to => Err(refuse()),
        // What happens at the end itself is within.
        (from, to) => Ok((from, to.map(|to| to.saturating_add(1)))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ItemQuery, ApiError> {
        ItemQuery::read(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(), true)
    }

    #[test]
    fn an_interval_holds_both_its_ends_and_may_be_open_at_one() {
        assert_eq!(interval("1970-01-01T00:00:01Z").unwrap(), (Some(1000), Some(1001)));
        assert_eq!(interval("1970-01-01T08:00:01 08:00").unwrap(), (Some(1000), Some(1001)));
        assert_eq!(interval("1970-01-01T00:00:01Z/1970-01-01T00:00:02Z").unwrap(), (Some(1000), Some(2001)));
        assert_eq!(interval("../1970-01-01T00:00:02Z").unwrap(), (None, Some(2001)));
        assert_eq!(interval("1970-01-01T00:00:01Z/").unwrap(), (Some(1000), None));
        for wrong in ["", "..", "../..", "/", "1970-01-01T00:00:02Z/1970-01-01T00:00:01Z", "a/b/c", "1970"] {
            assert!(interval(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_box_has_four_numbers_or_six_and_lies_on_earth() {
        let flat = bounding_box("116.3,39.7,116.4,39.8").unwrap();
        assert_eq!(flat.southwest.e7(), (397_000_000, 1_163_000_000));
        assert_eq!(bounding_box("116.3,39.7,0,116.4,39.8,900").unwrap(), flat);
        assert!(bounding_box("179,-10,-179,10").is_ok());
        for wrong in
            ["", "1,2,3", "1,2,3,4,5", "116.3,39.8,116.4,39.7", "0,0,181,1", "NaN,0,1,1", "a,b,c,d", "0,0,1,1,"]
        {
            assert!(bounding_box(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_limit_is_positive_and_too_large_ones_are_as_large_as_can_be() {
        assert_eq!(read(&[("limit", "7")]).unwrap().page.limit, Some(7));
        assert_eq!(read(&[("limit", "99999999999999999999")]).unwrap().page.limit, Some(MAX_FEATURES));
        for wrong in ["", "0", "-1", "+1", "1.5", "ten"] {
            assert!(read(&[("limit", wrong)]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_unknown_or_given_twice_is_refused() {
        assert!(read(&[("colour", "red")]).is_err());
        assert!(read(&[("limit", "1"), ("limit", "1")]).is_err());
        assert!(read(&[("region", "town")]).is_err());
        assert!(ItemQuery::read(vec![("region".into(), "110115".into())], false).is_err());
    }

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let query =
            read(&[("bbox", "1,2,3,4"), ("after", "old"), ("datetime", "../2026-11-27T08:00:00+08:00")]).unwrap();
        assert_eq!(
            query.after("n w"),
            "bbox=1%2C2%2C3%2C4&datetime=..%2F2026-11-27T08%3A00%3A00%2B08%3A00&after=n%20w"
        );
    }

    proptest! {
        #[test]
        fn any_parameters_are_read_or_refused(
            pairs in proptest::collection::vec(("(bbox|datetime|limit|region|after|\\PC{0,8})", "\\PC{0,30}"), 0..4),
        ) {
            let _ = ItemQuery::read(pairs, true);
        }
    }
}
