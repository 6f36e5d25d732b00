//! `join`: makes this machine a node, from an invite file alone.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use townmesh_crdt::enrol;

use super::output::fields;
use super::{Context, Done, Failure, local};
use crate::config::{DEFAULT_LISTEN, Origin, addresses, file_text};
use crate::data_dir::{Existing, write_whole};
use crate::engine::now;
use crate::keys::{IdentityFile, InviteFile, os_rng};
use crate::message::Message;

fn no_room_for_keys() -> Message {
    Message::new("keys_no_room", "邀请中的密钥太多，无法保存", "the invite holds more keys than a node can keep")
        .remedy("请为较少的村居重新邀请", "ask for an invite for fewer regions")
}

#[derive(Debug, Args)]
pub(super) struct JoinArgs {
    /// 邀请文件 / invite file
    invite: PathBuf,
    /// 监听地址，可多次给出 / address to listen on, repeatable
    #[arg(long = "listen", value_name = "MULTIADDR")]
    listen: Vec<String>,
}

impl JoinArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let directory = &context.config.data_dir;
        addresses(&Origin::Flag, "listen", self.listen.clone())?;
        let InviteFile { invite, peers } = InviteFile::read(&self.invite)?;
        let mut file = match self.interrupted(context, &invite) {
            Some(file) => file,
            None => {
                local::refuse_existing(directory)?;
                directory.create()?;
                let file = IdentityFile::of_joined(invite.town, enrol::redeem(&invite, &mut os_rng()?)?);
                file.write(&directory.identity(), Existing::Keep)?;
                file
            }
        };
        let listen = if self.listen.is_empty() { DEFAULT_LISTEN.map(str::to_owned).to_vec() } else { self.listen };
        if !directory.config().exists() {
            write_whole(&directory.config(), file_text(&listen, &peers).as_bytes(), Existing::Keep)?;
        }
        local::with_replica(&context.config, &file, |replica| {
            replica.keep_introduction(&invite.introduction).map_err(enrol::EnrolError::from)?;
            if !replica.keep_secrets(&invite.secrets) {
                return Err(no_room_for_keys().into());
            }
            Ok(replica.commit(now())?)
        })?;
        local::note_data(directory, &mut file)?;
        let role = file.certificate().map(|certificate| certificate.role.name());
        let result = json!({
            "node": file.identity.node(), "name": file.name, "role": role, "data_dir": directory.path(), "peers": peers,
        });
        context.output.result(&result, |value| format!("已加入 / joined\n{}", fields(value)));
        let path = directory.path().display();
        context.output.note(&format!("启动 / start it: townmesh run --data-dir {path}"));
        Ok(ExitCode::SUCCESS)
    }

    /// The identity that an interrupted join with the same invite left behind: redeeming it again would look like a theft.
    fn interrupted(&self, context: &Context, invite: &enrol::Invite) -> Option<IdentityFile> {
        let file: Result<IdentityFile, Failure> = local::identity(&context.config.data_dir);
        let file = file.ok().filter(|file| !file.expect_data)?;
        let redeemed = invite.chain.last()?.id;
        file.chain.iter().any(|statement| statement.id == redeemed).then_some(file)
    }
}
