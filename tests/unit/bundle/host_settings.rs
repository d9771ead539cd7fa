//! The installer, the listener and systemd are told what the TOML says.

use crate::support::corpus::{CORPUS, Case, text, units};
use crate::support::readers::unit;
use redisguard::listener::{Settings, TlsFiles};

#[test]
fn the_installer_and_the_listener_read_what_the_toml_says() {
    for Case { name, spec, bundle, .. } in CORPUS.iter() {
        let facts = bundle.guard_config().unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(facts.allow, spec.firewall.allow, "{name}");
        assert_eq!(facts.probe, spec.probe.from, "{name}");
        assert_eq!(facts.cluster, spec.cluster.ports, "{name}");
        assert_eq!(
            (facts.backend, facts.existing),
            (spec.firewall.backend, spec.firewall.existing)
        );
        assert_eq!(
            (facts.log.as_str(), facts.notice),
            (spec.notice.log.as_str(), spec.notice.port)
        );
        let read = facts
            .reserved
            .iter()
            .map(|one| (one.ports, one.label.as_str(), one.external, one.listen));
        let given = spec
            .reserved
            .iter()
            .map(|one| (one.ports, one.label.as_str(), one.external, one.listen));
        assert!(read.eq(given), "{name}: {:?}", facts.reserved);

        let notice = text(bundle, "host/etc/redisguard/notice.toml");
        let settings = Settings::parse(notice).unwrap_or_else(|faults| panic!("{name}: {faults}"));
        assert_eq!(settings.probe_from, spec.probe.from, "{name}");
        let notice: toml::Table = toml::from_str(notice).unwrap();
        for (read, given) in notice["reserved"].as_array().unwrap().iter().zip(&spec.reserved) {
            assert_eq!(read["sentence"].as_str(), Some(spec.sentence(given).as_str()), "{name}");
        }
    }
}

#[test]
fn every_unit_is_described_by_the_title() {
    for Case { name, spec, bundle, .. } in CORPUS.iter() {
        for (file, text) in units(bundle) {
            let settings = unit(text).unwrap_or_else(|why| panic!("{name}: {file}: {why}"));
            let [(section, key, described), ..] = settings.as_slice() else { panic!("{file}") };
            assert_eq!((section.as_str(), key.as_str()), ("Unit", "Description"), "{name}: {file}");
            let title = format!("{}: ", spec.site.title);
            assert!(described.starts_with(&title), "{name}: {file}: {described}");
        }
    }
}

#[test]
fn the_listener_accepts_every_bundles_settings_and_systemd_loads_its_certificate() {
    let mut with_tls = 0;
    for Case { name, bundle, .. } in CORPUS.iter() {
        let settings = Settings::parse(text(bundle, "host/etc/redisguard/notice.toml"));
        let settings = settings.unwrap_or_else(|faults| panic!("{name}: {faults}"));
        let unit = text(bundle, "host/etc/systemd/system/redis-port-notice.service");
        assert_eq!(unit.contains("Credential"), settings.tls.is_some(), "{name}");
        let Some(TlsFiles { cert, key }) = settings.tls else { continue };
        with_tls += 1;
        for (credential, path) in [("notice-cert", cert), ("notice-key", key)] {
            let loaded = format!("\nLoadCredential={credential}:{}\n", path.display());
            assert!(unit.contains(&loaded), "{name}: {unit}");
            // Without a stand-in the service would not start where the file is missing.
            assert!(unit.contains(&format!("\nSetCredential={credential}:missing\n")), "{unit}");
        }
    }
    assert_eq!(with_tls, 2);
}
