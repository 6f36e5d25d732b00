//! Founding the model town with the same commands that people use: create, invite, join.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use townmesh_crdt::id::NodeId;

use super::plan::{NodePlan, Plan};
use super::process::command;
use super::town::data_dir;
use crate::data_dir::DataDir;
use crate::keys::IdentityFile;

/// A town whose nodes have their keys.
#[derive(Debug)]
pub struct Founded {
    folder: PathBuf,
    nodes: BTreeMap<&'static str, NodeId>,
}

impl Founded {
    /// Where a node keeps everything.
    pub fn data_dir(&self, node: &str) -> PathBuf {
        data_dir(&self.folder, node)
    }

    /// A node's id.
    pub fn id(&self, node: &str) -> Option<NodeId> {
        self.nodes.get(node).copied()
    }
}

/// Founds the town in a folder: one data directory for each node, invites beside them.
///
/// # Errors
/// When one of the commands fails, with what it said.
pub fn found(program: &Path, folder: &Path, plan: &Plan) -> anyhow::Result<Founded> {
    let (first, others) = plan.nodes.split_first().context("a town has a center")?;
    let center = data_dir(folder, first.name);
    let keys = folder.join("keys");
    let mut create = command(program);
    create.args(["town", "create", "--name", first.name, "--keys"]).arg(&keys).arg("--data-dir").arg(&center);
    run(create)?;
    for node in others {
        let invite = folder.join(format!("{}.invite", node.name));
        run(invitation(program, node, &center, &keys, &invite))?;
        let mut join = command(program);
        join.arg("join").arg(&invite).arg("--data-dir").arg(data_dir(folder, node.name));
        run(join)?;
    }
    let id = |node: &NodePlan| -> anyhow::Result<_> {
        let identity = IdentityFile::read(&DataDir::new(data_dir(folder, node.name)).identity())?;
        Ok((node.name, identity.identity.node()))
    };
    Ok(Founded { folder: folder.to_owned(), nodes: plan.nodes.iter().map(id).collect::<anyhow::Result<_>>()? })
}

fn invitation(program: &Path, node: &NodePlan, center: &Path, keys: &Path, invite: &Path) -> Command {
    let mut command = command(program);
    command.args(["invite", "--name", node.name, "--role", node.role.name()]);
    node.regions.iter().for_each(|region| _ = command.args(["--region", region]));
    node.carries.iter().for_each(|region| _ = command.args(["--carry", region]));
    command.arg("--authority").arg(keys.join("authority.key")).arg("--out").arg(invite).arg("--data-dir").arg(center);
    command
}

/// Runs a command to its end.
fn run(mut command: Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(())
}
