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
    List,
}

impl PositionCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record { position } => {
                client.tell("/v1/positions", &position)?;
                context.output.result(&json!({ "position": position }), |_| format!("已上报 / told: {position}"));
            }
            Self::List => {
                let columns = [
                    ("/name", "单元 unit"),
                    ("/at_ms", "时间 time"),
                    ("/position/lat", "纬度 latitude"),
                    ("/position/lon", "经度 longitude"),
                ];
                context.output.result(&client.fetch("/v1/positions", &[])?, |listed| table(listed, &columns));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
