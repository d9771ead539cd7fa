//! The forms in which syslog daemons, dmesg, journalctl and collectors write a kernel's line.

/// A form: `%` is the message; then the time that the line says, in seconds; `None` if it says none.
pub(super) struct Form(pub(super) &'static str, pub(super) &'static str, pub(super) Option<i64>);

/// 2026-11-26T05:45:00Z.
pub(super) const AT: Option<i64> = Some(1_795_671_900);

pub(super) const FORMS: &[Form] = &[
    // RFC 3164: rsyslog's traditional file format, and its relatives.
    Form("traditional", "Nov 26 05:45:00 web kernel: [ 1234.567890] %", AT),
    Form("without the time since boot", "Nov 26 05:45:00 web kernel: %", AT),
    Form("without the host", "Nov 26 05:45:00 kernel: [ 1234.567890] %", AT),
    Form("a tag without a blank", "Nov 26 05:45:00 web kernel:[ 1234.567890] %", AT),
    Form("a tag without anything", "Nov 26 05:45:00 web kernel:%", AT),
    Form("a process", "Nov 26 05:45:00 web kernel[0]: %", AT),
    Form("a year before the time", "Nov 26 2026 05:45:00 web kernel: %", AT),
    Form("a year after the time", "Nov 26 05:45:00 2026 web kernel: %", AT),
    Form("a fraction", "Nov 26 05:45:00.123456 web kernel: %", AT),
    Form("a zone", "Nov 26 05:45:00 UTC web kernel: %", AT),
    Form("an offset", "Nov 26 2026 06:45:00 +0100 web kernel: %", AT),
    Form("a year before all", "2026 Nov 26 05:45:00 web kernel: %", AT),
    Form("a day of one digit", "Nov 6 05:45:00 web kernel: %", Some(1_793_943_900)),
    Form("a day with a blank", "Nov  6 05:45:00 web kernel: %", Some(1_793_943_900)),
    Form("a priority", "<4>Nov 26 05:45:00 web kernel: [ 12.3] %", AT),
    Form("the level once more", "Nov 26 05:45:00 web kernel: <4>%", AT),
    Form("the tag twice", "Nov 26 05:45:00 web kernel: kernel: [ 12.3] %", AT),
    Form("the caller", "Nov 26 05:45:00 web kernel: [   12.345678] [    T1] %", AT),
    Form("the processor", "Nov 26 05:45:00 web kernel: [   12.345678][   C0] %", AT),
    Form("a relay", "Nov 26 05:45:00 relay/web kernel: %", AT),
    Form("syslog-ng's chain", "Nov 26 05:45:00 s_src@web kernel: [ 12.3] %", AT),
    Form("an address", "Nov 26 05:45:00 2001:db8::1 kernel: [ 12.3] %", AT),
    Form("metalog", "Nov 26 05:45:00 [kernel] [   12.345678] %", AT),
    // RFC 3339 and 5424.
    Form("rsyslog's file format", "2026-11-26T05:45:00.123456+00:00 web kernel: [ 12.3] %", AT),
    Form("another zone", "2026-11-26T11:15:00.123456+05:30 web kernel: [ 12.3] %", AT),
    Form("UTC", "2026-11-26T05:45:00Z web kernel: %", AT),
    Form("no zone", "2026-11-26T05:45:00 web kernel: %", AT),
    Form("a blank in the time", "2026-11-26 05:45:00 web kernel: %", AT),
    Form("a blank before the zone", "2026-11-26 05:45:00.123 +0000 web kernel: %", AT),
    Form("a priority and RFC 3339", "<4>2026-11-26T05:45:00Z web kernel: %", AT),
    Form("RFC 5424", "<4>1 2026-11-26T05:45:00.123456+00:00 web kernel - - - [ 12.3] %", AT),
    Form("RFC 5424 without priority", "1 2026-11-26T05:45:00Z web kernel - - - %", AT),
    Form(
        "structured data",
        "<4>1 2026-11-26T05:45:00Z web kernel 0 ID1 [a@1 b=\"\\\"]\" c=\"d\"][e@2] %",
        AT,
    ),
    Form("a byte order mark", "<4>1 2026-11-26T05:45:00Z web kernel - - - \u{feff}[ 12.3] %", AT),
    Form("no time in RFC 5424", "<4>1 - web kernel - - - %", None),
    Form("seconds since 1970", "1795671900 web kernel: %", AT),
    Form("milliseconds since 1970", "1795671900123 web kernel: %", AT),
    Form("multilog", "@400000006b07c7660000ffff kern.warn: [ 12.3] %", AT),
    Form("svlogd", "2026-11-26_05:45:00.12345 kern.warn: [   12.345678] %", AT),
    Form("socklog", "kern.warn: Nov 26 05:45:00 web kernel: %", AT),
    // busybox and OpenWrt.
    Form("busybox", "Nov 26 05:45:00 web kern.warn kernel: [   12.345678] %", AT),
    Form("busybox without the host", "Nov 26 05:45:00 kern.warn kernel: [   12.345678] %", AT),
    Form("logread", "Thu Nov 26 05:45:00 2026 kern.warn kernel: [   12.345678] %", AT),
    Form(
        "logread -t",
        "Thu Nov 26 05:45:00 2026 [1795671900.123] kern.warn kernel: [   12.345678] %",
        AT,
    ),
    // dmesg.
    Form("dmesg", "[   12.345678] %", None),
    Form("dmesg --raw", "<4>[   12.345678] %", None),
    Form("the kernel's buffer", "4,123,12345678,-;%", None),
    Form("the kernel's buffer with a caller", "4,123,12345678,-,caller=T1;%", None),
    Form("dmesg with the caller", "[   12.345678] [    T1] %", None),
    Form("dmesg with the caller at once", "[   12.345678][    T1] %", None),
    Form("dmesg --ctime", "[Thu Nov 26 05:45:00 2026] %", AT),
    Form("dmesg --ctime --show-delta", "[Thu Nov 26 05:45:00 2026 <    0.000012>] %", AT),
    Form("dmesg --show-delta", "[   12.345678 <    0.000012>] %", None),
    Form("dmesg --notime --show-delta", "[<    0.000012>] %", None),
    Form("dmesg --reltime", "[Nov26 05:45] %", AT),
    Form("dmesg --reltime, later", "[Nov26 05:45] Linux version 6.1\n[  +0.000012] %", AT),
    Form("dmesg --time-format iso", "2026-11-26T05:45:00,123456+00:00 %", AT),
    Form("dmesg --decode", "kern  :warn  : [   12.345678] %", None),
    Form("dmesg --decode --ctime", "kern  :warn  : [Thu Nov 26 05:45:00 2026] %", AT),
    Form("dmesg --decode, iso", "kern  :warn  : 2026-11-26T05:45:00,123456+00:00 %", AT),
    Form("dmesg in colours", "\u{1b}[32m[   12.345678] \u{1b}[0m\u{1b}[33m%", None),
    Form(
        "dmesg --json",
        "{\n   \"dmesg\": [\n      {\n         \"pri\": 4,\n         \"time\":    12.345678,\n         \"msg\": \"%\"\n      },{\n         \"pri\": 6,\n         \"time\": 12.4,\n         \"msg\": \"usb\"\n      }\n   ]\n}",
        None,
    ),
    // journalctl.
    Form("short-full", "Thu 2026-11-26 05:45:00 UTC web kernel: %", AT),
    Form("short-iso", "2026-11-26T05:45:00+0000 web kernel: %", AT),
    Form("short-monotonic", "[   12.345678] web kernel: %", None),
    Form("short-delta of the next boot", "[    1.000002 <    1.000000*>] web kernel: %", None),
    Form("short-delta", "[   12.345678 <    0.000012 >] web kernel: %", None),
    Form("short-unix", "1795671900.123456 web kernel: %", AT),
    Form("no host name", "1795671900.123456 kernel: %", AT),
    Form(
        "verbose",
        "Thu 2026-11-26 05:45:00.123456 UTC [s=0;i=1;b=2;m=3;t=4;x=5]\n    _TRANSPORT=kernel\n    PRIORITY=4\n    MESSAGE=%\n    _HOSTNAME=web",
        AT,
    ),
    Form(
        "export",
        "__CURSOR=s=0\n__REALTIME_TIMESTAMP=1795671900123456\n_BOOT_ID=1\n_TRANSPORT=kernel\nMESSAGE=%\n_HOSTNAME=web\n\n",
        AT,
    ),
    Form(
        "json",
        r#"{"__CURSOR":"x","__REALTIME_TIMESTAMP":"1795671900123456","_TRANSPORT":"kernel","MESSAGE":"%"}"#,
        AT,
    ),
    Form(
        "json-pretty",
        "{\n\t\"_TRANSPORT\" : \"kernel\",\n\t\"__REALTIME_TIMESTAMP\" : \"1795671900123456\",\n\t\"MESSAGE\" : \"%\"\n}",
        AT,
    ),
    Form(
        "json-sse",
        "data: {\"__REALTIME_TIMESTAMP\":\"1795671900123456\",\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"%\"}\n",
        AT,
    ),
    Form(
        "json-seq",
        "\u{1e}{\"__REALTIME_TIMESTAMP\":\"1795671900123456\",\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"%\"}",
        AT,
    ),
    // Collectors.
    Form(
        "Vector",
        r#"{"appname":"kernel","facility":"kern","host":"web","message":"%","timestamp":"2026-11-26T05:45:00.123Z"}"#,
        AT,
    ),
    Form(
        "Filebeat",
        r#"{"@timestamp":"2026-11-27T00:00:00.000Z","message":"Nov 26 05:45:00 web kernel: [ 12.3] %"}"#,
        AT,
    ),
    Form(
        "Elastic Common Schema",
        r#"{"@timestamp":"2026-11-26T05:45:00.000Z","log":{"syslog":{"facility":{"code":0},"appname":"kernel"}},"message":"%"}"#,
        AT,
    ),
    Form(
        "Fluentd",
        "2026-11-26T05:45:00+00:00\tsystem.kernel\t{\"host\":\"web\",\"ident\":\"kernel\",\"message\":\"[ 12.3] %\"}",
        AT,
    ),
    Form(
        "Fluent Bit",
        r#"{"date":1795671900.123456,"_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"%"}"#,
        AT,
    ),
    Form(
        "rsyslog's JSON",
        r#"{"msg":" [ 12.3] %","timereported":"2026-11-26T05:45:00.123456+00:00","syslogtag":"kernel:","programname":"kernel","pri":"4","syslogfacility":"0"}"#,
        AT,
    ),
    Form(
        "GELF",
        r#"{"version":"1.1","host":"web","short_message":"%","timestamp":1795671900.123,"_facility":"kern"}"#,
        AT,
    ),
    Form("Docker", r#"{"log":"<4>Nov 26 05:45:00 web kernel: %\n","stream":"stdout"}"#, AT),
];
