//! The bundle: what is committed, what is rendered and what is embedded are the same bytes, and the
//! real programs that read the artifacts take them.
#![allow(clippy::unwrap_used)]

mod support;

use redisguard::bundle::{Bundle, Documents, MARK, SUMS};
use redisguard::notice::{Settings, TlsFiles};
use redisguard::spec::{Source, Spec};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use support::namespace::Host;
use support::{case, is_root, root, specs, told, tools};

fn spec(path: &Path) -> Spec {
    let source = Source::from_bytes("x.toml", std::fs::read(path).unwrap()).unwrap();
    Spec::parse(source).unwrap_or_else(|problems| panic!("{}", problems.render(false))).0
}

fn shipped() -> Bundle {
    Bundle::render(&spec(&root().join("redisguard.toml"))).unwrap()
}

/// Every good spec's bundle in a folder of its own.
fn for_every_bundle(mut look: impl FnMut(&str, &Bundle, &Path)) {
    for spec_path in specs("good") {
        let bundle = Bundle::render(&spec(&spec_path)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in bundle.artifacts() {
            let file = folder.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
        look(case(&spec_path), &bundle, folder.path());
    }
}

fn taken(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}:\n{}", told(output));
}

#[test]
fn committed_rendered_and_embedded_are_the_same_and_nothing_else_is_there() {
    let rendered = shipped();
    let committed = redisguard::host::files::read_tree(&root().join("generated")).unwrap();
    let of = |bundle: &Bundle| -> BTreeMap<String, Vec<u8>> {
        bundle.artifacts().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
    };
    assert_eq!(committed.keys().collect::<Vec<_>>(), of(&rendered).keys().collect::<Vec<_>>());
    for (path, bytes) in rendered.artifacts() {
        assert!(committed[path] == bytes, "{path} is stale: run redisguard-gen");
    }
    // With REDISGUARD_CONFIG set at build time another site is embedded.
    if option_env!("REDISGUARD_CONFIG").is_none() {
        assert_eq!(of(&redisguard::embedded::bundle().unwrap()), of(&rendered));
    }
}

#[test]
fn the_committed_documents_are_what_is_rendered() {
    let spec = spec(&root().join("redisguard.toml"));
    let documents = Documents::render(&spec, &shipped()).unwrap();
    assert_eq!(documents.files.len() + documents.guides.len(), 3);
    for (path, text) in documents.files {
        assert_eq!(std::fs::read_to_string(root().join(path.as_str())).unwrap(), text);
    }
    for (path, sections) in documents.guides {
        let guide = std::fs::read(root().join(path.as_str())).unwrap();
        assert!(redisguard::guide::fill(&guide, &sections).unwrap() == guide, "{path} is stale");
    }
}

#[test]
fn the_readme_shows_what_the_shipped_bundle_does() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let digest = shipped().facts().unwrap().bundle;
    assert!(readme.contains(&format!("what bundle {digest} promises")), "show make demo's output");
    let table = include_str!("snapshots/rehearse__the_shipped_bundle_keeps_its_promise.snap");
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(" | ")).collect();
    assert!(rows.len() > 10 && readme.contains(&rows.join("\n")), "show make demo's output");
}

#[test]
fn ten_renders_are_alike() {
    let first = shipped();
    assert!((0..10).all(|_| shipped() == first));
}

#[test]
fn every_artifact_is_marked_and_ends_with_one_line_feed() {
    for_every_bundle(|name, bundle, _| {
        for (path, bytes) in bundle.artifacts().filter(|(path, _)| *path != SUMS) {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.lines().take(2).any(|line| line.contains(MARK)), "{name}: {path}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name}: {path}");
            assert!(!text.contains('\r') && !text.contains("\x1b"), "{name}: {path}");
        }
    });
}

#[test]
fn sha256sum_takes_the_sums() {
    if !tools(&["sha256sum"]) {
        return;
    }
    let mut command = Command::new("sha256sum");
    let output = command.args(["--check", "--strict", SUMS]).current_dir(root().join("generated"));
    taken("sha256sum", &output.output().unwrap());
}

#[test]
fn the_kernel_takes_every_ruleset() {
    if !is_root() || !tools(&["iptables-restore", "ip6tables-restore", "nft"]) {
        return;
    }
    let host = Host::network_only();
    for_every_bundle(|name, _, folder| {
        let rules = folder.join("host/etc/redisguard");
        for (program, arguments, file) in [
            ("iptables-restore", &["--test", "--noflush"][..], "rules.v4"),
            ("ip6tables-restore", &["--test", "--noflush"][..], "rules.v6"),
            ("nft", &["--check", "--file"][..], "redisguard.nft"),
        ] {
            let file = rules.join(file);
            let arguments = [arguments, &[file.to_str().unwrap()]].concat();
            taken(&format!("{name}: {program}"), &host.run(program, &arguments));
        }
    });
}

