//! `inspection`: record, list, show.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;
use townmesh_crdt::domain::checklist::Checklist;
use townmesh_crdt::domain::inspection::{Answer, Inspection};
use townmesh_crdt::id::DocumentId;

use super::client::Client;
use super::household::{MAX_INPUT, from_file};
use super::output::{fields, recorded, table};
use super::{Context, Done, Failure, photo};
use crate::engine::now;
use crate::message::Message;

#[derive(Debug, Subcommand)]
pub(super) enum InspectionCommand {
    /// 记录一次检查 / record an inspection
    Record(RecordArgs),
    /// 列出一户、一处房屋、企业或网格的检查 / list those of a household, dwelling, enterprise or grid
    List {
        /// 户、房屋、企业或网格的编号 / id of what was inspected
        household: DocumentId,
    },
    /// 查看一次检查 / show one
    Show {
        /// 户、房屋、企业或网格的编号 / id of what was inspected
        household: DocumentId,
        /// 检查的编号 / id of the inspection
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// JSON 文件，代替其他参数 / a JSON file instead of the other flags
    #[arg(long, value_name = "FILE", conflicts_with_all = ["household", "by", "checklist", "answers", "note", "photos"])]
    file: Option<PathBuf>,
    /// 户、房屋、企业或网格的编号 / id of the household, dwelling, enterprise or grid
    #[arg(long, required_unless_present = "file")]
    household: Option<DocumentId>,
    /// 检查人编号 / code of who inspected
    #[arg(long, required_unless_present = "file")]
    by: Option<String>,
    /// 检查表编号 / number of the checklist
    #[arg(long, default_value_t = Checklist::HOUSEHOLD)]
    checklist: u16,
    /// 答案，如 4=hazard，可多次给出 / an answer (ok, hazard, not_applicable), repeatable
    #[arg(long = "answer", value_name = "ITEM=ANSWER", value_parser = answer)]
    answers: Vec<(u16, Answer)>,
    /// 备注 / remarks; nothing that identifies a person
    #[arg(long)]
    note: Option<String>,
    /// 照片文件，可多次给出 / a photo, repeatable
    #[arg(long = "photo", value_name = "FILE")]
    photos: Vec<PathBuf>,
}

fn answer(text: &str) -> Result<(u16, Answer), String> {
    let wrong = || format!("{text:?}: write ITEM=ok|hazard|not_applicable, such as 4=hazard");
    let (item, answer) = text.split_once('=').ok_or_else(wrong)?;
    Ok((item.parse().map_err(|_| wrong())?, answer.parse().map_err(|_| wrong())?))
}

/// The answers by item; two different ones for one item are refused, since nobody knows which is meant.
fn distinct(given: Vec<(u16, Answer)>) -> Result<BTreeMap<u16, Answer>, Message> {
    let mut answers = BTreeMap::new();
    for (item, answer) in given {
        if answers.insert(item, answer).is_some_and(|before| before != answer) {
            let message = Message::new(
                "answer_twice",
                format!("第{item}项有两个不同的答案"),
                format!("item {item} has two different answers"),
            );
            return Err(message.remedy("每项只给一个答案", "give one answer for each item"));
        }
    }
    Ok(answers)
}

impl RecordArgs {
    /// The inspection, once its photos are recorded.
    fn inspection(self, client: &Client) -> Result<Inspection, Failure> {
        if let Some(path) = &self.file {
            return from_file(path, MAX_INPUT);
        }
        let missing = || Message::new("usage", "缺少 --household 或 --by", "--household or --by is missing");
        let household = self.household.ok_or_else(missing)?;
        let answers = distinct(self.answers)?;
        let sent = self.photos.iter().map(|path| photo::hash_of_sent(client, path, household));
        let photos = sent.collect::<Result<_, _>>()?;
        Ok(Inspection {
            household,
            by: self.by.ok_or_else(missing)?,
            time_ms: i64::try_from(now()).unwrap_or(i64::MAX),
            checklist: self.checklist,
            answers,
            note: self.note,
            photos,
            position: None,
        })
    }
}

impl InspectionCommand {
    pub(super) fn run(self, context: &Context) -> Done {
        let client = Client::of(&context.config.data_dir)?;
        let list =
            |household: DocumentId| client.fetch("/v1/inspections", &[("household", Some(household.to_string()))]);
        match self {
            Self::Record(args) => {
                let answer = client.post("/v1/inspections", &args.inspection(&client)?)?;
                context.output.result(&answer, recorded);
            }
            Self::List { household } => {
                let columns = [
                    ("/record", "编号 id"),
                    ("/time_ms", "时间 time"),
                    ("/inspector", "检查人 by"),
                    ("/hazards", "隐患 hazards"),
                    ("/note", "备注 note"),
                ];
                context.output.result(&list(household)?, |listed| table(listed, &columns));
            }
            Self::Show { household, id } => {
                let listed = list(household)?;
                let mut rows = listed.get("rows").and_then(Value::as_array).into_iter().flatten();
                let found = rows.find(|row| row.get("record").and_then(Value::as_str) == Some(&id));
                let found =
                    found.ok_or_else(|| Message::new("not_found", "没有这次检查", "there is no such inspection"))?;
                context.output.result(found, fields);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_for_one_item_are_refused_unless_they_agree() {
        let error = distinct(vec![(4, Answer::Hazard), (4, Answer::Ok)]).unwrap_err();
        assert_eq!(error.code, "answer_twice");
        let answers = distinct(vec![(4, Answer::Hazard), (4, Answer::Hazard), (5, Answer::Ok)]).unwrap();
        assert_eq!(answers.len(), 2);
    }
}
