//! `authority`: create another one, list them, take a stolen one's place, revoke it.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::enrol;

use super::client::Client;
use super::invites::{joined, named};
use super::output::{fields, table};
use super::{Context, Done, Failure, local};
use crate::data_dir::{FileError, read_small};
use crate::engine::now;
use crate::http::{AdoptInput, Authorities, AuthorityInput, AuthorityRevokeInput, introduce_authority};
use crate::keys::{KeyError, os_rng, other_town, read_root, write_authority};
use crate::message::Explain as _;

#[derive(Debug, Subcommand)]
pub(super) enum AuthorityCommand {
    /// 用根密钥签发新的授权机构：authority.key 遗失时只需如此，不必注销旧的 / sign a new authority with the root key: all that a
    /// lost authority file needs, the old one need not be revoked
    Create(CreateArgs),
    /// 列出授权机构，以及由其登记的节点和未用的邀请 / list authorities with the nodes and open invites that stand on them
    List(ListArgs),
    /// 由新的授权机构重新认证旧机构登记的节点，使其不随旧机构注销 / have a new authority certify the nodes of an old one, so that they
    /// stay when it is revoked
    Adopt(AdoptArgs),
    /// 用根密钥注销被盗的授权机构：先 create，再 adopt，待各节点同步后注销 / revoke a stolen authority with the root key: first create,
    /// then adopt, and revoke when the nodes have synchronised
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// 根密钥文件 / root key file
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// 新授权机构的名称 / its name
    #[arg(long)]
    name: String,
    /// 新的授权机构密钥文件 / authority file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {}

#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// 旧机构的编号（或其开头）或名称 / id, or the beginning of it, or name of the old one
    from: String,
    /// 新授权机构的密钥文件 / file of the new one
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// 编号（或其开头）或名称 / id, or the beginning of it, or name
    authority: String,
    /// 根密钥文件 / root key file
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// 由其登记的节点也一并注销 / also removes the nodes that it enrolled
    #[arg(long)]
    with_nodes: bool,
    /// 这些节点已有的记录也一并作废 / what these nodes have recorded no longer counts either
    #[arg(long)]
    void_all: bool,
}

impl AuthorityCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        match self {
            Self::Create(args) => args.run(context),
            Self::List(_) => list(context),
            Self::Adopt(args) => args.run(context),
            Self::Revoke(args) => args.run(context),
        }
    }
}

/// The running node; `None` where it is stopped, so that its store can be opened.
fn running(context: &Context) -> Option<Client> {
    Client::of(&context.config.data_dir).ok().filter(Client::is_alive)
}

impl CreateArgs {
    fn run(self, context: &Context) -> Done {
        if self.out.exists() {
            return Err(FileError::at(&self.out)(std::io::ErrorKind::AlreadyExists.into()).into());
        }
        let file = local::identity(&context.config.data_dir)?;
        let root = read_root(&self.root)?;
        if root.verifying_key().to_bytes() != file.town {
            return Err(other_town().into());
        }
        let authority = enrol::authority(&root, &self.name, now(), &mut os_rng()?)?;
        // Recorded first: an authority that is not listed could not be revoked.
        let statement = authority.statement.clone();
        let answer = match running(context) {
            // The root key stays in this process.
            Some(client) => {
                let input = AuthorityInput { statement: STANDARD.encode(statement.to_bytes()) };
                client.post("/v1/authorities", &input)?
            }
            None => local::with_replica(&context.config, &file, |replica| {
                let answer = introduce_authority(replica, statement, now())??;
                replica.commit(now())?;
                Ok(json!(answer))
            })?,
        };
        write_authority(&authority, &self.out).map_err(|error| not_written(&error, &answer))?;
        let mut result = answer;
        result["authority_key"] = json!(self.out);
        context.output.result(&result, |value| format!("授权机构已签发 / the authority is signed\n{}", fields(value)));
        context.output.note("请把 root.key 放回离线处 / put root.key back where it is kept offline");
        Ok(ExitCode::SUCCESS)
    }
}

/// The authority is recorded, and nobody has its key.
fn not_written(error: &KeyError, answer: &Value) -> Failure {
    let id = answer.get("authority").and_then(Value::as_str).unwrap_or_default();
    let zh = format!("先注销它再重试：townmesh authority revoke {id} --root <文件>");
    let en = format!("revoke it, then try again: townmesh authority revoke {id} --root FILE");
    error.explain().remedy(&zh, &en).into()
}

const COLUMNS: [(&str, &str); 6] = [
    ("/name", "名称 name"),
    ("/revoked", "已注销 revoked"),
    ("/valid_until_ms", "有效至 valid until"),
    ("/nodes", "所登记的节点 nodes"),
    ("/open_invites", "未用的邀请 open invites"),
    ("/id", "编号 id"),
];

fn list(context: &Context) -> Done {
    let listed = match running(context) {
        Some(client) => client.fetch("/v1/authorities", &[])?,
        None => {
            let file = local::identity(&context.config.data_dir)?;
            local::with_replica(&context.config, &file, |replica| Ok(json!(Authorities::of(replica, now()))))?
        }
    };
    context.output.result(&listed, |listed| {
        let mut listed = listed.clone();
        for row in listed.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
            row["nodes"] = joined(&row["nodes"], named);
            row["open_invites"] = joined(&row["open_invites"], |name| name.as_str().unwrap_or_default().to_owned());
        }
        table(&listed, &COLUMNS)
    });
    Ok(ExitCode::SUCCESS)
}

impl AdoptArgs {
    fn run(self, context: &Context) -> Done {
        let input = AdoptInput { authority: local::authority_text(&self.authority)?, from: self.from };
        let answer = Client::of(&context.config.data_dir)?.post("/v1/authorities/adopt", &input)?;
        context.output.result(&answer, |value| format!("已重新认证 / certified anew\n{}", fields(value)));
        context.output.note(
            "各节点同步后再注销旧机构：此前未传到本节点的记录，注销后须用 ratify 追认 / revoke the old one when the nodes have \
             synchronised: what had not come here by then counts only once it is ratified",
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl RevokeArgs {
    fn run(self, context: &Context) -> Done {
        // Read first: a wrong file is an error here, not in the running node.
        read_root(&self.root)?;
        let root = String::from_utf8_lossy(&read_small(&self.root, 1 << 20)?).into_owned();
        let Self { authority, with_nodes, void_all, .. } = self;
        let input = AuthorityRevokeInput { root, authority, with_nodes, void_all };
        let answer = Client::of(&context.config.data_dir)?.post("/v1/authorities/revoke", &input)?;
        context.output.result(&answer, |value| format!("已注销 / revoked\n{}", fields(value)));
        context
            .output
            .note("消息到达之处，它不能再登记节点；它签发的注销和删除仍然有效 / wherever the news arrives it enrols nobody any more; removals and erasures that it signed stand");
        Ok(ExitCode::SUCCESS)
    }
}
