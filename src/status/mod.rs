//! What is wrong on a host: decides and words the findings that `status`, `metrics` and `apply` show.
//!
//! Never: prints, or changes anything.

pub(crate) mod findings;
pub(crate) mod unit_overrides;
