//! A service manager that the listener notifies (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use redisguard::listener_contract::degraded;
use tempfile::TempDir;

/// Hears what the listener says of itself.
pub struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    pub fn new() -> Manager {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("manager")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
        Manager { folder, socket }
    }

    /// Has the listener's `command` notify it.
    pub fn known_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("NOTIFY_SOCKET", self.folder.path().join("manager"))
    }

    /// The next message to it; `None` where none comes.
    fn next(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next message to it.
    #[track_caller]
    pub fn hear(&self) -> String {
        self.next().expect("nothing was heard")
    }

    /// The next status line that is `awaited`.
    #[track_caller]
    pub fn hears(&self, awaited: impl Fn(&str) -> bool) -> String {
        let mut heard = Vec::new();
        loop {
            let Some(text) = self.next() else { panic!("heard only {heard:#?}") };
            let status = text.lines().find_map(|line| line.strip_prefix("STATUS="));
            if let Some(status) = status.filter(|status| awaited(status)) {
                return status.to_owned();
            }
            heard.push(text);
        }
    }

    /// The next status line whose faults have these words.
    #[track_caller]
    pub fn hears_of(&self, words: &str) -> String {
        self.hears(|status| degraded(status).is_some_and(|faults| faults.contains(words)))
    }

    /// Waits for a status line without a fault.
    #[track_caller]
    pub fn hears_that_all_works(&self) {
        self.hears(|status| degraded(status).is_none());
    }
}
