//! `town create`: founds a town and makes this machine its first node, a center.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::{UTC_OFFSET_MINUTES, town};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::{Region, RegionLevel};
use townmesh_crdt::enrol::{self, Place};
use townmesh_sim::generator::{HUANGCUN_REGIONS, parse_regions};

use super::output::fields;
use super::{Context, Done, Failure, local};
use crate::data_dir::{DataDir, read_small};
use crate::engine::now;
use crate::keys::{IdentityFile, os_rng, write_authority, write_root};
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

        DataDir::new(&self.out).create()?;
        let (root, authority) = (self.out.join("root.key"), self.out.join("authority.key"));
        write_root(&founded.root, &root)?;
        write_authority(&founded.authority, &authority)?;
        directory.create()?;
        let mut file = IdentityFile::of_joined(founded.authority.town, joined);
        file.write(&directory.identity(), crate::data_dir::Existing::Keep)?;
        let mut replica = local::open(&context.config, &file)?;
        replica.keep_secrets(&invite.secrets);
        replica.record_statements(founded.statements, now)?;
        town::import_regions(&mut replica, &regions, now)?;
        replica.commit(now)?;
        local::note_data(directory, &mut file)?;

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
        let wrong = |error: String| {
            Message::new("regions", "区划代码表有误", error)
                .remedy("改正该行后重试", "correct the line, then try again")
        };
        let table = match &self.regions {
            Some(path) => {
                String::from_utf8(read_small(path, MAX_TABLE)?).map_err(|_| wrong("it is not text in UTF-8".into()))?
            }
            None => HUANGCUN_REGIONS.to_owned(),
        };
        let table = table.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        parse_regions(&table).map_err(|error| wrong(error.to_string()).into())
    }
}
