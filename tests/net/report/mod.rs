//! `redisguard-install report`: real logs, compressed by the real tools, and the page in a real browser.

mod host_names;
mod html_page;
mod journal;
mod log_sources;
