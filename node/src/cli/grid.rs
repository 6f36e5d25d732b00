//! `grid`: grids that somebody drew are recorded.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::output::fields;
use super::{Context, Done};
use crate::data_dir::FileError;
use crate::message::Message;

/// What of a feature's properties is recorded; the others are for whoever looks at the map.
const RECORDED: [&str; 7] = ["region", "code", "name", "kind", "inspectors", "responsible", "note"];

#[derive(Debug, Subcommand)]
pub(super) enum GridCommand {
    /// 登记 GeoJSON 文件中的网格（面，属性含 region、code、kind） / record the grids of a GeoJSON file: areas with region, code, kind
    Import {
        /// 文件 / the file
        file: PathBuf,
    },
}

impl GridCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let Self::Import { file } = self;
        let client = Client::of(&context.config.data_dir)?;
        let text = fs::read_to_string(&file).map_err(FileError::at(&file))?;
        // All are read before one is recorded.
        let grids = grids(&text)?;
        let mut unchanged = 0;
        for grid in &grids {
            let done = client.post("/v1/grids", grid)?;
            unchanged += u64::from(done["outcome"] == "unchanged");
        }
        let result = json!({ "file": file, "grids": grids.len(), "unchanged": unchanged });
        context.output.result(&result, |value| format!("已登记 / recorded\n{}", fields(value)));
        Ok(ExitCode::SUCCESS)
    }
}

/// The grids of a file, as they are recorded.
fn grids(text: &str) -> Result<Vec<Value>, Message> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let en = format!("the file is no JSON: {error}");
        Message::new("grid_file", "文件不是 JSON", en).remedy("请用 GeoJSON 文件", "give a GeoJSON file")
    })?;
    let features = value["features"].as_array().ok_or_else(|| {
        let (zh, en) = ("文件不是 GeoJSON 要素集合", "the file is no FeatureCollection of GeoJSON");
        Message::new("grid_file", zh, en).remedy("请用 GeoJSON 文件", "give a GeoJSON file")
    })?;
    let read = |(number, feature): (usize, &Value)| {
        grid(feature).ok_or_else(|| {
            let zh = format!("第 {number} 个要素须为一个不带洞的面，属性含 region 和 code");
            let en = format!("feature {number} must be one area without holes that says region and code");
            Message::new("grid_feature", zh, en)
        })
    };
    (1..).zip(features).map(read).collect()
}

fn grid(feature: &Value) -> Option<Value> {
    let geometry = &feature["geometry"];
    let [ring] = geometry["coordinates"].as_array().filter(|_| geometry["type"] == "Polygon")?.as_slice() else {
        return None;
    };
    let corner = |place: &Value| Some(json!({ "lat": place.get(1)?.as_f64()?, "lon": place.get(0)?.as_f64()? }));
    let mut corners = ring.as_array()?.iter().map(corner).collect::<Option<Vec<Value>>>()?;
    // A ring ends where it began.
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    let said = |name: &&str| Some(((*name).to_owned(), feature["properties"].get(name)?.clone()));
    let mut grid: Map<String, Value> = RECORDED.iter().filter_map(said).filter(|(_, value)| !value.is_null()).collect();
    grid.insert("polygon".into(), corners.into());
    (grid.contains_key("region") && grid.contains_key("code")).then(|| grid.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_of_a_file_is_a_grid_and_anything_else_is_named() {
        let area = |properties: &str, geometry: &str| {
            format!(
                r#"{{"type":"FeatureCollection","features":[{{"properties":{properties},"geometry":{geometry}}}]}}"#
            )
        };
        let named = r#"{"region":"110115005220","code":"P01","kind":"village","households":80,"note":null}"#;
        let ring = r#"{"type":"Polygon","coordinates":[[[116.3,39.7],[116.4,39.7],[116.4,39.8],[116.3,39.7]]]}"#;
        let read = grids(&area(named, ring)).unwrap();
        let corner = |lat: f64, lon: f64| json!({ "lat": lat, "lon": lon });
        let polygon = json!([corner(39.7, 116.3), corner(39.7, 116.4), corner(39.8, 116.4)]);
        assert_eq!(read, [json!({ "region": "110115005220", "code": "P01", "kind": "village", "polygon": polygon })]);
        let point = r#"{"type":"Point","coordinates":[116.3,39.7]}"#;
        let holed = r#"{"type":"Polygon","coordinates":[[[116.3,39.7]],[[116.3,39.7]]]}"#;
        for (properties, geometry) in [(named, point), (named, holed), (r#"{"region":"110115005220"}"#, ring)] {
            let error = grids(&area(properties, geometry)).unwrap_err();
            assert!(error.en.contains("feature 1"), "{error:?}");
        }
        assert!(grids("[]").is_err() && grids("no").is_err());
    }
}
