//! From when until when a certificate is valid, and what is wrong with that now.
//!
//! Never: judges issuers or names; that is for the clients.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::listener_contract::{CERTIFICATE_FAULT, ENDS_SOON};

/// How long before its end a certificate should have been renewed. Let's Encrypt's clients renew 30 days
/// before the end of one that lasts 90 days: two weeks later somebody must look.
const RENEWAL_TIME: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The dates of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Clients refuse it before.
    pub from: Timestamp,
    /// Clients refuse it after.
    pub until: Timestamp,
}

impl Validity {
    /// The dates in `certificate`; `None` if it has no sound ones.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        // The dates are what is looked at first, and the refusal has them. One that is valid from
        // 1970 on is refused for another reason, since no issuer is trusted here.
        let refusal = |seconds: u64| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let usage = KeyUsage::server_auth();
            certificate.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
        };
        let from = match refusal(0)? {
            webpki::Error::CertNotValidYet { not_before, .. } => not_before.as_secs(),
            _ => 0,
        };
        let webpki::Error::CertExpired { not_after, .. } = refusal(u64::MAX)? else { return None };
        // A certificate without an end has one at the end of the year 9999 (RFC 5280, 4.1.2.5): over a day
        // behind the latest time that is known here.
        let timestamp = |seconds: u64| {
            let seconds = seconds.try_into().unwrap_or(i64::MAX).min(Timestamp::MAX.as_second());
            Timestamp::from_second(seconds).ok()
        };
        Some(Validity { from: timestamp(from)?, until: timestamp(not_after.as_secs())? })
    }

    /// What is wrong with the certificate at `path` at the time `now`.
    pub fn fault(self, path: &Path, now: Timestamp) -> Option<String> {
        let Validity { from, until } = self;
        let refused = "TLS clients that check it refuse it";
        let fault = if now < from {
            format!(" is not valid before {from}: {refused}")
        } else if now > until {
            format!(" ended on {until}: {refused}")
        } else if now >= until - RENEWAL_TIME {
            format!("{ENDS_SOON}{until}")
        } else {
            return None;
        };
        Some(format!("{CERTIFICATE_FAULT}{}{fault}", path.display()))
    }

    /// How long after `now` the answer of [`Validity::fault`] changes next, if ever.
    pub fn next_change(self, now: Timestamp) -> Option<Duration> {
        // It is over one second after its last one.
        let end = self.until.checked_add(SignedDuration::from_secs(1)).unwrap_or(self.until);
        let changes = [self.from, self.until - RENEWAL_TIME, end];
        let later = changes.into_iter().filter(|change| *change > now).min()?;
        Duration::try_from(later.duration_since(now)).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let (from, until) = (time("2026-11-01T10:00:00Z"), time("2051-02-03T04:05:06Z"));
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let at = |time: Timestamp| std::time::SystemTime::from(time).into();
        for from in [from, Timestamp::UNIX_EPOCH] {
            (params.not_before, params.not_after) = (at(from), at(until));
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(Validity::of(certificate.der()), Some(Validity { from, until }));
        }
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let endless = Validity::of(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(endless.until.as_second(), Timestamp::MAX.as_second());
        assert_eq!(endless.fault(Path::new("/etc/cert.pem"), from), None);
        assert!(endless.next_change(endless.until).is_none());
        (params.not_before, params.not_after) = (params.not_after, params.not_before);
        assert_eq!(Validity::of(params.self_signed(&key).unwrap().der()), None);
        assert_eq!(Validity::of(&CertificateDer::from(vec![0x30, 0])), None);
    }

    #[test]
    fn a_certificate_is_judged_by_the_time() {
        let (from, until) = (time("2026-01-01T00:00:00Z"), time("2026-03-31T00:00:00Z"));
        let (validity, path) = (Validity { from, until }, Path::new("/etc/cert.pem"));
        let soon = "the certificate /etc/cert.pem ends soon, on 2026-03-31T00:00:00Z";
        let refused = "TLS clients that check it refuse it";
        let early = format!("the certificate /etc/cert.pem is not valid before {from}: {refused}");
        let late = format!("the certificate /etc/cert.pem ended on {until}: {refused}");
        let mut now = time("2025-12-31T23:59:59Z");
        for (at, fault, next) in [
            ("2025-12-31T23:59:59Z", Some(early.as_str()), Some(1)),
            ("2026-01-01T00:00:00Z", None, Some(75 * 86_400)),
            ("2026-03-17T00:00:00Z", Some(soon), Some(14 * 86_400 + 1)),
            ("2026-03-31T00:00:01Z", Some(late.as_str()), None),
        ] {
            assert_eq!(now, time(at), "the answer changes when it was said to");
            assert_eq!(validity.fault(path, now).as_deref(), fault);
            let wait = validity.next_change(now);
            assert_eq!(wait.map(|wait| wait.as_secs()), next);
            now += wait.unwrap_or_default();
        }
        assert_eq!(validity.fault(path, until), Some(soon.to_owned()));
    }
}
