//! Tells directories of this broker, so that consumers find its topics there.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use shelfmq::Shelf;
use shelfmq_core::command::Filter;
use shelfmq_core::config::Identity;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often a directory is told what it knows already, so that it does not take this broker for gone.
const REPEAT: Duration = Duration::from_secs(15);

/// How soon a directory learns of a new topic or channel.
const LOOK: Duration = Duration::from_secs(1);

/// How long a directory may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps all directories told, for ever.
pub(crate) async fn announce(shelf: Shelf, identity: Identity, directories: Vec<String>) {
    if directories.is_empty() {
        return std::future::pending().await;
    }
    let news = watch::Sender::new(describe(&shelf, &identity));
    for directory in directories {
        tokio::spawn(tell(directory, news.subscribe()));
    }
    loop {
        sleep(LOOK).await;
        let now = describe(&shelf, &identity);
        news.send_if_modified(|last| {
            let changed = *last != now;
            *last = now;
            changed
        });
    }
}

/// Who this is and what it has, as `POST /nodes/register` takes it.
fn describe(shelf: &Shelf, identity: &Identity) -> Bytes {
    let channels = |topic: shelfmq_core::command::TopicStats| {
        let names: Vec<Value> = topic.channels.into_iter().map(|channel| channel.name.into()).collect();
        (topic.name, Value::from(names))
    };
    let topics: Map<String, Value> = shelf.stats(&Filter::default()).topics.into_iter().map(channels).collect();
    let node = json!({
        "broadcast_address": identity.broadcast_address,
        "hostname": identity.hostname,
        "http_port": identity.http_port,
        // There is no TCP protocol; nsqadmin tells nodes apart by this field.
        "tcp_port": identity.http_port,
        "version": identity.version,
        "topology_zone": identity.topology_zone,
        "topology_region": identity.topology_region,
        "topics": topics,
    });
    node.to_string().into()
}

/// Tells one directory at every change and at every repeat. Failures are logged as they begin and end.
async fn tell(directory: String, mut news: watch::Receiver<Bytes>) {
    let mut last = Ok(());
    loop {
        let body = news.borrow_and_update().clone();
        let result = match timeout(PATIENCE, register(&directory, body)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer in {PATIENCE:?}")),
        };
        if result != last {
            match &result {
                Ok(()) => tracing::info!(%directory, "the directory can be reached again"),
                Err(error) => tracing::warn!(%directory, %error, "cannot register at the directory"),
            }
        }
        last = result;
        if let Ok(Err(_)) = timeout(REPEAT, news.changed()).await {
            return;
        }
    }
}

async fn register(directory: &str, body: Bytes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(directory).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors come out of the request, too.
    tokio::spawn(connection);
    let request = Request::post("/nodes/register")
        .header(HOST, directory)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    match sender.send_request(request).await?.status() {
        StatusCode::OK => Ok(()),
        status => Err(format!("it answers {status}").into()),
    }
}
