//! `position`: where this unit is, and where each was last.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use townmesh_crdt::domain::position::Position;

use super::client::Client;
use super::output::table;
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum PositionCommand {
    /// 上报本单元位置 / tell where this unit is
    Record {
        /// 纬度,经度 / latitude,longitude in degrees (WGS-84), such as 39.7354,116.3310
        #[arg(value_name = "LAT,LON", allow_hyphen_values = true)]
        position: Position,
    },
    /// 各单元最后位置 / where each unit was last
    List {
        /// 纬度,经度：近者在前 / latitude,longitude: the nearest first
        #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
        near: Option<Position>,
        /// 仅此类节点：patrol 巡逻车 / only nodes of this kind, such as patrol
        #[arg(long)]
        role: Option<String>,
        /// 仅可派出的 / only those that can be sent
        #[arg(long)]
        available: bool,
    },
}

impl PositionCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record { position } => {
                client.tell("/v1/positions", &position)?;
                context.output.result(&json!({ "position": position }), |_| format!("已上报 / told: {position}"));
            }
            Self::List { near, role, available } => {
                let columns = [
                    ("/name", "单元 unit"),
                    ("/at_ms", "时间 time"),
                    ("/age_s", "距今(秒) seconds ago"),
                    ("/available", "可派 available"),
                    ("/crew/open_orders", "在办任务 open orders"),
                    ("/position/lat", "纬度 latitude"),
                    ("/position/lon", "经度 longitude"),
                    ("/distance_m", "距离(米) metres away"),
                ];
                let near = near.map(|near| near.to_string());
                let available = available.then(|| "true".to_owned());
                let listed =
                    client.fetch("/v1/positions", &[("near", near), ("role", role), ("available", available)])?;
                context.output.result(&listed, |listed| table(listed, &columns));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
