//! What is on disk after how much, after a restart, after a loss of power, and on a full disk.

use super::*;

const MEBIBYTE: usize = 1 << 20;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn noon() -> DateTime<Utc> {
    at("2026-01-31T12:00:00Z")
}

/// Names of the files there, oldest first, the one that is written last.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "lock");
    names.sort_unstable();
    names
}

#[test]
fn however_much_is_recorded_there_are_so_many_files_of_that_size_and_the_newest_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Files::new(directory.path().to_owned(), 3, MEBIBYTE as u64);
    let lines = |number: usize| format!("{number:01023}\n").repeat(600).into_bytes();
    for number in 0..20 {
        files.append(Series::Sales, &lines(number), noon()).unwrap();
    }
    let names = names(directory.path());
    assert_eq!(names.len(), 3, "{names:?}");
    for name in &names {
        assert!(fs::metadata(directory.path().join(name)).unwrap().len() <= MEBIBYTE as u64, "{name}");
    }
    let kept: Vec<_> = names.iter().map(|name| fs::read(directory.path().join(name)).unwrap()).collect();
    assert!([17, 18, 19].iter().all(|number| kept.contains(&lines(*number))), "{names:?}");
}

#[test]
fn two_processes_that_want_one_directory_do_not_cut_off_each_others_records() {
    let home = tempfile::tempdir().unwrap();
    let wanted = home.path().join("audit");
    let mut first = Files::new(wanted.clone(), 2, MEBIBYTE as u64);
    let mut second = Files::new(wanted.clone(), 2, MEBIBYTE as u64);
    first.append(Series::Access, b"one\n", Utc::now()).unwrap();
    second.append(Series::Access, b"two\n", Utc::now()).unwrap();
    assert_eq!(fs::read(wanted.join("access.jsonl")).unwrap(), b"one\n");
    assert_eq!(fs::read(home.path().join("audit-2/access.jsonl")).unwrap(), b"two\n");

    drop(first);
    let mut third = Files::new(wanted.clone(), 2, MEBIBYTE as u64);
    third.append(Series::Access, b"three\n", Utc::now()).unwrap();
    assert_eq!(fs::read(wanted.join("access.jsonl")).unwrap(), b"one\nthree\n");
}

#[test]
fn a_flood_of_sales_pushes_nobody_out_who_tried_to_log_in() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Files::new(directory.path().to_owned(), 2, MEBIBYTE as u64);
    files.append(Series::Access, b"an intruder\n", noon()).unwrap();
    for _ in 0..5 {
        files.append(Series::Sales, &vec![b'x'; MEBIBYTE], noon()).unwrap();
    }
    assert_eq!(names(directory.path()), ["access.jsonl", "sales.000004.jsonl", "sales.jsonl"]);
    assert_eq!(fs::read(directory.path().join("access.jsonl")).unwrap(), b"an intruder\n");
}

#[test]
fn each_day_has_a_file_of_its_own_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.jsonl");
    let files = || Files::new(directory.path().to_owned(), 9, MEBIBYTE as u64);
    files().append(Series::Access, b"yesterday\n", noon()).unwrap();
    let yesterday = std::time::SystemTime::from(noon());
    File::options().append(true).open(&path).unwrap().set_modified(yesterday).unwrap();

    files().append(Series::Access, b"today\n", at("2026-02-01T00:00:01Z")).unwrap();
    files().append(Series::Access, b"", at("2026-03-01T00:00:01Z")).unwrap();

    assert_eq!(names(directory.path()), ["access.000001.jsonl", "access.jsonl"]);
    assert_eq!(fs::read(path).unwrap(), b"today\n");
}

#[test]
fn a_restart_goes_on_in_the_same_file_and_half_a_line_is_not_glued_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.jsonl");
    let now = Utc::now();
    for line in ["first\n", "second\n", "half a li"] {
        Files::new(directory.path().to_owned(), 9, MEBIBYTE as u64)
            .append(Series::Access, line.as_bytes(), now)
            .unwrap();
    }
    Files::new(directory.path().to_owned(), 9, MEBIBYTE as u64).append(Series::Access, b"third\n", now).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "first\nsecond\nhalf a li\nthird\n");
}

#[test]
fn a_file_that_somebody_moves_away_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (directory.path().join("access.jsonl"), directory.path().join("taken"));
    let mut files = Files::new(directory.path().to_owned(), 9, MEBIBYTE as u64);
    files.append(Series::Access, b"first\n", noon()).unwrap();
    fs::rename(&path, &elsewhere).unwrap();
    files.append(Series::Access, b"second\n", noon()).unwrap();
    assert_eq!((fs::read(elsewhere).unwrap(), fs::read(path).unwrap()), (b"first\n".to_vec(), b"second\n".to_vec()));
}

#[test]
fn others_on_the_machine_cannot_read_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Files::new(directory.path().to_owned(), 9, MEBIBYTE as u64);
    files.append(Series::Access, b"x\n", noon()).unwrap();
    let mode = fs::metadata(directory.path().join("access.jsonl")).unwrap().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}
