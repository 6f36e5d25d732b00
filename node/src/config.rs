//! A node's configuration: TOML file < environment (`TOWNMESH_…`) < flags.
//!
//! Each source is one [`Layer`], in which everything is optional; [`Layer::over`] puts one upon another, and
//! [`Config::from_layers`] fills in the defaults and checks the values. What the file names and this version does not
//! know is refused with its line: a misspelt key must not be ignored in silence.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use townmesh_transport::Multiaddr;

use crate::data_dir::{DataDir, FileError, read_small};
use crate::message::{Explain, Message};

/// Prefix of the environment variables; the rest is a key in capitals, such as `TOWNMESH_HTTP`.
pub const PREFIX: &str = "TOWNMESH_";
/// Largest configuration file in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Where nodes listen by default: QUIC first, TCP for networks that drop UDP.
pub const DEFAULT_LISTEN: [&str; 2] = ["/ip4/0.0.0.0/udp/4001/quic-v1", "/ip4/0.0.0.0/tcp/4001"];
const DEFAULT_HTTP: &str = "127.0.0.1:8470";
const DEFAULT_DATA_DIR: &str = "townmesh-data";
const DEFAULT_FILTER: &str = "info,libp2p=warn";
/// Bounds of the time between two beacons.
const BEACON_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;

/// What a node is told; complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where its keys, store and views lie.
    pub data_dir: DataDir,
    /// Addresses to listen on; may be empty.
    pub listen: Vec<Multiaddr>,
    /// Addresses of nodes to keep a session with.
    pub peers: Vec<Multiaddr>,
    /// Whether to announce itself and look for others on the local network.
    pub discover_on_lan: bool,
    /// Whether to relay for others, or be reachable through relays.
    pub relay: Relay,
    /// Where the HTTP API listens.
    pub http: SocketAddr,
    /// Least time between two beacons.
    pub beacon_interval: Duration,
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log_filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// The part in relaying.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Relay {
    /// None.
    #[default]
    Off,
    /// Relays between this node's peers.
    Serve,
    /// Is reachable through these relays.
    Use(Vec<Multiaddr>),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// One source of configuration. Texts are parsed when the layers are complete, so that an error can name its source.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// Data directory; on the command line it belongs to all commands.
    #[arg(skip)]
    pub data_dir: Option<PathBuf>,
    /// 监听地址，可多次给出 / address to listen on, repeatable, such as /ip4/0.0.0.0/udp/4001/quic-v1
    #[arg(long = "listen", value_name = "MULTIADDR")]
    pub listen: Option<Vec<String>>,
    /// 要保持连接的节点地址，可多次给出 / address of a node to stay connected with, repeatable
    #[arg(long = "peer", value_name = "MULTIADDR")]
    pub peers: Option<Vec<String>>,
    /// 是否在局域网中发现其他节点 / whether to find other nodes on the local network
    #[arg(long, value_name = "BOOL")]
    pub discover_on_lan: Option<bool>,
    /// 中继：off、serve 或中继地址 / relaying: off, serve, or addresses of relays
    #[arg(long = "relay", value_name = "off|serve|MULTIADDR")]
    #[serde(deserialize_with = "one_or_many")]
    pub relay: Option<Vec<String>>,
    /// HTTP 接口地址 / address of the HTTP API
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<String>,
    /// 信标间隔（秒）/ least seconds between two beacons
    #[arg(long, value_name = "SECONDS")]
    pub beacon_interval_seconds: Option<u64>,
    /// 日志过滤 / what to log, such as info,townmesh_node=debug
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// 日志格式 / how log lines look
    #[arg(long, value_name = "text|json")]
    pub log_format: Option<LogFormat>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not TOML, or has an unknown key or a value of another type.
    #[error("{path}, line {line}: {reason}", path = path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// From 1; 0 where the whole file is meant.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value that means nothing.
    #[error("{key} = {value:?}: {expected}")]
    Value {
        /// The key, as in the file.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

impl Explain for ConfigError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::File(error) => error.explain(),
            Self::Syntax { path, line, .. } => {
                Message::new("config_syntax", format!("配置文件 {} 第 {line} 行有误", path.display()), en)
                    .remedy("改正该行", "correct that line")
            }
            Self::Value { key, value, .. } => {
                Message::new("config_value", format!("配置项 {key} 的值 {value:?} 无效"), en)
            }
        }
    }
}

/// A text or a list of texts.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "\"off\", \"serve\" or a list of addresses of relays")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    }))
}

