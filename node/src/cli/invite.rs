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
use crate::message::{Explain as _, Message};

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
        let place = self.place(role);
        place.check_form()?;
        if self.out.exists() {
            return Err(FileError::at(&self.out)(std::io::ErrorKind::AlreadyExists.into()).into());
        }
        // Read first: a wrong file is an error here, not in the running node.
        read_authority(&self.authority)?;
        let text = match Client::of(&context.config.data_dir) {
            Ok(client) if client.is_alive() => self.ask(&client, role)?,
            Ok(_) | Err(_) => self.make(context, &place)?,
        };
        write_whole(&self.out, text.as_bytes(), Existing::Keep).map_err(|error| not_written(&error, &self.name))?;
        let result = json!({ "invite": self.out, "name": self.name, "role": self.role });
        context.output.result(&result, |value| format!("邀请已写入 / the invite is written\n{}", fields(value)));
        context.output.note("该文件只能用一次，请安全传递 / it is for one node: pass it on safely");
        Ok(ExitCode::SUCCESS)
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

    fn place(&self, role: NodeRole) -> Place {
        Place {
            name: self.name.clone(),
            role,
            regions: Self::codes(&self.regions),
            carries: Self::codes(&self.carries),
            acts_as: acting_roles(self.acts_as.clone()),
        }
    }

    fn make(&self, context: &Context, place: &Place) -> Result<String, Failure> {
        let file = local::identity(&context.config.data_dir)?;
        let authority = read_authority(&self.authority)?;
        if authority.town != file.town {
            return Err(other_town().into());
        }
        let mut rng = os_rng()?;
        let invite = local::with_replica(&context.config, &file, |replica| {
            let invite = enrol::invite_at(replica, &authority, place, now(), &mut rng)?;
            // Before it is given out: what is not recorded could not be withdrawn.
            replica.commit(now())?;
            Ok(invite)
        });
        let invite = invite.map_err(when_in_use)?;
        Ok(InviteFile { invite, peers: self.peers.clone() }.to_text())
    }
}

/// The invite is recorded, and nobody has it.
fn not_written(error: &FileError, name: &str) -> Failure {
    let zh = format!("先撤回它再重试：townmesh revoke --invite {name} --authority <文件>");
    let en = format!("withdraw it, then try again: townmesh revoke --invite {name} --authority FILE");
    error.explain().remedy(&zh, &en).into()
}

/// A node that is running but does not answer yet holds its store.
fn when_in_use(failure: Failure) -> Failure {
    if failure.message.code != "store_in_use" {
        return failure;
    }
    let message = failure.message.remedy("等节点就绪后再试", "wait until the node is ready, then try again");
    Failure { message, ..failure }
}
