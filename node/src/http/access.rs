//! Who may ask: whoever can read the data directory, from this machine, not by way of a web page of somebody else.
//!
//! The token is random for each start and stands in a file that only the node's user can read. A page in a browser on
//! this machine could still reach the port under a name of its own (DNS rebinding), so requests must name this machine
//! by `localhost` or by a plain address.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Api;
use super::error::ApiError;
use crate::data_dir::{DataDir, Existing, FileError, read_small, write_whole};
use crate::message::Message;

/// Paths that need no token on loopback: health checks and metrics say nothing about people.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Where a running node answers, and its token: the file `api.json` of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFile {
    /// Address and port.
    pub address: SocketAddr,
    /// The token.
    pub token: String,
    /// Process id of the node.
    pub pid: u32,
}

impl ApiFile {
    /// A new token for a node that listens there.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn new(address: SocketAddr) -> Result<Self, Message> {
        let mut bytes = [0; 32];
        rand_core::Rng::fill_bytes(&mut crate::keys::os_rng()?, &mut bytes);
        Ok(Self { address, token: URL_SAFE_NO_PAD.encode(bytes), pid: std::process::id() })
    }

    /// Writes the file, for the node's user alone.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, directory: &DataDir) -> Result<(), FileError> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_whole(&directory.api(), &text, Existing::Replace)
    }

    /// Reads the file; `None` where there is none, or it is not such a file.
    pub fn read(directory: &DataDir) -> Option<Self> {
        serde_json::from_slice(&read_small(&directory.api(), 4096).ok()?).ok()
    }

    /// Removes the file if it is still this node's.
    pub fn remove(&self, directory: &DataDir) {
        if Self::read(directory).as_ref() == Some(self) {
            // A file that stays behind only makes the next command say that nobody answers.
            let _ = std::fs::remove_file::<&Path>(&directory.api());
        }
    }
}

/// What requests are judged by.
#[derive(Debug)]
pub struct Access {
    /// Compared by hash, which takes the same time wherever two tokens differ.
    token: blake3::Hash,
    is_loopback: bool,
}

impl Access {
    /// Access by the token of this file.
    pub fn new(file: &ApiFile) -> Self {
        Self { token: blake3::hash(file.token.as_bytes()), is_loopback: file.address.ip().is_loopback() }
    }

    fn allows(&self, path: &str, headers: &HeaderMap) -> bool {
        (self.is_loopback && OPEN.contains(&path))
            || bearer(headers).is_some_and(|token| blake3::hash(token) == self.token)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Whether the request names this machine as only somebody on purpose does: `localhost` or a plain address.
fn names_this_machine(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let named = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let in_line = request.uri().authority().is_none_or(is_plain);
    named.as_ref().is_some_and(is_plain) && in_line
}

fn is_plain(authority: &Authority) -> bool {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    !authority.as_str().contains('@') && (host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok())
}

/// A page of another origin may not write, whatever it knows.
fn is_foreign(request: &Request) -> bool {
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(origin) = origin else { return request.headers().contains_key(header::ORIGIN) };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_reading = request.method() == Method::GET || request.method() == Method::HEAD;
    !is_reading && origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) != Some(host)
}

/// Lets requests pass that name this machine and bear the token.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Result<Response, ApiError> {
    if !names_this_machine(&request) || is_foreign(&request) {
        let message = Message::new("host", "请求的主机名不被接受", "the request's host or origin is not accepted");
        let message = message.remedy("用 127.0.0.1 或 localhost 访问", "use 127.0.0.1 or localhost");
        return Err(ApiError { status: StatusCode::FORBIDDEN, message });
    }
    if !api.access().allows(request.uri().path(), request.headers()) {
        let message = Message::new("unauthorized", "缺少令牌或令牌不正确", "the token is missing or wrong").remedy(
            "令牌在数据目录的 api.json 中，节点每次启动都会更换",
            "it stands in api.json in the data directory and changes with each start",
        );
        return Err(ApiError { status: StatusCode::UNAUTHORIZED, message });
    }
    Ok(next.run(request).await)
}
