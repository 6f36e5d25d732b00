//! `invite`: makes a one-time invite for a new node.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::enrol::{self, Place};

use super::client::Client;
use super::output::fields;
use super::{Context, Done, Failure, local};
use crate::config::{Origin, addresses};
use crate::data_dir::{Existing, FileError, read_small, write_whole};
use crate::engine::now;
use crate::http::{InviteAnswer, InviteInput, acting_roles};
use crate::keys::{InviteFile, os_rng, other_town, read_authority};
use crate::message::Message;

#[derive(Debug, Args)]
pub(super) struct InviteArgs {
    /// 新节点名称 / name of the new node
    #[arg(long)]
    name: String,
    /// 新节点角色 / its role
    #[arg(long, value_parser = PossibleValuesParser::new(["village", "patrol", "center", "carrier"]))]
    role: String,
    /// 可读写的区划代码，可多次给出 / region that it reads and writes, repeatable
    #[arg(long = "region", value_name = "CODE")]
    regions: Vec<RegionCode>,
    /// 只携带、不可读的区划代码 / region that it carries for without reading, repeatable
    #[arg(long = "carry", value_name = "CODE")]
    carries: Vec<RegionCode>,
    /// 可在该节点上行使的角色，可多次给出；缺省按节点角色 / role in which people may act on it, repeatable; by default those
    /// that suit the node
    #[arg(long, value_name = "ROLE")]
    acts_as: Vec<Role>,
    /// 授权机构密钥文件 / authority file
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// 新节点要连接的地址，可多次给出 / address that it is to connect to, repeatable
    #[arg(long = "peer", value_name = "MULTIADDR")]
    peers: Vec<String>,
    /// 邀请文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl InviteArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        addresses(&Origin::Flag, "peers", self.peers.clone())?;
        let role = NodeRole::ALL.into_iter().find(|role| role.name() == self.role).unwrap_or(NodeRole::Village);
        self.check_scope(role)?;
        if self.out.exists() {
            return Err(FileError::at(&self.out)(std::io::ErrorKind::AlreadyExists.into()).into());
        }
        // Read first: a wrong file is an error here, not in the running node.
        read_authority(&self.authority)?;
        let text = match Client::of(&context.config.data_dir) {
            Ok(client) if client.is_alive() => self.ask(&client, role)?,
            Ok(_) | Err(_) => self.make(context, role)?,
        };
        write_whole(&self.out, text.as_bytes(), Existing::Keep)?;
        let result = json!({ "invite": self.out, "name": self.name, "role": self.role });
        context.output.result(&result, |value| format!("邀请已写入 / the invite is written\n{}", fields(value)));
        context.output.note("该文件只能用一次，请安全传递 / it is for one node: pass it on safely");
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses what would be left out of the certificate, and a node that could do nothing.
    fn check_scope(&self, role: NodeRole) -> Result<(), Failure> {
        let has_regions = !self.regions.is_empty();
        let message = match role {
            NodeRole::Center if has_regions || !self.carries.is_empty() => Message::new(
                "center_scope",
                "指挥中心读写全镇，不能有 --region 或 --carry",
                "a center reads and writes everything: it has neither --region nor --carry",
            )
            .remedy("去掉它们，或换一个 --role", "leave them out, or give another --role"),
            NodeRole::Village | NodeRole::Patrol if !has_regions => {
                Message::new("no_region", "村居和巡逻节点须有 --region", "a village or patrol node needs --region")
                    .remedy("加上 --region <区划代码>", "add --region CODE")
            }
            NodeRole::Carrier if !has_regions && self.carries.is_empty() => {
                Message::new("no_scope", "携带节点须有 --carry 或 --region", "a carrier needs --carry or --region")
                    .remedy("加上 --carry <区划代码>", "add --carry CODE")
            }
            NodeRole::Center | NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier => return Ok(()),
        };
        Err(message.into())
    }

    fn codes(codes: &[RegionCode]) -> Vec<String> {
        codes.iter().map(ToString::to_string).collect()
    }

    /// The running node holds its store, so it makes the invite.
    fn ask(&self, client: &Client, role: NodeRole) -> Result<String, Failure> {
        let authority = read_small(&self.authority, 1 << 20)?;
        let input = InviteInput {
            authority: String::from_utf8_lossy(&authority).into_owned(),
            name: self.name.clone(),
            role,
            regions: Self::codes(&self.regions),
            carries: Self::codes(&self.carries),
            acts_as: self.acts_as.clone(),
            peers: self.peers.clone(),
        };
        let answer = client.post("/v1/invite", &input)?;
        let answer: InviteAnswer = serde_json::from_value(answer)
            .map_err(|error| Message::new("answer", "节点的回答无法理解", error.to_string()))?;
        Ok(answer.invite)
    }

    fn make(&self, context: &Context, role: NodeRole) -> Result<String, Failure> {
        let file = local::identity(&context.config.data_dir)?;
        let authority = read_authority(&self.authority)?;
        if authority.town != file.town {
            return Err(other_town().into());
        }
        let place = Place {
            name: self.name.clone(),
            role,
            regions: Self::codes(&self.regions),
            carries: Self::codes(&self.carries),
            acts_as: acting_roles(self.acts_as.clone()),
        };
        let mut rng = os_rng()?;
        let invite = local::with_replica(&context.config, &file, |replica| {
            let secrets = replica.secrets();
            place.check(replica.trust(), &secrets)?;
            let invite = enrol::invite(&authority, &place, &secrets, now(), &mut rng)?;
            Ok(invite.introduced_by(replica.trust()))
        });
        let invite = invite.map_err(when_in_use)?;
        Ok(InviteFile { invite, peers: self.peers.clone() }.to_text())
    }
}

/// A node that is running but does not answer yet holds its store.
fn when_in_use(failure: Failure) -> Failure {
    if failure.message.code != "store_in_use" {
        return failure;
    }
    let message = failure.message.remedy("等节点就绪后再试", "wait until the node is ready, then try again");
    Failure { message, ..failure }
}
