//! What the writer leaves on a disk that becomes full at any byte.

use super::*;
use crate::listener::log::line_batch::LineBatch;

/// A disk with `free` bytes, which takes few of them in one write.
#[derive(Debug, Default)]
struct Disk {
    free: usize,
    bytes: Vec<u8>,
}

impl Disk {
    fn new(free: usize) -> Disk {
        Disk { free, bytes: Vec::new() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.free).min(7);
        if taken == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        self.free -= taken;
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Disk {
    fn atomic_write_bytes(&self) -> usize {
        4096
    }

    fn truncate_tail(&mut self, bytes: usize) -> bool {
        self.bytes.truncate(self.bytes.len() - bytes);
        self.free += bytes;
        true
    }
}

fn writer(free: usize) -> Writer<Disk> {
    Writer::new(Disk::new(free), LogFormat::Logfmt, None)
}

/// Writes so many lines of eleven bytes and one attempt each.
fn write(writer: &mut Writer<Disk>, count: usize) {
    let mut lines = LineBatch::default();
    (0..count).for_each(|_| lines.push(1, |out| out.extend_from_slice(b"0123456789\n")));
    lines.chunks(4096).for_each(|chunk| writer.write(chunk));
}

/// The attempts that the text accounts for; every line of it must be whole.
fn accounted(text: &str) -> u64 {
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines()
        .map(|line| match line.split_once(" attempts=") {
            Some((_, rest)) => {
                assert!(line.ends_with(" outcome=dropped"), "{text}");
                rest.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
            }
            None => {
                assert_eq!(line, "0123456789", "{text}");
                1
            }
        })
        .sum()
}

#[test]
fn every_line_is_whole_and_accounted_for_however_full_the_disk_is() {
    for free in 0..200 {
        let mut writer = writer(free);
        for step in 0..6 {
            write(&mut writer, 3);
            writer.sink.free += if step == 3 { 90 } else { 0 };
        }
        writer.sink.free = 10_000;
        assert!(writer.catch_up() && !writer.is_behind());
        write(&mut writer, 1);
        assert_eq!(accounted(&writer.sink.text()), 19, "{free} bytes free");
        assert_eq!(writer.accounted, LineTotals { lines: 19, attempts: 19 }, "{free} bytes free");
    }
}

#[test]
fn every_line_is_whole_and_accounted_for_in_both_files_of_a_rotation() {
    for free in 0..200 {
        let mut writer = writer(free);
        (0..6).for_each(|_| write(&mut writer, 3));
        let old = std::mem::take(&mut writer.sink);
        let untouched = old.text();
        writer.sink = old;
        writer.finish();
        let old = writer.sink.text();
        assert!(untouched.starts_with(&old), "{free} bytes free");
        writer.replace(Disk::new(10_000));
        write(&mut writer, 1);
        let both = accounted(&old) + accounted(&writer.sink.text());
        assert_eq!(both, 19, "{free} bytes free: {old}");
    }
}

#[test]
fn at_the_end_every_line_is_whole_and_the_loss_is_known() {
    for free in 0..200 {
        let mut writer = writer(free);
        (0..6).for_each(|_| write(&mut writer, 3));
        let lost = writer.finish();
        assert_eq!(accounted(&writer.sink.text()) + lost.attempts, 18, "{free} bytes free");
        let whole = writer.sink.text().lines().filter(|line| *line == "0123456789").count() as u64;
        assert_eq!(whole + writer.lost_lines, 18, "{free} bytes free");
    }
}

#[test]
fn what_was_lost_before_the_writer_is_counted_as_well() {
    let mut writer = writer(1000);
    writer.count_lost(LineTotals { lines: 2, attempts: 40 });
    write(&mut writer, 1);
    assert_eq!(accounted(&writer.sink.text()), 41);
}
