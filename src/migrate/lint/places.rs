//! Byte offsets of a text to lines and columns.

use crate::migrate::split::Place;

/// Offsets to places, moving forward only.
pub struct Places<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
    line_start: usize,
}

impl<'a> Places<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, line_start: 0 }
    }

    /// The place of this offset, which must not be before the last.
    pub fn at(&mut self, offset: usize) -> Place {
        let offset = offset.min(self.text.len()).max(self.offset);
        for at in memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.offset..offset]) {
            self.line += 1;
            self.line_start = self.offset + at + 1;
        }
        self.offset = offset;
        let mut end = offset;
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Place { line: self.line, column: self.text[self.line_start.min(end)..end].chars().count() as u64 + 1 }
    }
}
