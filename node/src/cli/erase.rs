//! `erase`: destroys what is recorded of a person, on every node.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use townmesh_crdt::id::{DocumentId, ResidentId};

use super::client::Client;
use super::output::fields;
use super::{Context, Done, local};
use crate::http::EraseInput;

#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    /// 住户、房屋或案卷编号 / id of the household, dwelling or case
    document: DocumentId,
    /// 户内人员编号；不给则为房主或案件反映人 / id of the resident; without it, the owner, or whoever reported the case
    #[arg(long, value_name = "ID")]
    resident: Option<ResidentId>,
    /// 授权机构密钥文件 / authority file
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// 确认：删除不可恢复 / yes: there is no way back
    #[arg(long, required = true)]
    for_good: bool,
}

impl EraseArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let authority = local::authority_text(&self.authority)?;
        let input = EraseInput { authority, document: self.document, resident: self.resident };
        let answer = Client::of(&context.config.data_dir)?.post("/v1/erase", &input)?;
        context.output.result(&answer, |value| {
            format!(
                "本节点已删除，其他节点收到后执行 / erased here, and elsewhere as the news arrives\n{}",
                fields(value)
            )
        });
        let order = answer.get("order").and_then(|order| order.as_str()).unwrap_or_default();
        let elsewhere = answer.get("elsewhere").and_then(|villages| villages.as_array()).map_or(&[][..], Vec::as_slice);
        for village in elsewhere.iter().filter_map(|village| village.as_str()) {
            context.output.note(&format!(
                "{village} 另有此人的记录，本节点不掌握：请在该村居或指挥中心再执行一次 / {village} holds more of the person: erase there, or at a center"
            ));
        }
        context.output.note("写进描述、地点和附言的文字不受影响 / words in descriptions, places and notes stay");
        context.output.note(&format!("哪些节点已执行 / which nodes have heard of it: townmesh delivery {order}"));
        Ok(ExitCode::SUCCESS)
    }
}
