//! `revoke`: removes a node from the town, or withdraws an invite.

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
    #[arg(required_unless_present = "invite", conflicts_with = "invite")]
    node: Option<String>,
    /// 改为撤回此邀请：编号（或其开头）或名称 / instead withdraws this invite: its id, or the beginning of it, or its name
    #[arg(long, value_name = "ID|NAME")]
    invite: Option<String>,
    /// 已用该邀请加入的节点也一并注销 / also removes the nodes that joined with the invite
    #[arg(long, conflicts_with = "node")]
    with_nodes: bool,
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
        let Self { node, invite, with_nodes, void_all, .. } = self;
        let (done, note) = match invite {
            Some(_) => (
                "已撤回 / withdrawn",
                "消息到达之处，无人能再用它加入；此后的记录用它没有的密钥加密 / nobody joins with it where the news has arrived; \
                 what is recorded from now on is sealed under keys that it does not hold",
            ),
            None => (
                "已注销 / removed",
                "消息到达之处即生效；它此前读到的内容仍可能在其手中 / it is refused wherever the news arrives; what it had read it may still have",
            ),
        };
        let input = RevokeInput { authority, node, invite, with_nodes, void_all };
        let answer = Client::of(&context.config.data_dir)?.post("/v1/revoke", &input)?;
        context.output.result(&answer, |value| format!("{done}\n{}", fields(value)));
        context.output.note(note);
        Ok(ExitCode::SUCCESS)
    }
}
