//! What the clients of a source said about themselves, as short texts.

use crate::report::format::{and_more, shortened_at_start};
use crate::report::{MAX_STATED_PEERS, MAX_VALUES, SourceSummary};

/// The source with the name of the client on this host, where it is one, in at most `max` columns. Of a long cgroup the
/// end is shown, which names the program.
pub fn short_label(source: &SourceSummary, max: usize, mark: &str) -> String {
    match &source.local_client {
        Some(client) => {
            let rest = max.saturating_sub(source.source.len() + 1);
            format!("{} {}", source.source, shortened_at_start(client, rest, mark))
        }
        None => source.source.clone(),
    }
}

/// The first refused command, the client's name and the user id, the most frequent of each.
pub fn client(source: &SourceSummary) -> Vec<String> {
    let SourceSummary { client_names, refused, uids, .. } = source;
    let more = |listed: usize| and_more(listed, MAX_VALUES);
    let refused_text = refused
        .first()
        .map(|used| format!("first refused: {}{}", used.command, more(refused.len())));
    let name = client_names
        .first()
        .map(|used| format!("client name \"{}\"{}", used.name, more(client_names.len())));
    let uid = uids.first().map(|used| format!("uid {}{}", used.uid, more(uids.len())));
    [refused_text, name, uid].into_iter().flatten().collect()
}

/// The most frequent address that PROXY headers stated. Always with the word that nobody checked it.
pub fn stated_peers(source: &SourceSummary) -> Option<String> {
    let stated = &source.stated_peers;
    let more = and_more(stated.len(), MAX_STATED_PEERS);
    let first = stated.first()?.address;
    Some(format!("states: {first}{more} (from a PROXY header, unverified)"))
}
