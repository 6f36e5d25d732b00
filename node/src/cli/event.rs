//! `event`: device events, recorded, listed, shown.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::device_event::{Decimal, DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::region::RegionCode;

use super::client::Client;
use super::household::{PageArgs, from_file};
use super::output::{fields, recorded, table};
use super::{Context, Done, Failure};
use crate::engine::now;
use crate::message::Message;

/// Largest batch file in bytes; the API's own bound.
const MAX_BATCH: u64 = 8 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// 记录设备事件 / record an event, or a batch from a file
    Record(RecordArgs),
    /// 列出一台设备的事件或报警 / list the events of a device, or alarms
    List(ListArgs),
    /// 查看一条事件 / show one of the latest events of a device
    Show {
        /// 设备编号 / code of the device
        device: String,
        /// 事件编号 / id of the event
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// 村居区划代码 / village or community
    #[arg(long, value_name = "CODE")]
    region: RegionCode,
    /// JSON 文件：事件列表，代替其他参数 / a JSON list of events instead of the other flags
    #[arg(long, value_name = "FILE", conflicts_with_all = ["device", "kind", "value", "time_ms", "alarm"])]
    file: Option<PathBuf>,
    /// 设备编号 / code of the device
    #[arg(long, required_unless_present = "file")]
    device: Option<String>,
    /// 类型，如 pm10 / what was measured or happened
    #[arg(long, required_unless_present = "file")]
    kind: Option<String>,
    /// 数值 / a number
    #[arg(long, allow_hyphen_values = true)]
    value: Option<Decimal>,
    /// 时间（1970 年以来毫秒），默认现在 / milliseconds since 1970; now if not given
    #[arg(long)]
    time_ms: Option<i64>,
    /// 报警 / it calls for somebody
    #[arg(long)]
    alarm: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// 设备编号；不给则列出报警 / code of the device; without one, alarms
    #[arg(long)]
    device: Option<String>,
    /// 报警所在区划 / alarms of this region
    #[arg(long, value_name = "CODE", conflicts_with = "device")]
    region: Option<RegionCode>,
    /// 类型 / of this kind
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

impl RecordArgs {
    fn events(self) -> Result<Vec<DeviceEvent>, Failure> {
        if let Some(path) = &self.file {
            return from_file(path, MAX_BATCH);
        }
        let missing = || Message::new("usage", "缺少 --device 或 --kind", "--device or --kind is missing");
        Ok(vec![DeviceEvent {
            time_ms: self.time_ms.unwrap_or_else(|| i64::try_from(now()).unwrap_or(i64::MAX)),
            kind: self.kind.ok_or_else(missing)?,
            key: EventKey::Time,
            value: self.value.map_or(EventValue::Empty, EventValue::Number),
            alarm: self.alarm,
            device: self.device.ok_or_else(missing)?,
        }])
    }
}

impl EventCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(args) => {
                let region = args.region;
                let answer = client.post("/v1/events", &json!({ "region": region, "events": args.events()? }))?;
                context.output.result(&answer, recorded);
            }
            Self::List(args) => {
                let mut query = vec![
                    ("device", args.device),
                    ("region", args.region.map(|region| region.to_string())),
                    ("kind", args.kind),
                ];
                query.extend(args.page.query());
                let columns = [
                    ("/event", "编号 id"),
                    ("/device", "设备 device"),
                    ("/time_ms", "时间 time"),
                    ("/kind", "类型 kind"),
                    ("/value", "数值 value"),
                    ("/alarm", "报警 alarm"),
                ];
                context.output.result(&client.fetch("/v1/events", &query)?, |listed| table(listed, &columns));
            }
            Self::Show { device, id } => {
                let query = [("device", Some(device)), ("limit", Some("500".to_owned()))];
                let listed = client.fetch("/v1/events", &query)?;
                let mut rows = listed.get("rows").and_then(Value::as_array).into_iter().flatten();
                let found = rows.find(|row| row.get("event").and_then(Value::as_str) == Some(&id));
                let found = found.ok_or_else(|| Message::new("not_found", "没有这条事件", "there is no such event"))?;
                context.output.result(found, fields);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
