//! Why a configuration cannot be used, and where that is written.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::PREFIX;
use crate::data_dir::FileError;
use crate::message::{Explain, Message};
use crate::refusal;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In an environment variable.
    Environment,
    /// In a configuration file.
    File(PathBuf),
    /// In a request to the running node.
    Request,
}

impl Origin {
    /// How a key is written there.
    fn place(&self, key: &str) -> String {
        match self {
            // The flag names one of them.
            Self::Flag if key == "peers" => "--peer".to_owned(),
            Self::Flag => format!("--{}", key.replace('_', "-")),
            Self::Environment => format!("{PREFIX}{}", key.to_uppercase()),
            Self::File(path) => format!("{}: {key}", path.display()),
            Self::Request => key.to_owned(),
        }
    }
}

/// What would be accepted, in Chinese and English.
pub type Expected = (&'static str, &'static str);

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no text.
    #[error("{}: it is not text in UTF-8", .0.display())]
    NotText(PathBuf),
    /// The file is not TOML, or has an unknown key or a value of another type.
    #[error("{path}, line {line}: {reason}", path = path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value that means nothing.
    #[error("{} = {value:?}: {}", origin.place(key), expected.1)]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The key, as in the file.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What would be accepted.
        expected: Expected,
    },
    /// A variable that means nothing, such as a misspelt one.
    #[error("there is no environment variable {name}; the nearest is {nearest}")]
    Variable {
        /// Which one.
        name: String,
        /// A known one like it.
        nearest: String,
    },
    /// The HTTP API would answer other machines.
    #[error("http = {0}: the token and personal data would cross the network in clear")]
    BeyondLoopback(SocketAddr),
}

impl Explain for ConfigError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::File(error) => error.explain(),
            Self::NotText(path) => {
                Message::new("config_syntax", format!("配置文件 {} 不是 UTF-8 文本", path.display()), en)
                    .remedy("另存为 UTF-8", "save it as UTF-8")
            }
            Self::Syntax { path, line, reason } => {
                let why = refusal::in_chinese(reason).map(|why| format!("：{why}")).unwrap_or_default();
                Message::new("config_syntax", format!("配置文件 {} 第 {line} 行有误{why}", path.display()), en)
                    .remedy("改正该行", "correct that line")
            }
            Self::Value { origin, key, value, expected: (expected_zh, expected_en) } => {
                Message::new("config_value", format!("{} 的值 {value:?} 无效", origin.place(key)), en)
                    .remedy(expected_zh, expected_en)
            }
            Self::Variable { name, nearest } => {
                Message::new("config_variable", format!("没有环境变量 {name}，最接近的是 {nearest}"), en)
                    .remedy("改正或去掉它", "correct it, or unset it")
            }
            Self::BeyondLoopback(address) => Message::new(
                "http_beyond_loopback",
                format!("http = {address}：令牌和个人信息将以明文经过网络"),
                en,
            )
            .remedy(
                "改用 127.0.0.1；确有需要时加上 --http-beyond-loopback（配置项 http_beyond_loopback = true）",
                "use 127.0.0.1; if it must be, add --http-beyond-loopback (http_beyond_loopback = true in the file)",
            ),
        }
    }
}
