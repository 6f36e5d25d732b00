//! `photo`: record, show.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use townmesh_crdt::domain::inspection::PhotoHash;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};

use super::client::{Client, save};
use super::output::{fields, recorded};
use super::{Context, Done, Failure, NOT_SYNCED};
use crate::data_dir::FileError;
use crate::message::Message;

#[derive(Debug, Subcommand)]
pub(super) enum PhotoCommand {
    /// 保存一张照片 / record a photo
    Record(RecordArgs),
    /// 取出一张照片 / write a photo to a file
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// 照片文件 / JPEG, PNG or WebP
    file: PathBuf,
    /// 户的编号 / id of the household
    #[arg(long, required_unless_present = "region")]
    household: Option<DocumentId>,
    /// 照片中的居民编号 / id of the resident to be seen on it
    #[arg(long, requires = "household", conflicts_with = "region")]
    resident: Option<ResidentId>,
    /// 村居区划代码，不属于某一户时 / region, where it is of no household
    #[arg(long, value_name = "CODE", conflicts_with = "household")]
    region: Option<RegionCode>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// 照片编号 / hash of the photo
    photo: PhotoHash,
    /// 查看理由 / why it is looked at
    #[arg(long, value_name = "REASON")]
    reveal: String,
    /// 目标文件 / file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// 只取缩略图（先于原图传来）/ the thumbnail, which comes ahead of the photo
    #[arg(long)]
    thumbnail: bool,
}

impl PhotoCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        match self {
            Self::Record(args) => {
                let query = [
                    ("household", args.household.map(|one| one.to_string())),
                    ("resident", args.resident.map(|one| one.to_string())),
                    ("region", args.region.map(|region| region.to_string())),
                ];
                let answer = send(&client, &args.file, &query)?;
                context.output.result(&answer, recorded);
                Ok(ExitCode::SUCCESS)
            }
            Self::Show(args) => args.run(context, &client),
        }
    }
}

/// Sends a photo to the running node.
fn send(client: &Client, path: &Path, query: &[(&str, Option<String>)]) -> Result<Value, Failure> {
    let file = File::open(path).map_err(FileError::at(path))?;
    client.upload("/v1/photos", query, file)
}

/// Sends a photo of a household; the hash that an inspection names it by.
///
/// # Errors
/// When the file is no photo, or the node refuses it.
pub(super) fn hash_of_sent(client: &Client, path: &Path, household: DocumentId) -> Result<PhotoHash, Failure> {
    let answer = send(client, path, &[("household", Some(household.to_string()))])?;
    let hash = answer.pointer("/value/photo").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
    hash.ok_or_else(|| Message::new("answer", "节点的回答无法理解", "the node's answer is not understood").into())
}

impl ShowArgs {
    fn run(self, context: &Context, client: &Client) -> Done {
        let part = if self.thumbnail { "/thumbnail" } else { "" };
        let answer = client.open(&format!("/v1/photos/{}{part}", self.photo), &[("reveal", Some(self.reveal))])?;
        if answer.status().as_u16() == 202 {
            let value = json!({ "photo": self.photo, "complete": false });
            context.output.result(&value, |_| "照片尚未全部到达 / parts of it are still on their way".to_owned());
            return Ok(ExitCode::from(NOT_SYNCED));
        }
        let bytes = save(answer, &self.out)?;
        let value = json!({ "photo": self.out, "bytes": bytes, "complete": true });
        context.output.result(&value, |value| format!("已写入 / written\n{}", fields(value)));
        Ok(ExitCode::SUCCESS)
    }
}