impl Layer {
    /// The layer of a TOML file.
    ///
    /// # Errors
    /// [`ConfigError::File`], [`ConfigError::Syntax`].
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read_small(path, MAX_FILE)?;
        let syntax = |line, reason: String| ConfigError::Syntax { path: path.to_path_buf(), line, reason };
        let text = String::from_utf8(bytes).map_err(|_| syntax(0, "it is not text in UTF-8".into()))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            syntax(before.matches('\n').count() + 1, error.message().to_owned())
        })
    }

    /// The layer of the environment; `variable` looks one up. Lists are separated by commas.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a number or yes-or-no that is none.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |key: &str| variable(&format!("{PREFIX}{}", key.to_uppercase())).filter(|text| !text.is_empty());
        let list = |key| text(key).map(|text| text.split(',').map(|one| one.trim().to_owned()).collect());
        let wrong = |key, value: &str, expected| ConfigError::Value { key, value: value.to_owned(), expected };
        let lan = text("discover_on_lan")
            .map(|text| text.parse().map_err(|_| wrong("discover_on_lan", &text, "write true or false")));
        let beacon = text("beacon_interval_seconds")
            .map(|text| text.parse().map_err(|_| wrong("beacon_interval_seconds", &text, "write a number of seconds")));
        let format = text("log_format").map(|text| match text.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(wrong("log_format", &text, "write text or json")),
        });
        Ok(Self {
            data_dir: text("data_dir").map(PathBuf::from),
            listen: list("listen"),
            peers: list("peers"),
            discover_on_lan: lan.transpose()?,
            relay: list("relay"),
            http: text("http"),
            beacon_interval_seconds: beacon.transpose()?,
            log_filter: text("log_filter"),
            log_format: format.transpose()?,
        })
    }

    /// This layer upon another: what it does not say, the other says.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(lower.data_dir),
            listen: self.listen.or(lower.listen),
            peers: self.peers.or(lower.peers),
            discover_on_lan: self.discover_on_lan.or(lower.discover_on_lan),
            relay: self.relay.or(lower.relay),
            http: self.http.or(lower.http),
            beacon_interval_seconds: self.beacon_interval_seconds.or(lower.beacon_interval_seconds),
            log_filter: self.log_filter.or(lower.log_filter),
            log_format: self.log_format.or(lower.log_format),
        }
    }

    /// The data directory that this layer names, or the default one.
    pub fn data_dir(&self) -> DataDir {
        DataDir::new(self.data_dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR)))
    }
}

impl Config {
    /// The configuration of flags, environment and file. The file is `explicit` where given, else `TOWNMESH_CONFIG`, else
    /// `townmesh.toml` in the data directory if there is one.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(
        flags: Layer,
        explicit: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let upper = flags.over(Layer::from_environment(&variable)?);
        let named = explicit.map(Path::to_path_buf).or_else(|| variable("TOWNMESH_CONFIG").map(PathBuf::from));
        let beside = upper.data_dir().config();
        let file = named.or_else(|| beside.exists().then_some(beside));
        let lower = file.map(|path| Layer::from_file(&path)).transpose()?.unwrap_or_default();
        Self::from_layers(upper.over(lower))
    }

    /// The configuration of all layers together.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn from_layers(layer: Layer) -> Result<Self, ConfigError> {
        let data_dir = layer.data_dir();
        let listen = layer.listen.unwrap_or_else(|| DEFAULT_LISTEN.map(str::to_owned).to_vec());
        let http = layer.http.unwrap_or_else(|| DEFAULT_HTTP.to_owned());
        let expected = "write an address and a port, such as 127.0.0.1:8470";
        let http = http.parse().map_err(|_| ConfigError::Value { key: "http", value: http, expected })?;
        let seconds = layer.beacon_interval_seconds.unwrap_or(60);
        if !BEACON_SECONDS.contains(&seconds) {
            let expected = "write 1 to 3600 seconds";
            return Err(ConfigError::Value { key: "beacon_interval_seconds", value: seconds.to_string(), expected });
        }
        Ok(Self {
            data_dir,
            listen: addresses("listen", listen)?,
            peers: addresses("peers", layer.peers.unwrap_or_default())?,
            discover_on_lan: layer.discover_on_lan.unwrap_or(true),
            relay: relay(layer.relay.unwrap_or_default())?,
            http,
            beacon_interval: Duration::from_secs(seconds),
            log_filter: layer.log_filter.unwrap_or_else(|| DEFAULT_FILTER.to_owned()),
            log_format: layer.log_format.unwrap_or_default(),
        })
    }
}

fn relay(words: Vec<String>) -> Result<Relay, ConfigError> {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["off"] => Ok(Relay::Off),
        ["serve"] => Ok(Relay::Serve),
        _ => addresses("relay", words).map(Relay::Use),
    }
}

