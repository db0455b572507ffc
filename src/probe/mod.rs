//! What is wrong with a server, and what to do about it: tools built on the client. How a
//! conversation goes is decided below; here it is looked at.
//!
//! | file | what it holds |
//! |---|---|
//! | `diagnosis/` | from an error or a refusal to its likely cause |

mod diagnosis;

pub use diagnosis::{Confidence, Diagnosis, DiagnosisKind, FilteredBy};
