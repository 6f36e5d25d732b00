//! The running node, as commands reach it: through its API, found by the data directory.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::Failure;
use crate::data_dir::{DataDir, FileError};
use crate::http::{ApiFile, USER_HEADER};
use crate::message::Message;

/// Largest answer in one piece.
const MAX_ANSWER: u64 = 256 << 20;
const CONNECT: Duration = Duration::from_secs(3);
/// Imports and checks take as long as they take, so that only the pause before an answer begins is bounded.
const ANSWER: Duration = Duration::from_secs(600);

/// The API of the running node.
pub(super) struct Client {
    agent: Agent,
    file: ApiFile,
    directory: DataDir,
}

impl Client {
    /// The node of a data directory.
    ///
    /// # Errors
    /// When there is none, or it is not running.
    pub(super) fn of(directory: &DataDir) -> Result<Self, Failure> {
        let file = ApiFile::read(directory).ok_or_else(|| not_running(directory))?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A proxy that the environment names is not for this machine.
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .build();
        Ok(Self { agent: agent.into(), file, directory: directory.clone() })
    }

    /// Whether the node answers at all.
    pub(super) fn is_alive(&self) -> bool {
        self.agent.get(self.url("/healthz")).call().is_ok_and(|answer| answer.status().is_success())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.file.address)
    }

    /// A request that bears the token and says for whom it asks.
    fn asking<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = request.header("Authorization", format!("Bearer {}", self.file.token));
        let named = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        match named.filter(|user| user.chars().all(|c| c.is_ascii_graphic())) {
            Some(user) => request.header(USER_HEADER, user),
            None => request,
        }
    }

    /// Fetches JSON. `query` holds the parameters that are given.
    ///
    /// # Errors
    /// What the node answered, or that it is not running.
    pub(super) fn fetch(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value, Failure> {
        self.json(self.open(path, query)?)
    }

    /// Fetches anything.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) fn open(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Response<Body>, Failure> {
        let mut request = self.asking(self.agent.get(self.url(path)));
        for (name, value) in query {
            if let Some(value) = value {
                request = request.query(*name, value);
            }
        }
        self.answer(request.call())
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let request = self.asking(self.agent.post(self.url(path)));
        let answer = self.answer(request.send_json(body))?;
        self.json(answer)
    }

    /// Patches with JSON.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) fn patch(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let request = self.asking(self.agent.patch(self.url(path)));
        let answer = self.answer(request.send_json(body))?;
        self.json(answer)
    }

    /// Posts JSON where the answer has no body.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let request = self.asking(self.agent.post(self.url(path)));
        self.answer(request.send_json(body)).map(drop)
    }

    /// Posts a file; the answer is JSON.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) fn upload(&self, path: &str, query: &[(&str, Option<String>)], file: File) -> Result<Value, Failure> {
        let mut request = self.asking(self.agent.post(self.url(path)));
        request = request.header("Content-Type", "application/octet-stream");
        for (name, value) in query {
            if let Some(value) = value {
                request = request.query(*name, value);
            }
        }
        let answer = self.answer(request.send(file))?;
        self.json(answer)
    }

    /// Posts a file, or nothing, and shows each line of the answer until the last, which it returns: the value of `done`.
    ///
    /// # Errors
    /// As [`Self::fetch`], and the message of a line `error`.
    pub(super) fn lines(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
        file: Option<File>,
        mut show: impl FnMut(&str, &Value),
    ) -> Result<Value, Failure> {
        let mut request = self.asking(self.agent.post(self.url(path)));
        request = request.header("Accept", "application/x-ndjson").header("Content-Type", "application/octet-stream");
        for (name, value) in query {
            if let Some(value) = value {
                request = request.query(*name, value);
            }
        }
        let answer = match file {
            Some(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
                self.answer(request.send(file))?
            }
            // A pipe has no length; as a file it would count as empty.
            Some(pipe) => self.answer(request.send(SendBody::from_owned_reader(pipe)))?,
            None => self.answer(request.send_empty())?,
        };
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line: Value = line.ok().and_then(|line| serde_json::from_str(&line).ok()).unwrap_or_default();
            for (name, value) in line.as_object().into_iter().flatten() {
                match name.as_str() {
                    "done" => return Ok(value.clone()),
                    "error" => return Err(message_of(value).into()),
                    name => show(name, value),
                }
            }
        }
        let message = Message::new("broken_off", "节点中途停止，未完成", "the node stopped before the end");
        Err(message.remedy("查看节点日志后重试", "see its log, then try again").into())
    }

    fn json(&self, answer: Response<Body>) -> Result<Value, Failure> {
        let reader = answer.into_body().into_reader().take(MAX_ANSWER);
        serde_json::from_reader(BufReader::new(reader)).map_err(|error| {
            Message::new("answer", "节点的回答无法理解", format!("the node's answer is not understood: {error}")).into()
        })
    }

    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let answer = answer.map_err(|error| {
            let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
            if matches!(&error, ureq::Error::ConnectionFailed)
                || matches!(&error, ureq::Error::Io(error) if refused(error))
            {
                return not_running(&self.directory);
            }
            let message = Message::new("no_answer", "节点没有回答", format!("the node did not answer: {error}"));
            Failure::from(message.remedy("查看节点日志后重试", "see its log, then try again"))
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let value: Value = serde_json::from_reader(answer.into_body().into_reader().take(1 << 20)).unwrap_or_default();
        match status.as_u16() {
            // Somebody else listens on the address of a node that is gone.
            401 => Err(not_running(&self.directory)),
            _ => Err(message_of(&value).into()),
        }
    }
}

fn message_of(value: &Value) -> Message {
    serde_json::from_value(value.clone())
        .unwrap_or_else(|_| Message::new("answer", "节点的回答无法理解", "the node's answer is not understood"))
}

fn not_running(directory: &DataDir) -> Failure {
    let path = directory.path().display();
    let zh = format!("{path} 的节点没有运行");
    let remedy = format!("townmesh run --data-dir {path}");
    let message = Message::new("not_running", zh, format!("the node of {path} is not running"));
    message.remedy(&format!("先启动它：{remedy}"), &format!("start it first: {remedy}")).into()
}

/// Writes an answer into a new file that only the own account may read, since it can hold personal data; its bytes.
///
/// # Errors
/// That the file exists, or cannot be written.
pub(super) fn save(answer: Response<Body>, path: &Path) -> Result<u64, FileError> {
    write_new(path, |file| std::io::copy(&mut answer.into_body().into_reader(), file).map_err(FileError::at(path)))
}

/// Writes a new file that only the own account may read; none is left where that failed.
///
/// # Errors
/// That the file exists, or cannot be written; those of `write`.
pub(super) fn write_new<T, E: From<FileError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let failed = || FileError::at(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed())?;
    let written = write(&mut file).and_then(|written| Ok(file.sync_all().map(|()| written).map_err(failed())?));
    if written.is_err() {
        // Half a file would pass for a whole one.
        let _ = std::fs::remove_file(path);
    }
    written
}
