//! `ratify`: what a removed node wrote, or one branch of a forked log, counts as far as it is held here.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::client::Client;
use super::output::fields;
use super::{Context, Done, local};
use crate::http::RatifyInput;

#[derive(Debug, Args)]
pub(super) struct RatifyArgs {
    /// 节点编号或名称，已注销的亦可 / id or name of the node, removed or not
    node: String,
    /// 授权机构密钥文件 / authority file
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
}

impl RatifyArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let authority = local::authority_text(&self.authority)?;
        let input = RatifyInput { authority, node: self.node };
        let answer = Client::of(&context.config.data_dir)?.post("/v1/ratify", &input)?;
        context.output.result(&answer, |value| format!("已追认 / ratified\n{}", fields(value)));
        context
            .output
            .note("本节点所持的记录重新有效，消息到达之处即生效 / what is held here counts, wherever the news arrives");
        Ok(ExitCode::SUCCESS)
    }
}
