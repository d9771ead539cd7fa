//! How `apply` and `rules load` bring rules into the kernel.

mod backend_switch;
mod dry_run;
mod kernel_without_log_target;
mod nftables_backend;

use super::*;
