//! How `apply` and `rules load` bring rules into the kernel.

mod backend_switch;
mod dry_run;
mod kernel_without_log_target;
mod nftables_backend;
mod unlisted_tables;

use super::*;

/// A host for one test, with nft; `None` where none can be made, after saying why.
fn host_with_nft() -> Option<Host> {
    if tools(&["nft"]) { new_host() } else { None }
}
