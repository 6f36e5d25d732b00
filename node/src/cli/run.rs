//! `run`: the node itself.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use townmesh_crdt::replica::OpenError;
use townmesh_transport::RelayRole;
use tracing_subscriber::EnvFilter;

use super::{Context, Done, Failure, local};
use crate::config::{Config, Layer, LogFormat, Relay};
use crate::engine::{Engine, Parts, TownAdmission};
use crate::http::{Access, Api, ApiFile, Patience, serve};
use crate::keys::IdentityFile;
use crate::message::Message;
use crate::views::Views;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) layer: Layer,
    /// 数据文件丢失后从其他节点取回，仅存于本机的内容将丢失 / go on with an empty store; what only this node held is lost
    #[arg(long)]
    accept_empty_store: bool,
}

impl RunArgs {
    pub(super) fn run(self, context: &Context) -> Done {
        let config = &context.config;
        config.refuse_open_http()?;
        start_logging(config);
        let file = local::identity(&config.data_dir)?;
        local::refuse_unfinished(&config.data_dir, &file)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
            Message::new("runtime", "无法启动运行环境", format!("the runtime cannot start: {error}"))
        })?;
        runtime.block_on(self.node(context, file))
    }

    async fn node(self, context: &Context, mut file: IdentityFile) -> Done {
        let config = &context.config;
        let _lock = config.data_dir.lock()?;
        // Before the replica: a port that is taken is an error that changes nothing.
        let listener = TcpListener::bind(config.http).await.map_err(|error| {
            Message::new(
                "http",
                format!("无法监听 {}", config.http),
                format!("cannot listen on {}: {error}", config.http),
            )
            .remedy(
                "换一个 --http 端口，或停止占用它的程序",
                "use another --http port, or stop the program that uses it",
            )
        })?;
        if !config.http.ip().is_loopback() {
            tracing::warn!(http = %config.http, "the HTTP API answers other machines: its token and personal data cross the network in clear");
        }
        let address = listener.local_addr().unwrap_or(config.http);
        let engine = self.engine(config, &file)?;
        local::note_data(&config.data_dir, &mut file)?;
        let api_file = ApiFile::new(address)?;
        api_file.write(&config.data_dir)?;
        tracing::info!(node = %file.identity.node(), name = %file.name, http = %address, "the node runs");
        context.output.note(&format!("{} 已启动 / is running: http://{address}", file.name));
        let api = Api::new(engine.clone(), config.data_dir.clone(), Access::new(&api_file));
        serve(listener, api.router(), Patience::default(), asked_to_stop()).await;
        tracing::info!("stopping");
        engine.stop().await;
        api_file.remove(&config.data_dir);
        Ok(ExitCode::SUCCESS)
    }

    fn engine(&self, config: &Config, file: &IdentityFile) -> Result<Engine, Failure> {
        let admission = Arc::new(TownAdmission::new(file.town, &file.chain));
        let network = townmesh_transport::spawn(transport(config, file), Arc::clone(&admission) as Arc<_>)?;
        let views = Views::open(&config.data_dir.views())?;
        let disk = Some(config.data_dir.path().to_owned());
        let (config, file) = (config.clone(), file.clone());
        let mut expect_data = file.expect_data && !self.accept_empty_store;
        let opener = move || -> Result<_, OpenError> {
            let opening = local::opening(&config, &file, expect_data)?;
            // From the second time on there was data.
            expect_data = true;
            Ok(opening)
        };
        let (opener, network, views) = (Box::new(opener), Some(network), Some(views));
        Ok(Engine::start(Parts { opener, network, admission, views, disk })?)
    }
}

fn transport(config: &Config, file: &IdentityFile) -> townmesh_transport::Config {
    let mut transport = townmesh_transport::Config::new(file.identity.signing.to_bytes());
    transport.listen = config.listen.clone();
    transport.dial = config.peers.clone();
    transport.discover_on_lan = config.discover_on_lan;
    transport.relay = match &config.relay {
        Relay::Off => RelayRole::Off,
        Relay::Serve => RelayRole::Serve { limits: townmesh_transport::RelayLimits::default(), addresses: vec![] },
        Relay::Use(relays) => RelayRole::Use(relays.clone()),
    };
    transport
}

fn start_logging(config: &Config) {
    let filter = EnvFilter::new(&config.log_filter);
    let has_colour = wants_colour(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(has_colour);
    // Set already where a test runs several nodes in one process.
    let _ = match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Colours are for terminals, and not where the user has no use for them (no-color.org).
fn wants_colour(is_terminal: bool, no_color: Option<std::ffi::OsString>) -> bool {
    is_terminal && no_color.is_none_or(|set| set.is_empty())
}

/// Ctrl-C, or the service manager.
async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_files_have_no_colours() {
        assert!(wants_colour(true, None) && wants_colour(true, Some("".into())));
        assert!(!wants_colour(true, Some("1".into())));
        assert!(!wants_colour(false, None));
    }
}
