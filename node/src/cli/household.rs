//! `household`: record, edit, list, show.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::command::household::HouseholdInput;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::{Household, Relation, Resident, ResidentKind};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};

use super::client::Client;
use super::output::{fields, recorded, table};
use super::{Context, Done, Failure};
use crate::data_dir::read_small;
use crate::message::Message;
use crate::refusal;
use crate::views::Page;

/// Largest input file in bytes; the API's own bound.
pub(super) const MAX_INPUT: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum HouseholdCommand {
    /// 登记或更新一户 / record a household, or what is new about it
    Record(RecordArgs),
    /// 修改一户，或其中一名居民 / edit a household, or somebody in it
    Edit(EditArgs),
    /// 列出、搜索 / list and search
    List(ListArgs),
    /// 查看一户 / show one
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// JSON 文件 {household, residents}，代替其他参数 / a JSON file instead of the other flags
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "region", "address", "number", "usage", "rooms", "tenant_limit", "position", "note", "owner", "residents",
    ])]
    file: Option<PathBuf>,
    /// 村居区划代码 / village or community
    #[arg(long, value_name = "CODE", required_unless_present = "file")]
    region: Option<RegionCode>,
    /// 门牌号 / door number
    #[arg(long, required_unless_present = "file")]
    address: Option<String>,
    /// 同一门牌的第几户 / which household behind that door
    #[arg(long)]
    number: Option<u16>,
    /// 居住类型 / use: self_occupied, rental, shop, workshop, dormitory, vacant
    #[arg(long = "use", value_name = "USE")]
    usage: Option<DwellingUse>,
    /// 间数 / rooms
    #[arg(long)]
    rooms: Option<u16>,
    /// 限住人数 / how many tenants the rooms may hold
    #[arg(long)]
    tenant_limit: Option<u16>,
    /// 位置：纬度,经度 / latitude,longitude in degrees (WGS-84)
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    position: Option<String>,
    /// 备注 / remarks; nothing that identifies a person
    #[arg(long)]
    note: Option<String>,
    /// 户主：name=…,id=…,phone=… / whom to call
    #[arg(long, value_name = "PERSON")]
    owner: Option<String>,
    /// 居民：name=…,id=…,phone=…,kind=…,relation=…，可多次给出 / a resident, repeatable
    #[arg(long = "resident", value_name = "PERSON")]
    residents: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct EditArgs {
    /// 户的编号 / its id
    id: DocumentId,
    /// 改为修改此居民：编号 / instead edits this resident: their id
    #[arg(long, value_name = "ID")]
    resident: Option<ResidentId>,
    /// 新值（JSON），如 '{"rooms":6}'、'{"moved_out":"2026-11-27"}' / new values as JSON
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = |text: &str| serde_json::from_str::<Value>(text))]
    set: Value,
    /// 清空此项，可多次给出 / clears this field, repeatable
    #[arg(long = "clear", value_name = "FIELD")]
    cleared: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 区划代码 / in this region
    #[arg(long, value_name = "CODE")]
    region: Option<RegionCode>,
    /// 居住类型 / of this use
    #[arg(long = "use", value_name = "USE")]
    usage: Option<DwellingUse>,
    /// 门牌或姓名中的文字 / text in the address or a name
    #[arg(long)]
    text: Option<String>,
    /// 只列有冲突的 / only those with values to settle
    #[arg(long)]
    conflicts: bool,
    #[command(flatten)]
    page: PageArgs,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Default, Args)]
pub(super) struct PageArgs {
    /// 行数 / rows
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// 接着上一页 / go on after this place
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

impl PageArgs {
    pub(super) fn page(&self) -> Page {
        Page { limit: Some(self.limit), after: self.after.clone() }
    }

