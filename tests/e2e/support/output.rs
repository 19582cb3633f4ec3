//! What the service printed, line by line, read on threads so that the child never blocks on a full pipe.
//! Interprets only one thing: where the service says it listens.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

/// Standard output and standard error of one or more runs, in order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines earlier lives have printed.
    before: usize,
}

impl Output {
    /// Reads a pipe to its end on a thread of its own.
    pub fn follow(&self, pipe: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.lines);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                lines.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// The last lines, for a failing test.
    pub fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// What comes from now on is of another run.
    pub fn begin_a_life(&mut self) {
        self.before = self.lines.lock().unwrap().len();
    }

    /// The port behind the first such text of this run, such as `http://127.0.0.1:`.
    pub fn port(&self, start: &str) -> Option<u16> {
        let lines = self.lines.lock().unwrap();
        lines.iter().skip(self.before).find_map(|line| {
            let (_, rest) = line.split_once(start)?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().filter(|port| *port != 0)
        })
    }
}
