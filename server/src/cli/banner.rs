//! What is printed when the broker is up.

use shelfmq::Listener;
use shelfmq_core::config::Identity;

use super::settings::Store;

/// Who listens where, and three commands to paste.
pub(crate) fn banner(listener: &Listener, identity: &Identity, store: Store) -> String {
    let (curl, url) = listener.curl();
    let place = match listener.unix_path() {
        Some(path) => path.display().to_string(),
        None => url.clone(),
    };
    let store = match store {
        Store::Memory => "memory (a restart forgets everything)",
        Store::Disk => "disk",
    };
    format!(
        "shelfmq {version} listens on {place}\nstore: {store}\n\n  \
         {curl} -d 'hello' '{url}/pub?topic=books'\n  \
         {curl} '{url}/sub?topic=books&channel=readers&ack=auto'\n  \
         {curl} '{url}/stats'\n\n",
        version = identity.version,
    )
}
