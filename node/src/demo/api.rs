//! A small client of the HTTP API of a node on this machine, as a script would write it.

use std::io::{BufRead as _, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::message::Message;

/// Largest answer that is read: the dump of a whole town.
const MAX_ANSWER: u64 = 1 << 30;
/// Most lines of an answer that are kept.
const MAX_LINES: usize = 1_000_000;
/// Largest part of an error's text that is repeated.
const MAX_REASON: usize = 400;
/// How long an answer may take; importing a ledger and dumping a town take longest.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The node has not said where it answers.
    #[error("{path}: {reason}; the node is not running, or has not finished starting")]
    NoAddress {
        /// The file in its data directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer, or one that broke off: nobody knows whether the call was carried out.
    #[error("{call}: {reason}")]
    NoAnswer {
        /// Method and path.
        call: String,
        /// What happened.
        reason: String,
    },
    /// The node answered that it did not do it.
    #[error("{call}: answered {status}: {reason}")]
    Refused {
        /// Method and path.
        call: String,
        /// HTTP status.
        status: u16,
        /// The beginning of the answer's text.
        reason: String,
        /// What it says, where it is a problem as the API describes them.
        message: Option<Box<Message>>,
    },
}

impl ApiError {
    /// Whether the node answered, so that it is known that nothing was recorded.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Where a node answers, as it writes it into its data directory.
#[derive(Debug, Clone, Deserialize)]
struct Address {
    address: String,
    token: String,
}

/// The API of one running node.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    token: String,
    agent: ureq::Agent,
}

impl Api {
    /// The token that other programs need to ask it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The API that the file of [`DataDir::api`](crate::data_dir::DataDir::api) points to.
    ///
    /// # Errors
    /// [`ApiError::NoAddress`].
    pub fn of_file(path: &Path) -> Result<Self, ApiError> {
        let wrong = |reason: String| ApiError::NoAddress { path: path.to_owned(), reason };
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let Address { address, token } = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            // A proxy that the environment names is not for this machine.
            .proxy(None)
            .http_status_as_error(false)
            .build();
        Ok(Self { base: format!("http://{address}"), token, agent: config.into() })
    }

    /// The address to open in a browser.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Fetches a resource.
    ///
    /// # Errors
    /// [`ApiError::NoAnswer`], [`ApiError::Refused`].
    pub fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let call = format!("GET {path}");
        let request = self.agent.get(format!("{}{path}", self.base)).header("Authorization", self.bearer());
        read(request.call(), &call)
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// [`ApiError::NoAnswer`], [`ApiError::Refused`].
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ApiError> {
        self.send(path, "application/json", body.to_string().as_bytes())
    }

    /// Posts bytes of a given type.
    ///
    /// # Errors
    /// [`ApiError::NoAnswer`], [`ApiError::Refused`].
    pub fn send<T: DeserializeOwned>(&self, path: &str, content_type: &str, body: &[u8]) -> Result<T, ApiError> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("Authorization", self.bearer());
        read(request.header("Content-Type", content_type).send(body), &format!("POST {path}"))
    }

    /// Posts bytes and takes an answer of JSON lines.
    ///
    /// # Errors
    /// [`ApiError::NoAnswer`], [`ApiError::Refused`].
    pub fn send_for_lines(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<Value>, ApiError> {
        let call = format!("POST {path}");
        let request = self.agent.post(format!("{}{path}", self.base)).header("Authorization", self.bearer());
        let reader = accepted(request.header("Content-Type", content_type).send(body), &call)?;
        let lines = std::io::BufReader::new(reader).lines().take(MAX_LINES);
        let parse = |line: std::io::Result<String>| {
            serde_json::from_str(&line.map_err(|error| broken(&call, error))?).map_err(|error| broken(&call, error))
        };
        lines.map(parse).collect()
    }

    /// Asks anything, with headers beside the token; the bytes of the answer. GET takes no body.
    ///
    /// # Errors
    /// [`ApiError::NoAnswer`], [`ApiError::Refused`].
    pub fn ask(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>, ApiError> {
        let (call, address) = (format!("{method} {path}"), format!("{}{path}", self.base));
        let own = ("Authorization", self.bearer());
        let headers = || headers.iter().copied().chain([(own.0, own.1.as_str())]);
        let answer = match method {
            "GET" => {
                headers().fold(self.agent.get(address), |request, (name, value)| request.header(name, value)).call()
            }
            method => {
                let request = if method == "PATCH" { self.agent.patch(address) } else { self.agent.post(address) };
                headers().fold(request, |request, (name, value)| request.header(name, value)).send(body)
            }
        };
        let mut bytes = Vec::new();
        accepted(answer, &call)?.read_to_end(&mut bytes).map_err(|error| broken(&call, error))?;
        Ok(bytes)
    }

    /// Copies a resource as it is; returns its size in bytes.
    ///
    /// # Errors
    /// [`ApiError::NoAnswer`], [`ApiError::Refused`].
    pub fn copy(&self, path: &str, output: &mut impl Write) -> Result<u64, ApiError> {
        let call = format!("GET {path}");
        let request = self.agent.get(format!("{}{path}", self.base)).header("Authorization", self.bearer());
        let mut reader = accepted(request.call(), &call)?;
        std::io::copy(&mut reader, output).map_err(|error| broken(&call, error))
    }

    /// Whether the node is ready for work.
    pub fn is_ready(&self) -> bool {
        self.agent.get(format!("{}/readyz", self.base)).call().is_ok_and(|answer| answer.status().is_success())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn broken(call: &str, error: impl std::fmt::Display) -> ApiError {
    ApiError::NoAnswer { call: call.to_owned(), reason: error.to_string() }
}

/// The body of an answer that says that it was done.
fn accepted(answer: Answer, call: &str) -> Result<impl Read + use<>, ApiError> {
    let answer = answer.map_err(|error| broken(call, error))?;
    let status = answer.status();
    let mut reader = answer.into_body().into_with_config().limit(MAX_ANSWER).reader();
    if status.is_success() {
        return Ok(reader);
    }
    let mut text = Vec::new();
    // What cannot be read of an error's text is left out; its status says enough.
    let _ = reader.by_ref().take(16 << 10).read_to_end(&mut text);
    let message = serde_json::from_slice(&text).ok();
    let reason = String::from_utf8_lossy(&text).chars().take(MAX_REASON).collect();
    Err(ApiError::Refused { call: call.to_owned(), status: status.as_u16(), reason, message })
}

fn read<T: DeserializeOwned>(answer: Answer, call: &str) -> Result<T, ApiError> {
    let reader = accepted(answer, call)?;
    serde_json::from_reader(std::io::BufReader::new(reader))
        .map_err(|error| broken(call, format!("the answer is not as expected: {error}")))
}
