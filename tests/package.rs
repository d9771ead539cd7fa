//! The released programs use no C library of the host; lintian, mandoc and bash accept their package.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{GEN, INSTALL, release, root, tools, transcript};

/// What of the C library opens parts of the host's, as nsswitch.conf names them. In a program that is
/// linked statically they belong to another C library, and it crashes.
const FOREIGN: [&str; 15] = [
    "getaddrinfo",
    "getnameinfo",
    "gethostbyname_r",
    "gethostbyname2_r",
    "gethostbyaddr_r",
    "getpwnam_r",
    "getpwuid_r",
    "getgrnam_r",
    "getgrgid_r",
    "getgrouplist",
    "initgroups",
    "getservbyname_r",
    "getservbyport_r",
    "getprotobyname_r",
    "getprotobynumber_r",
];

/// Those of them that are in a program that was not stripped.
fn foreign(program: &Path) -> Vec<String> {
    let output = Command::new("nm").arg("--defined-only").arg(program).output().unwrap();
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains(" main\n"), "{}", transcript(&output));
    let names = listed.lines().filter_map(|line| line.rsplit(' ').next());
    names.filter(|name| FOREIGN.contains(name)).map(str::to_owned).collect()
}

#[test]
fn no_program_has_the_c_library_load_parts_of_another_one() {
    let folder = tempfile::tempdir().unwrap();
    if !tools(&["nm"]) || !release::link(folder.path(), "01") {
        return;
    }
    for program in ["redisguard-install", "redisguard-gen"] {
        assert_eq!(foreign(&folder.path().join(program)), [""; 0], "{program}");
    }
    // One that does is found out.
    let source = "use std::net::ToSocketAddrs;\nfn main() {\n    \
                  for name in std::env::args() { let _ = (name.as_str(), 0).to_socket_addrs(); }\n}\n";
    let program = folder.path().join("resolves");
    fs::write(program.with_extension("rs"), source).unwrap();
    let linked = Command::new("rustc")
        .args(["--edition=2024", "-Ctarget-feature=+crt-static", "-o"])
        .args([&program, &program.with_extension("rs")])
        .output()
        .unwrap();
    assert!(linked.status.success(), "{}", transcript(&linked));
    assert!(foreign(&program).contains(&"getaddrinfo".to_owned()));
}

#[test]
fn debian_finds_nothing_wrong_with_the_package() {
    let folder = tempfile::tempdir().unwrap();
    if !tools(&["lintian"]) || !release::link(folder.path(), "01") {
        return;
    }
    let made = release::package(folder.path(), folder.path(), "1.0-1");
    assert!(made.status.success(), "{}", transcript(&made));
    let package = String::from_utf8(made.stdout).unwrap();
    let package = package.trim();
    let lintian = Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning", package])
        .output()
        .unwrap();
    assert!(lintian.status.success() && lintian.stdout.is_empty(), "{}", transcript(&lintian));

    // The same programs come to the same bytes.
    let first = fs::read(package).unwrap();
    fs::remove_file(package).unwrap();
    let again = release::package(folder.path(), folder.path(), "1.0-1");
    assert!(again.status.success(), "{}", transcript(&again));
    assert!(fs::read(package).unwrap() == first);
}

/// What `--generate` writes of one kind, in the order of the names.
fn generated(kind: &str, folder: &Path) -> Vec<PathBuf> {
    let mut generate = Command::new(GEN);
    generate.args(["--generate", kind, "--out"]).arg(folder).current_dir(folder);
    let output = generate.output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files
}

#[test]
fn mandoc_takes_every_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = generated("man", folder.path());
    assert_eq!(pages.len(), 16, "{pages:?}");
    if !tools(&["mandoc"]) {
        return;
    }
    let mut lint = Command::new("mandoc");
    let output = lint.args(["-T", "lint", "-W", "error"]).args(pages).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
}

#[test]
fn each_shell_has_completions_for_both_programs_and_bash_takes_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let files = generated("completions", folder.path());
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap()).collect();
    assert_eq!(
        names,
        [
            "_redisguard-gen",
            "_redisguard-install",
            "redisguard-gen.bash",
            "redisguard-gen.fish",
            "redisguard-install.bash",
            "redisguard-install.fish"
        ]
    );
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "bash")) {
        let output = Command::new("bash").arg("-n").arg(file).output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
    }
}

#[test]
fn what_a_package_installs_is_written_to_a_named_folder_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut generate = Command::new(GEN);
        generate.args(arguments).current_dir(&folder).output().unwrap()
    };
    for (arguments, why) in [
        (&["--generate", "man"][..], "--out"),
        (&["--generate", "man", "--out", "x", "--check"], "cannot be used with"),
        (&["--generate", "man", "--out", "x", "init"], "do two things at once"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", transcript(&output));
        assert!(transcript(&output).contains(why), "{}", transcript(&output));
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_program_that_would_not_run_elsewhere_is_not_packaged() {
    if !tools(&["readelf"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let refused = release::package(Path::new(INSTALL).parent().unwrap(), folder.path(), "1.0-1");
    assert_eq!(refused.status.code(), Some(1), "{}", transcript(&refused));
    assert!(
        transcript(&refused).contains("redisguard-install is linked dynamically"),
        "{}",
        transcript(&refused)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_scripts_of_the_package_and_those_that_make_it_are_sound() {
    if !tools(&["shellcheck"]) {
        return;
    }
    let mut shellcheck = Command::new("shellcheck");
    for script in ["postinst", "prerm", "postrm"] {
        shellcheck.arg(root().join("templates/package").join(script));
    }
    for script in ["dist", "former-version", "package", "releases", "run-tests"] {
        shellcheck.arg(root().join("tests/tools").join(script));
    }
    let output = shellcheck.output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
}
