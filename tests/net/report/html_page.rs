//! The report's page works in a real browser without a network, and hostile names stay text.

use crate::support::report_logs::{LOG, Tree, everything, line, packet, piped};
use crate::support::{exit_status, need, root, tools, transcript};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a browser makes of a page: the results of expressions, and all that its console was told. The head of
/// the script lists the arguments that are no expressions.
fn driven(url: &str, arguments: &[&str]) -> Value {
    let script = root().join("tests/net/report/drive.js");
    let output = Command::new("node").arg(script).arg(url).args(arguments).output().unwrap();
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
            "[...document.querySelectorAll('svg[role=img]')].every((svg) => \
             svg.getAttribute('aria-labelledby').split(' ').every((id) => document.getElementById(id)))",
            "[...document.querySelectorAll('input, select')].every((field) => field.labels.length === 1)",
            SHOWN,
        ],
    );
    assert_eq!(seen["messages"], serde_json::json!([]));
    assert_eq!(seen["requests"], serde_json::json!([url]));
    assert_eq!(seen["results"], serde_json::json!([2, 0, true, 5, true, true, 12]), "{seen}");
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
        "1 of 12 match, 9 attempts",
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

/// The rows of the table, without the blanks between them.
const ROWS: &str =
    "[...document.querySelectorAll('#knocks tbody tr')].map((row) => row.innerHTML.trim())";

#[test]
fn the_script_lists_rows_as_the_page_has_them_without_it() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let tree = everything();
    let url = page(&tree);
    let plain = driven(&url, &["no-script", ROWS, "document.getElementById('filters').hidden"]);
    let listed = driven(&url, &[ROWS, "document.getElementById('filters').hidden"]);
    assert_eq!(plain["results"][0], listed["results"][0]);
    assert_eq!(plain["results"][0].as_array().unwrap().len(), 12);
    assert_eq!([&plain["results"][1], &listed["results"][1]], [&json!(true), &json!(false)]);
}

/// A log of the kernel without lines of redisguard's rules.
const OTHER: &str = "2026-11-05T05:45:00+00:00 web kernel: [ 1.2] usb 1-1: new\n";

#[test]
fn a_page_without_attempts_says_so_only_if_every_log_was_counted() {
    if !tools(&["chromium", "node", "gzip"]) {
        return;
    }
    let header = "document.querySelector('header p').textContent.split('. ')[0]";
    let end = "document.querySelector('footer').textContent";
    let says = |tree: &Tree| {
        let path = tree.path("page.html");
        let output = tree.report(&["--html", path.to_str().unwrap()]);
        let seen = driven(&format!("file://{}", path.display()), &[header, end]);
        assert_eq!(seen["messages"], json!([]));
        let text = |of: usize| seen["results"][of].as_str().unwrap().to_owned();
        (exit_status(&output), text(0), text(1))
    };
    let unknown =
        "Unknown: no attempt was counted, but not every log was found, read and counted".to_owned();
    let tree = Tree::with_log("");
    // Without a log of the kernel, whether anybody was dropped is not known.
    let (code, first, last) = says(&tree);
    assert_eq!((code, &first), (0, &unknown));
    assert!(last.contains("not found: the kernel's log"), "{last}");
    tree.write("var/log/kern.log", OTHER);
    let (code, first, last) = says(&tree);
    assert_eq!((code, first.as_str()), (0, "The logs have no attempt"));
    assert!(last.contains("1 line skipped: written by other programs"), "{last}");
    let probe = line(1, "192.0.2.1", 6379, "", "told").replace(" family=", " probe=true family=");
    tree.write(LOG, probe);
    let (code, first, last) = says(&tree);
    assert_eq!((code, first.as_str()), (0, "The logs have no attempt except by probes"));
    assert!(last.contains("probes, not counted above: 1, the last 2026-11-01 05:45 UTC"), "{last}");
    tree.write(LOG, "");
    let whole = piped("gzip", &["-c"], line(1, "192.0.2.1", 6379, "", "told").as_bytes());
    tree.write(&format!("{LOG}.2.gz"), &whole[..20]);
    let (code, first, last) = says(&tree);
    assert_eq!((code, &first), (1, &unknown));
    assert!(last.contains("redis_port_notice.log.2.gz"), "{last}");
    fs::remove_file(tree.path(&format!("{LOG}.2.gz"))).unwrap();
    let dropped = packet(2, "drop", "192.0.2.2", 6379);
    tree.write("var/log/kern.log", dropped.replace("2026-", "2126-").repeat(2));
    let (code, first, last) = says(&tree);
    assert_eq!((code, &first), (1, &unknown));
    assert!(last.contains("2 lines skipped: their timestamps lie in the future"), "{last}");
    assert!(last.contains("2 of them may be about attempts"), "{last}");
}

