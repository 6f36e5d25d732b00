//! Wrong usage that the parser of the command line noticed.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};

use super::USAGE;
use super::output::Output;
use crate::message::Message;

/// Says what is wrong: as JSON where that was asked for. Help and version are asked for in the same way.
pub(super) fn refuse(error: &clap::Error, mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let json = error.use_stderr() && arguments.any(|argument| argument == "--json");
    if json {
        Output { json }.error(&message(error));
        return ExitCode::from(USAGE);
    }
    // A reader that went away is no error.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The parser's error in one line of each language.
pub(super) fn message(error: &clap::Error) -> Message {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    let zh = match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("参数 {argument} 的值“{}”无效", context(ContextKind::InvalidValue))
        }
        ErrorKind::MissingRequiredArgument => format!("缺少参数 {argument}"),
        ErrorKind::UnknownArgument => format!("没有参数 {argument}"),
        ErrorKind::InvalidSubcommand => format!("没有命令 {}", context(ContextKind::InvalidSubcommand)),
        ErrorKind::ArgumentConflict => {
            format!("参数 {argument} 不能与 {} 同时使用", context(ContextKind::PriorArg))
        }
        ErrorKind::NoEquals
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::MissingSubcommand
        | ErrorKind::InvalidUtf8
        | ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion
        | ErrorKind::Io
        | ErrorKind::Format
        | _ => "命令用法有误".to_owned(),
    };
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let en = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    Message::new("usage", zh, en).remedy("用 --help 查看用法", "see --help")
}
