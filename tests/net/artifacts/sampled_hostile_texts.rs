//! The kernel, systemd and YAML readers accept hostile texts that no check refuses.

use super::firewall_rules::{able, loads};
use super::host_files::yaml_files;
use super::unit_files::systemd_accepts;
use crate::support::corpus::written;
use crate::support::hostile_texts::{hostile, parsed};
use crate::support::namespace::Host;
use crate::support::readers::yaml;
use crate::support::{python_tools, tools};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use redisguard::bundle::Bundle;
use redisguard::spec::Spec;

/// Specs with a hostile title and hostile labels that no check refuses, the same ones in every run.
fn sample(count: usize) -> Vec<(Spec, Bundle)> {
    let mut runner = TestRunner::deterministic();
    let texts = (hostile(), hostile()).prop_map(|(title, label)| vec![(0, title), (4, label)]);
    let attacks = std::iter::repeat_with(|| texts.new_tree(&mut runner).unwrap().current());
    let specs = attacks.filter_map(|attack| parsed(&attack).ok());
    specs.take(count).map(|spec| (spec.clone(), Bundle::render(&spec).unwrap())).collect()
}

#[test]
fn the_kernel_has_every_comment_as_it_was_rendered() {
    if !able() {
        return;
    }
    let host = Host::network_only();
    for (spec, bundle) in sample(25) {
        loads(&host, &spec.reserved[0].label.to_string(), &spec, &bundle, written(&bundle).path());
    }
}

#[test]
fn systemd_and_yaml_readers_accept_what_the_checks_accept() {
    let sample = sample(60);
    let bundles = || sample.iter().map(|(_, bundle)| bundle);
    if tools(&["systemd-analyze"]) {
        systemd_accepts(bundles().take(20));
    }
    let Some(programs) = python_tools("ci") else { return };
    let folder = tempfile::tempdir().unwrap();
    yaml_files(bundles(), folder.path());
    for (read, (spec, _)) in yaml(&programs, folder.path()).iter().zip(&sample) {
        for (read, given) in
            read["redisguard_reserved_ports"].as_array().unwrap().iter().zip(&spec.reserved)
        {
            assert_eq!(read["label"], given.label.as_str());
            assert_eq!(read["ports"], given.ports.to_string());
        }
    }
}
