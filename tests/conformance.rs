//! Holds the rows of `tests/data/*.tsv` against the tests: each row of what exists now is named by a test.
//!
//! A function of a test names rows in its own name (`c_004`, `t15`, `dialect_15`, in any place and number); a script names
//! them in a header line, `# rows: C-077 T17 dialect-20`. What a test does with a row is not looked at here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each file of rows, what its ids begin with, and what a test puts in front of them.
const FILES: [(&str, &str, &str); 3] =
    [("checklist.tsv", "C-", ""), ("threats.tsv", "T", ""), ("dialects.tsv", "", "dialect-")];

/// How many rows each of them has: none is lost from its end.
const COUNTS: [usize; 3] = [164, 21, 71];

#[test]
fn every_row_of_what_exists_is_named_by_a_test() {
    let named = rows_named_by_tests();
    let mut missing = Vec::new();
    for (file, _, before) in FILES {
        for row in rows(file) {
            let name = format!("{before}{}", row.id);
            if row.scope == "now" && !named.contains(&name) {
                missing.push(format!("{name}: {}", row.words));
            }
        }
    }
    assert!(missing.is_empty(), "{} rows have no test:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn tests_name_only_rows_that_there_are() {
    let known: BTreeSet<String> = FILES
        .iter()
        .flat_map(|(file, _, before)| {
            rows(file).into_iter().map(move |row| format!("{before}{}", row.id))
        })
        .collect();
    let unknown: Vec<String> = rows_named_by_tests().difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "no such rows: {}", unknown.join(" "));
}

#[test]
fn rows_are_whole_and_in_order() {
    for ((file, prefix, _), count) in FILES.into_iter().zip(COUNTS) {
        assert_eq!(rows(file).len(), count, "{file}");
        for (index, row) in rows(file).iter().enumerate() {
            let number = row.id.strip_prefix(prefix).map(str::parse);
            assert_eq!(number, Some(Ok(index + 1)), "{file}: {}", row.id);
            assert!(
                ["now", "later"].contains(&row.scope.as_str()),
                "{file}: {}: scope {}",
                row.id,
                row.scope
            );
            assert!(!row.words.trim().is_empty(), "{file}: {}", row.id);
        }
    }
}

#[test]
fn ids_are_found_in_names() {
    let ids = |name| ids_in_name(name).into_iter().collect::<Vec<_>>();
    assert_eq!(ids("c_004_continuation"), ["C-004"]);
    assert_eq!(ids("c_001_c_003_dialect_2_text_is_empty"), ["C-001", "C-003", "dialect-2"]);
    assert_eq!(ids("short_lines_t15"), ["T15"]);
    assert_eq!(ids("at15_abc_004_dialect_4x_c_0041_t_1"), [""; 0]);
}

#[test]
fn only_tests_that_run_count() {
    let source = "
        #[test]
        fn plain() {}
        fn helper() {}
        #[tokio::test(start_paused = true)]
        async fn paused() {}
        #[test]
        #[ignore = \"slow\"]
        fn ignored() {}
        #[test]
        #[cfg(unix)]
        fn property(x in 0..3) {}
    ";
    assert_eq!(test_functions(source), ["plain", "paused", "property"]);
}

struct Row {
    id: String,
    scope: String,
    words: String,
}

fn rows(file: &str) -> Vec<Row> {
    read(&root().join("tests/data").join(file))
        .lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [id, scope, words] = columns[..] else {
                panic!("{file}: three columns wanted: {line}");
            };
            Row { id: id.to_owned(), scope: scope.to_owned(), words: words.to_owned() }
        })
        .collect()
}

fn rows_named_by_tests() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for file in files_below(&root().join("src"), "rs")
        .into_iter()
        .chain(files_below(&root().join("tests"), "rs"))
    {
        // The examples in this file are no tests of rows.
        if file.file_name() != Path::new(file!()).file_name() {
            for function in test_functions(&read(&file)) {
                named.extend(ids_in_name(&function));
            }
        }
    }
    for script in files_below(&root().join("tests/scripts"), "smtp") {
        for line in read(&script).lines() {
            if let Some(ids) = line.strip_prefix("# rows:") {
                named.extend(ids.split_whitespace().map(str::to_owned));
            }
        }
    }
    named
}

/// The names of functions under `#[test]`, `#[tokio::test]` and the like, inside `proptest!` too. An ignored test proves
/// nothing and does not count.
fn test_functions(source: &str) -> Vec<String> {
    let mut functions = Vec::new();
    let (mut test, mut ignored) = (false, false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            test |=
                ["#[test]", "::test]", "::test("].iter().any(|attribute| line.contains(attribute));
            ignored |= line.starts_with("#[ignore");
        } else if let Some((before, after)) = line.split_once("fn ")
            && (before.is_empty() || before.ends_with(' '))
        {
            if test && !ignored {
                let end = after.find(['(', '<']).unwrap_or(after.len());
                functions.push(after[..end].to_owned());
            }
            (test, ignored) = (false, false);
        }
    }
    functions
}

fn ids_in_name(name: &str) -> BTreeSet<String> {
    let words: Vec<&str> = name.split('_').collect();
    let digits = |word: &&str| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    let mut ids = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        let number = words.get(index + 1).filter(|next| digits(next));
        match (*word, number) {
            ("c", Some(number)) if number.len() == 3 => ids.insert(format!("C-{number}")),
            ("dialect", Some(number)) => ids.insert(format!("dialect-{number}")),
            _ => match word.strip_prefix('t').filter(digits) {
                Some(number) => ids.insert(format!("T{number}")),
                None => false,
            },
        };
    }
    ids
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
