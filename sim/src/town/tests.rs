use super::*;

const TOWN: &str = "[town]
name = \"t\"
[[region]]
code = \"110115005201\"
name = \"r\"
[[node]]
name = \"c\"
role = \"center\"
position = [0, 0]
[[node]]
name = \"v-1\"
role = \"village\"
region = \"110115005201\"
position = [4000, 0]
wire = [\"c\"]
mobile = [\"08:00-09:00\"]
[[vehicle]]
name = \"p\"
role = \"patrol\"
region = \"110115005201\"
depot = \"c\"
[[vehicle.route]]
depart = \"10:00\"
stops = [{ node = \"v-1\", dwell_min = 20, arrive = \"10:15\" }]
";

#[test]
fn a_wrong_file_is_refused_with_its_place_and_what_would_be_right() {
    assert!(Town::parse(TOWN).is_ok());
    for (right, wrong, expected) in [
        ("wire =", "wir =", "line 15, column 1: unknown field `wir`, expected one of"),
        ("[town]", "[twon]", "unknown field `twon`"),
        ("name = \"t\"", "name = 3", "line 2, column 8: invalid type"),
        ("name = \"t\"", "name = \"a b\"", "line 2, column 8: \"a b\" is no name"),
        ("code = \"110115005201\"", "code = \"110115\"", "line 4, column 8: \"110115\" is no code"),
        ("region = \"110115005201\"\npos", "region = \"110115005202\"\npos", "line 13, column 10: there is no region"),
        ("name = \"p\"", "name = \"c\"", "line 18, column 8: there are two of \"c\""),
        ("wire = [\"c\"]", "wire = [\"x\"]", "there is no node \"x\" that stands still; the file lists: c, v-1"),
        ("wire = [\"c\"]", "wire = [\"v-1\"]", "a node has no line to itself"),
        ("08:00-09:00", "09:00-08:00", "line 16, column 11: \"09:00-08:00\" is no stretch"),
        ("\"10:00\"", "\"25:00\"", "line 23, column 10: \"25:00\" is no time"),
        ("arrive = \"10:15\"", "arrive = \"10:05\"", "it cannot be there at 10:05: it is there at 10:10"),
        ("\"10:00\"", "\"23:45\"", "cannot be there"),
        ("node = \"v-1\"", "node = \"v-9\"", "line 24, column 19: there is no node \"v-9\""),
        ("stops = [{ node = \"v-1\", dwell_min = 20, arrive = \"10:15\" }]", "stops = []", "the route has no stops"),
        ("dwell_min = 20", "dwell_min = -1", "-1 is out of range: 1 to 600"),
        ("position = [4000, 0]", "position = [4000, 99999999]", "99999999 is out of range"),
        ("role = \"village\"", "role = \"hamlet\"", "unknown variant `hamlet`, expected `center` or `village`"),
        ("role = \"village\"", "role = \"center\"", "a village needs a region"),
        ("role = \"patrol\"", "role = \"carrier\"", "a patrol vehicle needs a region"),
        ("[[node]]\nname = \"c\"\nrole = \"center\"\nposition = [0, 0]", "", "no node \"c\""),
    ] {
        assert!(TOWN.contains(right), "{right}");
        let error = Town::parse(&TOWN.replace(right, wrong)).unwrap_err().to_string();
        assert!(error.contains(expected), "{wrong}: {error}");
    }
    for text in ["", "\u{0}", "[town", "town = 1", "[town]\nname = \"x\"\n", "\u{feff}[town]"] {
        assert!(Town::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn outages_name_what_is_there() {
    let town = Town::parse(TOWN).unwrap();
    let read = |text: &str| Outage::parse(text, &town);
    assert_eq!(read("c 09:00-15:00").unwrap(), Outage { target: Target::Node(0), window: (540, 900) });
    assert_eq!(read("link c-v-1 22:00-02:00").unwrap(), Outage { target: Target::Link(0, 1), window: (1320, 1560) });
    assert_eq!(read("all-wires 00:00-24:00").unwrap().target, Target::AllWires);
    for (text, expected) in [
        ("", "no outage"),
        ("c", "no outage"),
        ("c 9-15", "no outage"),
        ("c 09:00-09:00", "no outage"),
        ("09:00-15:00", "no outage"),
        ("x 09:00-15:00", "there is no node \"x\"; the town has: c, v-1, p"),
        ("link c-x 09:00-15:00", "there is no node \"c-x\""),
        ("link c-p 09:00-15:00", "no line or mobile link"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn both_examples_can_be_simulated() {
    let small = Town::parse(SMALL).unwrap();
    assert_eq!((small.sites.len(), small.vehicles.len()), (9, 3));
    let model = Town::parse(&model(1)).unwrap();
    assert_eq!(model.nodes(), 158);
    assert!(model.roster(&[], 0, 1).is_some());
}
