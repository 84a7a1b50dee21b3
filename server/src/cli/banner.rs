//! What is said when the broker is up, and when its address is taken.

use std::io;

use shelfmq::{Address, DiskStore, Listener, Sync};
use shelfmq_core::config::Identity;

/// Who listens where, who may reach it, and three commands to paste.
pub(crate) fn banner(listener: &Listener, identity: &Identity, disk: Option<&DiskStore>) -> String {
    let (curl, url) = listener.curl();
    let store = match disk {
        None => "memory (a restart forgets everything)".into(),
        Some(disk) => {
            let synced = match disk.disk.sync {
                Sync::Always => "an OK means synced to disk".into(),
                Sync::Every(_) => format!("synced every {}", disk.disk.sync),
                Sync::Never => "synced when the operating system likes".into(),
            };
            format!("{} ({synced})", disk.path.display())
        }
    };
    let warning = match listener.tcp_address() {
        Some(address) if !address.ip().to_canonical().is_loopback() => {
            "there is no authentication: whoever reaches this port may do everything\n"
        }
        _ => "",
    };
    format!(
        "shelfmq {version} listens on {place}\nstore: {store}\n{warning}\n  \
         {curl} -d 'hello' '{url}/pub?topic=books'\n  \
         {curl} '{url}/sub?topic=books&channel=readers&ack=auto'\n  \
         {curl} '{url}/stats'\n\n",
        version = identity.version,
        place = place(listener),
    )
}

fn place(listener: &Listener) -> String {
    match (listener.unix_path(), listener.tcp_address()) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(address)) if address.ip().is_unspecified() => format!("every address, port {}", address.port()),
        (None, _) => listener.curl().1,
    }
}

/// Why there is no listening on an address and, where another broker may be the reason, what to do.
pub(crate) fn cannot_listen(address: &Address, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => format!(". Is another broker running? {}", alternative(address)),
        _ => String::new(),
    };
    format!("cannot listen on {address}: {error}{hint}")
}

/// The flag that avoids an address that is taken.
fn alternative(address: &Address) -> String {
    let Address::Tcp(text) = address else {
        return "Choose another path with --http-address".into();
    };
    let (host, port) = text.rsplit_once(':').expect("a TCP address ends with a port");
    let port = port.parse::<u16>().expect("a TCP address ends with a port");
    let another = port.checked_add(1).unwrap_or(port - 1);
    format!("Choose another port: --http-address {host}:{another}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARNING: &str = "there is no authentication: whoever reaches this port may do everything";

    fn banner_of(address: &str) -> (Listener, String) {
        let listener = Listener::bind(&address.parse().expect("an address")).expect("it is free");
        let text = banner(&listener, &Identity::default(), None);
        (listener, text)
    }

    #[test]
    fn who_listens_everywhere_says_so_and_warns() {
        for everywhere in ["0.0.0.0:0", ":0"] {
            let (listener, text) = banner_of(everywhere);
            let port = listener.tcp_address().expect("it is TCP").port();
            let first = text.lines().next().expect("there is a line");
            assert!(first.ends_with(&format!(" listens on every address, port {port}")), "{text}");
            assert!(text.lines().any(|line| line == WARNING), "{text}");
            assert!(text.contains(&format!("curl 'http://127.0.0.1:{port}/stats'")), "{text}");
        }
    }

    #[test]
    fn who_is_reached_from_this_machine_only_does_not_warn() {
        let directory = tempfile::tempdir().expect("a place for temporary files");
        let path = directory.path().join("s.sock").display().to_string();
        assert!(!banner_of(&path).1.contains(WARNING));
        let (listener, text) = banner_of("127.0.0.1:0");
        let address = listener.tcp_address().expect("it is TCP");
        assert!(text.contains(&format!(" listens on http://{address}\n")) && !text.contains(WARNING), "{text}");
    }

    #[test]
    fn an_address_in_use_comes_with_another() {
        let cases = [
            ("127.0.0.1:4151", "--http-address 127.0.0.1:4152"),
            (":65535", "--http-address :65534"),
            ("./s.sock", "Choose another path with --http-address"),
        ];
        for (address, hint) in cases {
            let address = address.parse().expect("an address");
            let text = cannot_listen(&address, &io::ErrorKind::AddrInUse.into());
            assert!(text.contains("Is another broker running?") && text.ends_with(hint), "{text}");
            assert!(!cannot_listen(&address, &io::ErrorKind::PermissionDenied.into()).contains("another"));
        }
    }
}
