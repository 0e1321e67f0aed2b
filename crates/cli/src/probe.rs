//! `directives probe`: sends one health check to an agent, and reports the result as its exit code.

use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::agent::Address;
use super::directive_text::printable;
use super::duration::parse;
use super::error_text;
use super::exit::{Exit, Failure};
use super::output::{ReportFormat, print, print_json};

/// The maximum number of bytes of a response's body that the command reads and prints.
const MAX_BODY_BYTES: usize = 64 << 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  directives probe
  directives probe --ready --agent unix:/run/directives/agent.sock")]
pub(super) struct ProbeArgs {
    /// Address of the agent: HOST:PORT, :PORT on this host, or unix: and the path of a socket. Use
    /// the agent's --health-listen, or its --listen if it serves without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9980")]
    agent: Address,

    /// Check whether the agent has a set to serve, not only whether it runs
    #[arg(long)]
    ready: bool,

    /// Also check whether the published set is fresh
    #[arg(long, requires = "ready")]
    fresh: bool,

    /// Format of the report
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: ReportFormat,

    /// Time limit of the check
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse)]
    timeout: Duration,
}

pub(super) async fn run(args: ProbeArgs) -> Result<(), Failure> {
    let unreachable = |error: String| {
        let agent = &args.agent;
        Failure::new(Exit::Unreachable, format!("the agent at {agent}: {error}"))
    };
    let (status, text) = tokio::time::timeout(args.timeout, args.send())
        .await
        .map_err(|_| unreachable(format!("no response within {:?}", args.timeout)))?
        .map_err(|error| unreachable(error_text::cause(&*error)))?;
    if status == StatusCode::OK {
        return if args.output.is_json() {
            print_json(&json!({ "agent": args.agent.to_string(), "passed": true }))
        } else {
            print(&printable(text.trim_end()))
        };
    }
    let detail: Option<String> = serde_json::from_str(&text)
        .ok()
        .and_then(|problem: serde_json::Value| Some(problem.get("detail")?.as_str()?.to_owned()));
    let detail = detail.map(|detail| printable(&detail));
    let detail = detail.unwrap_or_else(|| format!("it responded with {status}"));
    if args.output.is_json() {
        let agent = args.agent.to_string();
        print_json(&json!({ "agent": agent, "passed": false, "detail": detail }))?;
    }
    Err(Failure::other(format!(
        "the agent at {}: {detail}",
        args.agent
    )))
}

impl ProbeArgs {
    fn path(&self) -> &'static str {
        match (self.ready, self.fresh) {
            (false, _) => "/healthz",
            (true, false) => "/readyz",
            (true, true) => "/readyz?fresh",
        }
    }

    async fn send(&self) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
        match &self.agent {
            Address::Tcp { host, port } => {
                let host = if host.is_empty() { "localhost" } else { host };
                self.send_over(TcpStream::connect((host, *port)).await?)
                    .await
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                self.send_over(tokio::net::UnixStream::connect(path).await?)
                    .await
            }
        }
    }

    async fn send_over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(self.path())
            .header(header::HOST, "localhost")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let response = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BODY_BYTES)
                .collect()
                .await?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Ok((status, text))
        };
        tokio::pin!(response);
        tokio::select! {
            response = &mut response => response,
            ended = connection => {
                ended?;
                response.await
            }
        }
    }
}