/// The addresses that these texts write.
///
/// # Errors
/// [`ConfigError::Value`] with the first that is none.
pub fn addresses(key: &'static str, texts: Vec<String>) -> Result<Vec<Multiaddr>, ConfigError> {
    let expected = "write a multiaddress, such as /ip4/192.168.1.10/udp/4001/quic-v1";
    let parse = |text: String| {
        // An empty text is a valid multiaddress of nothing.
        let address = text.parse().ok().filter(|address: &Multiaddr| !address.is_empty());
        address.ok_or(ConfigError::Value { key, value: text, expected })
    };
    texts.into_iter().map(parse).collect()
}

/// The text of a configuration file with these addresses and the other keys as comments.
pub fn file_text(listen: &[String], peers: &[String]) -> String {
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| toml::Value::from(text.as_str()).to_string()).collect();
        quoted.join(", ")
    };
    format!(
        "# townmesh 节点配置 / configuration of a townmesh node\n\
         # 环境变量 TOWNMESH_… 和命令行参数优先 / environment variables TOWNMESH_… and flags take precedence\n\n\
         listen = [{}]\npeers = [{}]\n\n\
         # discover_on_lan = true\n# relay = \"off\"            # off, serve, [\"/ip4/…/p2p/…\"]\n\
         # http = \"{DEFAULT_HTTP}\"\n# beacon_interval_seconds = 60\n# log_filter = \"{DEFAULT_FILTER}\"\n# log_format = \"text\"\n",
        list(listen),
        list(peers),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Result<Layer, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("townmesh.toml");
        std::fs::write(&path, text).unwrap();
        Layer::from_file(&path)
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            DataDir::new(directory.path()).config(),
            "http = '127.0.0.1:1'\nbeacon_interval_seconds = 1\ndiscover_on_lan = false\npeers = ['/ip4/10.0.0.1/tcp/1']\n",
        )
        .unwrap();
        let variable = |name: &str| match name {
            "TOWNMESH_HTTP" => Some("127.0.0.1:2".to_owned()),
            "TOWNMESH_BEACON_INTERVAL_SECONDS" => Some("2".to_owned()),
            _ => None,
        };
        let flags = Layer {
            data_dir: Some(directory.path().to_path_buf()),
            http: Some("127.0.0.1:3".to_owned()),
            ..Layer::default()
        };
        let config = Config::load(flags, None, variable).unwrap();
        assert_eq!(config.http.port(), 3);
        assert_eq!(config.beacon_interval, Duration::from_secs(2));
        assert!(!config.discover_on_lan);
        assert_eq!(config.peers.len(), 1);
        assert_eq!(config.listen.len(), DEFAULT_LISTEN.len(), "the default");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = layer("http = '127.0.0.1:1'\n\nlissten = []\n").unwrap_err();
        assert!(matches!(&error, ConfigError::Syntax { line: 3, .. }), "{error}");
        assert!(error.to_string().contains("lissten"), "{error}");
    }

    #[test]
    fn wrong_values_are_refused_by_key() {
        for (text, key) in [
            ("http = 'localhost'", "http"),
            ("listen = ['0.0.0.0:4001']", "listen"),
            ("peers = ['']", "peers"),
            ("relay = 'maybe'", "relay"),
            ("beacon_interval_seconds = 0", "beacon_interval_seconds"),
        ] {
            let error = Config::from_layers(layer(text).unwrap()).unwrap_err();
            assert!(matches!(&error, ConfigError::Value { key: found, .. } if *found == key), "{text}: {error}");
        }
        for text in ["listen = 'x'", "relay = 3", "http = 8080", "= 1", "discover_on_lan = 'yes'"] {
            assert!(matches!(layer(text), Err(ConfigError::Syntax { line: 1, .. })), "{text}");
        }
    }

    #[test]
    fn relaying_is_a_word_or_addresses() {
        let relay = |text: &str| Config::from_layers(layer(text).unwrap()).unwrap().relay;
        assert_eq!(relay(""), Relay::Off);
        assert_eq!(relay("relay = 'serve'"), Relay::Serve);
        assert!(matches!(relay("relay = ['/ip4/10.0.0.1/tcp/1']"), Relay::Use(addresses) if addresses.len() == 1));
    }

    #[test]
    fn the_written_file_is_read_back() {
        let text = file_text(&["/ip4/0.0.0.0/tcp/1".into()], &[]);
        let read = layer(&text).unwrap();
        assert_eq!(read.listen, Some(vec!["/ip4/0.0.0.0/tcp/1".into()]));
        assert_eq!(read.peers, Some(vec![]));
    }
}
