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
use tracing_subscriber::EnvFilter;

use crate::data_dir::{DataDir, read_small};

mod error;

pub use error::{ConfigError, Expected, Origin};

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

const HTTP_EXPECTED: Expected =
    ("写地址和端口，如 127.0.0.1:8470", "write an address and a port, such as 127.0.0.1:8470");
const BEACON_EXPECTED: Expected = ("写 1 到 3600 秒", "write 1 to 3600 seconds");
const FILTER_EXPECTED: Expected = ("写日志过滤，如 info,libp2p=warn", "write a filter, such as info,libp2p=warn");
const RELAY_EXPECTED: Expected = ("写 off、serve 或中继地址", "write off, serve, or addresses of relays");
const ADDRESS_EXPECTED: Expected = (
    "写多重地址，如 /ip4/192.168.1.10/udp/4001/quic-v1",
    "write a multiaddress, such as /ip4/192.168.1.10/udp/4001/quic-v1",
);
/// The keys, as they are written in a file.
const KEYS: [&str; 10] = [
    "data_dir",
    "listen",
    "peers",
    "discover_on_lan",
    "relay",
    "http",
    "http_beyond_loopback",
    "beacon_interval_seconds",
    "log_filter",
    "log_format",
];
/// Beginnings of variables that are not for a node: the tests and the simulator pass their own on to it.
const OTHERS: [&str; 3] = ["BIN", "TEST_", "SEEDED_BUG"];

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
    /// Whether that may be an address that other machines reach.
    pub http_beyond_loopback: bool,
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
    /// 允许其他机器访问 HTTP 接口（明文）/ let the HTTP API answer other machines, in clear
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub http_beyond_loopback: Option<bool>,
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
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText(path.to_path_buf()))?;
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
        let origin = Origin::Environment;
        let wrong = |key, value: &str, expected| ConfigError::Value {
            origin: origin.clone(),
            key,
            value: value.to_owned(),
            expected,
        };
        let truth = |key| {
            let expected = ("写 true 或 false", "write true or false");
            text(key).map(|text| text.parse().map_err(|_| wrong(key, &text, expected))).transpose()
        };
        let beacon = text("beacon_interval_seconds")
            .map(|text| text.parse().map_err(|_| wrong("beacon_interval_seconds", &text, BEACON_EXPECTED)));
        let format = text("log_format").map(|text| match text.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(wrong("log_format", &text, ("写 text 或 json", "write text or json"))),
        });
        Ok(Self {
            data_dir: text("data_dir").map(PathBuf::from),
            listen: list("listen"),
            peers: list("peers"),
            discover_on_lan: truth("discover_on_lan")?,
            relay: list("relay"),
            http: text("http"),
            http_beyond_loopback: truth("http_beyond_loopback")?,
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
            http_beyond_loopback: self.http_beyond_loopback.or(lower.http_beyond_loopback),
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
        let check = |layer: &Layer, origin| Self::from_layers(layer.clone(), &origin).map(drop);
        // Each by itself, so that an error names where the value stands.
        check(&flags, Origin::Flag)?;
        let environment = Layer::from_environment(&variable)?;
        check(&environment, Origin::Environment)?;
        let upper = flags.over(environment);
        let named = explicit.map(Path::to_path_buf).or_else(|| variable("TOWNMESH_CONFIG").map(PathBuf::from));
        let beside = upper.data_dir().config();
        let file = named.or_else(|| beside.exists().then_some(beside));
        let Some(path) = file else { return Self::from_layers(upper, &Origin::Flag) };
        let lower = Layer::from_file(&path)?;
        let origin = Origin::File(path);
        check(&lower, origin.clone())?;
        Self::from_layers(upper.over(lower), &origin)
    }

    /// The configuration of all layers together; errors name the origin.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn from_layers(layer: Layer, origin: &Origin) -> Result<Self, ConfigError> {
        let data_dir = layer.data_dir();
        let listen = layer.listen.unwrap_or_else(|| DEFAULT_LISTEN.map(str::to_owned).to_vec());
        let http = layer.http.unwrap_or_else(|| DEFAULT_HTTP.to_owned());
        let wrong = |key, value, expected| ConfigError::Value { origin: origin.clone(), key, value, expected };
        let http = http.parse().map_err(|_| wrong("http", http, HTTP_EXPECTED))?;
        let seconds = layer.beacon_interval_seconds.unwrap_or(60);
        if !BEACON_SECONDS.contains(&seconds) {
            return Err(wrong("beacon_interval_seconds", seconds.to_string(), BEACON_EXPECTED));
        }
        let log_filter = layer.log_filter.unwrap_or_else(|| DEFAULT_FILTER.to_owned());
        if EnvFilter::try_new(&log_filter).is_err() {
            return Err(wrong("log_filter", log_filter, FILTER_EXPECTED));
        }
        Ok(Self {
            data_dir,
            listen: addresses(origin, "listen", listen)?,
            peers: addresses(origin, "peers", layer.peers.unwrap_or_default())?,
            discover_on_lan: layer.discover_on_lan.unwrap_or(true),
            relay: relay(origin, layer.relay.unwrap_or_default())?,
            http,
            http_beyond_loopback: layer.http_beyond_loopback.unwrap_or(false),
            beacon_interval: Duration::from_secs(seconds),
            log_filter,
            log_format: layer.log_format.unwrap_or_default(),
        })
    }

    /// Refuses an HTTP API that other machines reach, unless that was asked for.
    ///
    /// # Errors
    /// [`ConfigError::BeyondLoopback`].
    pub fn refuse_open_http(&self) -> Result<(), ConfigError> {
        if self.http.ip().is_loopback() || self.http_beyond_loopback {
            Ok(())
        } else {
            Err(ConfigError::BeyondLoopback(self.http))
        }
    }
}

