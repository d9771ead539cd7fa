//! The report's page works in a real browser without a network, and hostile names stay text.

use crate::support::report_logs::{Tree, everything, line};
use crate::support::{exit_status, root, tools, transcript};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// What a browser makes of a page: the results of expressions, and all that its console was told.
fn driven(url: &str, expressions: &[&str]) -> Value {
    let script = root().join("tests/net/report/drive.js");
    let output = Command::new("node").arg(script).arg(url).args(expressions).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn page(tree: &Tree) -> String {
    let path = tree.path("page.html");
    let output = tree.report(&["--html", path.to_str().unwrap()]);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    assert!(transcript(&output).starts_with("wrote "), "{}", transcript(&output));
    format!("file://{}", path.display())
}

const SHOWN: &str =
    "[...document.querySelectorAll('#knocks tbody tr')].filter((row) => !row.hidden).length";

#[test]
fn the_page_loads_alone_without_errors_and_hostile_names_stay_text() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let tree = everything();
    let url = page(&tree);
    let hostile = "</script><script>alert(1)</script>";
    let contains = format!("document.querySelector('#knocks').textContent.includes({hostile:?})");
    let seen = driven(
        &url,
        &[
            "document.scripts.length",
            "document.querySelectorAll('[onmouseover]').length",
            &contains,
            "document.querySelectorAll('svg[role=img] title').length",
            "[...document.querySelectorAll('svg')].every((svg) => \
             svg.getAttribute('aria-labelledby').split(' ').every((id) => document.getElementById(id)))",
            "[...document.querySelectorAll('input, select')].every((field) => field.labels.length === 1)",
            SHOWN,
        ],
    );
    assert_eq!(seen["messages"], serde_json::json!([]));
    assert_eq!(seen["requests"], serde_json::json!([url]));
    assert_eq!(seen["results"], serde_json::json!([1, 0, true, 5, true, true, 12]), "{seen}");
}

#[test]
fn foreign_scripts_and_styles_do_not_run() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let tree = everything();
    page(&tree);
    let text = fs::read_to_string(tree.path("page.html")).unwrap();
    let more = "<script>window.ran = true</script><img src=x onerror=\"window.ran = true\"></main>";
    fs::write(tree.path("page.html"), text.replace("</main>", more)).unwrap();
    let url = format!("file://{}", tree.path("page.html").display());
    let seen = driven(&url, &["window.ran === undefined"]);
    assert_eq!(seen["results"], serde_json::json!([true]));
    // And the browser says so: silence elsewhere means something.
    assert!(seen["messages"].to_string().contains("Content Security Policy"), "{seen}");
}

#[test]
fn filters_work_by_hand_and_by_url() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let tree = everything();
    let url = page(&tree);
    let typed = |name: &str, value: &str| {
        format!(
            "(() => {{ const field = document.getElementById('filters').elements[{name:?}]; field.value = {value:?}; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); return {SHOWN}; }})()"
        )
    };
    let seen = driven(
        &url,
        &[
            &typed("port", "6380"),
            "location.hash",
            "[...document.querySelectorAll('figure[data-port]')].filter((figure) => !figure.hidden).length",
            &typed("answer", "dropped"),
            &typed("answer", ""),
            &typed("source", "2001:DB8"),
            "document.getElementById('shown').textContent",
            &typed("port", ""),
            &typed("source", "Billing.service"),
            &typed("answer", "unknown"),
            &typed("source", ""),
            &typed("library", "onmouseover"),
        ],
    );
    let expected = serde_json::json!([
        3,
        "#port=6380",
        1,
        1,
        3,
        1,
        "1 of 12 shown, 9 attempts",
        1,
        2,
        0,
        2,
        1
    ]);
    assert_eq!(seen["results"], expected, "{seen}");
    let reset = format!(
        "(async () => {{ document.querySelector('button[type=reset]').click(); \
         await new Promise((resolve) => setTimeout(resolve, 0)); return {SHOWN}; }})()"
    );
    let changed = format!(
        "(async () => {{ const seen = new Promise((resolve) => addEventListener('hashchange', resolve)); \
         location.hash = '#source=192.0.2'; await seen; return {SHOWN}; }})()"
    );
    let seen = driven(
        &format!("{url}#library=REDIS-PY&port=6379"),
        &[
            SHOWN,
            "document.getElementById('filters').elements.port.value",
            &reset,
            "location.hash",
            &changed,
        ],
    );
    assert_eq!(seen["results"], serde_json::json!([1, "6379", 12, "", 3]), "{seen}");
    assert_eq!(seen["messages"], serde_json::json!([]));
}

#[test]
fn an_empty_and_a_large_page_load() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let nothing = Tree::with_log("");
    // Without a log of the kernel, whether nobody was dropped is not known.
    nothing
        .write("var/log/kern.log", "2026-11-05T05:45:00+00:00 web kernel: [ 1.2] usb 1-1: new\n");
    let seen = driven(
        &page(&nothing),
        &["document.querySelector('header').textContent.includes('Nobody')"],
    );
    assert_eq!(
        (&seen["results"], &seen["messages"]),
        (&serde_json::json!([true]), &serde_json::json!([]))
    );
    let lines = (0..2000)
        .map(|host| line(1, &format!("10.0.{}.{}", host / 256, host % 256), 6379, "", "told"));
    let many = Tree::with_log(&lines.collect::<String>());
    let seen = driven(
        &page(&many),
        &[SHOWN, "document.querySelector('main').textContent.includes('1,000 more')"],
    );
    assert_eq!(seen["results"], serde_json::json!([1000, true]), "{seen}");
}
