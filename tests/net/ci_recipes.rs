//! The recipes in docs/ci work as GitHub, GitLab, pre-commit and make run them.

use crate::support::{GEN, python_tools, root, tools, transcript};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A repository of Git whose second commit changes the TOML, with everything rendered.
struct Repository {
    folder: TempDir,
    /// What the first commit is called.
    base: String,
}

impl Repository {
    fn new() -> Option<Self> {
        if !tools(&["git", "bash", "make"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut repository = Self { folder, base: String::new() };
        for file in ["redisguard.toml", "docs/redis/redis-streams/redis_cluster_guide.md"] {
            let to = repository.path().join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join(file), to).unwrap();
        }
        repository
            .run("git init --quiet && redisguard-gen && git add . && git commit --quiet -m one");
        repository.base = repository.run("git rev-parse HEAD").trim().to_owned();
        let change = "sed -i 's/external = \"drop\"/external = \"reject\"/' redisguard.toml";
        repository.run(&format!("{change} && redisguard-gen && git commit --quiet -am two"));
        Some(repository)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command in the repository that finds the program, and what it needs of its service.
    fn command(&self, programs: Option<&Path>, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let own = Path::new(GEN).parent().unwrap();
        let path = format!("{}:{}:{path}", own.display(), programs.unwrap_or(own).display());
        let mut command = Command::new(program);
        command.current_dir(self.path()).env("PATH", path).env("HOME", self.path());
        for (name, value) in [("AUTHOR", "a"), ("COMMITTER", "a")] {
            command.env(format!("GIT_{name}_NAME"), value);
            command.env(format!("GIT_{name}_EMAIL"), "a@example.org");
        }
        command
    }

    fn run(&self, script: &str) -> String {
        let output = self.command(None, "bash").args(["-euc", script]).output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Edits a generated file, as somebody in a hurry does.
    fn spoil(&self) {
        let file = self.path().join("generated/host/etc/redisguard/rules.v4");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("REJECT", "ACCEPT")).unwrap();
        self.run("git commit --quiet -am spoilt");
    }

    fn regenerate(&self) {
        self.run("redisguard-gen && git commit --quiet -am regenerated");
    }
}

fn recipe(name: &str) -> PathBuf {
    root().join("docs/ci").join(name)
}

/// The shell scripts of a recipe: what stands at a place of its YAML, as a Python expression says.
fn scripts(programs: &Path, name: &str, place: &str) -> Vec<String> {
    let read = format!(
        "import json, sys, ruamel.yaml\n\
         recipe = ruamel.yaml.YAML(typ='safe').load(open(sys.argv[1]))\nprint(json.dumps({place}))"
    );
    let mut python = Command::new(programs.join("python"));
    let output = python.args(["-c", &read]).arg(recipe(name)).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let scripts: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let ours: Vec<String> =
        scripts.into_iter().filter(|script| script.contains("redisguard-gen -")).collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    ours
}

#[track_caller]
fn is_refused(output: &Output) {
    let said = transcript(output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("edited by hand: generated/host/etc/redisguard/rules.v4"), "{said}");
    assert!(said.contains("mend with: redisguard-gen"), "{said}");
}

#[test]
fn every_recipe_is_valid_for_its_service() {
    let Some(programs) = python_tools("ci") else { return };
    for (name, schema) in
        [("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")]
    {
        let mut check = Command::new(programs.join("check-jsonschema"));
        let output = check.args(["--builtin-schema", schema]).arg(recipe(name)).output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
    }
    let rules = "{extends: default, rules: {line-length: disable, document-start: disable, \
                 truthy: {check-keys: false}}}";
    let mut lint = Command::new(programs.join("yamllint"));
    let output = lint.args(["--strict", "-d", rules]).arg(root().join("docs/ci")).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
}

#[test]
fn the_workflow_of_github_checks_and_says_what_a_change_means() {
    let Some(programs) = python_tools("ci") else { return };
    let Some(repository) = Repository::new() else { return };
    let place = "[step.get('run', '') for step in recipe['jobs']['check']['steps']]";
    let scripts = scripts(&programs, "github-actions.yml", place);
    let summary = repository.path().join("summary.md");
    let run = |script: &str| {
        // As GitHub runs a step that names no shell.
        let mut bash = repository.command(None, "bash");
        bash.args(["-e", "-c", script]).env("BASE", &repository.base);
        bash.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap()
    };
    for script in &scripts {
        let output = run(script);
        assert!(output.status.success(), "{script}: {}", transcript(&output));
    }
    let said = fs::read_to_string(&summary).unwrap();
    assert!(said.contains("outsiders are reset; until now they meet silence"), "{said}");
    repository.spoil();
    is_refused(&run(&scripts[0]));
}

#[test]
fn the_job_of_gitlab_checks_and_says_what_a_change_means() {
    let Some(programs) = python_tools("ci") else { return };
    let Some(repository) = Repository::new() else { return };
    let scripts = scripts(&programs, "gitlab-ci.yml", "recipe['redisguard']['script']");
    let run = |base: &str| {
        let mut bash = repository.command(None, "bash");
        bash.args(["-eo", "pipefail", "-c", &scripts.join("\n")]);
        bash.env("CI_MERGE_REQUEST_DIFF_BASE_SHA", base).output().unwrap()
    };
    let (merge_request, branch) = (transcript(&run(&repository.base)), transcript(&run("")));
    assert!(merge_request.contains("outsiders are reset; until now"), "{merge_request}");
    assert!(branch.ends_with("exit 0\n") && !branch.contains("outsiders are reset"), "{branch}");
    repository.spoil();
    is_refused(&run(&repository.base));
}

#[test]
fn the_pre_commit_hook_refuses_stale_files() {
    let Some(programs) = python_tools("ci") else { return };
    let Some(repository) = Repository::new() else { return };
    fs::copy(recipe("pre-commit-config.yaml"), repository.path().join(".pre-commit-config.yaml"))
        .unwrap();
    repository.run("git add . && git commit --quiet -m hooks");
    let hook = |arguments: &[&str]| {
        repository.command(Some(&programs), "pre-commit").args(arguments).output().unwrap()
    };
    let output = hook(&["run", "--all-files"]);
    assert!(output.status.success(), "{}", transcript(&output));
    repository.spoil();
    is_refused(&hook(&["run", "--all-files"]));
    repository.regenerate();

    let output = hook(&["install"]);
    assert!(output.status.success(), "{}", transcript(&output));
    repository.run(
        "sed -i 's/\"Current Production Redis\"/\"Former Redis\"/' redisguard.toml && git add .",
    );
    let commit =
        repository.command(Some(&programs), "git").args(["commit", "-m", "stale"]).output();
    let said = transcript(&commit.unwrap());
    assert!(said.contains("stale: generated/host/etc/redisguard/rules.v4"), "{said}");
    repository.run("redisguard-gen && git add .");
    let commit =
        repository.command(Some(&programs), "git").args(["commit", "-m", "right"]).output();
    let said = transcript(&commit.unwrap());
    assert!(said.contains("exit 0") && said.contains("Passed"), "{said}");
}

#[test]
fn the_targets_of_make_check_and_render() {
    let Some(repository) = Repository::new() else { return };
    let make = |target: &str| {
        let mut make = repository.command(None, "make");
        make.arg("-f").arg(recipe("redisguard.mk")).arg(target).output().unwrap()
    };
    assert!(make("redisguard-check").status.success());
    repository.spoil();
    is_refused(&make("redisguard-check"));
    assert!(make("redisguard").status.success());
    assert!(make("redisguard-check").status.success());
}
