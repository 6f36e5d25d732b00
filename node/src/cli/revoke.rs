//! `revoke`: removes a node from the town.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::client::Client;
use super::output::fields;
use super::{Context, Done, local};
use crate::http::RevokeInput;

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// 节点编号或名称 / id or name of the node
    node: String,
    /// 授权机构密钥文件 / authority file
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// 其已有记录也一并作废 / what it has recorded no longer counts either
    #[arg(long)]
    void_all: bool,
}

impl RevokeArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let authority = local::authority_text(&self.authority)?;
        let input = RevokeInput { authority, node: self.node, void_all: self.void_all };
        let answer = Client::of(&context.config.data_dir)?.post("/v1/revoke", &input)?;
        context.output.result(&answer, |value| format!("已注销 / removed\n{}", fields(value)));
        context.output.note(
            "消息到达之处即生效；它此前读到的内容仍可能在其手中 / it is refused wherever the news arrives; what it had read it may still have",
        );
        Ok(ExitCode::SUCCESS)
    }
}
