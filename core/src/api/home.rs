//! `GET /`: a page of commands to paste.

use alloc::format;
use alloc::string::String;

use crate::config::Identity;

/// The page, with the `host:port` that the client reached it by where that is known.
pub(super) fn page(identity: &Identity, host: Option<&str>) -> String {
    let Identity { version, http_port, .. } = identity;
    let url = match host {
        Some(host) => format!("http://{host}"),
        None => format!("http://localhost:{http_port}"),
    };
    format!(
        "\
shelfmq {version}: a message broker that speaks HTTP, with NSQ's topics and channels.

Publish a message, or one a line:
  curl -d 'hello' '{url}/pub?topic=books'
  printf 'one\\ntwo\\n' | curl --data-binary @- '{url}/mpub?topic=books'

Lease one for 60 s, waiting up to 25 s for it; unless it is finished by its Shelf-Receipt, it is delivered again:
  curl -i '{url}/sub?topic=books&channel=readers'

Finish it; or put it back for later; or keep it for longer:
  curl -X POST '{url}/fin?topic=books&channel=readers&receipt=RECEIPT'
  curl -X POST '{url}/req?topic=books&channel=readers&receipt=RECEIPT&defer=5s'
  curl -X POST '{url}/touch?topic=books&channel=readers&receipt=RECEIPT'

Lease many as JSON, and finish earlier ones in the same call:
  curl '{url}/sub?topic=books&channel=readers&max=100&fin=RECEIPT,RECEIPT'

Follow a channel, each message finished as it comes:
  curl -N '{url}/sub?topic=books&channel=readers&format=ndjson&stream=true&ack=auto&max=100'

Make channels: each gets a copy of every message that comes from then on:
  curl -X POST '{url}/topic/create?topic=books'
  curl -X POST '{url}/channel/create?topic=books&channel=writers'
  curl -X POST '{url}/channel/create?topic=books&channel=audit&max_attempts=5&ordered=true'

See what is there:
  curl '{url}/stats'
  curl '{url}/peek?topic=books&channel=readers'
  curl '{url}/dead?topic=books&channel=audit'

All paths and parameters: {url}/openapi.json
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Request, decode};
    use crate::config::Limits;

    #[test]
    fn every_command_on_the_page_is_understood() {
        let identity = Identity { http_port: 5000, ..Identity::default() };
        assert!(page(&identity, Some("[::1]:80")).contains("curl -d 'hello' 'http://[::1]:80/pub?topic=books'"));
        let page = page(&identity, None);
        let mut commands = 0;
        for line in page.lines().filter(|line| line.contains("curl ")) {
            let url =
                line.split('\'').find(|part| part.starts_with("http://localhost:5000/")).expect("a URL in quotes");
            let target = &url["http://localhost:5000".len()..];
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let sends = [" -d ", " -X POST ", " --data-binary "].iter().any(|option| line.contains(option));
            let request =
                Request { method: if sends { "POST" } else { "GET" }, path, query, body: b"x", ..Request::default() };
            let decoded = decode(&Limits::default(), &request);
            assert!(decoded.call.is_ok() && decoded.context.ignored.is_none(), "{line}: {decoded:?}");
            commands += 1;
        }
        assert!(commands > 10);
    }
}
