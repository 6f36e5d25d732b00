//! `town create`: founds a town and makes this machine its first node, a center.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::{UTC_OFFSET_MINUTES, table, town};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::{Region, RegionLevel};
use townmesh_crdt::enrol::{self, Place};
use townmesh_sim::generator::{HUANGCUN_REGIONS, RegionTableError, parse_regions};

use super::output::fields;
use super::{Context, Done, Failure, local};
use crate::data_dir::{DataDir, Existing, FileError, read_small};
use crate::engine::now;
use crate::keys::{IdentityFile, KeyError, os_rng, write_authority, write_root};
use crate::message::Message;

/// Largest table of regions in bytes.
const MAX_TABLE: u64 = 4 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum TownCommand {
    /// 建立一个镇，本机成为指挥中心 / found a town; this machine becomes its center
    Create(CreateArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// 本节点名称 / name of this node
    #[arg(long, default_value = "center")]
    name: String,
    /// 区划代码表（CSV：code,name,kind,parent），默认为示范镇 / table of regions, by default the model town's
    #[arg(long, value_name = "CSV")]
    regions: Option<PathBuf>,
    /// 密钥存放目录，应离线保存 / folder for the root and authority keys; to be kept offline
    #[arg(long, visible_alias = "keys", value_name = "DIR", default_value = "townmesh-keys")]
    out: PathBuf,
}

impl TownCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        match self {
            Self::Create(args) => args.run(context),
        }
    }
}

impl CreateArgs {
    fn run(self, context: &Context) -> Done {
        let directory = &context.config.data_dir;
        local::refuse_existing(directory)?;
        let regions = self.regions()?;
        let villages: Vec<String> = regions
            .iter()
            .filter_map(|region| region.code)
            .filter(|code| code.level() == RegionLevel::Village)
            .map(|code| code.to_string())
            .collect();
        let (now, mut rng) = (now(), os_rng()?);
        let (year, month, _) = Day::of_time(i64::try_from(now).unwrap_or(i64::MAX), UTC_OFFSET_MINUTES).calendar();
        let founded = enrol::found(&villages, &format!("{year:04}"), &format!("{year:04}-{month:02}"), now, &mut rng);
        let place = Place { name: self.name, role: NodeRole::Center, regions: vec![], carries: vec![], acts_as: None };
        let invite = enrol::invite(&founded.authority, &place, &founded.secrets, now, &mut rng)?;
        let joined = enrol::redeem(&invite, &mut rng)?;

        let (root, authority) = (self.out.join("root.key"), self.out.join("authority.key"));
        let mut file = IdentityFile::of_joined(founded.authority.town, joined);
        let mut made = Made::default();
        let write = || -> Result<(), Failure> {
            made.directory(directory)?;
            made.directory(&DataDir::new(&self.out))?;
            made.file(&root, |path| write_root(&founded.root, path))?;
            made.file(&authority, |path| write_authority(&founded.authority, path))?;
            made.file(&directory.identity(), |path| file.write(path, Existing::Keep))?;
            made.store(directory);
            local::with_replica(&context.config, &file, |replica| {
                replica.keep_secrets(&invite.secrets);
                replica.record_statements(founded.statements, now)?;
                town::import_regions(replica, &regions, now)?;
                table::record_defaults(replica, now)?;
                Ok(replica.commit(now)?)
            })?;
            local::note_data(directory, &mut file)
        };
        if let Err(failure) = write() {
            made.remove();
            return Err(failure);
        }

        let node = file.identity.node();
        let result = json!({
            "node": node, "name": file.name, "villages": villages.len(), "data_dir": directory.path(),
            "root_key": root, "authority_key": authority,
        });
        context.output.result(&result, |value| format!("镇已建立 / the town is founded\n{}", fields(value)));
        context.output.note(
            "请把 root.key 离线保存；authority.key 用于邀请节点 / keep root.key offline; authority.key invites nodes",
        );
        Ok(ExitCode::SUCCESS)
    }

    fn regions(&self) -> Result<Vec<Region>, Failure> {
        let wrong = |zh: String, en: String| {
            Message::new("regions", format!("区划代码表有误：{zh}"), en)
                .remedy("改正后重试", "correct it, then try again")
        };
        let table = match &self.regions {
            Some(path) => String::from_utf8(read_small(path, MAX_TABLE)?)
                .map_err(|_| wrong("不是 UTF-8 文本".into(), "it is not text in UTF-8".into()))?,
            None => HUANGCUN_REGIONS.to_owned(),
        };
        let table = table.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let regions = parse_regions(&table).map_err(|error| wrong(chinese(&error), error.to_string()))?;
        let has_village =
            regions.iter().filter_map(|region| region.code).any(|code| code.level() == RegionLevel::Village);
        if !has_village {
            return Err(wrong("没有任何村居".into(), "it has no village or community".into()).into());
        }
        Ok(regions)
    }
}

/// What is wrong with a table of regions.
fn chinese(error: &RegionTableError) -> String {
    match error {
        RegionTableError::Header => "第 1 行须为 code,name,kind,parent".to_owned(),
        RegionTableError::FieldCount { line, found } => {
            format!("第 {line} 行须有 4 个以逗号分隔的字段，现有 {found} 个；名称不能含逗号或引号")
        }
        RegionTableError::Code { line, .. } => {
            format!("第 {line} 行的区划代码无效：村居为 12 位，镇街 9 位，区县 6 位")
        }
        RegionTableError::Kind { line, .. } => format!("第 {line} 行的类型无效"),
        RegionTableError::Name { line } => format!("第 {line} 行的名称为空，请写全称"),
        RegionTableError::Duplicate { line, code } => format!("第 {line} 行的区划 {code} 重复，请删去其一"),
        RegionTableError::TooLong => "区划过多，请拆分".to_owned(),
    }
}

/// What a founding has made so far. Half a town is of no use to anybody, and its keys would be in the way of the next
/// attempt.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    fn directory(&mut self, directory: &DataDir) -> Result<(), FileError> {
        if !directory.path().exists() {
            self.directories.push(directory.path().to_owned());
        }
        directory.create()
    }

    fn file(&mut self, path: &Path, write: impl FnOnce(&Path) -> Result<(), KeyError>) -> Result<(), KeyError> {
        let existed = path.exists();
        let written = write(path);
        // One that was there before is not this founding's to remove.
        if !existed {
            self.files.push(path.to_owned());
        }
        written
    }

    fn store(&mut self, directory: &DataDir) {
        self.files.push(directory.store());
    }

    fn remove(self) {
        // What cannot be removed either is named by the next attempt.
        self.files.iter().for_each(|path| _ = std::fs::remove_file(path));
        self.directories.iter().rev().for_each(|path| _ = std::fs::remove_dir(path));
    }
}