    pub(super) fn query(self) -> [(&'static str, Option<String>); 2] {
        [("limit", Some(self.limit.to_string())), ("after", self.after)]
    }
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// 户的编号 / its id
    id: DocumentId,
    /// 写明理由则不打码 / personal data in clear, for this reason
    #[arg(long, value_name = "REASON")]
    reveal: Option<String>,
}

impl HouseholdCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(args) => {
                let answer = client.post("/v1/households", &args.input()?)?;
                context.output.result(&answer, recorded);
            }
            Self::Edit(EditArgs { id, resident, set, cleared }) => {
                let within = resident.map(|resident| format!("/residents/{resident}")).unwrap_or_default();
                let edit = json!({ "set": set, "clear": cleared });
                context.output.result(&client.patch(&format!("/v1/households/{id}{within}"), &edit)?, recorded);
            }
            Self::List(args) => {
                let mut query = vec![
                    ("region", args.region.map(|region| region.to_string())),
                    ("use", args.usage.map(|usage| usage.to_string())),
                    ("text", args.text),
                    ("conflicts", args.conflicts.then(|| "true".to_owned())),
                    ("reveal", args.reveal),
                ];
                query.extend(args.page.query());
                let listed = client.fetch("/v1/households", &query)?;
                let columns = [
                    ("/document", "编号 id"),
                    ("/region", "村居 region"),
                    ("/address", "门牌号 address"),
                    ("/use", "类型 use"),
                    ("/head/name", "户主 head"),
                    ("/residents", "人数 people"),
                    ("/mark", "标记 mark"),
                ];
                context.output.result(&listed, |listed| table(listed, &columns));
            }
            Self::Show(args) => {
                let found = client.fetch(&format!("/v1/households/{}", args.id), &[("reveal", args.reveal)])?;
                context.output.result(&found, fields);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The JSON of a file as an input.
pub(super) fn from_file<T: serde::de::DeserializeOwned>(path: &std::path::Path, limit: u64) -> Result<T, Failure> {
    let bytes = read_small(path, limit)?;
    parsed(&bytes).map_err(|reason| {
        let zh = match refusal::in_chinese(&reason) {
            Some(point) => format!("{} 的内容有误：{point}", path.display()),
            None => format!("{} 的内容不是有效的 JSON", path.display()),
        };
        Message::new("input", zh, format!("{}: {reason}", path.display())).into()
    })
}

/// A value in JSON and nothing after it; else why not, with the path of the field that is to blame.
fn parsed<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut parser).map_err(|error| match error.inner().classify() {
        serde_json::error::Category::Data => error.to_string(),
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            error.inner().to_string()
        }
    })?;
    parser.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn wrong_flag(flag: &str, value: &str, expected: &str) -> Failure {
    let message =
        Message::new("usage", format!("{flag} 的值 {value:?} 有误"), format!("{flag} {value:?}: write {expected}"));
    Failure { message, code: 2 }
}

impl RecordArgs {
    fn input(self) -> Result<HouseholdInput, Failure> {
        if let Some(path) = &self.file {
            return from_file(path, MAX_INPUT);
        }
        let position = match &self.position {
            Some(text) => {
                let degrees = text
                    .split_once(',')
                    .and_then(|(lat, lon)| Some((lat.trim().parse().ok()?, lon.trim().parse().ok()?)));
                let position =
                    degrees.and_then(|(latitude, longitude): (f64, f64)| Position::from_degrees(latitude, longitude));
                Some(position.ok_or_else(|| wrong_flag("--position", text, "39.7354,116.3310"))?)
            }
            None => None,
        };
        let owner = self.owner.as_deref().map(|text| person("--owner", text)).transpose()?;
        let household = Household {
            region: self.region,
            address: self.address,
            number: self.number,
            usage: self.usage,
            rooms: self.rooms,
            tenant_limit: self.tenant_limit,
            position,
            note: self.note,
            owner: owner.and_then(|owner| owner.personal),
            ..Household::default()
        };
        let residents = self.residents.iter().map(|text| person("--resident", text)).collect::<Result<_, _>>()?;
        Ok(HouseholdInput { household, residents })
    }
}

/// `name=…,id=…,phone=…,kind=…,relation=…`, each at most once.
fn person(flag: &str, text: &str) -> Result<Resident, Failure> {
    let wrong =
        || wrong_flag(flag, text, "name=…,id=…,phone=…,kind=registered|migrant|overseas,relation=head|tenant|…");
    let (mut personal, mut resident) = (PersonalData::default(), Resident::default());
    let mut seen = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let (name, value) = (name.trim(), value.trim());
        if !seen.insert(name) {
            return Err(wrong());
        }
        match name {
            "name" => personal.name = value.to_owned(),
            "id" => personal.id_number = Some(value.to_owned()),
            "phone" => personal.phone = Some(value.to_owned()),
            "kind" => resident.kind = Some(value.parse::<ResidentKind>().map_err(|_| wrong())?),
            "relation" => resident.relation = Some(value.parse::<Relation>().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        }
    }
    resident.personal = Some(personal);
    Ok(resident)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_misspelt_field_is_refused_with_its_path_and_those_that_exist() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("household.json");
        for (json, named) in [
            (r#"{"household":{"region":"110115005001"},"resident":[]}"#, ["resident", "residents"]),
            (r#"{"residents":[{"personal":{"phon":"1"}}]}"#, ["residents[0].personal.phon", "phone"]),
            (r#"{"household":{"position":{"lat":1,"lon":1,"alt":1}}}"#, ["household.position", "lon"]),
            (r#"{} {}"#, ["JSON", "JSON"]),
        ] {
            std::fs::write(&path, json).unwrap();
            let message = from_file::<HouseholdInput>(&path, MAX_INPUT).unwrap_err().message;
            assert_eq!(message.code, "input", "{json}");
            for name in named {
                assert!(message.zh.contains(name), "{name}: {message}");
            }
        }
        std::fs::write(&path, r#"{"household":{"region":"110115005001","address":"1号"}}"#).unwrap();
        assert!(from_file::<HouseholdInput>(&path, MAX_INPUT).is_ok());
    }

    #[test]
    fn a_person_is_written_as_pairs() {
        let resident = person("--resident", "name=甲, phone=13800138000,kind=migrant,relation=tenant").unwrap();
        let personal = resident.personal.unwrap();
        assert_eq!((personal.name.as_str(), personal.phone.as_deref()), ("甲", Some("13800138000")));
        assert_eq!((resident.kind, resident.relation), (Some(ResidentKind::Migrant), Some(Relation::Tenant)));
        for wrong in ["甲", "name=甲,name=乙", "kind=alien", "age=3", ""] {
            assert_eq!(person("--resident", wrong).unwrap_err().code, 2, "{wrong:?}");
        }
    }
}
