//! Reads an strace record and judges: was every 200 of a POST written after a sync that began after its request was read?
//! Knows system calls and file names, nothing of the service's code; its own tests doctor records and see it refuse.

use std::collections::HashMap;

/// What the record proves.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many 200s of a POST had their sync.
    pub proven: usize,
    /// Lines of the record that send a 200 too early, each with the reason.
    pub early: Vec<String>,
}

/// One line of the record: which thread, which call, on what, how it ended.
#[derive(Debug)]
struct Event<'a> {
    thread: &'a str,
    call: &'a str,
    /// The descriptor as `-y` prints it: `12<socket:[4711]>` or `9</data/queues>`; empty on the second half of a call.
    on: &'a str,
    rest: &'a str,
    half: Half,
}

/// strace cuts a call in two when another thread's call comes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Whole,
    First,
    Second,
}

/// Judges a whole record; a sync counts if its file's path contains `file`.
///
/// The order of lines is the order in which strace saw the calls; a call printed whole was interrupted by nothing.
pub fn judge(record: &str, file: &str) -> Verdict {
    let mut judge = Judge { file, ..Judge::default() };
    for (number, line) in record.lines().enumerate() {
        if let Some(event) = event(line) {
            judge.see(number, &event, line);
        }
    }
    judge.verdict
}

#[derive(Default)]
struct Judge<'a> {
    file: &'a str,
    /// Line at which the POST that a socket waits for was read.
    asked: HashMap<String, usize>,
    /// Sockets of reads whose result comes in a second half.
    reading: HashMap<String, String>,
    /// Line at which each thread's unfinished sync of the file began.
    syncing: HashMap<String, usize>,
    /// Beginning of the youngest sync that has returned 0.
    synced_since: Option<usize>,
    verdict: Verdict,
}

impl Judge<'_> {
    fn see(&mut self, number: usize, event: &Event<'_>, line: &str) {
        match event.call {
            "fdatasync" | "fsync" => self.sync(number, event),
            "recvfrom" | "read" | "recvmsg" | "readv" => self.read(number, event),
            "sendto" | "write" | "writev" | "sendmsg" => self.write(event, line),
            _ => {}
        }
    }

    fn sync(&mut self, number: usize, event: &Event<'_>) {
        let began = match event.half {
            Half::Second => self.syncing.remove(event.thread),
            _ if !event.on.contains(self.file) => None,
            Half::Whole => Some(number),
            Half::First => {
                self.syncing.insert(event.thread.to_owned(), number);
                None
            }
        };
        if let (Some(began), true) = (began, event.rest.contains("= 0")) {
            self.synced_since = self.synced_since.max(Some(began));
        }
    }

    fn read(&mut self, number: usize, event: &Event<'_>) {
        let socket = match event.half {
            Half::First => {
                self.reading.insert(event.thread.to_owned(), event.on.to_owned());
                return;
            }
            Half::Whole => Some(event.on.to_owned()),
            Half::Second => self.reading.remove(event.thread),
        };
        if let (Some(socket), true) = (socket, event.rest.contains("\"POST ")) {
            self.asked.insert(socket, number);
        }
    }

    fn write(&mut self, event: &Event<'_>, line: &str) {
        if event.half == Half::Second || !event.rest.contains("HTTP/1.1 200") {
            return;
        }
        // A 200 on a socket without a POST answers a GET: it promises nothing.
        let Some(asked) = self.asked.remove(event.on) else { return };
        match self.synced_since {
            Some(began) if began > asked => self.verdict.proven += 1,
            Some(_) => self.verdict.early.push(format!("no sync began after the request and returned before: {line}")),
            None => self.verdict.early.push(format!("nothing was ever synced before: {line}")),
        }
    }
}

/// `4711 12:00:00.000001 fdatasync(9</data/queues>) = 0`, or one half of it.
fn event(line: &str) -> Option<Event<'_>> {
    let (thread, rest) = line.split_once(' ')?;
    let (_time, rest) = rest.trim_start().split_once(' ')?;
    if let Some(resumed) = rest.strip_prefix("<... ") {
        let (call, rest) = resumed.split_once(' ')?;
        return Some(Event { thread, call, on: "", rest, half: Half::Second });
    }
    let (call, rest) = rest.split_once('(')?;
    let end = rest.find(">, ").or_else(|| rest.find(">)")).or_else(|| rest.find("> ")).unwrap_or(0);
    let half = if rest.ends_with("<unfinished ...>") { Half::First } else { Half::Whole };
    Some(Event { thread, call, on: rest.get(..end)?, rest, half })
}

#[cfg(test)]
mod tests {
    use super::judge;

    const READ: &str = r#"7 1.1 recvfrom(12<socket:[99]>, "POST /api HTTP/1.1\r\n"..., 8192, 0, NULL, NULL) = 900"#;
    const SYNC: &str = "8 1.2 fdatasync(9</x/data/broker/queues>) = 0";
    const ANSWER: &str = r#"7 1.3 sendto(12<socket:[99]>, "HTTP/1.1 200 OK\r\n"..., 160, MSG_NOSIGNAL, NULL, 0) = 160"#;

    fn early(lines: &[&str]) -> usize {
        judge(&lines.join("\n"), "/data/broker/").early.len()
    }

    #[test]
    fn read_sync_answer_is_proven() {
        let verdict = judge(&[READ, SYNC, ANSWER].join("\n"), "/data/broker/");
        assert_eq!((verdict.proven, verdict.early.len()), (1, 0));
    }

    #[test]
    fn a_record_without_the_sync_is_refused() {
        assert_eq!(early(&[READ, ANSWER]), 1);
    }

    #[test]
    fn a_sync_before_the_request_or_after_the_answer_is_refused() {
        assert_eq!(early(&[SYNC, READ, ANSWER]), 1);
        assert_eq!(early(&[READ, ANSWER, SYNC]), 1);
    }

    #[test]
    fn a_sync_that_failed_is_refused() {
        let failed = SYNC.replace("= 0", "= -1 EIO (Input/output error)");
        assert_eq!(early(&[READ, &failed, ANSWER]), 1);
    }

    #[test]
    fn a_sync_of_another_file_is_refused() {
        assert_eq!(early(&[READ, &SYNC.replace("broker", "window"), ANSWER]), 1);
    }

    #[test]
    fn a_sync_that_began_before_the_request_or_had_not_returned_is_refused() {
        let begins = "8 1.0 fdatasync(9</x/data/broker/queues> <unfinished ...>";
        let returns = "8 1.25 <... fdatasync resumed>) = 0";
        assert_eq!(early(&[begins, READ, returns, ANSWER]), 1);
        assert_eq!(early(&[READ, begins, ANSWER, returns]), 1);
        assert_eq!(early(&[READ, begins, returns, ANSWER]), 0);
    }

    #[test]
    fn each_request_of_a_connection_needs_its_own_sync() {
        assert_eq!(early(&[READ, SYNC, ANSWER, READ, ANSWER]), 1);
        assert_eq!(early(&[READ, SYNC, ANSWER, READ, SYNC, ANSWER]), 0);
    }

    #[test]
    fn the_answer_to_a_get_needs_no_sync() {
        assert_eq!(early(&[&READ.replace("POST", "GET"), ANSWER]), 0);
    }
}
