//! Why two runs of one plan may differ: what the difference looks like, and which libraries of this program are known to
//! draw from what no run controls.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use memchr::memmem;

/// A library whose draws no run controls.
struct Suspect {
    /// Its name.
    name: &'static str,
    /// What is in a program that uses it that way: a part of a mangled name, or of a source's path. Without the `~`, which
    /// keeps this table itself from being what is found.
    traces: [&'static str; 2],
    /// What it does, and what to do instead.
    why: &'static str,
}

const SUSPECTS: [Suspect; 7] = [
    Suspect {
        name: "ahash",
        traces: ["5ahash~12random_state", "/ahash~-0.8"],
        why: "counts its hashers for the whole process; use std's HashMap, a BTreeMap, or ahash::RandomState::with_seeds",
    },
    Suspect {
        name: "uuid",
        traces: ["6now~_v7", "6now~_v1"],
        why: "counts the UUIDs of versions 1 and 7 for the whole process; use Uuid::new_v7(Timestamp::now(NoContext)), or \
              Uuid::new_v4",
    },
    Suspect {
        name: "futures::select!",
        traces: ["11async_await~6random", "async_await~/random.rs"],
        why: "draws from a generator that is seeded by a counter of the whole process; use futures::select_biased! or \
              tokio::select!",
    },
    Suspect {
        name: "tokio_stream::StreamMap",
        traces: ["10stream~_map", "src/stream~_map.rs"],
        why: "begins at a place that a counter of the whole process decides; poll the streams in an order of your own",
    },
    Suspect {
        name: "rustix",
        traces: ["6rustix~4rand", "8linux_raw~4rand"],
        why: "draws past libc (rustix::rand::getrandom); use the crate getrandom or rand",
    },
    Suspect {
        name: "minstant",
        traces: ["8minstant~3", "/minstant~-0"],
        why: "measures the processor's counter before any run begins; read std::time::Instant",
    },
    Suspect {
        name: "aws-lc",
        traces: ["aws_lc~_0_", "/aws-lc-sys~-"],
        why: "draws past libc; install rustls's provider `ring` in the service's tests (rustls::crypto::ring)",
    },
];

/// What may be behind a difference, in sentences.
pub(crate) fn of(difference: &str) -> String {
    let linked = std::env::current_exe().ok().map(|program| linked(&program)).unwrap_or_default();
    sentences(difference, &linked)
}

fn sentences(difference: &str, linked: &[&Suspect]) -> String {
    let mut text = match symptom(difference) {
        Some(symptom) => format!("It looks like {symptom}."),
        None => {
            "Usual causes are a counter or cache in a `static`, an address in a text, a hash map with a hasher of its \
                 own, and what the service reads of the machine."
                .to_owned()
        }
    };
    for suspect in linked {
        text.push_str(&format!(" This program links {}, which {}.", suspect.name, suspect.why));
    }
    text
}

/// What the two records that differ look like.
fn symptom(difference: &str) -> Option<&'static str> {
    let quoted: Vec<_> = difference.split('`').skip(1).step_by(2).collect();
    let (Some(one), Some(other)) = (quoted.first(), quoted.get(1)) else { return None };
    if one.contains("ThreadId(") && other.contains("ThreadId(") {
        return Some("a thread's number, which counts the threads of the whole process: leave it out of the text");
    }
    if is_uuid_of(one, b'7') || is_uuid_of(one, b'1') {
        return Some("a UUID of version 7 or 1, whose counter is one for the whole process");
    }
    if has_address(one) && has_address(other) {
        return Some("an address of memory: leave it out of texts, and order and hash by something else");
    }
    if one.contains("Id(") && other.contains("Id(") {
        return Some("a task's or span's id, which is counted for the whole process: leave it out of the text");
    }
    if one.contains("SystemTime {") {
        return Some("a time of the real machine, such as a file's: read SystemTime::now instead");
    }
    if one != other && sorted(one) == sorted(other) {
        return Some(
            "the same things in another order, as from a hash map whose hasher is seeded for the whole process or by an \
             address (ahash, hashbrown's default, pointers as keys): use std's HashMap or a BTreeMap",
        );
    }
    None
}

fn sorted(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.sort_unstable();
    bytes
}

/// Whether there is a UUID of this version in a text: `xxxxxxxx-xxxx-Vxxx-...`.
fn is_uuid_of(text: &str, version: u8) -> bool {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    text.as_bytes().windows(36).any(|window| {
        window[14] == version
            && window.iter().enumerate().all(|(place, byte)| match DASHES.contains(&place) {
                true => *byte == b'-',
                false => byte.is_ascii_hexdigit(),
            })
    })
}

fn has_address(text: &str) -> bool {
    text.match_indices("0x").any(|(at, _)| text[at + 2..].bytes().take_while(u8::is_ascii_hexdigit).count() >= 9)
}

/// The suspects that a program has traces of.
fn linked(program: &Path) -> Vec<&'static Suspect> {
    let mut bytes = Vec::new();
    // A program that cannot be read is not accused of anything.
    let read = File::open(program).and_then(|mut file| file.read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let found = |suspect: &&Suspect| {
        suspect.traces.iter().any(|trace| memmem::find(&bytes, trace.replace('~', "").as_bytes()).is_some())
    };
    SUSPECTS.iter().filter(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(one: &str, other: &str) -> String {
        format!("record #2 is `0s alice: gauge v: {one}` in one run and `0s alice: gauge v: {other}` in the other")
    }

    #[test]
    fn each_symptom_is_told_by_its_name() {
        let expected = [
            ("ThreadId(5)", "ThreadId(7)", "a thread's number"),
            ("018bcfe5-6803-7428-9e30-c5cf2e05629c", "018bcfe5-6803-7428-9e30-c5d32e05629c", "a UUID of version 7"),
            ("0x7f370c00d9f0", "0x7f370c00d9c0", "an address"),
            ("Some(Id(274877906945))", "Some(Id(2252074691592193))", "a task's or span's id"),
            ("SystemTime { tv_sec: 1 }", "SystemTime { tv_sec: 2 }", "a time of the real machine"),
            ("[0, 20, 6, 7]", "[20, 0, 7, 6]", "the same things in another order"),
        ];
        for (one, other, symptom) in expected {
            let told = sentences(&differ(one, other), &[]);
            assert!(told.contains(symptom), "{told}");
        }
        let told = sentences(&differ("1", "2"), &[&SUSPECTS[2]]);
        assert!(told.contains("Usual causes") && told.contains("links futures::select!"), "{told}");
        assert!(told.contains("tokio::select!"), "{told}");
    }

    #[test]
    fn a_uuid_of_version_4_and_short_numbers_are_no_symptoms() {
        assert_eq!(symptom(&differ("018bcfe5-6803-4428-9e30-c5cf2e05629c", "x")), None);
        assert_eq!(symptom(&differ("seed 0x1f", "seed 0x20")), None);
        assert_eq!(symptom("the records agree and the hashes do not (1 and 2)"), None);
    }

    #[test]
    fn a_program_is_searched_for_traces() {
        let folder = std::env::temp_dir().join(format!("halfopen-suspects-{}", std::process::id()));
        std::fs::write(&folder, b"\x7fELF _ZN5ahash12random_state11RandomState3new17h0E").expect("a file");
        let names: Vec<_> = linked(&folder).iter().map(|suspect| suspect.name).collect();
        std::fs::remove_file(&folder).expect("the file");
        assert_eq!(names, ["ahash"]);
    }
}