#[test]
fn attempts_without_a_time_are_listed_without_one() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let tree = Tree::with_log("");
    let dropped = packet(2, "drop", "192.0.2.2", 6379);
    // As dmesg prints it.
    tree.write("var/log/kern.log", dropped.split_once("kernel: ").unwrap().1);
    let times = "[...document.querySelectorAll('#knocks td.time')].map((one) => one.textContent)";
    let header = "document.querySelector('header p').textContent.split('. ')[0]";
    let plain = driven(&page(&tree), &["no-script", times, header]);
    let seen = driven(&page(&tree), &[times, header]);
    let expected = json!([["", ""], "The times of all attempts are unknown"]);
    assert_eq!([&plain["results"], &seen["results"]], [&expected; 2]);
    assert_eq!(seen["messages"], json!([]));
}

#[test]
fn filters_find_every_one_of_20000_sources_and_the_page_stays_small() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let lines = (0..20_000)
        .map(|host| line(1, &format!("10.0.{}.{}", host / 256, host % 256), 6379, "jedis", "told"));
    let tree = Tree::with_log(&lines.collect::<String>());
    let url = page(&tree);
    let bytes = fs::metadata(tree.path("page.html")).unwrap().len();
    assert!(bytes < 3_000_000, "{bytes} bytes");

    let cut = "document.getElementById('cut')?.textContent";
    let seen = driven(&url, &["no-script", SHOWN, cut]);
    let says = "1,000 of 20,000 are listed. Filters, which need JavaScript, search all of them; --top 20000 lists all.";
    assert_eq!(seen["results"], json!([1000, says]));

    let shown = "document.getElementById('shown').textContent";
    let elements = "document.querySelectorAll('*').length < 20000";
    let more = "(() => { const more = document.getElementById('more'); \
                const before = more.textContent; more.click(); \
                return [before, document.activeElement.rowIndex]; })()";
    let find = |source: &str| {
        format!(
            "(() => {{ const field = document.getElementById('filters').elements.source; field.value = {source:?}; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); return {SHOWN}; }})()"
        )
    };
    let is_there = "document.getElementById('more').hidden";
    let (last, some) = (find("10.0.78.31"), find("10.0.7"));
    let seen = driven(
        &url,
        &[SHOWN, shown, elements, cut, more, SHOWN, &last, shown, is_there, &some, shown, is_there],
    );
    let expected = json!([
        1000,
        "20,000 of 20,000 match, 20,000 attempts; the first 1,000 are listed",
        true,
        null,
        ["List 1,000 more", 1001],
        2000,
        1,
        "1 of 20,000 match, 1 attempt",
        true,
        1000,
        "2,336 of 20,000 match, 2,336 attempts; the first 1,000 are listed",
        false
    ]);
    assert_eq!(seen["results"], expected, "{seen}");
    assert_eq!(seen["messages"], json!([]));
    // With --top the table has as many at once, and the filters find the rest.
    let path = tree.path("page.html");
    tree.report(&["--top", "5", "--html", path.to_str().unwrap()]);
    let seen = driven(&url, &[SHOWN, &last]);
    assert_eq!(seen["results"], json!([5, 1]));
}

