//! `init`: writes a commented TOML to start from.

use crate::cli::output::{Status, out};
use crate::error::Error;
use crate::files;
use std::path::Path;

/// The TOML; a test compares its keys and defaults with the reference.
const STARTER: &str = include_str!("../../../templates/init/redisguard.toml");

pub(super) fn init(config: &Path) -> Result<Status, Error> {
    let shown = config.display();
    if config.symlink_metadata().is_ok() {
        let error = Error::new(format!("write {shown}"), "there is one already");
        return Err(error.help("it was left as it is; move it away, or name another with --config"));
    }
    files::create(config, STARTER.as_bytes(), 0o644)
        .map_err(|error| error.or_help("--config names another place"))?;
    let is_default = config == Path::new("redisguard.toml");
    out!(
        "wrote {shown}\n\n\
         1. Edit it: whom to contact, where the cluster is, which ports are reserved.\n\
         2. Let your editor complete and check it{}:\n   \
            mkdir -p docs && redisguard-gen schema > docs/redisguard.schema.json\n\
         3. Render it, and review what was written:\n   \
            redisguard-gen{}",
        if is_default { "" } else { " (in the folder of that file)" },
        if is_default { "" } else { ", with --config as now" },
    );
    Ok(Status::Same)
}
