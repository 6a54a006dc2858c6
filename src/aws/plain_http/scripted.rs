//! A server on loopback that answers each path as a test says, and a way to ask it over real sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::aws::{Access, Aws, Clock};

/// What a path gives.
#[derive(Clone)]
pub enum Scripted {
    /// Status, content type and body.
    Answer(u16, &'static str, String),
    /// A redirect, with its status.
    To(u16, String),
    /// These bytes, then the connection closes.
    Raw(Vec<u8>),
    /// Never an answer.
    Hang,
}

impl Scripted {
    pub fn json(body: &str) -> Self {
        Self::Answer(200, "application/json", body.to_owned())
    }

    pub fn html() -> Self {
        Self::Answer(200, "text/html; charset=utf-8", "<!doctype html><title>UI</title>".to_owned())
    }

    pub fn missing() -> Self {
        Self::Answer(404, "text/plain; charset=utf-8", "404 page not found\n".to_owned())
    }
}

/// A served script.
pub struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves answers by path (without the query); `*` is any other, which is 404 unless it is scripted.
    pub async fn of(script: &[(&str, Scripted)]) -> Self {
        let script: BTreeMap<String, Scripted> = script.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = Self { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, script.clone(), Arc::clone(&asked)));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Paths and queries asked so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

async fn talk(mut stream: TcpStream, script: BTreeMap<String, Scripted>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => head.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let asked_for = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = asked_for.split('?').next().unwrap_or_default().to_owned();
    asked.lock().expect("nobody panicked").push(asked_for);
    let answer = script.get(&path).or_else(|| script.get("*")).cloned().unwrap_or_else(Scripted::missing);
    let bytes = match answer {
        Scripted::Answer(status, kind, body) => {
            let length = body.len();
            let kind = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
            format!("HTTP/1.1 {status} X\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
        }
        Scripted::To(status, location) => {
            format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
        }
        Scripted::Raw(bytes) => bytes,
        Scripted::Hang => std::future::pending().await,
    };
    // Who has read enough closes first.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A way to AWS that can only speak plain HTTP, over real sockets, with time-outs of a second.
pub fn over_sockets() -> Aws {
    let region = aws_types::region::Region::new("us-west-2");
    let config = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).region(region).build();
    Aws::over(config, Access::ReadOnly, Clock::real(100.0), 1)
}

/// A way to AWS that takes this server for every service.
pub fn at_endpoint(url: &str) -> Aws {
    let region = aws_types::region::Region::new("us-west-2");
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(region)
        .endpoint_url(url)
        .build();
    Aws::over(config, Access::ReadWrite, Clock::real(100.0), 1)
}