/// Refuses a variable with the prefix that no key has: a misspelt one must not be ignored in silence.
///
/// # Errors
/// [`ConfigError::Variable`].
pub fn refuse_unknown_variables(names: impl IntoIterator<Item = String>) -> Result<(), ConfigError> {
    let known: Vec<String> = KEYS.iter().chain(&["config"]).map(|key| key.to_uppercase()).collect();
    for name in names {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if known.iter().any(|known| known == rest) || OTHERS.iter().any(|other| rest.starts_with(other)) {
            continue;
        }
        let nearest = known.iter().min_by_key(|known| distance(known, rest)).cloned().unwrap_or_default();
        return Err(ConfigError::Variable { nearest: format!("{PREFIX}{nearest}"), name });
    }
    Ok(())
}

/// Letters to insert, remove or replace to get from one word to another.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut left = line + 1;
        let mut diagonal = std::mem::replace(&mut row[0], left);
        for (place, other) in row[1..].iter_mut().zip(to.chars()) {
            left = (diagonal + usize::from(letter != other)).min(left + 1).min(*place + 1);
            diagonal = std::mem::replace(place, left);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn relay(origin: &Origin, words: Vec<String>) -> Result<Relay, ConfigError> {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["off"] => Ok(Relay::Off),
        ["serve"] => Ok(Relay::Serve),
        [word] if !word.starts_with('/') => {
            let (origin, value) = (origin.clone(), (*word).to_owned());
            Err(ConfigError::Value { origin, key: "relay", value, expected: RELAY_EXPECTED })
        }
        _ => addresses(origin, "relay", words).map(Relay::Use),
    }
}

/// The addresses that these texts write.
///
/// # Errors
/// [`ConfigError::Value`] with the first that is none.
pub fn addresses(origin: &Origin, key: &'static str, texts: Vec<String>) -> Result<Vec<Multiaddr>, ConfigError> {
    let parse = |text: String| {
        // An empty text is a valid multiaddress of nothing.
        let address = text.parse().ok().filter(|address: &Multiaddr| !address.is_empty());
        address.ok_or_else(|| ConfigError::Value {
            origin: origin.clone(),
            key,
            value: text,
            expected: ADDRESS_EXPECTED,
        })
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
         # http = \"{DEFAULT_HTTP}\"\n# http_beyond_loopback = false\n# beacon_interval_seconds = 60\n# log_filter = \"{DEFAULT_FILTER}\"\n# log_format = \"text\"\n",
        list(listen),
        list(peers),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Explain as _;

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
            let error = Config::from_layers(layer(text).unwrap(), &Origin::Request).unwrap_err();
            assert!(matches!(&error, ConfigError::Value { key: found, .. } if *found == key), "{text}: {error}");
        }
        for text in ["listen = 'x'", "relay = 3", "http = 8080", "= 1", "discover_on_lan = 'yes'"] {
            assert!(matches!(layer(text), Err(ConfigError::Syntax { line: 1, .. })), "{text}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_refused_with_the_nearest_known_one() {
        let refused = |name: &str| refuse_unknown_variables([name.to_owned()]);
        for (name, expected) in [("TOWNMESH_LISSTEN", "TOWNMESH_LISTEN"), ("TOWNMESH_PEER", "TOWNMESH_PEERS")] {
            let error = refused(name).unwrap_err();
            assert!(matches!(&error, ConfigError::Variable { nearest, .. } if nearest == expected), "{error}");
        }
        for name in ["TOWNMESH_HTTP", "TOWNMESH_CONFIG", "TOWNMESH_BIN", "HOME"] {
            assert!(refused(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands() {
        let variable = |name: &str| (name == "TOWNMESH_HTTP").then(|| "bad".to_owned());
        let message = Config::load(Layer::default(), None, variable).unwrap_err().explain();
        assert!(message.zh.contains("TOWNMESH_HTTP") && message.en.contains("TOWNMESH_HTTP"), "{message}");
        assert!(message.remedy.as_ref().is_some_and(|remedy| remedy.contains("写地址")), "{message}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("townmesh.toml");
        std::fs::write(&path, b"http = '\xff'").unwrap();
        let message = Layer::from_file(&path).unwrap_err().explain();
        assert!(message.zh.contains("UTF-8") && !message.zh.contains("第 0 行"), "{message}");
        std::fs::write(&path, "lissten = []").unwrap();
        let message = Layer::from_file(&path).unwrap_err().explain();
        assert!(message.zh.contains("第 1 行有误：没有字段 lissten"), "{message}");
    }

    #[test]
    fn relaying_is_a_word_or_addresses() {
        let relay = |text: &str| Config::from_layers(layer(text).unwrap(), &Origin::Request).unwrap().relay;
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
