//! `openapi`: the description of the HTTP API, without a running node.

use std::process::ExitCode;

use clap::Args;

use super::Done;
use super::output::Output;
use crate::http;

#[derive(Debug, Args)]
pub(super) struct OpenapiArgs {}

impl OpenapiArgs {
    pub(super) fn run(&self, output: Output) -> Done {
        output.result(&http::description(), |description| format!("{description:#}"));
        Ok(ExitCode::SUCCESS)
    }
}