#[test]
fn iptables_lists_the_rules_as_they_were_rendered() {
    if !is_root() || !tools(&["iptables-restore", "iptables-nft-save", "iptables-legacy-restore"]) {
        return;
    }
    for_every_bundle(|name, _, folder| {
        for (version, backend) in [
            ("v4", "iptables-nft"),
            ("v6", "ip6tables-nft"),
            ("v4", "iptables-legacy"),
            ("v6", "ip6tables-legacy"),
        ] {
            let host = Host::network_only();
            let file = folder.join(format!("host/etc/redisguard/rules.{version}"));
            host.sh(&format!("{backend}-restore --noflush < {}", file.display()));
            let text = std::fs::read_to_string(&file).unwrap();
            let own = |text: &str| {
                let mut lines: Vec<String> = text
                    .lines()
                    .filter(|line| line.contains("REDISGUARD") && line.starts_with('-'))
                    .map(|line| {
                        line.replace("-I INPUT 1 ", "-A INPUT ")
                            .replace("-I INPUT 2 ", "-A INPUT ")
                            .replace("-I FORWARD 1 ", "-A FORWARD ")
                            .replace("-I PREROUTING 1 ", "-A PREROUTING ")
                    })
                    .collect();
                lines.sort();
                lines
            };
            let listed = host.sh(&format!("{backend}-save"));
            assert_eq!(own(&listed), own(&text), "{name}: {backend}");
        }
    });
}

#[test]
fn systemd_takes_every_unit() {
    if !tools(&["systemd-analyze"]) {
        return;
    }
    for_every_bundle(|name, _, folder| {
        let units = folder.join("host/etc/systemd/system");
        // The program is not installed on this machine; /bin/true stands where it will.
        for entry in std::fs::read_dir(&units).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace(redisguard::bundle::BINARY, "/bin/true");
            std::fs::write(&path, text).unwrap();
        }
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--recursive-errors=no"]);
        for unit in redisguard::bundle::UNITS {
            command.arg(units.join(unit));
        }
        let output = command.output().unwrap();
        taken(name, &output);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("redis"), "{name}: {said}");
    });
}

#[test]
fn the_units_are_shut_in_and_say_why_not_further() {
    if !tools(&["systemd-analyze"]) {
        return;
    }
    for_every_bundle(|name, _, folder| {
        for (unit, most) in [
            ("redis-port-notice", 10),
            ("redis-port-yield@", 7),
            ("redis-ports-block", 18),
            ("redis-ports-check", 17),
        ] {
            let path = folder.join(format!("host/etc/systemd/system/{unit}.service"));
            // A bundle that leaves no port to a Redis has nothing that would yield.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let mut command = Command::new("systemd-analyze");
            command.args(["security", "--offline=true", "--no-pager"]);
            let output = command.arg(format!("--threshold={most}")).arg(&path).output().unwrap();
            taken(&format!("{name}: {unit}"), &output);
            let comments: Vec<&str> =
                text.lines().filter(|line| line.starts_with("#   ")).collect();
            let table = String::from_utf8_lossy(&output.stdout);
            for row in table.lines().filter_map(|line| line.strip_prefix("✗ ")) {
                // User=/DynamicUser=, or RestrictAddressFamilies=~AF_(INET|INET6).
                let point = row.split_whitespace().next().unwrap();
                let (setting, value) = point.split_once('=').unwrap();
                let named = match value.strip_prefix('~').map(|value| value.split_once('(')) {
                    None => vec![format!("{setting}=")],
                    Some(None) => vec![value[1..].to_owned()],
                    Some(Some((front, choices))) => {
                        let choices = choices.trim_end_matches(')').split('|');
                        choices.map(|choice| format!("{front}{choice}")).collect()
                    }
                };
                let explained = |comment: &&str| named.iter().any(|named| comment.contains(named));
                assert!(comments.iter().any(explained), "{name}: {unit} says nothing of {point}");
            }
        }
    });
}

#[test]
fn the_listener_takes_every_bundles_settings_and_gets_the_certificate_from_systemd() {
    let mut with_tls = 0;
    for_every_bundle(|name, bundle, _| {
        let text = |path: &str| String::from_utf8(bundle.get(path).unwrap().to_vec()).unwrap();
        let settings = Settings::parse(&text("host/etc/redisguard/notice.toml"));
        let settings = settings.unwrap_or_else(|faults| panic!("{name}: {faults}"));
        let unit = text("host/etc/systemd/system/redis-port-notice.service");
        assert_eq!(unit.contains("Credential"), settings.tls.is_some(), "{name}");
        let Some(TlsFiles { cert, key }) = settings.tls else { return };
        with_tls += 1;
        for (credential, path) in [("notice-cert", cert), ("notice-key", key)] {
            let loaded = format!("\nLoadCredential={credential}:{}\n", path.display());
            assert!(unit.contains(&loaded), "{name}: {unit}");
            // Without a stand-in the service would not start where the file is missing.
            assert!(unit.contains(&format!("\nSetCredential={credential}:missing\n")), "{unit}");
        }
    });
    assert_eq!(with_tls, 1);
}

#[test]
fn logrotate_takes_its_file() {
    if !is_root() || !tools(&["logrotate"]) {
        return;
    }
    for_every_bundle(|name, _, folder| {
        let file = folder.join("host/etc/logrotate.d/redis-port-notice");
        let output = Command::new("logrotate").arg("--debug").arg(file).output().unwrap();
        taken(name, &output);
        assert!(!told(&output).contains("error"), "{name}: {}", told(&output));
    });
}

#[test]
fn mandoc_takes_every_page() {
    if !tools(&["mandoc"]) {
        return;
    }
    let pages = std::fs::read_dir(root().join("generated/man")).unwrap();
    for page in pages.map(|entry| entry.unwrap().path()) {
        let output =
            Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&page).output().unwrap();
        taken(&page.display().to_string(), &output);
    }
}

#[test]
fn bash_takes_its_completions() {
    for command in ["redisguard-gen", "redisguard-install"] {
        let file = root().join(format!("generated/completions/{command}.bash"));
        taken(command, &Command::new("bash").arg("-n").arg(file).output().unwrap());
    }
}