#[test]
fn with_forced_colours_the_charts_have_the_colours_of_the_system_and_answers_differ() {
    if !tools(&["chromium", "node"]) {
        return;
    }
    let tree = everything();
    let url = page(&tree);
    let system = "(() => { const probe = document.body.appendChild(document.createElement('p')); \
                  probe.style.forcedColorAdjust = 'none'; probe.style.color = 'CanvasText'; \
                  const text = getComputedStyle(probe).color; probe.style.color = 'Canvas'; \
                  return [text, getComputedStyle(probe).color]; })()";
    let fills = |of: &str| {
        format!(
            "[...new Set([...document.querySelectorAll({of:?})].map((one) => getComputedStyle(one).fill))].sort()"
        )
    };
    let (keys, shapes) = (fills("main .swatch rect"), fills("figure svg :is(rect, text)"));
    let patterns = "[...document.querySelectorAll('figure rect')].map((one) => getComputedStyle(one).fill) \
                    .filter((fill) => fill.startsWith('url')) \
                    .every((fill) => document.querySelector(fill.slice(5, -2)) !== null)";
    let count = "document.querySelectorAll('main .swatch').length";
    for scheme in ["light", "dark"] {
        let scheme = format!("media:prefers-color-scheme={scheme}");
        let arguments =
            ["media:forced-colors=active", &scheme, system, &keys, &shapes, patterns, count];
        let seen = driven(&url, &arguments);
        let list = |of: usize| -> Vec<String> {
            serde_json::from_value(seen["results"][of].clone()).unwrap()
        };
        let system = list(0);
        let answers = seen["results"][4].as_u64().unwrap();
        assert!(answers > 4 && answers == list(1).len() as u64, "{seen}");
        let foreign = |fill: &&String| !system.contains(fill) && !fill.starts_with("url(\"#p-");
        let shapes = list(2);
        assert_eq!(shapes.iter().filter(foreign).collect::<Vec<_>>(), [""; 0], "{seen}");
        assert_eq!(seen["results"][3], true, "{seen}");
    }
}

/// What axe-core has against a page, by rule and element.
const AXE: &str = "axe.run().then((found) => found.violations.map((rule) => \
                   [rule.id, ...rule.nodes.map((node) => node.html)]))";

#[test]
fn axe_finds_nothing_on_any_screen() {
    if !tools(&["chromium", "node", "npm"]) {
        return;
    }
    let store = concat!(env!("CARGO_TARGET_TMPDIR"), "/clients");
    let install = root().join("tests/tools/clients");
    let installed = Command::new(install).args(["page", store]).output().unwrap();
    if !need(&format!("axe-core ({})", transcript(&installed)), installed.status.success()) {
        return;
    }
    let place = String::from_utf8(installed.stdout).unwrap();
    let axe = Path::new(place.trim()).join("node_modules/axe-core/axe.min.js");
    let axe = format!("file:{}", axe.display());
    let (full, empty) = (everything(), Tree::with_log(""));
    let lines = (0..60).map(|host| line(1, &format!("10.0.0.{host}"), 6379, "jedis", "told"));
    let cut = Tree::with_log(&lines.collect::<String>());
    let path = cut.path("page.html");
    cut.report(&["--top", "20", "--html", path.to_str().unwrap()]);
    let (cut, empty, full) = (format!("file://{}", path.display()), page(&empty), page(&full));
    for media in [
        &["media:prefers-color-scheme=light"][..],
        &["media:prefers-color-scheme=dark"],
        &["media:forced-colors=active"],
        &["media:forced-colors=active", "media:prefers-color-scheme=dark"],
    ] {
        for (url, size) in [
            (&full, "size:360x800"),
            (&full, "size:1280x900"),
            (&cut, "size:1280x900"),
            (&empty, "size:360x800"),
        ] {
            // The page itself never scrolls sideways.
            let wide = "document.documentElement.scrollWidth > innerWidth";
            let seen = driven(url, &[media, &[size, &axe, AXE, wide]].concat());
            assert_eq!(seen["results"], json!([[], false]), "{media:?} {size}");
        }
    }
    // Its silence means something.
    let unlabelled = "document.querySelector('main').append(document.createElement('select'))";
    let seen = driven(&full, &[unlabelled, &axe, AXE]);
    assert_eq!(seen["results"][1][0][0], "select-name", "{seen}");
}
