//! Breaks the services one place at a time and asks the catalogue alone. `tests/mutants` is its command, and says how.
//!
//! - this file: the command;
//! - `course`: builds the variants and judges each;
//! - `variant`: what is put in the place of the services: a mutant, or a patch;
//! - `functions`, `weave`: many variants in one build;
//! - `tree`: the checkout in which they are built;
//! - `judgement`: how the catalogue judges one (`examples/judge.rs` is the process that plays it);
//! - `records`, `scores`: what was judged, and what it comes to;
//! - `failure`: why the command cannot go on.

mod course;
mod failure;
mod functions;
mod judgement;
mod records;
mod scores;
mod tree;
mod variant;
mod weave;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use course::{Options, judge_all};
use failure::Failure;
use records::Records;
use tree::Tree;
use variant::PARTS;

/// Seeds of each scenario; most defects that the catalogue convicts are convicted under the first.
const SEEDS: u64 = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            tell(&format!("mutants: {failure}"));
            ExitCode::from(2)
        }
    }
}

fn command(arguments: &[String]) -> Result<ExitCode, Failure> {
    let (options, words) = options(arguments)?;
    let repository = Path::new(".");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let folder = target.join("mutants/catalogue");
    std::fs::create_dir_all(&folder).map_err(|error| Failure(format!("make {}: {error}", folder.display())))?;
    let folder = folder.canonicalize().map_err(|error| Failure(format!("find {}: {error}", folder.display())))?;
    let tree = Tree::check_out(repository, &folder)?;
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["catalogue", shard, ref parts @ ..] => {
            let (place, of) = shard_of(shard)?;
            let every: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
            let parts = if parts.is_empty() { every } else { parts.to_vec() };
            let mut variants = Vec::new();
            for part in &parts {
                // Each shard is a sample of every file.
                variants.extend(variant::mutants(&tree, part)?.into_iter().skip(place).step_by(of));
            }
            judge_all(&tree, &folder, &options, &variants)
        }
        ["patches", patches] => {
            let variants = variant::patches(&tree, Path::new(patches))?;
            judge_all(&tree, &folder, &options, &variants)?;
            let records = Records::open(&folder, "patches")?;
            let latest = records.latest();
            let judged = variants.iter().filter_map(|variant| latest.get(variant.key.as_str()).copied());
            tell(&scores::each(judged));
            Ok(ExitCode::SUCCESS)
        }
        ["scores"] => tell_scores(&tree, &folder).map(|()| ExitCode::SUCCESS),
        _ => Err(Failure("understand the arguments: the head of tests/mutants says what there is".to_owned())),
    }
}

fn options(arguments: &[String]) -> Result<(Options, Vec<String>), Failure> {
    let mut options = Options { seeds: SEEDS, jobs: 1, survivors: false };
    let mut words = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let number = arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
            number.ok_or_else(|| Failure(format!("read {argument}: a number from 1 belongs behind it")))
        };
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--jobs" => options.jobs = number()? as usize,
            "--survivors" => options.survivors = true,
            _ => words.push(argument.clone()),
        }
    }
    Ok((options, words))
}

fn shard_of(shard: &str) -> Result<(usize, usize), Failure> {
    let read = || {
        let (place, of) = shard.split_once('/')?;
        let (place, of): (usize, usize) = (place.parse().ok()?, of.parse().ok()?);
        (place < of).then_some((place, of))
    };
    read().ok_or_else(|| Failure(format!("read the shard {shard}: it is like 0/8")))
}

/// The table by parts, and every survivor.
fn tell_scores(tree: &Tree, folder: &Path) -> Result<(), Failure> {
    let mut parts = Vec::new();
    for (part, _) in PARTS {
        parts.push((part, variant::mutants(tree, part)?, Records::open(folder, part)?));
    }
    let rows: Vec<_> = parts
        .iter()
        .map(|(part, mutants, records)| {
            let latest = records.latest();
            let present = mutants.iter().filter_map(|mutant| latest.get(mutant.key.as_str()).copied());
            (*part, mutants.len(), present.collect::<Vec<_>>())
        })
        .collect();
    tell(&scores::by_part(rows.clone()));
    tell(&scores::survivors(rows.into_iter().flat_map(|(_, _, records)| records)));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is a command")]
fn tell(line: &str) {
    println!("{line}");
}
