//! What the writer leaves on disks of every size.

use super::*;

/// A disk with room for so many bytes.
#[derive(Debug, Default)]
struct Disk {
    room: usize,
    bytes: Vec<u8>,
}

impl Disk {
    fn new(room: usize) -> Disk {
        Disk { room, bytes: Vec::new() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room).min(7);
        if taken == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        self.room -= taken;
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Disk {
    fn at_once(&self) -> usize {
        4096
    }

    fn truncate_tail(&mut self, bytes: usize) -> bool {
        self.bytes.truncate(self.bytes.len() - bytes);
        self.room += bytes;
        true
    }
}

fn writer(room: usize) -> Writer<Disk> {
    Writer::new(Disk::new(room), LogFormat::Logfmt, false)
}

/// Writes so many lines of eleven bytes and one attempt each.
fn write(writer: &mut Writer<Disk>, count: usize) {
    let mut lines = LineBatch::default();
    (0..count).for_each(|_| lines.push(1, |out| out.extend_from_slice(b"0123456789\n")));
    lines.chunks(4096).for_each(|piece| writer.write(piece));
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
fn whatever_room_the_disk_has_every_line_is_whole_and_accounted_for() {
    for room in 0..200 {
        let mut writer = writer(room);
        for step in 0..6 {
            write(&mut writer, 3);
            writer.sink.room += if step == 3 { 90 } else { 0 };
        }
        writer.sink.room = 10_000;
        assert!(writer.catch_up() && !writer.is_behind());
        write(&mut writer, 1);
        assert_eq!(accounted(&writer.sink.text()), 19, "room for {room}");
        assert_eq!(writer.told(), LineTotals { lines: 19, attempts: 19 }, "room for {room}");
    }
}

#[test]
fn at_a_rotation_every_line_is_whole_in_either_file_and_accounted_for() {
    for room in 0..200 {
        let mut writer = writer(room);
        (0..6).for_each(|_| write(&mut writer, 3));
        let old = std::mem::take(&mut writer.sink);
        let untouched = old.text();
        writer.sink = old;
        writer.leave();
        let old = writer.sink.text();
        assert!(untouched.starts_with(&old), "room for {room}");
        writer.replace(Disk::new(10_000));
        write(&mut writer, 1);
        let both = accounted(&old) + accounted(&writer.sink.text());
        assert_eq!(both, 19, "room for {room}: {old}");
    }
}

#[test]
fn at_the_end_every_line_is_whole_and_the_loss_is_known() {
    for room in 0..200 {
        let mut writer = writer(room);
        (0..6).for_each(|_| write(&mut writer, 3));
        let lost = writer.leave();
        assert_eq!(accounted(&writer.sink.text()) + lost.attempts, 18, "room for {room}");
    }
}

#[test]
fn what_was_lost_on_the_way_is_told_as_well() {
    let mut writer = writer(1000);
    writer.count_lost(LineTotals { lines: 2, attempts: 40 });
    write(&mut writer, 1);
    assert_eq!(accounted(&writer.sink.text()), 41);
}

#[test]
fn pieces_hold_whole_lines_and_all_of_them() {
    let mut lines = LineBatch::default();
    let lengths = [1, 4096, 4095, 1, 2, 5000, 5000, 4000, 96, 1];
    for length in lengths {
        let line = format!("{}\n", "x".repeat(length - 1));
        lines.push(1, |out| out.extend_from_slice(line.as_bytes()));
    }
    let chunks: Vec<_> = lines.chunks(4096).collect();
    let counts: Vec<_> = chunks.iter().map(|piece| piece.each.len()).collect();
    assert_eq!(counts, [1, 1, 2, 1, 1, 1, 2, 1]);
    assert!(chunks.iter().all(|piece| piece.text.ends_with(b"\n")));
    let text: Vec<u8> = chunks.iter().flat_map(|piece| piece.text.to_vec()).collect();
    assert_eq!(text, lines.text);
}
