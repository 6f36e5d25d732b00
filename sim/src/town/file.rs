//! The file as it is written, and its way to a [`Town`].

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use serde::Deserialize;
use toml::Spanned;
use townmesh_crdt::domain::region::{RegionCode, RegionLevel};

use super::{Place, Rates, Route, Site, Stop, Town, TownError, Vehicle, Window, Wrong, read_clock, read_window};

/// Most nodes of a town.
const MAX_NODES: usize = 2_000;
/// Metres that a map may reach in each direction.
const MAP: RangeInclusive<i64> = -200_000..=200_000;
const RATE: RangeInclusive<i64> = 1..=1_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TownFile {
    town: Head,
    region: Vec<RegionRow>,
    node: Vec<NodeRow>,
    #[serde(default)]
    vehicle: Vec<VehicleRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: Spanned<String>,
    radio_radius_m: Option<Spanned<i64>>,
    vehicles_meet: Option<bool>,
    wire_bytes_per_s: Option<Spanned<i64>>,
    radio_bytes_per_s: Option<Spanned<i64>>,
    mobile_bytes_per_s: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionRow {
    code: Spanned<String>,
    name: Spanned<String>,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum SiteRole {
    Center,
    Village,
}

#[derive(Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Crew {
    Patrol,
    Carrier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeRow {
    name: Spanned<String>,
    role: SiteRole,
    region: Option<Spanned<String>>,
    position: [Spanned<i64>; 2],
    #[serde(default)]
    wire: Vec<Spanned<String>>,
    #[serde(default)]
    mobile: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VehicleRow {
    name: Spanned<String>,
    role: Crew,
    region: Option<Spanned<String>>,
    carries: Option<Vec<Spanned<String>>>,
    depot: Spanned<String>,
    speed_m_per_min: Option<Spanned<i64>>,
    #[serde(default)]
    mobile: Vec<Spanned<String>>,
    #[serde(default)]
    route: Vec<RouteRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteRow {
    depart: Spanned<String>,
    stops: Spanned<Vec<StopRow>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopRow {
    node: Spanned<String>,
    dwell_min: Option<Spanned<i64>>,
    arrive: Option<Spanned<String>>,
}

impl Town {
    /// Reads a town file and checks it.
    ///
    /// # Errors
    /// [`TownError`]: the first thing that is wrong, with its line and column.
    pub fn parse(text: &str) -> Result<Self, TownError> {
        let reader = Reader { text };
        let file: TownFile = toml::from_str(text).map_err(|error| {
            let reason = error.message().lines().collect::<Vec<_>>().join(" ");
            reader.wrong(error.span().unwrap_or(0..0), Wrong::Syntax(reason))
        })?;
        reader.town(&file)
    }
}

/// Knows the text, so that each error can name its place.
struct Reader<'a> {
    text: &'a str,
}

type Checked<T> = Result<T, TownError>;

impl Reader<'_> {
    fn wrong(&self, span: Range<usize>, wrong: Wrong) -> TownError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        TownError { line: before.matches('\n').count() + 1, column, wrong }
    }

    fn town(&self, file: &TownFile) -> Checked<Town> {
        let nodes = file.node.len() + file.vehicle.len();
        if nodes > MAX_NODES {
            return Err(self.wrong(0..0, Wrong::TooMany(nodes, MAX_NODES)));
        }
        let regions = self.regions(&file.region)?;
        let mut town = Town {
            name: self.name(&file.town.name)?,
            radius_m: self.number(file.town.radio_radius_m.as_ref(), 450, 10..=20_000)?,
            vehicles_meet: file.town.vehicles_meet.unwrap_or(true),
            rates: Rates {
                wire: self.number(file.town.wire_bytes_per_s.as_ref(), 500_000, RATE)?,
                radio: self.number(file.town.radio_bytes_per_s.as_ref(), 250_000, RATE)?,
                mobile: self.number(file.town.mobile_bytes_per_s.as_ref(), 8_000, RATE)?,
            },
            regions,
            sites: vec![],
            vehicles: vec![],
        };
        let names = self.names(file)?;
        for row in &file.node {
            town.sites.push(self.site(row, &town.regions, &names)?);
        }
        let centers = town.sites.iter().filter(|site| site.region.is_none()).count();
        if centers == 0 || centers == town.sites.len() {
            return Err(self.wrong(0..0, Wrong::Empty));
        }
        for row in &file.vehicle {
            let vehicle = self.vehicle(row, &town, &names)?;
            self.check_routes(row, &vehicle, &town)?;
            town.vehicles.push(vehicle);
        }
        Ok(town)
    }

    fn regions(&self, rows: &[RegionRow]) -> Checked<Vec<(String, String)>> {
        let mut regions: Vec<(String, String)> = Vec::new();
        for row in rows {
            let text = row.code.get_ref();
            let code = text.parse::<RegionCode>().ok().filter(|code| code.level() == RegionLevel::Village);
            let Some(code) = code.map(|code| code.to_string()) else {
                return Err(self.wrong(row.code.span(), Wrong::Code(text.clone())));
            };
            if regions.iter().any(|(known, _)| *known == code) {
                return Err(self.wrong(row.code.span(), Wrong::Twice(code)));
            }
            regions.push((code, self.name(&row.name)?));
        }
        Ok(regions)
    }

    /// Numbers of the sites by name; names of vehicles must differ from them, too.
    fn names(&self, file: &TownFile) -> Checked<BTreeMap<String, usize>> {
        let mut names = BTreeMap::new();
        let all = file.node.iter().map(|row| &row.name).chain(file.vehicle.iter().map(|row| &row.name));
        for (number, name) in all.enumerate() {
            let text = self.name(name)?;
            if names.insert(text.clone(), number).is_some() {
                return Err(self.wrong(name.span(), Wrong::Twice(text)));
            }
        }
        names.retain(|_, number| *number < file.node.len());
        Ok(names)
    }

    fn name(&self, name: &Spanned<String>) -> Checked<String> {
        let text = name.get_ref();
        let fits = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"\"'<>&,=".contains(letter);
        if text.is_empty() || text.chars().count() > 60 || !text.chars().all(fits) {
            return Err(self.wrong(name.span(), Wrong::Name(text.clone())));
        }
        Ok(text.clone())
    }

    fn number(&self, value: Option<&Spanned<i64>>, default: u32, range: RangeInclusive<i64>) -> Checked<u32> {
        let Some(value) = value else { return Ok(default) };
        let number = self.within(value, &range)?;
        Ok(u32::try_from(number).unwrap_or(default))
    }

    fn within(&self, value: &Spanned<i64>, range: &RangeInclusive<i64>) -> Checked<i64> {
        let number = *value.get_ref();
        if range.contains(&number) {
            return Ok(number);
        }
        let wrong = Wrong::Range { value: number, least: *range.start(), greatest: *range.end() };
        Err(self.wrong(value.span(), wrong))
    }

    fn region(&self, code: &Spanned<String>, regions: &[(String, String)]) -> Checked<String> {
        let found = regions.iter().find(|(known, _)| known == code.get_ref());
        found.map(|(code, _)| code.clone()).ok_or_else(|| {
            let known = regions.iter().map(|(code, _)| code.clone()).collect();
            self.wrong(code.span(), Wrong::Region { name: code.get_ref().clone(), known })
        })
    }

    fn node(&self, name: &Spanned<String>, names: &BTreeMap<String, usize>) -> Checked<usize> {
        names.get(name.get_ref()).copied().ok_or_else(|| {
            let known = names.keys().cloned().collect();
            self.wrong(name.span(), Wrong::Node { name: name.get_ref().clone(), known })
        })
    }

    fn windows(&self, texts: &[Spanned<String>]) -> Checked<Vec<Window>> {
        let read = |text: &Spanned<String>| {
            let window = read_window(text.get_ref()).filter(|(from, until)| from < until);
            window.ok_or_else(|| self.wrong(text.span(), Wrong::Window(text.get_ref().clone())))
        };
        texts.iter().map(read).collect()
    }

    fn time(&self, text: &Spanned<String>) -> Checked<u32> {
        read_clock(text.get_ref()).ok_or_else(|| self.wrong(text.span(), Wrong::Time(text.get_ref().clone())))
    }

    fn site(&self, row: &NodeRow, regions: &[(String, String)], names: &BTreeMap<String, usize>) -> Checked<Site> {
        let region = match (&row.region, row.role) {
            (Some(code), SiteRole::Village) => Some(self.region(code, regions)?),
            (None, SiteRole::Center) => None,
            (None, SiteRole::Village) | (Some(_), SiteRole::Center) => {
                return Err(self.wrong(row.name.span(), Wrong::Scope));
            }
        };
        let mut wires = Vec::new();
        for wire in &row.wire {
            if wire.get_ref() == row.name.get_ref() {
                return Err(self.wrong(wire.span(), Wrong::Loop));
            }
            wires.push(self.node(wire, names)?);
        }
        let place: Place = (self.within(&row.position[0], &MAP)?, self.within(&row.position[1], &MAP)?);
        Ok(Site { name: row.name.get_ref().clone(), region, place, wires, mobile: self.windows(&row.mobile)? })
    }

    fn vehicle(&self, row: &VehicleRow, town: &Town, names: &BTreeMap<String, usize>) -> Checked<Vehicle> {
        let region = match (&row.region, row.role) {
            (Some(code), Crew::Patrol) => Some(self.region(code, &town.regions)?),
            (None, Crew::Carrier) => None,
            (None, Crew::Patrol) | (Some(_), Crew::Carrier) => {
                return Err(self.wrong(row.name.span(), Wrong::Crew));
            }
        };
        let mut carries = match &row.carries {
            Some(codes) => codes.iter().map(|code| self.region(code, &town.regions)).collect::<Checked<Vec<_>>>()?,
            None => town.regions.iter().map(|(code, _)| code.clone()).collect(),
        };
        carries.retain(|code| region.as_ref() != Some(code));
        let mut routes = Vec::new();
        for route in &row.route {
            let depart = self.time(&route.depart)?;
            if route.stops.get_ref().is_empty() {
                return Err(self.wrong(route.stops.span(), Wrong::NoStops));
            }
            let stops = route.stops.get_ref().iter().map(|stop| self.stop(stop, names)).collect::<Checked<_>>()?;
            routes.push(Route { depart, stops });
        }
        Ok(Vehicle {
            name: row.name.get_ref().clone(),
            region,
            carries,
            depot: self.node(&row.depot, names)?,
            speed: self.number(row.speed_m_per_min.as_ref(), 400, 10..=3_000)?,
            mobile: self.windows(&row.mobile)?,
            routes,
        })
    }

    fn stop(&self, row: &StopRow, names: &BTreeMap<String, usize>) -> Checked<Stop> {
        let arrive = row.arrive.as_ref().map(|text| self.time(text)).transpose()?;
        let dwell = self.number(row.dwell_min.as_ref(), 10, 1..=600)?;
        Ok(Stop { site: self.node(&row.node, names)?, dwell, arrive })
    }

    /// Every stop can be reached in time and is carried for, and every drive is over before the next begins.
    fn check_routes(&self, row: &VehicleRow, vehicle: &Vehicle, town: &Town) -> Checked<()> {
        let mut back = 0;
        for (written, route) in row.route.iter().zip(&vehicle.routes) {
            if route.depart < back {
                return Err(self.wrong(written.depart.span(), Wrong::Order { at: route.depart, earliest: back }));
            }
            let mut drive = vehicle.drive(route, town);
            for (stop, written) in route.stops.iter().zip(written.stops.get_ref()) {
                if let Some(site) = town.sites.get(stop.site)
                    && !vehicle.serves(site)
                {
                    return Err(self.wrong(written.node.span(), Wrong::NotCarried(site.name.clone())));
                }
                let earliest = drive.earliest(*stop);
                if let (Some(at), Some(text)) = (stop.arrive, &written.arrive)
                    && at < earliest
                {
                    return Err(self.wrong(text.span(), Wrong::Order { at, earliest }));
                }
                drive.stop_at(*stop);
            }
            back = drive.back();
            if back > super::MINUTES_A_DAY {
                return Err(self.wrong(written.depart.span(), Wrong::Midnight));
            }
        }
        Ok(())
    }
}
