//! `device`: record, list.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use townmesh_crdt::domain::device::{Device, DeviceKind, Protocol};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::client::Client;
use super::household::PageArgs;
use super::output::{recorded, table};
use super::{Context, Done};

#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// 登记或更新设备 / record a device, or what is new about it
    Record(RecordArgs),
    /// 列出 / list
    List {
        /// 区划代码 / in this region
        #[arg(long, value_name = "CODE")]
        region: Option<RegionCode>,
        /// 类别 / of this kind
        #[arg(long)]
        kind: Option<DeviceKind>,
        #[command(flatten)]
        page: PageArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// 设备编号，如 hj212:… / its code: protocol and number
    #[arg(long)]
    code: String,
    /// 村居区划代码 / village or community
    #[arg(long, value_name = "CODE")]
    region: RegionCode,
    /// 名称 / what people call it
    #[arg(long)]
    name: Option<String>,
    /// 类别 / kind, such as smoke, waterlogging, access_gate
    #[arg(long)]
    kind: Option<DeviceKind>,
    /// 协议 / how it speaks, such as mqtt, hj212
    #[arg(long)]
    protocol: Option<Protocol>,
    /// 安装地点 / where it is, in words
    #[arg(long)]
    place: Option<String>,
    /// 位置：纬度,经度 / latitude,longitude in degrees (WGS-84)
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    position: Option<Position>,
    /// 维护队伍编号 / code of the team that looks after it
    #[arg(long)]
    owner: Option<String>,
    /// 失联判定秒数 / seconds without a sign of life after which it counts as silent
    #[arg(long, value_name = "SECONDS")]
    silence_limit: Option<u32>,
    /// 是否拆除 / whether it was taken down
    #[arg(long, value_name = "BOOL")]
    retired: Option<bool>,
}

impl RecordArgs {
    fn device(self) -> Device {
        Device {
            code: Some(self.code),
            name: self.name,
            kind: self.kind,
            protocol: self.protocol,
            region: Some(self.region),
            place: self.place,
            position: self.position,
            owner: self.owner,
            silence_limit_s: self.silence_limit,
            retired: self.retired,
            ..Device::default()
        }
    }
}

impl DeviceCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(args) => context.output.result(&client.post("/v1/devices", &args.device())?, recorded),
            Self::List { region, kind, page } => {
                let mut query = vec![
                    ("region", region.map(|region| region.to_string())),
                    ("kind", kind.map(|kind| kind.to_string())),
                ];
                query.extend(page.query());
                let columns = [
                    ("/code", "编号 code"),
                    ("/name", "名称 name"),
                    ("/kind", "类别 kind"),
                    ("/region", "村居 region"),
                    ("/place", "地点 place"),
                    ("/last_heard_ms", "最后消息 heard"),
                ];
                context.output.result(&client.fetch("/v1/devices", &query)?, |listed| table(listed, &columns));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
