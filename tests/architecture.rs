//! The rules of ARCHITECTURE.md, held against the source.

#![allow(clippy::unwrap_used, reason = "what fails here is to be seen")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and those it must not name.
const LAYERS: [(&str, &[&str]); 7] = [
    ("wire", &["extension", "auth", "protocol", "net", "probe", "testing", "error"]),
    ("extension", &["auth", "protocol", "net", "probe", "testing", "error"]),
    ("auth", &["extension", "protocol", "net", "probe", "testing", "error"]),
    ("protocol", &["net", "probe", "testing", "error"]),
    ("net", &["probe", "testing"]),
    ("probe", &["testing"]),
    ("testing", &["probe"]),
];

/// What the sources of a layer must not mention, beside other layers.
const FOREIGN: [&str; 3] = ["tokio", "rustls", "std::net::Tcp"];

#[test]
fn imports_go_down_only() {
    for (layer, forbidden) in LAYERS {
        for (path, code) in sources(layer) {
            for other in forbidden {
                for door in [format!("crate::{other}"), format!("super::super::{other}")] {
                    assert!(!code.contains(&door), "{} names {door}", path.display());
                }
            }
        }
    }
}

#[test]
fn only_net_names_tokio_and_rustls() {
    for layer in ["wire", "extension", "auth", "protocol"] {
        for (path, code) in sources(layer) {
            for foreign in FOREIGN {
                assert!(!code.contains(foreign), "{} names {foreign}", path.display());
            }
        }
    }
}

#[test]
fn every_file_says_what_belongs_in_it() {
    for path in files(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} has no opening words", path.display());
    }
}

#[test]
fn every_map_names_every_file() {
    for map in files(&root().join("src")).into_iter().filter(|path| path.ends_with("mod.rs")) {
        let text = fs::read_to_string(&map).unwrap();
        for entry in fs::read_dir(map.parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if matches!(&*name, "mod" | "tests" | "arbitrary") {
                continue;
            }
            let is_named = text
                .lines()
                .filter(|line| line.starts_with("//! |") || line.starts_with("// |"))
                .any(|line| {
                    line.contains(&format!("`{name}`")) || line.contains(&format!("`{name}/`"))
                });
            let is_in_list =
                map.ends_with("extension/mod.rs") && text.contains(&format!("{name}::"));
            assert!(is_named || is_in_list, "{} does not name {name}", map.display());
        }
    }
}

/// `EHLO_PRINT_DIAGRAM=1 cargo test --test architecture` writes it anew.
#[test]
fn the_diagram_is_the_table() {
    const FENCE: &str = "```mermaid\n";
    let path = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, drawn) = text.split_once(FENCE).unwrap();
    let printed = format!("{}```\n", ehlo::Phase::diagram());
    if std::env::var_os("EHLO_PRINT_DIAGRAM").is_some() {
        fs::write(&path, format!("{before}{FENCE}{printed}")).unwrap();
    } else {
        assert_eq!(drawn, printed);
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The sources of a layer without their comments.
fn sources(layer: &str) -> Vec<(PathBuf, String)> {
    let without_comments = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<_> =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (path, code.join("\n"))
    };
    let all: Vec<_> =
        files(&root().join("src").join(layer)).into_iter().map(without_comments).collect();
    assert!(!all.is_empty(), "{layer} has no sources");
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}
